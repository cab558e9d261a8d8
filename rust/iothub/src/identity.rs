//! Who the device is, and where its hub: the settings, else Kconfig, else the hardware.

use core::ffi::CStr;

use iothub_proto::{
    dps::{self, Assignment},
    reconnect::Failures,
};
use ncs::{Plain, settings};

use crate::{fota, interval, kconfig};

/// A text of the settings.
pub(crate) struct Setting {
    pub(crate) key: &'static CStr,
    /// Anything else is damaged, and counts as absent.
    is_valid: fn(&str) -> bool,
}

/// Settings that override Kconfig on every platform.
pub(crate) mod key {
    use core::ffi::CStr;

    use iothub_proto::{
        dps::{is_id_scope, is_registration_id},
        is_hostname, is_id,
    };

    use super::{Setting, is_apn};

    const fn new(key: &'static CStr, is_valid: fn(&str) -> bool) -> Setting {
        Setting { key, is_valid }
    }

    pub(crate) const HOSTNAME: Setting = new(c"iothub/hostname", is_hostname);
    pub(crate) const DEVICE_ID: Setting = new(c"iothub/device_id", is_id);
    pub(crate) const APN: Setting = new(c"iothub/apn", is_apn);
    pub(crate) const DPS_ID_SCOPE: Setting = new(c"iothub/dps/id_scope", is_id_scope);
    pub(crate) const DPS_ENDPOINT: Setting = new(c"iothub/dps/endpoint", is_hostname);
    pub(crate) const DPS_REGISTRATION_ID: Setting =
        new(c"iothub/dps/registration_id", is_registration_id);
    pub(crate) const ASSIGNED_HUB: Setting = new(c"iothub/dps/assigned_hub", is_hostname);
    pub(crate) const ASSIGNED_DEVICE_ID: Setting = new(c"iothub/dps/assigned_device_id", is_id);
    pub(crate) const ATTEMPTS: &CStr = c"iothub/attempts";
    /// Where Nordic's library keeps the hub that DPS has assigned, and since NCS 2.3 the device id.
    pub(crate) const NORDIC_HUB: Setting = new(c"azure_iot_hub/hostname", is_hostname);
    pub(crate) const NORDIC_DEVICE_ID: Setting = new(c"azure_iot_hub/device_id", is_id);
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

/// Who the device is to be, where the application says so: see [`Options`](crate::Options). An
/// empty text stands for what the settings, Kconfig or the hardware say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceIdentity<'a> {
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
    pub(crate) fn load(&mut self, identity: &DeviceIdentity<'_>) {
        let (hostname, device_id, id_scope, registration_id, dps) = match *identity {
            DeviceIdentity::Configured => ("", "", "", "", None),
            DeviceIdentity::Device(id) => ("", id, "", id, None),
            DeviceIdentity::Hub {
                hostname,
                device_id,
            } => (hostname, device_id, "", "", Some(false)),
            DeviceIdentity::Provisioned {
                id_scope,
                registration_id,
            }
            | DeviceIdentity::Registered {
                id_scope,
                registration_id,
            } => ("", "", id_scope, registration_id, Some(true)),
        };
        let device = &mut self.device_id;
        choose(
            device,
            device_id,
            &key::DEVICE_ID,
            kconfig::IOTHUB_DEVICE_ID,
        );
        if device.is_empty() && kconfig::IOTHUB_DEVICE_ID_HARDWARE {
            hardware_id(device);
        }
        let hub = &mut self.hostname;
        choose(hub, hostname, &key::HOSTNAME, kconfig::IOTHUB_HOSTNAME);
        if kconfig::IOTHUB_DPS || dps == Some(true) {
            self.load_dps(id_scope, registration_id, dps);
        }
        // Where DPS is to be asked, what it said before does not count.
        if matches!(identity, DeviceIdentity::Registered { .. }) {
            self.assigned_hub.clear();
        }
    }

