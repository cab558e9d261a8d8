//! Cloud-to-device messages of a service.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::Connection;
use super::outlet::{Command, LinkId};
use crate::amqp::codec::message::{Message, place};
use crate::amqp::codec::performative::{Fault, Outcome};
use crate::amqp::codec::value::Value;
use crate::clock::parse_rfc3339;
use crate::code::{ErrorCode, Refusal};
use crate::hub::c2d::{self, Draft};
use crate::journal::Event;

impl Connection {
    /// Puts a message into its device's queue; it is settled when the storage has it, or has said
    /// why not.
    pub(super) fn send_to_device(
        &mut self,
        (id, delivery, settled): (LinkId, u32, bool),
        message: Message,
        room: OwnedSemaphorePermit,
    ) {
        let service = Arc::clone(&self.amqp.service);
        let commands = self.commands.clone();
        let (number, address) = (self.number, self.address);
        let hub = self.hub.clone();
        let (policy, now) = (service.settings.c2d, service.clock.now());
        let read = device_of(&message).and_then(|device| Ok((device, draft(message)?)));
        let store = service.store.clone();
        let (for_job, for_wake) = (hub.clone(), hub);
        store.submit(
            move |c| {
                let (device, draft) = read?;
                c2d::enqueue(c, &for_job, &device, draft, policy, now)?;
                Ok(device)
            },
            move |result| {
                drop(room);
                let outcome = match result {
                    Ok(device) => {
                        service.wake(&for_wake, &device);
                        Outcome::Accepted
                    }
                    Err(refusal) => {
                        let event = Event::refusal("c2d", &refusal);
                        service.journal.record(event.on(number, address));
                        Outcome::Rejected(Some(Fault::from(&refusal)))
                    }
                };
                let _ = commands.send(match settled {
                    true => Command::Done(id),
                    false => Command::Settle(id, delivery, outcome),
                });
            },
        );
    }
}

/// `/devices/{id}/messages/devicebound`.
fn device_of(message: &Message) -> Result<String, Refusal> {
    let to = message.properties.str(place::TO).unwrap_or_default();
    let segments: Vec<&str> = to
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    match segments.as_slice() {
        [devices, id, messages, bound]
            if is(devices, "devices") && is(messages, "messages") && is(bound, "devicebound") =>
        {
            let id = crate::properties::decode(id);
            id.map(Into::into)
                .ok_or_else(|| invalid(format!("the device id in '{to}' is not percent-encoded")))
        }
        [devices, _, modules, module, ..] if is(devices, "devices") && is(modules, "modules") => {
            Err(Refusal::new(
                ErrorCode::InvalidOperation,
                format!("module '{module}': cloud-to-device messages are for devices only"),
            ))
        }
        _ => Err(invalid(format!(
            "a message to '{to}', and not to /devices/{{id}}/messages/devicebound"
        ))),
    }
}

fn draft(message: Message) -> Result<Draft, Refusal> {
    let properties = &message.properties;
    let text = |at: usize| properties.at(at).to_text();
    let mut draft = Draft {
        message_id: text(place::MESSAGE_ID),
        ..Draft::default()
    };
    for (at, wire) in [
        (place::CORRELATION_ID, "$.cid"),
        (place::USER_ID, "$.uid"),
        (place::CONTENT_TYPE, "$.ct"),
        (place::CONTENT_ENCODING, "$.ce"),
    ] {
        let value = text(at).filter(|value| !value.is_empty());
        draft
            .system
            .extend(value.map(|value| (wire.to_owned(), value)));
    }
    if let Value::Timestamp(at) = properties.at(place::EXPIRY) {
        draft.expires(*at);
    }
    for (name, value) in message.application.as_map() {
        let name = name.to_text().unwrap_or_default();
        let value = match value {
            Value::Null => None,
            value => Some(value.to_text().ok_or_else(|| {
                invalid(format!(
                    "the property '{name}' is no text, number or truth value"
                ))
            })?),
        };
        match name.as_str() {
            "iothub-ack" => draft.ack = value,
            // The SDKs send it both ways.
            "iothub-expiry" if draft.expiry.is_none() => {
                let text = value.unwrap_or_default();
                draft.expires(parse_rfc3339(&text).ok_or_else(|| {
                    invalid(format!("iothub-expiry '{text}' is no RFC 3339 time"))
                })?);
            }
            _ => draft.properties.push((name, value)),
        }
    }
    draft.body = message.into_body();
    Ok(draft)
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
