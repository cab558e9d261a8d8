//! Who the device is, and where its hub: the settings, else Kconfig, else the hardware.

use core::ffi::CStr;

use iothub_proto::dps::Assignment;
use ncs::settings;

use crate::kconfig;

/// Settings that override Kconfig on every platform.
pub(crate) mod key {
    use core::ffi::CStr;

    pub(crate) const HOSTNAME: &CStr = c"iothub/hostname";
    pub(crate) const DEVICE_ID: &CStr = c"iothub/device_id";
    pub(crate) const DPS_ID_SCOPE: &CStr = c"iothub/dps/id_scope";
    pub(crate) const DPS_ENDPOINT: &CStr = c"iothub/dps/endpoint";
    pub(crate) const DPS_REGISTRATION_ID: &CStr = c"iothub/dps/registration_id";
    pub(crate) const ASSIGNED_HUB: &CStr = c"iothub/dps/assigned_hub";
    pub(crate) const ASSIGNED_DEVICE_ID: &CStr = c"iothub/dps/assigned_device_id";
}

/// Longest host name, device id or id scope in bytes.
const TEXT: usize = 128;

type Text = heapless::String<TEXT>;

/// The strings of a configuration, on the stack while the client is made.
pub(crate) struct Identity {
    pub(crate) hostname: Text,
    pub(crate) device_id: Text,
    pub(crate) dps: Option<Dps>,
    assigned: Option<(Text, Text)>,
}

pub(crate) struct Dps {
    pub(crate) id_scope: Text,
    pub(crate) endpoint: Text,
    pub(crate) registration_id: Text,
}

impl Identity {
    pub(crate) fn load() -> Self {
        let mut device_id =
            setting(key::DEVICE_ID).unwrap_or_else(|| text(kconfig::IOTHUB_DEVICE_ID));
        if device_id.is_empty() && kconfig::IOTHUB_DEVICE_ID_HARDWARE {
            device_id = hardware_id();
        }
        let hostname = setting(key::HOSTNAME).unwrap_or_else(|| text(kconfig::IOTHUB_HOSTNAME));
        let id_scope =
            setting(key::DPS_ID_SCOPE).unwrap_or_else(|| text(kconfig::IOTHUB_DPS_ID_SCOPE));
        let dps = (kconfig::IOTHUB_DPS && !id_scope.is_empty()).then(|| Dps {
            id_scope,
            endpoint: setting(key::DPS_ENDPOINT)
                .unwrap_or_else(|| text(kconfig::IOTHUB_DPS_HOSTNAME)),
            registration_id: setting(key::DPS_REGISTRATION_ID)
                .or_else(|| {
                    Some(text(kconfig::IOTHUB_DPS_REGISTRATION_ID)).filter(|id| !id.is_empty())
                })
                .unwrap_or_else(|| device_id.clone()),
        });
        let assigned = dps
            .is_some()
            .then(|| setting(key::ASSIGNED_HUB).zip(setting(key::ASSIGNED_DEVICE_ID)))
            .flatten();
        Self {
            hostname,
            device_id,
            dps,
            assigned,
        }
    }

    pub(crate) fn assignment(&self) -> Option<Assignment<'_>> {
        self.assigned
            .as_ref()
            .map(|(hostname, device_id)| Assignment {
                hostname,
                device_id,
            })
    }
}

/// Remembers what DPS assigned.
pub(crate) fn store_assignment(hostname: &str, device_id: &str) -> Result<(), ncs::Errno> {
    settings::write(key::ASSIGNED_HUB, hostname.as_bytes())?;
    settings::write(key::ASSIGNED_DEVICE_ID, device_id.as_bytes())
}

/// Forgets what DPS assigned.
pub(crate) fn erase_assignment() -> Result<(), ncs::Errno> {
    settings::delete(key::ASSIGNED_HUB)?;
    settings::delete(key::ASSIGNED_DEVICE_ID)
}

fn setting(key: &CStr) -> Option<Text> {
    let mut buffer = [0; TEXT];
    match settings::read(key, &mut buffer) {
        Ok(Some(value)) => match core::str::from_utf8(value) {
            Ok(value) => Some(text(value.trim_end())).filter(|value| !value.is_empty()),
            Err(_) => {
                log::error!("the setting {key:?} is not text: it is ignored");
                None
            }
        },
        Ok(None) => None,
        Err(errno) => {
            log::error!("the setting {key:?} cannot be read: {errno}");
            None
        }
    }
}

fn hardware_id() -> Text {
    let mut buffer = [0; TEXT];
    match ncs::platform::hardware_id(&mut buffer) {
        Ok(id) => text(id),
        Err(errno) => {
            log::error!("the hardware gives no id: {errno}");
            Text::new()
        }
    }
}

/// Longer texts are left out, so that a cut one is never taken for a name.
fn text(value: &str) -> Text {
    Text::try_from(value).unwrap_or_default()
}
