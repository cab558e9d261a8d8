//! Who the device is, and where its hub: the settings, else Kconfig, else the hardware.

use core::ffi::CStr;

use iothub_proto::dps::{self, Assignment};
use ncs::{Plain, settings};

use crate::kconfig;

/// Settings that override Kconfig on every platform.
pub(crate) mod key {
    use core::ffi::CStr;

    pub(crate) const HOSTNAME: &CStr = c"iothub/hostname";
    pub(crate) const DEVICE_ID: &CStr = c"iothub/device_id";
    pub(crate) const APN: &CStr = c"iothub/apn";
    pub(crate) const DPS_ID_SCOPE: &CStr = c"iothub/dps/id_scope";
    pub(crate) const DPS_ENDPOINT: &CStr = c"iothub/dps/endpoint";
    pub(crate) const DPS_REGISTRATION_ID: &CStr = c"iothub/dps/registration_id";
    pub(crate) const ASSIGNED_HUB: &CStr = c"iothub/dps/assigned_hub";
    pub(crate) const ASSIGNED_DEVICE_ID: &CStr = c"iothub/dps/assigned_device_id";
    pub(crate) const ATTEMPTS: &CStr = c"iothub/attempts";
}

/// Longest host name, device id or id scope in bytes.
const TEXT: usize = 128;

pub(crate) type Text = heapless::String<TEXT>;

/// The strings of a configuration, on the stack while the client is made.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) hostname: Text,
    pub(crate) device_id: Text,
    has_dps: bool,
    id_scope: Text,
    endpoint: Text,
    registration_id: Text,
    assigned_hub: Text,
    assigned_device_id: Text,
}

/// Who the device is to be, where the application says so: see [`Options`](crate::Options). An empty text stands for
/// what the settings, Kconfig or the hardware say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Who<'a> {
    /// As configured: by DPS where it has an ID scope, else the configured hub.
    #[default]
    Configured,
    /// As configured, under this id: the device's, and where DPS is asked the registration's.
    Device(&'a str),
    /// At this hub, without DPS.
    Hub {
        /// The hub.
        hostname: &'a str,
        /// The device.
        device_id: &'a str,
    },
    /// Where DPS says; what it said before is tried first.
    Provisioned {
        /// The ID scope.
        id_scope: &'a str,
        /// The registration id.
        registration_id: &'a str,
    },
    /// As `Provisioned`, but DPS is asked whatever it said before.
    Registered {
        /// The ID scope.
        id_scope: &'a str,
        /// The registration id.
        registration_id: &'a str,
    },
}

impl Identity {
    pub(crate) fn load(&mut self, who: &Who<'_>) {
        let (hostname, device_id, id_scope, registration_id, dps) = match *who {
            Who::Configured => ("", "", "", "", None),
            Who::Device(id) => ("", id, "", id, None),
            Who::Hub {
                hostname,
                device_id,
            } => (hostname, device_id, "", "", Some(false)),
            Who::Provisioned {
                id_scope,
                registration_id,
            }
            | Who::Registered {
                id_scope,
                registration_id,
            } => ("", "", id_scope, registration_id, Some(true)),
        };
        let device = &mut self.device_id;
        choose(device, device_id, key::DEVICE_ID, kconfig::IOTHUB_DEVICE_ID);
        if device.is_empty() && kconfig::IOTHUB_DEVICE_ID_HARDWARE {
            hardware_id(device);
        }
        let hub = &mut self.hostname;
        choose(hub, hostname, key::HOSTNAME, kconfig::IOTHUB_HOSTNAME);
        if kconfig::IOTHUB_DPS || dps == Some(true) {
            self.load_dps(id_scope, registration_id, dps);
        }
        // Where DPS is to be asked, what it said before does not count.
        if matches!(who, Who::Registered { .. }) {
            self.assigned_hub.clear();
        }
    }

    fn load_dps(&mut self, id_scope: &str, registration_id: &str, dps: Option<bool>) {
        let scope = &mut self.id_scope;
        choose(
            scope,
            id_scope,
            key::DPS_ID_SCOPE,
            kconfig::IOTHUB_DPS_ID_SCOPE,
        );
        self.has_dps = dps.unwrap_or(!scope.is_empty());
        if !self.has_dps {
            return;
        }
        let endpoint = &mut self.endpoint;
        choose(
            endpoint,
            "",
            key::DPS_ENDPOINT,
            kconfig::IOTHUB_DPS_HOSTNAME,
        );
        choose(
            &mut self.registration_id,
            registration_id,
            key::DPS_REGISTRATION_ID,
            kconfig::IOTHUB_DPS_REGISTRATION_ID,
        );
        if self.registration_id.is_empty() {
            set(&mut self.registration_id, &self.device_id);
        }
        choose(&mut self.assigned_hub, "", key::ASSIGNED_HUB, "");
        choose(
            &mut self.assigned_device_id,
            "",
            key::ASSIGNED_DEVICE_ID,
            "",
        );
    }

