//! The topics and filters of the hub's and the provisioning service's device side.

use crate::code::{ErrorCode, Refusal};
use crate::id;
use crate::properties::parameter;

/// What a device may publish to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic<'t> {
    /// `devices/{id}/messages/events/{bag}`
    Telemetry {
        /// Undecoded.
        bag: &'t str,
    },
    /// `$iothub/twin/GET/?$rid={rid}`
    TwinGet {
        /// Verbatim.
        rid: &'t str,
    },
    /// `$iothub/twin/PATCH/properties/reported/?$rid={rid}[&$version={version}]`
    TwinPatch {
        /// Verbatim.
        rid: &'t str,
        /// The version on which the patch builds.
        version: Option<i64>,
    },
    /// `$iothub/methods/res/{status}/?$rid={rid}`
    MethodResponse {
        /// Any integer.
        status: i64,
        /// Verbatim.
        rid: &'t str,
    },
    /// `$dps/registrations/PUT/iotdps-register/?$rid={rid}`
    Register {
        /// Verbatim.
        rid: &'t str,
    },
    /// `$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={id}`
    OperationStatus {
        /// Verbatim.
        rid: &'t str,
        /// As the service gave it.
        operation_id: &'t str,
    },
}

impl<'t> Topic<'t> {
    /// Reads a topic that `device_id` of a hub publishes to.
    pub(crate) fn parse_hub(device_id: &str, topic: &'t str) -> Result<Self, Refusal> {
        if let Some(rest) = topic.strip_prefix("devices/") {
            let rest = rest
                .strip_prefix(&*id::path(device_id))
                .and_then(|rest| rest.strip_prefix("/messages/events"))
                .ok_or_else(|| unsupported(topic, "it is not this device's telemetry topic"))?;
            let bag = match rest.strip_prefix('/') {
                Some(bag) => bag.strip_suffix('/').unwrap_or(bag),
                None if rest.is_empty() => "",
                None => return Err(unsupported(topic, "'events' must be followed by '/'")),
            };
            return Ok(Self::Telemetry { bag });
        }
        if let Some(query) = topic.strip_prefix("$iothub/twin/GET/?") {
            return Ok(Self::TwinGet {
                rid: rid(topic, query)?,
            });
        }
        if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?") {
            let version = parameter(query, "$version")
                .map(|text| {
                    text.parse()
                        .map_err(|_| unsupported(topic, "$version is no number"))
                })
                .transpose()?;
            return Ok(Self::TwinPatch {
                rid: rid(topic, query)?,
                version,
            });
        }
        if let Some(rest) = topic.strip_prefix("$iothub/methods/res/") {
            let (status, query) = rest
                .split_once("/?")
                .ok_or_else(|| unsupported(topic, "it needs {status}/?$rid={rid}"))?;
            let status = status
                .parse()
                .map_err(|_| unsupported(topic, "the status is no integer"))?;
            return Ok(Self::MethodResponse {
                status,
                rid: rid(topic, query)?,
            });
        }
        Err(unsupported(topic, "a device cannot publish to it"))
    }

    /// Reads a topic that a device publishes to at the provisioning service.
    pub(crate) fn parse_provisioning(topic: &'t str) -> Result<Self, Refusal> {
        if let Some(query) = topic.strip_prefix("$dps/registrations/PUT/iotdps-register/?") {
            return Ok(Self::Register {
                rid: rid(topic, query)?,
            });
        }
        if let Some(query) =
            topic.strip_prefix("$dps/registrations/GET/iotdps-get-operationstatus/?")
        {
            let operation_id = parameter(query, "operationId")
                .ok_or_else(|| unsupported(topic, "operationId is missing"))?;
            return Ok(Self::OperationStatus {
                rid: rid(topic, query)?,
                operation_id,
            });
        }
        Err(unsupported(
            topic,
            "a device cannot publish to it at the provisioning service",
        ))
    }
}

/// What a device may subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Feature {
    /// `devices/{id}/messages/devicebound/#`
    CloudToDevice,
    /// `$iothub/twin/res/#`
    TwinResponses,
    /// `$iothub/twin/PATCH/properties/desired/#`
    DesiredChanges,
    /// `$iothub/methods/POST/#`
    Methods,
    /// `devices/{id}/modules/{module}/inputs/#`
    Inputs,
    /// `$dps/registrations/res/#`
    Registrations,
}

