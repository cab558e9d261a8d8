//! What a link is for: the address of its source or target.

use crate::code::{ErrorCode, Refusal};
use crate::hub::partitions::event_hub;
use crate::id;
use crate::properties;

/// A node that links lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// Where tokens are put.
    Cbs,
    /// Where a hub is asked for its Event Hubs-compatible endpoint, which has an address of its
    /// own.
    Redirect {
        /// What stands behind `messages/events`.
        rest: String,
    },
    /// What an event hub tells of itself.
    Management {
        /// The hub's host name.
        hub: String,
    },
    /// Messages of devices.
    Partition(Partition),
    /// Cloud-to-device messages, from the service.
    CloudToDevice,
    /// What became of them.
    Feedback,
    /// Files that devices have uploaded.
    FileNotifications,
    /// A device at the provisioning service.
    Registration {
        /// The id scope.
        scope: String,
        /// The registration id.
        id: String,
    },
    /// One of a device's own, or of a module's.
    Device(String, Feature),
}

impl Node {
    /// Whether a policy's token opens it, and no device's own proof.
    pub(super) fn is_of_services(&self) -> bool {
        !matches!(self, Self::Device(..) | Self::Registration { .. })
    }
}

/// What a device uses a link for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Feature {
    /// Telemetry.
    Events,
    /// Cloud-to-device messages.
    CloudToDevice,
    /// The device's twin.
    Twin,
    /// Calls of its methods.
    Methods,
}

/// A partition, as a consumer group sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Partition {
    /// The hub's host name.
    pub hub: String,
    /// The consumer group.
    pub group: String,
    /// From 0.
    pub number: u32,
}

/// An address, cut at its slashes, as it is compared with what a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Decoded, in their own case.
    segments: Vec<String>,
}

impl Address {
    /// Reads `amqps://host/a/b`, `/a/b` and `a/b`.
    pub(super) fn parse(text: &str) -> Self {
        let path = match text.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => text,
        };
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let decoded = segments.map(|it| properties::decode(it).map_or(it.to_owned(), Into::into));
        Self {
            segments: decoded.collect(),
        }
    }

    /// Whether it begins with those segments, in whatever case.
    pub(super) fn begins_with(&self, path: &str) -> bool {
        let mut own = self.segments.iter();
        let mut wanted = path.split('/').filter(|segment| !segment.is_empty());
        wanted.all(|it| own.next().is_some_and(|own| own.eq_ignore_ascii_case(it)))
    }

    /// Whether it is `$management` alone, which leads to the event hub that its requests name.
    pub(super) fn is_management(&self) -> bool {
        matches!(self.segments.as_slice(), [only] if only.eq_ignore_ascii_case("$management"))
    }

    /// The node, among the event hubs of these hubs; `meant` is the one that the peer connected to.
    pub(super) fn node(&self, hubs: &[String], meant: &str) -> Result<Node, Refusal> {
        let lower: Vec<String> = self
            .segments
            .iter()
            .map(|it| it.to_ascii_lowercase())
            .collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        Ok(match lower.as_slice() {
            ["$cbs"] => Node::Cbs,
            ["$management"] => Node::Management {
                hub: meant.to_owned(),
            },
            ["messages", "events", ..] => Node::Redirect {
                rest: self.segments[2..].join("/"),
            },
            ["messages", "devicebound"] => Node::CloudToDevice,
            ["messages", "servicebound", "feedback"] => Node::Feedback,
            ["messages", "servicebound", "filenotifications"] => Node::FileNotifications,
            ["devices", id, "modules", module, path @ ..]
                if !id.contains('/') && !module.contains('/') =>
            {
                let feature = match path {
                    ["messages", "events"] => Feature::Events,
                    ["twin"] => Feature::Twin,
                    ["methods", "devicebound"] => Feature::Methods,
                    _ => return Err(self.unknown()),
                };
                Node::Device(id::of_module(&self.segments[1], &self.segments[3]), feature)
            }
            ["devices", id, path @ ..] if !id.contains('/') => {
                let feature = match path {
                    ["messages", "events"] => Feature::Events,
                    ["messages", "devicebound"] => Feature::CloudToDevice,
                    ["twin"] => Feature::Twin,
                    ["methods", "devicebound"] => Feature::Methods,
                    _ => return Err(self.unknown()),
                };
                Node::Device(self.segments[1].clone(), feature)
            }
            [_, "registrations", _] => Node::Registration {
                scope: self.segments[0].clone(),
                id: self.segments[2].clone(),
            },
            [entity, rest @ ..] => {
                let hub = hubs.iter().find(|hub| is_event_hub(entity, hub));
                let hub = hub.ok_or_else(|| self.unknown())?.clone();
                match rest {
                    ["$management"] => Node::Management { hub },
                    ["consumergroups", _, "partitions", number] => Node::Partition(Partition {
                        hub,
                        group: self.segments[2].clone(),
                        number: number.parse().map_err(|_| self.unknown())?,
                    }),
                    _ => return Err(self.unknown()),
                }
            }
            [] => return Err(self.unknown()),
        })
    }

    fn unknown(&self) -> Refusal {
        let path = self.segments.join("/");
        Refusal::new(
            ErrorCode::NotFound,
            format!("there is nothing at the address '{path}'"),
        )
    }
}

