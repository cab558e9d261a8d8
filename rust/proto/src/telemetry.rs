//! Device-to-cloud messages and their property bag.

/// Quality of service of a message; the hub has no QoS 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Qos {
    /// 0: written once; lost if the connection ends at that moment.
    AtMostOnce,
    /// 1: kept until the hub has stored it.
    #[default]
    AtLeastOnce,
}

/// An application property. `value: None` is a name without `=` (null at the hub), `Some("")` an empty value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Any non-empty text; percent-encoded by us.
    pub name: &'a str,
    /// Any text; percent-encoded by us.
    pub value: Option<&'a str>,
}

/// System properties (`$.mid` and so on); `None` is left out.
/// <https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemProperties<'a> {
    /// `$.mid`, at most 128 bytes of ASCII letters, digits and ``- : . + % _ # * ? ! ( ) , = @ ; $ '``.
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
            },
            properties: &[],
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