    pub(crate) fn dps(&self) -> Option<dps::Config<'_>> {
        self.has_dps.then(|| {
            let mut config = dps::Config::new(&self.id_scope, &self.registration_id);
            config.hostname = &self.endpoint;
            config
        })
    }

    pub(crate) fn assignment(&self) -> Option<Assignment<'_>> {
        let is_there = !(self.assigned_hub.is_empty() || self.assigned_device_id.is_empty());
        is_there.then_some(Assignment {
            hostname: &self.assigned_hub,
            device_id: &self.assigned_device_id,
        })
    }
}

/// Longest access point name in bytes (3GPP TS 23.003, 9.1).
const APN: usize = 100;

/// The access point name, with a 0 at its end; `None`: the network chooses.
pub(crate) fn apn() -> Option<Text> {
    let mut apn = Text::new();
    choose(&mut apn, "", key::APN, kconfig::IOTHUB_APN);
    if apn.is_empty() {
        return None;
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if apn.len() > APN || !apn.bytes().all(allowed) {
        log::error!("the setting iothub/apn is no access point name: it is ignored");
        return None;
    }
    apn.push('\0').ok()?;
    Some(apn)
}

/// Remembers what DPS assigned.
pub(crate) fn store_assignment(hostname: &str, device_id: &str) -> Result<(), ncs::Errno> {
    settings::write(key::ASSIGNED_HUB, hostname.as_bytes())?;
    settings::write(key::ASSIGNED_DEVICE_ID, device_id.as_bytes())
}

/// Failed connects in a row, as far as they are kept over a reboot.
pub(crate) struct Attempts(u32);

impl Attempts {
    /// From where on the back-off is at its longest, and a further one is not worth a write to flash.
    const MAX: u32 = 9;

    pub(crate) fn load() -> Self {
        let mut buffer = [0; 1];
        let kept = match settings::read(key::ATTEMPTS, &mut buffer) {
            Ok(Some([digit @ b'0'..=b'9'])) => u32::from(digit - b'0'),
            _ => 0,
        };
        Self(kept)
    }

    pub(crate) const fn count(&self) -> u32 {
        self.0
    }

    /// Keeps the count, if it is another than before.
    pub(crate) fn keep(&mut self, attempts: u32) {
        let attempts = attempts.min(Self::MAX);
        if attempts == self.0 {
            return;
        }
        self.0 = attempts;
        let kept = if attempts == 0 {
            settings::delete(key::ATTEMPTS)
        } else {
            settings::write(key::ATTEMPTS, &[b'0' + attempts as u8])
        };
        if let Err(errno) = kept {
            log::warn!("the number of failed connects cannot be kept: {errno}");
        }
    }
}

/// One of the two names that DPS assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// The hub's host name.
    Hub,
    /// The device id at that hub.
    DeviceId,
}

impl Assigned {
    fn key(self) -> &'static CStr {
        match self {
            Self::Hub => key::ASSIGNED_HUB,
            Self::DeviceId => key::ASSIGNED_DEVICE_ID,
        }
    }

    /// What DPS assigned last, as it is remembered over reboots, copied to `buffer`. `None` where there is none, or it
    /// does not fit.
    pub fn load(self, buffer: &mut [u8]) -> Option<&str> {
        let mut value = Text::new();
        setting(&mut value, self.key());
        if value.is_empty() {
            return None;
        }
        let place = buffer.get_mut(..value.len())?;
        place.copy_from_slice(value.as_bytes());
        core::str::from_utf8(place).ok()
    }

    /// Forgets it, so that the next [`start`](crate::start) asks DPS again.
    ///
    /// # Errors
    /// What the platform's settings say.
    pub fn forget(self) -> Result<(), iothub_proto::Errno> {
        settings::delete(self.key()).map_err(|errno| iothub_proto::Errno(errno.get()))
    }
}

/// Forgets what DPS assigned.
pub(crate) fn erase_assignment() -> Result<(), ncs::Errno> {
    settings::delete(key::ASSIGNED_HUB)?;
    settings::delete(key::ASSIGNED_DEVICE_ID)
}

/// What was given, else the setting, else the default; empty where there is none of them.
fn choose(target: &mut Text, given: &str, key: &CStr, default: &str) {
    set(target, given);
    if target.is_empty() {
        setting(target, key);
    }
    if target.is_empty() {
        set(target, default);
    }
}

/// Empty where there is none.
fn setting(target: &mut Text, key: &CStr) {
    let mut buffer = [0; TEXT];
    match settings::read(key, &mut buffer) {
        Ok(value) => match core::str::from_utf8(value.unwrap_or_default().trim_ascii_end()) {
            Ok(value) => set(target, value),
            Err(_) => log::error!("the setting {} is not text: it is ignored", name(key)),
        },
        Err(errno) => log::error!("the setting {} cannot be read: {errno}", name(key)),
    }
}

fn name(key: &CStr) -> Plain<'_> {
    Plain(key.to_str().unwrap_or_default())
}

fn hardware_id(target: &mut Text) {
    let mut buffer = [0; TEXT];
    match ncs::platform::hardware_id(&mut buffer) {
        Ok(id) => set(target, id),
        Err(errno) => log::error!("the hardware gives no id: {errno}"),
    }
}

/// Longer texts are left out, so that a cut one is never taken for a name.
fn set(target: &mut Text, text: &str) {
    target.clear();
    let _ = target.push_str(text);
}
