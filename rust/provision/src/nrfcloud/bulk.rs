//! The two CSV forms of nRF Cloud's bulk calls. Neither has a head; lines end with LF.

use crate::error::{Error, Kind};
use crate::pki::Certificate;

/// What may be updated over the air on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum FirmwareType {
    /// The application.
    App,
    /// The modem.
    Modem,
    /// The application's boot loader.
    Boot,
    /// The SoftDevice of a Bluetooth chip.
    Softdevice,
    /// The boot loader of a Bluetooth chip.
    Bootloader,
}

impl FirmwareType {
    fn name(self) -> &'static str {
        match self {
            FirmwareType::App => "APP",
            FirmwareType::Modem => "MODEM",
            FirmwareType::Boot => "BOOT",
            FirmwareType::Softdevice => "SOFTDEVICE",
            FirmwareType::Bootloader => "BOOTLOADER",
        }
    }
}

/// One device of `OnboardDevices`.
#[derive(Clone, Debug)]
pub struct OnboardRow<'a> {
    /// The device id. nRF Cloud does not ask that the certificate names it.
    pub id: &'a str,
    /// A kind of thing, free text.
    pub sub_type: &'a str,
    /// Groups that it belongs to.
    pub tags: &'a [String],
    /// What may be updated.
    pub firmware: &'a [FirmwareType],
    /// The certificate of the device.
    pub certificate: &'a Certificate,
}

/// `deviceId,subType,tag1|tag2,APP|MODEM,"PEM"`: the PEM is quoted and keeps its line ends, the
/// last one too.
///
/// # Errors
/// [`Kind::Usage`] for more than [`MOST_ROWS`] rows, or a field with a separator in it.
pub fn onboard_csv(rows: &[OnboardRow<'_>]) -> Result<String, Error> {
    check_count(rows.len())?;
    let mut text = String::new();
    for row in rows {
        [row.id, row.sub_type]
            .into_iter()
            .try_for_each(check_field)?;
        row.tags.iter().try_for_each(|tag| check_field(tag))?;
        let firmware: Vec<&str> = row.firmware.iter().map(|kind| kind.name()).collect();
        let (tags, firmware, pem) = (
            row.tags.join("|"),
            firmware.join("|"),
            row.certificate.pem(),
        );
        text.push_str(&format!(
            "{},{},{tags},{firmware},\"{pem}\"\n",
            row.id, row.sub_type
        ));
    }
    Ok(text)
}

/// `deviceId,PEM`: the PEM is *not* quoted, as in nRF Cloud's guide.
///
/// # Errors
/// As [`onboard_csv`].
pub fn public_keys_csv(rows: &[(String, String)]) -> Result<String, Error> {
    check_count(rows.len())?;
    let mut text = String::new();
    for (id, pem) in rows {
        check_field(id)?;
        text.push_str(&format!("{id},{pem}"));
    }
    Ok(text)
}

fn check_count(rows: usize) -> Result<(), Error> {
    if (1..=MOST_ROWS).contains(&rows) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        format!("{rows} devices; nRF Cloud takes 1 to {MOST_ROWS} at once"),
    )
    .advise("split the list"))
}

fn check_field(text: &str) -> Result<(), Error> {
    match text
        .chars()
        .find(|c| matches!(c, ',' | '|' | '"' | '\n' | '\r'))
    {
        None => Ok(()),
        Some(c) => Err(Error::new(
            Kind::Usage,
            format!("{text:?} must not have {c:?} in it"),
        )),
    }
}

/// How many rows one call takes.
pub const MOST_ROWS: usize = 1000;
