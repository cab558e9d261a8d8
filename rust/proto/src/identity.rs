//! Who we are at the hub, and the texts that say so.

use core::str::FromStr;

use heapless::String;

use crate::config::Config;
use crate::error::ConfigError;
use crate::percent;
use crate::writer::{Full, Writer};

pub(crate) const NAME_MAX: usize = 128;

/// <https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub>
const API_VERSION: &str = "2021-04-12";

/// Host name, device and module, copied.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) hostname: String<NAME_MAX>,
    pub(crate) device_id: String<NAME_MAX>,
    module_id: String<NAME_MAX>,
    model_id: Option<&'static str>,
    client_type: &'static str,
}

impl Identity {
    pub(crate) fn new(config: &Config<'_>) -> Result<Self, ConfigError> {
        let (hostname, device_id) = match (&config.dps, &config.assignment) {
            (Some(_), Some(assignment))
                if is_assignment(assignment.hostname, assignment.device_id) =>
            {
                (assignment.hostname, assignment.device_id)
            }
            (Some(_), _) => ("", ""),
            (None, _) => (config.hostname, config.device_id),
        };
        if config.dps.is_none() {
            if !is_hostname(hostname) {
                return Err(ConfigError::Hostname);
            }
            if !is_id(device_id) {
                return Err(ConfigError::DeviceId);
            }
        }
        let module_id = config.module_id.unwrap_or_default();
        if config.module_id.is_some() && !is_id(module_id) {
            return Err(ConfigError::ModuleId);
        }
        let copy = |text, error| String::from_str(text).map_err(|_| error);
        Ok(Self {
            hostname: copy(hostname, ConfigError::Hostname)?,
            device_id: copy(device_id, ConfigError::DeviceId)?,
            module_id: copy(module_id, ConfigError::ModuleId)?,
            model_id: config.model_id,
            client_type: config.client_type,
        })
    }

    /// Whether host name, device and module are the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.hostname == other.hostname
            && self.device_id == other.device_id
            && self.module_id == other.module_id
    }

    /// What DPS has assigned; `false`, and nothing is changed, where these cannot be names.
    pub(crate) fn assign(&mut self, hostname: &str, device_id: &str) -> bool {
        if !is_assignment(hostname, device_id) {
            return false;
        }
        let (Ok(hostname), Ok(device_id)) =
            (String::from_str(hostname), String::from_str(device_id))
        else {
            return false;
        };
        self.hostname = hostname;
        self.device_id = device_id;
        true
    }

    pub(crate) fn forget_assignment(&mut self) {
        self.hostname.clear();
        self.device_id.clear();
    }

    pub(crate) fn client_type(&self) -> &'static str {
        self.client_type
    }

    pub(crate) fn is_module(&self) -> bool {
        !self.module_id.is_empty()
    }

    /// The longest client id and user name that this configuration can come to, DPS's answer included.
    pub(crate) fn longest_connect(&self, dps: bool) -> usize {
        let names = if dps {
            2 * NAME_MAX
        } else {
            self.hostname.len() + self.device_id.len()
        };
        let module = if self.is_module() {
            self.module_id.len() + 1
        } else {
            0
        };
        let device = if dps { NAME_MAX } else { self.device_id.len() };
        let model = self
            .model_id
            .map_or(0, |model| "&model-id=".len() + percent::encoded_len(model));
        let user_name = names
            + module
            + "//?api-version=&DeviceClientType=".len()
            + API_VERSION.len()
            + percent::encoded_len(self.client_type)
            + model;
        user_name + device + module
    }

    pub(crate) fn write_client_id(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        writer.text(&self.device_id)?;
        if self.is_module() {
            writer.texts(&["/", &self.module_id])?;
        }
        Ok(())
    }

    pub(crate) fn write_user_name(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        writer.texts(&[&self.hostname, "/"])?;
        self.write_client_id(writer)?;
        writer.texts(&["/?api-version=", API_VERSION])?;
        if !self.client_type.is_empty() {
            writer.text("&DeviceClientType=")?;
            writer.encoded(self.client_type)?;
        }
        if let Some(model) = self.model_id {
            writer.text("&model-id=")?;
            writer.encoded(model)?;
        }
        Ok(())
    }

    /// `devices/{device}/messages/events/`, the bag follows.
    pub(crate) fn write_telemetry_topic(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        writer.texts(&["devices/", &self.device_id])?;
        if self.is_module() {
            writer.texts(&["/modules/", &self.module_id])?;
        }
        writer.text("/messages/events/")
    }

    pub(crate) fn telemetry_topic_len(&self) -> usize {
        let module = if self.is_module() {
            "/modules/".len() + self.module_id.len()
        } else {
            0
        };
        // A device id that DPS has yet to give may be as long as any.
        let device = if self.device_id.is_empty() {
            NAME_MAX
        } else {
            self.device_id.len()
        };
        "devices//messages/events/".len() + device + module
    }
}

/// Whether these can be what DPS assigned.
pub(crate) fn is_assignment(hostname: &str, device_id: &str) -> bool {
    is_hostname(hostname) && is_id(device_id)
}

/// A DNS name or an address; a port is not part of it.
pub(crate) fn is_hostname(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// The hub's rule for ids, without `/`, `+` and `#`, which a topic name cannot carry.
fn is_id(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.%_*?!(),:=@$'".contains(&byte))
}
