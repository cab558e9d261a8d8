//! The folders of a demonstration: certificates, and the device's settings.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use iothub_provision::pki::{Certificate, Identity, Pki};
use time::OffsetDateTime;

use crate::Error;

/// The hub's name. The simulated network resolves it to the loopback address.
pub const HOSTNAME: &str = "my-hub.azure-devices.net";

/// The device's id: an IMEI, as is the custom for nRF91.
pub const DEVICE_ID: &str = "352656100367872";

/// The security tag of the credentials, as in `zephyr/Kconfig`.
pub(crate) const SEC_TAG: u32 = 10;

/// The folders and certificates of one demonstration.
#[derive(Debug)]
pub struct Setup {
    data: PathBuf,
    pki: Pki,
}

impl Setup {
    /// Makes what is missing under `data`; what is there stays.
    ///
    /// # Errors
    /// A folder cannot be written, or what is in it cannot be used.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let unusable = |path: &Path, source| Error::data(data, Error::path(path, source));
        fs::create_dir_all(data).map_err(|source| unusable(data, source))?;
        for folder in ["device", "hub", "images"].map(|name| data.join(name)) {
            fs::create_dir_all(&folder).map_err(|source| unusable(&folder, source))?;
        }
        let pki = Pki::development(data.join("pki"), OffsetDateTime::now_utc())
            .map_err(|error| Error::certificates(data, &error))?;
        let setup = Self {
            data: data.to_owned(),
            pki,
        };
        setup.setting(HUB_SETTING, HOSTNAME)?;
        Ok(setup)
    }

    /// The folder of it all.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The device's own folder: its modem's credential store and its settings.
    pub fn device_data(&self) -> PathBuf {
        self.data.join("device")
    }

    /// The hub's own folder.
    pub fn hub_data(&self) -> PathBuf {
        self.data.join("hub")
    }

    /// The folder of the firmware images that the hub serves.
    pub fn images(&self) -> PathBuf {
        self.data.join("images")
    }

    /// Where the device keeps its firmware, once it has run.
    pub(crate) fn firmware(&self) -> PathBuf {
        self.device_data().join("firmware")
    }

    /// Puts an image into that folder, as `{version}.bin`; returns its size. A program that runs it
    /// takes the options in its `body` over those of its command line: see the role `device`.
    ///
    /// # Errors
    /// The version is not of the form `1.2.3`, or the folder cannot be written.
    pub fn image(&self, version: &str, body: &[u8]) -> Result<u64, Error> {
        let image = iothub_host::firmware_image(version, body)
            .ok_or_else(|| Error::new(format!("{version} is not of the form 1.2.3")))?;
        let folder = self.images();
        fs::create_dir_all(&folder).map_err(|source| Error::path(&folder, source))?;
        let path = folder.join(format!("{version}.bin"));
        fs::write(&path, &image).map_err(|source| Error::path(&path, source))?;
        Ok(image.len() as u64)
    }

    /// The folder of the device's credentials.
    pub fn credentials(&self) -> PathBuf {
        self.device_data()
            .join(format!("modem/credentials/{SEC_TAG}"))
    }

    /// Where the device's key would lie if the modem had not made it.
    pub(crate) fn device_key(&self) -> PathBuf {
        self.pki.device_file(DEVICE_ID, "key")
    }

    /// The hub's chain and key, PEM.
    pub(crate) fn server(&self) -> Result<Identity, Error> {
        let names = [HOSTNAME, "localhost", "127.0.0.1"];
        self.pki
            .server("hub", &names, OffsetDateTime::now_utc())
            .map_err(|error| Error::certificates(&self.data, &error))
    }

    /// The root of the development PKI, PEM: what devices and their like must trust.
    pub(crate) fn root_pem(&self) -> Result<String, Error> {
        let roots = self.pki.roots();
        let roots = roots.map_err(|error| Error::certificates(&self.data, &error))?;
        Ok(roots.iter().map(Certificate::pem).collect())
    }

    /// Sets one of the device's settings.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn setting(&self, key: &str, value: &str) -> Result<(), Error> {
        write_setting(&self.device_data(), key, value)
            .map_err(|error| Error::data(&self.data, error))
    }
}

/// Takes a folder for one process; `whose` says what else may have it.
pub(crate) fn lock(folder: &Path, whose: &str) -> Result<File, Error> {
    let path = folder.join("lock");
    let file =
        File::create(&path).map_err(|source| Error::data(folder, Error::path(&path, source)))?;
    file.try_lock().map_err(|_| {
        Error::new(format!(
            "{} is in use by another {whose}: end that one, or name another folder with --data",
            folder.display()
        ))
    })?;
    Ok(file)
}

/// Whether a device's folder has this setting.
pub(crate) fn has_setting(device_data: &Path, key: &str) -> bool {
    setting_file(device_data, key).exists()
}

/// Takes a setting out of a device's folder.
pub(crate) fn erase_setting(device_data: &Path, key: &str) -> Result<(), Error> {
    let path = setting_file(device_data, key);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::path(&path, source))
        }
        _ => Ok(()),
    }
}

/// Puts a setting into a device's folder.
pub(crate) fn write_setting(device_data: &Path, key: &str, value: &str) -> Result<(), Error> {
    let path = setting_file(device_data, key);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::path(folder, source))?;
    }
    fs::write(&path, value).map_err(|source| Error::path(&path, source))
}

fn setting_file(device_data: &Path, key: &str) -> PathBuf {
    device_data.join("settings").join(key)
}

/// Which hub.
pub(crate) const HUB_SETTING: &str = "iothub/hostname";