    fn load_dps(&mut self, id_scope: &str, registration_id: &str, dps: Option<bool>) {
        let scope = &mut self.id_scope;
        choose(
            scope,
            id_scope,
            &key::DPS_ID_SCOPE,
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
            &key::DPS_ENDPOINT,
            kconfig::IOTHUB_DPS_HOSTNAME,
        );
        choose(
            &mut self.registration_id,
            registration_id,
            &key::DPS_REGISTRATION_ID,
            kconfig::IOTHUB_DPS_REGISTRATION_ID,
        );
        if self.registration_id.is_empty() {
            set(&mut self.registration_id, &self.device_id);
        }
        load_assignment(&mut self.assigned_hub, &mut self.assigned_device_id);
        // Nordic's library before NCS 2.3 did not store it.
        if self.assigned_device_id.is_empty() && !self.assigned_hub.is_empty() {
            set(&mut self.assigned_device_id, &self.registration_id);
        }
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

/// Whether there is an ID scope to register with, in the settings or in
/// `CONFIG_IOTHUB_DPS_ID_SCOPE`.
pub fn has_id_scope() -> bool {
    let mut scope = Text::new();
    choose(
        &mut scope,
        "",
        &key::DPS_ID_SCOPE,
        kconfig::IOTHUB_DPS_ID_SCOPE,
    );
    !scope.is_empty()
}

/// Longest access point name in bytes (3GPP TS 23.003, 9.1).
const APN: usize = 100;

fn is_apn(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=APN).contains(&text.len()) && text.bytes().all(allowed)
}

/// The access point name, with a 0 at its end; `None`: the network chooses.
pub(crate) fn apn() -> Option<Text> {
    let mut apn = Text::new();
    choose(&mut apn, "", &key::APN, kconfig::IOTHUB_APN);
    if apn.is_empty() {
        return None;
    }
    if !is_apn(&apn) {
        log::error!("CONFIG_IOTHUB_APN is no access point name: it is ignored");
        return None;
    }
    apn.push('\0').ok()?;
    Some(apn)
}

/// Remembers what DPS assigned.
pub(crate) fn store_assignment(hostname: &str, device_id: &str) -> Result<(), ncs::Errno> {
    settings::write(key::ASSIGNED_HUB.key, hostname.as_bytes())?;
    settings::write(key::ASSIGNED_DEVICE_ID.key, device_id.as_bytes())
}

/// Failed connects in a row, stored over a reboot: a digit for each class. One digit alone is of
/// the first.
#[derive(Debug, Default)]
pub(crate) struct Attempts([u8; CLASSES]);

/// Failures of the network, refusals by the hub, refusals by DPS.
const CLASSES: usize = 3;

impl Attempts {
    /// From where on the back-off is at its longest, and a further one is not worth a write to
    /// flash.
    const MAX: u32 = 9;

    pub(crate) fn load() -> Self {
        let mut buffer = [0; 16];
        match settings::read_text(key::ATTEMPTS, &mut buffer) {
            Ok(digits) => Self::parse(digits.unwrap_or_default()).unwrap_or_else(|| {
                log::error!("the setting iothub/attempts is no digits: it is ignored");
                Self::default()
            }),
            Err(errno) => {
                log::error!("the setting iothub/attempts cannot be read: {errno}");
                Self::default()
            }
        }
    }

    fn parse(digits: &[u8]) -> Option<Self> {
        if digits.len() > CLASSES || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut counts = [0; CLASSES];
        for (count, digit) in counts.iter_mut().zip(digits) {
            *count = digit - b'0';
        }
        Some(Self(counts))
    }

    pub(crate) fn failures(&self) -> Failures {
        let [transient, refused_by_hub, refused_by_dps] = self.0.map(u32::from);
        Failures {
            transient,
            refused_by_hub,
            refused_by_dps,
        }
    }

    /// Takes the counts over; whether they are others than before.
    pub(crate) fn update(&mut self, failures: &Failures) -> bool {
        let before = self.0;
        self.0 = [
            failures.transient,
            failures.refused_by_hub,
            failures.refused_by_dps,
        ]
        .map(|count| count.min(Self::MAX) as u8);
        self.0 != before
    }