/// By its own name, or by the hub's.
pub(super) fn is_event_hub(entity: &str, hub: &str) -> bool {
    entity.eq_ignore_ascii_case(hub) || entity.eq_ignore_ascii_case(&event_hub(hub))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Result<Node, ErrorCode> {
        let hubs = ["one.example.net".to_owned(), "two".to_owned()];
        Address::parse(text)
            .node(&hubs, "two")
            .map_err(|it| it.code)
    }

    #[test]
    fn reads_the_addresses_of_the_sdks() {
        for (text, expected) in [
            ("$cbs", Node::Cbs),
            (
                "$management",
                Node::Management {
                    hub: "two".to_owned(),
                },
            ),
            ("/messages/devicebound", Node::CloudToDevice),
            (
                "amqps://one.example.net/messages/devicebound",
                Node::CloudToDevice,
            ),
            ("/messages/serviceBound/feedback", Node::Feedback),
            (
                "/messages/serviceBound/filenotifications",
                Node::FileNotifications,
            ),
            (
                "amqps://two:5671/messages/events/$management",
                Node::Redirect {
                    rest: "$management".to_owned(),
                },
            ),
            (
                "/devices/Dev%201/messages/events",
                Node::Device("Dev 1".to_owned(), Feature::Events),
            ),
            (
                "amqps://two/devices/d/messages/devicebound",
                Node::Device("d".to_owned(), Feature::CloudToDevice),
            ),
            (
                "/devices/d/twin",
                Node::Device("d".to_owned(), Feature::Twin),
            ),
            (
                "/devices/d/methods/devicebound",
                Node::Device("d".to_owned(), Feature::Methods),
            ),
            (
                "amqps://two/devices/d/modules/m/messages/events",
                Node::Device("d/m".to_owned(), Feature::Events),
            ),
            (
                "/devices/d/modules/m/twin",
                Node::Device("d/m".to_owned(), Feature::Twin),
            ),
            (
                "amqps://global/0ne1/registrations/Dev%3A1",
                Node::Registration {
                    scope: "0ne1".to_owned(),
                    id: "Dev:1".to_owned(),
                },
            ),
            (
                "two/$management",
                Node::Management {
                    hub: "two".to_owned(),
                },
            ),
            (
                "sb://x/iothub-ehub-one.example.net/ConsumerGroups/$Default/Partitions/3",
                Node::Partition(Partition {
                    hub: "one.example.net".to_owned(),
                    group: "$Default".to_owned(),
                    number: 3,
                }),
            ),
        ] {
            assert_eq!(node(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "/",
            "three/$management",
            "two/ConsumerGroups/g/Partitions/x",
            "two",
            "0ne1/registrations",
            "0ne1/registrations/a/b",
            "devices/d/modules/m/messages/devicebound",
        ] {
            assert_eq!(node(text), Err(ErrorCode::NotFound), "{text}");
        }
    }

    #[test]
    fn a_token_covers_what_lies_below_its_path() {
        let address = Address::parse("amqps://h/Two/ConsumerGroups/g/Partitions/0");
        assert!(address.begins_with("") && address.begins_with("two/consumergroups"));
        assert!(!address.begins_with("tw") && !address.begins_with("two/$management"));
    }
}
