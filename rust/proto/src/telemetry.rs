//! Device-to-cloud messages and their property bag.

use crate::error::InvalidRequest;
use crate::outbox::Keep;
use crate::percent;
use crate::scan::Set;
use crate::store::Priority;
use crate::writer::Writer;

/// Quality of service of a message; the hub has no QoS 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Qos {
    /// 0: written once; lost if the connection ends at that moment.
    AtMostOnce,
    /// 1: kept until the hub has stored it.
    #[default]
    AtLeastOnce,
}

/// An application property. `value: None` is a name without `=` (null at the hub), `Some("")` an
/// empty value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Any non-empty text; percent-encoded by the client.
    pub name: &'a str,
    /// Any text; percent-encoded by the client.
    pub value: Option<&'a str>,
}

/// System properties (`$.mid` and so on); `None` is left out. Those that the hub sets itself are
/// for gateways.
/// <https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemProperties<'a> {
    /// `$.mid`, at most 128 bytes of ASCII letters, digits and ``- : . + % _ # * ? ! ( ) , = @ ; $
    /// '``.
    pub message_id: Option<&'a str>,
    /// `$.cid`
    pub correlation_id: Option<&'a str>,
    /// `$.uid`
    pub user_id: Option<&'a str>,
    /// `$.ct`; routing on the body needs `application/json`.
    pub content_type: Option<&'a str>,
    /// `$.ce`; routing on the body needs `utf-8`.
    pub content_encoding: Option<&'a str>,
    /// `$.ctime`, ISO 8601 in UTC.
    pub creation_time: Option<&'a str>,
    /// `$.exp`, ISO 8601 in UTC.
    pub expiry: Option<&'a str>,
    /// `$.sub`, the Plug and Play component.
    pub component: Option<&'a str>,
    /// `$.on`, the output of a module.
    pub output: Option<&'a str>,
    /// `$.ifid`, the interface id of security messages.
    pub interface_id: Option<&'a str>,
    /// `$.schema`
    pub schema: Option<&'a str>,
    /// `$.to`
    pub to: Option<&'a str>,
    /// `$.cdid`, the device that a gateway speaks for.
    pub connection_device: Option<&'a str>,
    /// `$.cmid`, its module.
    pub connection_module: Option<&'a str>,
    /// `$.diagid`, of distributed tracing.
    pub diagnostic_id: Option<&'a str>,
    /// `$.diagctx`, of distributed tracing.
    pub diagnostic_context: Option<&'a str>,
}

/// How a message waits until it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Alarms go before everything else that waits.
    pub priority: Priority,
    /// Where it is kept; `None`: as Kconfig says. Without the outbox in flash: in RAM.
    pub keep: Option<Keep>,
    /// How many seconds it is worth sending; 0: for ever. Counted while the device is on. Only with
    /// the outbox in flash.
    pub ttl_s: u32,
}

/// A device-to-cloud message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telemetry<'a> {
    /// The body.
    pub payload: &'a [u8],
    /// At least once unless set.
    pub qos: Qos,
    /// System properties.
    pub system: SystemProperties<'a>,
    /// Application properties, in this order on the wire.
    pub properties: &'a [Property<'a>],
    /// How it waits.
    pub delivery: Delivery,
}

impl<'a> Telemetry<'a> {
    /// A body without properties, at least once.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            qos: Qos::AtLeastOnce,
            system: SystemProperties {
                message_id: None,
                correlation_id: None,
                user_id: None,
                content_type: None,
                content_encoding: None,
                creation_time: None,
                expiry: None,
                component: None,
                output: None,
                interface_id: None,
                schema: None,
                to: None,
                connection_device: None,
                connection_module: None,
                diagnostic_id: None,
                diagnostic_context: None,
            },
            properties: &[],
            delivery: Delivery {
                priority: Priority::Normal,
                keep: None,
                ttl_s: 0,
            },
        }
    }

    /// JSON in UTF-8, marked as such, so that the hub can route on its content.
    pub const fn json(payload: &'a [u8]) -> Self {
        let mut message = Self::new(payload);
        message.system.content_type = Some("application/json");
        message.system.content_encoding = Some("utf-8");
        message
    }
}

