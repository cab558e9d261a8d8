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
    pub(crate) const APN: &CStr = c"iothub/apn";
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
    pub(crate) fn load(who: &Who<'_>) -> Self {
        let given = |value: &str| Some(text(value)).filter(|text| !text.is_empty());
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
        let mut device_id = given(device_id)
            .or_else(|| setting(key::DEVICE_ID))
            .unwrap_or_else(|| text(kconfig::IOTHUB_DEVICE_ID));
        if device_id.is_empty() && kconfig::IOTHUB_DEVICE_ID_HARDWARE {
            device_id = hardware_id();
        }
        let hostname = given(hostname)
            .or_else(|| setting(key::HOSTNAME))
            .unwrap_or_else(|| text(kconfig::IOTHUB_HOSTNAME));
        let id_scope = given(id_scope)
            .or_else(|| setting(key::DPS_ID_SCOPE))
            .unwrap_or_else(|| text(kconfig::IOTHUB_DPS_ID_SCOPE));
        let dps = dps.unwrap_or(kconfig::IOTHUB_DPS && !id_scope.is_empty());
        let dps = dps.then(|| Dps {
            id_scope,
            endpoint: setting(key::DPS_ENDPOINT)
                .unwrap_or_else(|| text(kconfig::IOTHUB_DPS_HOSTNAME)),
            registration_id: given(registration_id)
                .or_else(|| setting(key::DPS_REGISTRATION_ID))
                .or_else(|| given(kconfig::IOTHUB_DPS_REGISTRATION_ID))
                .unwrap_or_else(|| device_id.clone()),
        });
        let assigned = (dps.is_some() && !matches!(who, Who::Registered { .. }))
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

/// Longest access point name in bytes (3GPP TS 23.003, 9.1).
const APN: usize = 100;

/// The access point name, with a 0 at its end; `None`: the network chooses.
pub(crate) fn apn() -> Option<Apn> {
    let apn = setting(key::APN).unwrap_or_else(|| text(kconfig::IOTHUB_APN));
    if apn.is_empty() {
        return None;
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if apn.len() > APN || !apn.bytes().all(allowed) {
        log::error!("the setting iothub/apn is no access point name: it is ignored");
        return None;
    }
    let mut terminated = heapless::CString::new();
    terminated.extend_from_bytes(apn.as_bytes()).ok()?;
    Some(terminated)
}

/// With room for the 0.
type Apn = heapless::CString<{ APN + 1 }>;

/// Remembers what DPS assigned.
pub(crate) fn store_assignment(hostname: &str, device_id: &str) -> Result<(), ncs::Errno> {
    settings::write(key::ASSIGNED_HUB, hostname.as_bytes())?;
    settings::write(key::ASSIGNED_DEVICE_ID, device_id.as_bytes())
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
        let value = setting(self.key())?;
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

fn setting(key: &CStr) -> Option<Text> {
    let mut buffer = [0; TEXT];
    match settings::read(key, &mut buffer) {
        Ok(Some(value)) => match core::str::from_utf8(value) {
            Ok(value) => Some(text(value.trim_end())).filter(|value| !value.is_empty()),
            Err(_) => {
                log::error!("the setting {} is not text: it is ignored", name(key));
                None
            }
        },
        Ok(None) => None,
        Err(errno) => {
            log::error!("the setting {} cannot be read: {errno}", name(key));
            None
        }
    }
}

fn name(key: &CStr) -> &str {
    key.to_str().unwrap_or_default()
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
