//! A message of the built-in endpoint as an event: the shape that a hub's Event Hubs-compatible
//! endpoint gives it.

use crate::amqp::codec::message;
use crate::amqp::eventhub::filter::{ENQUEUED_TIME, OFFSET, SEQUENCE_NUMBER};
use crate::clock::parse_rfc3339;
use crate::hub::events::Source;
use crate::hub::partitions::Entry;
use crate::hub::registry::{Authentication, Device};

use crate::id;

/// What the registry knows of a sender.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// Of the device of that id, as it is now.
    generation_id: String,
    /// JSON.
    auth_method: &'static str,
    model_id: String,
}

impl Origin {
    pub(super) fn of(device: Device) -> Self {
        Self {
            auth_method: match device.authentication {
                Authentication::CertificateAuthority | Authentication::SelfSigned(..) => X509,
                Authentication::Sas(..) | Authentication::None => SAS,
            },
            generation_id: device.generation_id,
            model_id: device.model_id,
        }
    }
}

/// Microsoft, "Create and read IoT Hub messages", has the names; the annotations `x-opt-…` are
/// those of Event Hubs. `added` is what routing enriches it with, in the place of the sender's
/// properties of these names.
pub(super) fn encode(entry: &Entry, origin: &Origin, added: &[(String, String)]) -> Vec<u8> {
    let Entry {
        at,
        source,
        message,
    } = entry;
    let is_telemetry = *source == Source::DeviceMessages;
    let mut out = Vec::with_capacity(message.body.len() + 768);
    let system = |name: &str| message.system.get(name).and_then(|value| value.as_str());
    message::annotations(&mut out, |map| {
        map.symbol(SEQUENCE_NUMBER).long(at.sequence);
        map.symbol(OFFSET).string(&at.offset.to_string());
        map.symbol(ENQUEUED_TIME).timestamp(message.enqueued);
        let (device, module) = id::split(&message.device_id);
        map.symbol("iothub-connection-device-id").string(device);
        if let Some(module) = module {
            map.symbol("iothub-connection-module-id").string(module);
        }
        if is_telemetry {
            map.symbol("iothub-connection-auth-method")
                .string(origin.auth_method);
            map.symbol("iothub-connection-auth-generation-id");
            map.string(&origin.generation_id);
        }
        map.symbol("iothub-enqueuedtime")
            .timestamp(message.enqueued);
        map.symbol("iothub-message-source")
            .string(source.annotation());
        for (name, value) in [
            ("iothub-creation-time-utc", system("creationTimeUtc")),
            ("iothub-message-schema", system("messageSchema")),
            ("iothub-interface-id", system("interfaceId")),
            ("dt-subject", system("componentName")),
            (
                "dt-dataschema",
                Some(origin.model_id.as_str()).filter(|it| is_telemetry && !it.is_empty()),
            ),
        ] {
            if let Some(value) = value {
                map.symbol(name).string(value);
            }
        }
    });
    message::properties(&mut out, |list| {
        list.string_or_null(system("messageId"));
        match system("userId") {
            Some(id) => list.binary(id.as_bytes()),
            None => list.null(),
        };
        match system("to") {
            Some(to) => list.string(to),
            None if !is_telemetry => list.null(),
            None => list.string(&format!(
                "/devices/{}/messages/events",
                id::path(&message.device_id)
            )),
        };
        list.null().null().string_or_null(system("correlationId"));
        list.symbol_or_null(system("contentType"));
        list.symbol_or_null(system("contentEncoding"));
        match system("absoluteExpiryTime").and_then(parse_rfc3339) {
            Some(at) => list.timestamp(at),
            None => list.null(),
        };
        list.nulls(4);
    });
    if !message.properties.is_empty() || !added.is_empty() {
        message::application(&mut out, |map| {
            for (name, value) in &message.properties {
                if !added.iter().any(|(it, _)| it == name) {
                    map.string(name).string_or_null(value.as_str());
                }
            }
            for (name, value) in added {
                map.string(name).string(value);
            }
        });
    }
    message::data(&mut out, &message.body);
    out
}

const X509: &str =
    r#"{"scope":"device","type":"x509","issuer":"iothub","acceptingIpFilterRule":null}"#;
const SAS: &str =
    r#"{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::hub::telemetry::{Message, Placed};
    use crate::properties::Properties;

    fn texts(id: &str) -> String {
        let message = Message::new("hub", id, b"{}".to_vec(), Properties::default(), 1);
        shown(Source::DeviceMessages, message)
    }

    fn shown(source: Source, message: Message) -> String {
        let entry = Entry {
            at: Placed {
                partition: 0,
                sequence: 7,
                offset: 700,
            },
            source,
            message: Arc::new(message),
        };
        String::from_utf8_lossy(&encode(&entry, &Origin::default(), &[])).into_owned()
    }

    #[test]
    fn a_module_is_named_beside_its_device() {
        let module = texts("edge/camera");
        assert!(module.contains("/devices/edge/modules/camera/messages/events"));
        assert!(module.contains("iothub-connection-module-id"));
        assert!(!module.contains("edge/camera"));
        let device = texts("edge");
        assert!(device.contains("/devices/edge/messages/events"));
        assert!(!device.contains("module"));
    }

    #[test]
    fn an_event_of_the_hub_says_what_it_tells_of() {
        let message = Message::new("hub", "dev", b"{}".to_vec(), Properties::default(), 1);
        let event = shown(Source::TwinChange, message);
        assert!(
            event.contains("twinChangeEvents") && event.contains("iothub-connection-device-id")
        );
        assert!(!event.contains("Telemetry") && !event.contains("auth-method"));
        assert!(!event.contains("messages/events"));
    }
}
