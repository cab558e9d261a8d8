//! Messages of the device, and its will.

use std::sync::Arc;

use serde_json::Value;

use super::{Session, send_later};
use crate::code::{ErrorCode, Refusal};
use crate::faults::Point;
use crate::hub::connections::Command;
use crate::hub::telemetry::{self, MAX_MESSAGE};
use crate::journal::Event;
use crate::mqtt::topic::Topic;
use crate::mqtt::wire::{Publish, write};
use crate::properties::Properties;

impl Session {
    pub(super) fn message(
        &self,
        bag: &str,
        payload: Vec<u8>,
        qos: u8,
        retain: bool,
    ) -> Result<telemetry::Message, Refusal> {
        let mut properties = Properties::parse(bag).map_err(|error| {
            Refusal::new(ErrorCode::IotHubFormatError, format!("property {error}"))
        })?;
        let size = payload.len() + properties.size();
        if size > MAX_MESSAGE {
            return Err(Refusal::new(
                ErrorCode::MessageTooLarge,
                format!(
                    "a message of {size} bytes with its properties is larger than {MAX_MESSAGE}"
                ),
            ));
        }
        if retain {
            properties
                .application
                .push(("mqtt-retain".to_owned(), Some("true".to_owned())));
        }
        Ok(telemetry::Message::new(
            &self.hub,
            &self.device_id,
            payload,
            properties,
            qos,
        ))
    }

    pub(super) fn store_telemetry(&mut self, mut message: telemetry::Message, packet_id: u16) {
        let held = self.hold(message.body.len());
        let service = Arc::clone(&self.service);
        let handle = Arc::clone(&self.handle);
        message.enqueued = service.clock.now();
        let fault = match packet_id {
            0 => None,
            _ => service.faults.trigger(Point::Puback, &self.device_id),
        };
        let runtime = tokio::runtime::Handle::current();
        let ring = Arc::clone(&service.ring);
        self.enqueued = true;
        self.service.store.enqueue(
            move |c, later| ring.store_later(c, later, message),
            move |result| match result {
                Ok(message) => {
                    let _ = service.telemetry.send(message);
                    let answer = if packet_id == 0 {
                        Vec::new()
                    } else {
                        write::puback(packet_id)
                    };
                    match fault {
                        None => handle.answer_request(answer, held),
                        Some(fault) => {
                            handle.answer_request(Vec::new(), held);
                            if let Some(delay) = fault.delay_ms {
                                runtime.spawn(send_later(handle, delay, answer));
                            }
                        }
                    }
                }
                // Without a place to keep it there is no acknowledgement.
                Err(refusal) => handle.command(Command::Close(refusal)),
            },
        );
    }

    pub(super) fn send_will(&mut self, will: Publish) {
        let message = match Topic::parse_hub(&self.device_id, &will.topic) {
            Ok(Topic::Telemetry { bag }) => self.message(bag, will.payload, will.qos, will.retain),
            Ok(_) => Err(Refusal::new(
                ErrorCode::InvalidOperation,
                "the will's topic is not for telemetry",
            )),
            Err(refusal) => Err(refusal),
        };
        match message {
            Ok(mut message) => {
                message
                    .properties
                    .insert("iothub-MessageType".to_owned(), Value::from("Will"));
                self.store_telemetry(message, 0);
            }
            Err(refusal) => self.record(Event::refusal("will", &refusal)),
        }
    }
}