/// The hub's limit for body, system property values, and application names and values together.
const MESSAGE_MAX: usize = 256 * 1024;

const MESSAGE_ID_MAX: usize = 128;

impl Telemetry<'_> {
    /// Checks the hub's limits, and returns the length of the properties on the wire.
    pub(crate) fn check(&self) -> Result<usize, InvalidRequest> {
        if self.system.message_id.is_some_and(|id| !is_message_id(id)) {
            return Err(InvalidRequest::MessageId);
        }
        let mut size = self.payload.len();
        let mut bag = 0usize;
        let system = self.system.is_any().then(|| self.system.values());
        for (value, name) in system.iter().flatten().zip(&SYSTEM) {
            let Some(value) = value else { continue };
            size = size.saturating_add(value.len());
            bag += name.len() + 1 + percent::encoded_len(value);
        }
        for property in self.properties {
            if property.name.is_empty() {
                return Err(InvalidRequest::PropertyName);
            }
            size = size.saturating_add(property.name.len());
            bag += percent::encoded_len(property.name) + 1;
            if let Some(value) = property.value {
                size = size.saturating_add(value.len());
                bag += percent::encoded_len(value) + 1;
            }
        }
        if size > MESSAGE_MAX {
            return Err(InvalidRequest::MessageSize);
        }
        Ok(bag.saturating_sub(1))
    }

    pub(crate) fn write_properties(&self, writer: &mut Writer<'_>) {
        let start = writer.len();
        for (value, name) in self.system.values().iter().zip(&SYSTEM) {
            let Some(value) = value else { continue };
            separate(writer, start);
            writer.text(name);
            writer.encoded(value);
        }
        for property in self.properties {
            separate(writer, start);
            writer.encoded(property.name);
            if let Some(value) = property.value {
                writer.byte(b'=');
                writer.encoded(value);
            }
        }
    }
}

impl<'a> SystemProperties<'a> {
    fn is_any(&self) -> bool {
        self.message_id.is_some()
            || self.correlation_id.is_some()
            || self.user_id.is_some()
            || self.content_type.is_some()
            || self.content_encoding.is_some()
            || self.creation_time.is_some()
            || self.expiry.is_some()
            || self.component.is_some()
            || self.output.is_some()
            || self.interface_id.is_some()
            || self.schema.is_some()
            || self.to.is_some()
            || self.connection_device.is_some()
            || self.connection_module.is_some()
            || self.diagnostic_id.is_some()
            || self.diagnostic_context.is_some()
    }

    /// In the order of [`SYSTEM`].
    fn values(&self) -> [Option<&'a str>; 16] {
        [
            self.message_id,
            self.correlation_id,
            self.user_id,
            self.content_type,
            self.content_encoding,
            self.creation_time,
            self.expiry,
            self.component,
            self.output,
            self.interface_id,
            self.schema,
            self.to,
            self.connection_device,
            self.connection_module,
            self.diagnostic_id,
            self.diagnostic_context,
        ]
    }
}

/// The names of the system properties on the wire.
static SYSTEM: [&str; 16] = [
    "%24.mid=",
    "%24.cid=",
    "%24.uid=",
    "%24.ct=",
    "%24.ce=",
    "%24.ctime=",
    "%24.exp=",
    "%24.sub=",
    "%24.on=",
    "%24.ifid=",
    "%24.schema=",
    "%24.to=",
    "%24.cdid=",
    "%24.cmid=",
    "%24.diagid=",
    "%24.diagctx=",
];

fn separate(writer: &mut Writer<'_>, start: usize) {
    if writer.len() != start {
        writer.byte(b'&');
    }
}

fn is_message_id(id: &str) -> bool {
    id.len() <= MESSAGE_ID_MAX && Set::MESSAGE_ID.has_all(id.as_bytes())
}
