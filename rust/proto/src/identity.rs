//! The device's identity at its hub, and the client id, user name and topic made of it.

use heapless::String;

use crate::scan::Set;
use crate::writer::Writer;

pub(crate) const NAME_MAX: usize = 128;

/// <https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub>
pub(crate) const API_VERSION: &str = "2021-04-12";

/// Host name, device and module, copied.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) hostname: String<NAME_MAX>,
    pub(crate) device_id: String<NAME_MAX>,
    module_id: String<NAME_MAX>,
    model_id: Option<&'static str>,
    client_type: Option<&'static str>,
}

/// Host name, device and module, borrowed from a checked configuration or from an [`Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names<'a> {
    pub(crate) hostname: &'a str,
    pub(crate) device_id: &'a str,
    /// Empty: the device itself.
    pub(crate) module_id: &'a str,
}

impl Names<'_> {
    pub(crate) fn is_assigned(&self) -> bool {
        !self.hostname.is_empty()
    }

    pub(crate) fn telemetry_topic_len(&self) -> usize {
        let module = if self.module_id.is_empty() {
            0
        } else {
            "/modules/".len() + self.module_id.len()
        };
        // DPS may assign a device id of any length.
        let device = if self.device_id.is_empty() {
            NAME_MAX
        } else {
            self.device_id.len()
        };
        "devices//messages/events/".len() + device + module
    }
}

impl Identity {
    /// Not configured.
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

    /// Copies checked names.
    pub(crate) fn set(
        &mut self,
        names: &Names<'_>,
        model_id: Option<&'static str>,
        client_type: &'static str,
    ) {
        copy(&mut self.hostname, names.hostname);
        copy(&mut self.device_id, names.device_id);
        copy(&mut self.module_id, names.module_id);
        self.model_id = model_id;
        self.client_type = Some(client_type);
    }

    /// Takes DPS's assignment over; `false`, and nothing is changed, where these cannot be names.
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

    /// `devices/{device}/messages/events/`; the properties follow.
    pub(crate) fn write_telemetry_topic(&self, writer: &mut Writer<'_>) {
        writer.texts(&["devices/", &self.device_id]);
        if self.is_module() {
            writer.texts(&["/modules/", &self.module_id]);
        }
        writer.text("/messages/events/");
    }
}

/// Copies a text that was checked to fit. A longer text is left out, so that a truncated one is
/// never taken for a name.
pub(crate) fn copy<const N: usize>(target: &mut String<N>, text: &str) {
    target.clear();
    let _ = target.push_str(text);
}

/// Whether host name and device id can be an assignment of DPS.
pub(crate) fn is_assignment(hostname: &str, device_id: &str) -> bool {
    is_hostname(hostname) && is_id(device_id)
}

/// Whether the text is a DNS name or an IPv4 address, 1 to 128 bytes, without a port.
pub fn is_hostname(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && Set::HOSTNAME.has_all(text.as_bytes())
}

/// Whether the text is a device's or a module's id by the hub's rule, 1 to 128 bytes, less `/`, `+`
/// and `#`, which a topic name cannot carry.
/// <https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-identity-registry>
pub fn is_id(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && Set::DEVICE_ID.has_all(text.as_bytes())
}