    /// Stores the counts.
    pub(crate) fn store(&self) {
        let stored = if self.0 == [0; CLASSES] {
            settings::delete(key::ATTEMPTS)
        } else {
            settings::write(key::ATTEMPTS, &self.0.map(|count| b'0' + count))
        };
        if let Err(errno) = stored {
            log::warn!("the number of failed connects cannot be kept: {errno}");
        }
    }
}

/// Forgets what DPS assigned.
pub(crate) fn erase_assignment() -> Result<(), ncs::Errno> {
    settings::delete(key::NORDIC_HUB.key)?;
    settings::delete(key::ASSIGNED_HUB.key)?;
    settings::delete(key::NORDIC_DEVICE_ID.key)?;
    settings::delete(key::ASSIGNED_DEVICE_ID.key)
}

/// What DPS assigned last. Where this module has stored none, what Nordic's library has: of a
/// device that was moved over it is still true, and stays for that library until it is forgotten or
/// another is assigned.
pub(crate) fn load_assignment(hub: &mut Text, device_id: &mut Text) {
    read_assignment(hub, &key::ASSIGNED_HUB, device_id, &key::ASSIGNED_DEVICE_ID);
    if hub.is_empty() && device_id.is_empty() {
        read_assignment(hub, &key::NORDIC_HUB, device_id, &key::NORDIC_DEVICE_ID);
    }
}

/// Half an assignment, the other half of which is damaged, is none.
fn read_assignment(
    hub: &mut Text,
    hub_setting: &Setting,
    device_id: &mut Text,
    device_id_setting: &Setting,
) {
    let is_hub_valid = read(hub, hub_setting);
    let is_device_id_valid = read(device_id, device_id_setting);
    if !(is_hub_valid && is_device_id_valid) {
        hub.clear();
        device_id.clear();
    }
}

/// What was given, else the setting, else the default; empty where there is none of them.
fn choose(target: &mut Text, given: &str, setting: &Setting, default: &str) {
    set(target, given);
    if target.is_empty() {
        read(target, setting);
    }
    if target.is_empty() {
        set(target, default);
    }
}

/// Empty where there is none. Returns whether there is none or it can be used: a damaged one is
/// logged and ignored, and must not end the device, which could not be reached any more.
fn read(target: &mut Text, setting: &Setting) -> bool {
    target.clear();
    let key = Plain(setting.key.to_str().unwrap_or_default());
    // With the 0 that may be behind it.
    let mut buffer = [0; TEXT + 1];
    let value = match settings::read_text(setting.key, &mut buffer) {
        Ok(value) => value.unwrap_or_default(),
        Err(errno) => {
            log::error!("the setting {key} cannot be read: {errno}: it is ignored");
            return false;
        }
    };
    if value.is_empty() {
        return true;
    }
    match core::str::from_utf8(value) {
        Ok(value) if value.len() <= TEXT && (setting.is_valid)(value) => {
            set(target, value);
            true
        }
        _ => {
            log::error!("the setting {key} is damaged: it is ignored");
            false
        }
    }
}

/// Whether `value`, stored as the setting `key`, would count at the next start: what is none of its
/// kind is logged and ignored then. `None`: `key` is no setting that a user writes. Empty stands
/// for what the build has, and counts.
pub fn setting_counts(key: &CStr, value: &[u8]) -> Option<bool> {
    let value = value.trim_ascii_end();
    let texts = [
        key::HOSTNAME,
        key::DEVICE_ID,
        key::APN,
        key::DPS_ID_SCOPE,
        key::DPS_ENDPOINT,
        key::DPS_REGISTRATION_ID,
    ];
    if let Some(setting) = texts.iter().find(|setting| setting.key == key) {
        let is_text = core::str::from_utf8(value).is_ok_and(setting.is_valid);
        return Some(value.is_empty() || value.len() <= TEXT && is_text);
    }
    let is_number = if key == interval::KEY {
        interval::seconds(value).is_some()
    } else if key == fota::TRIAL {
        fota::parse_trial(value).is_some()
    } else {
        return None;
    };
    Some(value.is_empty() || is_number)
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

#[cfg(test)]
mod tests;
