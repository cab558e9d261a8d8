//! Who we are at the hub, and the texts that say so.

use heapless::String;

use crate::config::Config;
use crate::error::ConfigError;
use crate::percent;
use crate::writer::Writer;

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
    client_type: Option<&'static str>,
}

/// The same, borrowed: of a configuration that was checked, or of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names<'a> {
    hostname: &'a str,
    device_id: &'a str,
    module_id: &'a str,
}

impl<'a> Names<'a> {
    pub(crate) fn new(config: &Config<'a>) -> Result<Self, ConfigError> {
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
        Ok(Self {
            hostname,
            device_id,
            module_id,
        })
    }

    pub(crate) fn is_assigned(&self) -> bool {
        !self.hostname.is_empty()
    }

    /// The longest client id and user name that these can come to, DPS's answer included.
    pub(crate) fn longest_connect(&self, config: &Config<'_>) -> usize {
        let dps = config.dps.is_some();
        let names = if dps {
            2 * NAME_MAX
        } else {
            self.hostname.len() + self.device_id.len()
        };
        let module = if self.module_id.is_empty() {
            0
        } else {
            self.module_id.len() + 1
        };
        let device = if dps { NAME_MAX } else { self.device_id.len() };
        let model = config
            .model_id
            .map_or(0, |model| "&model-id=".len() + percent::encoded_len(model));
        let user_name = names
            + module
            + "//?api-version=&DeviceClientType=".len()
            + API_VERSION.len()
            + percent::encoded_len(config.client_type)
            + model;
        user_name + device + module
    }

    pub(crate) fn telemetry_topic_len(&self) -> usize {
        let module = if self.module_id.is_empty() {
            0
        } else {
            "/modules/".len() + self.module_id.len()
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

impl Identity {
    /// Nobody.
    pub(crate) const fn new() -> Self {
        Self {
            hostname: String::new(),
            device_id: String::new(),
            module_id: String::new(),
            model_id: None,
            client_type: None,
        }
    }

    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            hostname: &self.hostname,
            device_id: &self.device_id,
            module_id: &self.module_id,
        }
    }

    /// Copies what was checked.
    pub(crate) fn set(&mut self, names: &Names<'_>, config: &Config<'_>) {
        copy(&mut self.hostname, names.hostname);
        copy(&mut self.device_id, names.device_id);
        copy(&mut self.module_id, names.module_id);
        self.model_id = config.model_id;
        self.client_type = Some(config.client_type);
    }

    /// What DPS has assigned; `false`, and nothing is changed, where these cannot be names.
    pub(crate) fn assign(&mut self, hostname: &str, device_id: &str) -> bool {
        if !is_assignment(hostname, device_id) {
            return false;
        }
        copy(&mut self.hostname, hostname);
        copy(&mut self.device_id, device_id);
        true
    }

    pub(crate) fn forget_assignment(&mut self) {
        self.hostname.clear();
        self.device_id.clear();
    }

    pub(crate) fn client_type(&self) -> &'static str {
        self.client_type.unwrap_or_default()
    }

    pub(crate) fn is_module(&self) -> bool {
        !self.module_id.is_empty()
    }

    pub(crate) fn write_client_id(&self, writer: &mut Writer<'_>) {
        writer.text(&self.device_id);
        if self.is_module() {
            writer.texts(&["/", &self.module_id]);
        }
    }

    pub(crate) fn write_user_name(&self, writer: &mut Writer<'_>) {
        writer.texts(&[&self.hostname, "/"]);
        self.write_client_id(writer);
        writer.texts(&["/?api-version=", API_VERSION]);
        if !self.client_type().is_empty() {
            writer.text("&DeviceClientType=");
            writer.encoded(self.client_type());
        }
        if let Some(model) = self.model_id {
            writer.text("&model-id=");
            writer.encoded(model);
        }
    }

    /// `devices/{device}/messages/events/`, the bag follows.
    pub(crate) fn write_telemetry_topic(&self, writer: &mut Writer<'_>) {
        writer.texts(&["devices/", &self.device_id]);
        if self.is_module() {
            writer.texts(&["/modules/", &self.module_id]);
        }
        writer.text("/messages/events/");
    }
}

/// For a text that was checked to fit; one that does not is left out, so that a cut one is never taken for a name.
pub(crate) fn copy<const N: usize>(target: &mut String<N>, text: &str) {
    target.clear();
    let _ = target.push_str(text);
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
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'-' | b'.'
                        | b'%'
                        | b'_'
                        | b'*'
                        | b'?'
                        | b'!'
                        | b'('
                        | b')'
                        | b','
                        | b':'
                        | b'='
                        | b'@'
                        | b'$'
                        | b'\''
                )
        })
}