impl Feature {
    /// Reads a filter; `device_id` is `None` at the provisioning service.
    pub(crate) fn parse(device_id: Option<&str>, filter: &str) -> Result<Self, Refusal> {
        let Some(device_id) = device_id else {
            return match filter {
                "$dps/registrations/res/#" => Ok(Self::Registrations),
                _ => Err(unsupported_filter(filter)),
            };
        };
        match filter {
            "$iothub/twin/res/#" => return Ok(Self::TwinResponses),
            "$iothub/twin/PATCH/properties/desired/#" => return Ok(Self::DesiredChanges),
            "$iothub/methods/POST/#" => return Ok(Self::Methods),
            // Microsoft's tutorial "Use MQTT to develop an IoT device client" subscribes to it for
            // these.
            "#" => return Ok(Self::CloudToDevice),
            _ => {}
        }
        let inside = filter.strip_prefix("devices/");
        let bound = |suffix| inside.and_then(|rest| rest.strip_suffix(suffix));
        // What another module sends to this one over IoT Edge, which is not here.
        let inputs = bound("/inputs/#").filter(|_| device_id.contains('/'));
        let (id, feature) = match (bound("/messages/devicebound/#"), inputs) {
            (Some(id), _) => (id, Self::CloudToDevice),
            (None, Some(id)) => (id, Self::Inputs),
            (None, None) => return Err(unsupported_filter(filter)),
        };
        if id == id::path(device_id) || id == "+" {
            Ok(feature)
        } else {
            Err(Refusal::new(
                ErrorCode::IotHubUnauthorized,
                format!("filter '{filter}': device '{device_id}' may read only its own messages"),
            ))
        }
    }

    /// The name in the log and in storage.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CloudToDevice => "c2d",
            Self::TwinResponses => "twin responses",
            Self::DesiredChanges => "desired properties",
            Self::Methods => "methods",
            Self::Inputs => "inputs",
            Self::Registrations => "registrations",
        }
    }
}

fn rid<'t>(topic: &str, query: &'t str) -> Result<&'t str, Refusal> {
    parameter(query, "$rid").ok_or_else(|| unsupported(topic, "$rid is missing"))
}

fn unsupported(topic: &str, why: &str) -> Refusal {
    Refusal::new(
        ErrorCode::InvalidOperation,
        format!("topic '{topic}': {why}"),
    )
}

fn unsupported_filter(filter: &str) -> Refusal {
    Refusal::new(
        ErrorCode::InvalidOperation,
        format!("filter '{filter}' is not one of the service's"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_with_and_without_a_bag() {
        for (topic, bag) in [
            ("devices/d/messages/events", ""),
            ("devices/d/messages/events/", ""),
            ("devices/d/messages/events/a=1&b=2", "a=1&b=2"),
            ("devices/d/messages/events/a=1/", "a=1"),
        ] {
            assert_eq!(Topic::parse_hub("d", topic), Ok(Topic::Telemetry { bag }));
        }
        for topic in [
            "devices/e/messages/events/",
            "devices/d/messages/eventsX",
            "devices/d/messages",
            "x",
        ] {
            assert!(Topic::parse_hub("d", topic).is_err(), "{topic}");
        }
    }

    #[test]
    fn twin_and_methods() {
        assert_eq!(
            Topic::parse_hub("d", "$iothub/twin/GET/?$rid=你好"),
            Ok(Topic::TwinGet { rid: "你好" })
        );
        assert_eq!(
            Topic::parse_hub(
                "d",
                "$iothub/twin/PATCH/properties/reported/?$version=7&$rid=1&x"
            ),
            Ok(Topic::TwinPatch {
                rid: "1",
                version: Some(7)
            })
        );
        assert_eq!(
            Topic::parse_hub("d", "$iothub/methods/res/65535/?$rid=id_one"),
            Ok(Topic::MethodResponse {
                status: 65535,
                rid: "id_one"
            })
        );
        for topic in [
            "$iothub/twin/GET/",
            "$iothub/twin/GET/?rid=1",
            "$iothub/methods/res/ok/?$rid=1",
            "$iothub/twin/PATCH/properties/reported/?$rid=1&$version=x",
            "devices/d/$iothub/twin/GET/?$rid=1",
        ] {
            assert!(Topic::parse_hub("d", topic).is_err(), "{topic}");
        }
    }

    #[test]
    fn provisioning() {
        assert_eq!(
            Topic::parse_provisioning("$dps/registrations/PUT/iotdps-register/?$rid=1"),
            Ok(Topic::Register { rid: "1" })
        );
        assert_eq!(
            Topic::parse_provisioning(
                "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1&operationId=4.x"
            ),
            Ok(Topic::OperationStatus {
                rid: "1",
                operation_id: "4.x"
            })
        );
        assert!(Topic::parse_provisioning("$iothub/twin/GET/?$rid=1").is_err());
    }

    #[test]
    fn filters() {
        let parse = |filter| Feature::parse(Some("d"), filter);
        assert_eq!(
            parse("devices/d/messages/devicebound/#"),
            Ok(Feature::CloudToDevice)
        );
        assert_eq!(
            parse("devices/+/messages/devicebound/#"),
            Ok(Feature::CloudToDevice)
        );
        assert!(
            parse("devices/e/messages/devicebound/#")
                .unwrap_err()
                .reason
                .contains("only its own")
        );
        assert_eq!(parse("#"), Ok(Feature::CloudToDevice));
        for filter in [
            "+/#",
            "$iothub/#",
            "$iothub/twin/res/+",
            "devices/d/messages/events/#",
            "$dps/registrations/res/#",
        ] {
            assert!(parse(filter).is_err(), "{filter}");
        }
        assert_eq!(
            Feature::parse(None, "$dps/registrations/res/#"),
            Ok(Feature::Registrations)
        );
        assert!(Feature::parse(None, "$iothub/twin/res/#").is_err());
    }
}
