//! Devices: each that a connection serves is entered in the hub's table, as one that connects over
//! MQTT is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value as Json, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use super::Connection;
use super::outlet::{Command, LinkId, Outlet};
use super::served::Device;
use crate::amqp::address::{Address, Feature, Node};
use crate::amqp::codec::message::{self, Message, place};
use crate::amqp::codec::performative::{ACCEPTED, Fault, Outcome, REJECTED};
use crate::amqp::codec::value::Value;
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::hub::authenticate::{self, Credentials};
use crate::hub::c2d::{self, LockToken};
use crate::hub::connections::{self, MethodAnswer};
use crate::hub::registry;
use crate::hub::telemetry;
use crate::journal::Event;
use crate::properties::{Properties, SYSTEM};

impl Connection {
    /// Lets a device in with a token, or with the certificate of the TLS handshake.
    pub(super) async fn admit(&mut self, id: &str, token: Option<&str>) -> Result<(), Refusal> {
        let credentials = Credentials {
            host: self.named.clone(),
            certificates: self.certificates.clone(),
            password: token.map(|text| text.as_bytes().to_vec()),
        };
        let service = Arc::clone(&self.amqp.service);
        let (hub, device, now) = (self.hub.clone(), id.to_owned(), service.clock.now());
        let enforce = service.enforces_x509(&hub, id);
        let admitted = service
            .store
            .run(move |c| {
                let admitted = authenticate::admit(c, &hub, &device, &credentials, enforce, now)?;
                registry::touch(c, &hub, &device, now, now, None)?;
                Ok(admitted)
            })
            .await?;
        self.unproved = None;
        if let Some(device) = self.devices.get_mut(id) {
            // The token was renewed.
            device.until = admitted.until;
            return Ok(());
        }
        if self.devices.len() >= MAX_DEVICES {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                format!("a connection serves {MAX_DEVICES} devices at the most"),
            ));
        }
        let number = service.connections.next_number();
        let (handle, queue, older) = service.connections.enter(number, &self.hub, id);
        if let Some(older) = older {
            older.command(connections::Command::Close(Refusal::new(
                ErrorCode::ConnectionForcefullyClosedOnNewConnection,
                format!("connection #{number} from {} took over", self.address),
            )));
        }
        handle.activity.store(now, Ordering::Relaxed);
        let how = format!("AMQP, {}", admitted.how);
        let event = Event::info("connected", how).of(&self.hub, id);
        service.journal.record(event.on(number, self.address));
        let commands = self.commands.clone();
        let device = Device::new(id, handle, admitted.until, queue, commands);
        self.devices.insert(id.to_owned(), device);
        Ok(())
    }

    /// Whether a device's links may be attached; its certificate is looked at, if it came with one.
    pub(super) async fn admit_link(&mut self, address: &Address) -> Result<(), Refusal> {
        let hubs = self.amqp.service.hubs.hosts();
        let Ok(Node::Device(id, _)) = address.node(&hubs, &self.hub) else {
            return Ok(());
        };
        match self.devices.contains_key(&id) {
            true => Ok(()),
            false => self.admit(&id, None).await,
        }
    }

    /// What the hub asks of a device.
    pub(super) fn obey_hub(&mut self, id: &str, command: connections::Command) {
        match command {
            connections::Command::Desired { patch, .. } => {
                let mut out = Vec::new();
                message::annotations(&mut out, |map| {
                    map.symbol("resource").string(DESIRED);
                });
                message::data(&mut out, patch.as_bytes());
                self.tell(id, Feature::Twin, out);
            }
            connections::Command::Call {
                rid,
                method,
                payload,
            } => {
                let mut out = Vec::new();
                message::properties(&mut out, |list| {
                    list.nulls(place::CORRELATION_ID)
                        .value(&correlation_of(&rid))
                        .nulls(7);
                });
                message::application(&mut out, |map| {
                    map.string("IoThub-methodname").string(&method);
                });
                message::data(&mut out, payload.as_bytes());
                self.tell(id, Feature::Methods, out);
            }
            connections::Command::Close(refusal) => self.end_device(id, &refusal),
            connections::Command::Mailbox
            | connections::Command::Done { .. }
            | connections::Command::Answered
            | connections::Command::Late(_) => {}
        }
    }

    /// Sends a message on the link of a device that receives of a feature.
    fn tell(&mut self, id: &str, feature: Feature, message: Vec<u8>) {
        let node = Node::Device(id.to_owned(), feature);
        if let Some(to) = self.receiver_of(&node, None, "") {
            self.queue(to, message);
        }
    }

    /// Ends a device's links, and takes it out of the hub's table.
    pub(super) fn end_device(&mut self, id: &str, refusal: &Refusal) {
        let links: Vec<LinkId> = self
            .sessions
            .values()
            .flat_map(|session| session.links.values())
            .filter(|link| matches!(&link.node, Node::Device(of, _) if of == id))
            .map(|link| link.id)
            .collect();
        for link in links {
            self.detach(link, &Fault::from(refusal));
        }
        self.leave(id, Event::refusal("closed", refusal));
    }

    /// Takes a device out of the hub's table.
    pub(super) fn leave(&mut self, id: &str, event: Event) {
        let Some(device) = self.devices.remove(id) else {
            return;
        };
        let service = Arc::clone(&self.amqp.service);
        let handle = &device.handle;
        let event = event.of(&self.hub, id);
        service
            .journal
            .record(event.on(handle.number, self.address));
        let mine = service.connections.leave(handle);
        let (number, activity) = (handle.number, handle.last_activity());
        let (hub, owned, now) = (self.hub.clone(), id.to_owned(), service.clock.now());
        let policy = service.settings.c2d;
        let store = service.store.clone();
        store.submit(
            move |c| {
                c2d::unlock(c, Some(number), policy)?;
                if mine {
                    registry::touch(c, &hub, &owned, activity, now, None)?;
                }
                Ok((hub, owned))
            },
            move |result| {
                // A newer connection of the same device may be waiting for what was locked here.
                if let Ok((hub, id)) = result {
                    service.wake(&hub, &id);
                }
            },
        );
    }

    /// Notes whether a device listens for methods.
    pub(super) fn listens(&self, node: &Node, listens: bool) {
        let Node::Device(id, feature) = node else {
            return;
        };
        let Some(device) = self.devices.get(id) else {
            return;
        };
        match feature {
            Feature::Methods => device.handle.methods.store(listens, Ordering::Release),
            // Changes are asked for by a request; without a link there is nobody to tell.
            Feature::Twin if !listens => device.handle.desired.store(false, Ordering::Release),
            Feature::Twin | Feature::Events | Feature::CloudToDevice => return,
        }
        self.amqp.service.connections.announce();
    }

    /// The task that hands a device's waiting messages out.
    pub(super) fn mailbox(&self, id: &str, outlet: Outlet) -> Option<AbortHandle> {
        let device = self.devices.get(id)?;
        let service = Arc::clone(&self.amqp.service);
        Some(device.hand_out(service, &self.hub, id, outlet))
    }

    /// Telemetry of a device, settled when all of a delivery is stored.
    pub(super) fn hear_events(
        &self,
        (link, delivery, settled): (LinkId, u32, bool),
        id: &str,
        messages: Vec<Message>,
        room: OwnedSemaphorePermit,
    ) -> Option<Result<(), Refusal>> {
        let device = self.devices.get(id)?;
        let now = self.amqp.service.clock.now();
        device.handle.activity.store(now, Ordering::Relaxed);
        let events = messages
            .into_iter()
            .map(|message| telemetry_of(&self.hub, id, message, now));
        let events = match events.collect::<Result<Vec<_>, _>>() {
            Ok(events) => events,
            Err(refusal) => return Some(Err(refusal)),
        };
        let service = Arc::clone(&self.amqp.service);
        let (commands, ring) = (self.commands.clone(), Arc::clone(&service.ring));
        let store = service.store.clone();
        store.submit(
            move |c| {
                let stored = events.into_iter().map(|event| ring.store(c, event));
                stored.collect::<Result<Vec<_>, _>>()
            },
            move |result| {
                drop(room);
                let outcome = match result {
                    Ok(events) => {
                        for event in events {
                            let _ = service.telemetry.send(event);
                        }
                        Outcome::Accepted
                    }
                    Err(refusal) => Outcome::Rejected(Some(Fault::from(&refusal))),
                };
                let _ = commands.send(match settled {
                    true => Command::Done(link),
                    false => Command::Settle(link, delivery, outcome),
                });
            },
        );
        None
    }

    /// What else a device sends on one of its links, settled at once.
    pub(super) fn hear(
        &mut self,
        link: LinkId,
        (id, feature): (String, Feature),
        message: Message,
        room: OwnedSemaphorePermit,
    ) -> Option<Result<(), Refusal>> {
        let device = self.devices.get(&id)?;
        let now = self.amqp.service.clock.now();
        device.handle.activity.store(now, Ordering::Relaxed);
        match feature {
            Feature::Twin => Some(self.twin(link, &id, message, room)),
            Feature::Methods => {
                self.answer(&id, message);
                Some(Ok(()))
            }
            Feature::Events | Feature::CloudToDevice => Some(Ok(())),
        }
    }

    /// A device's request: its twin, a change of what it reports, or whether it is told of desired
    /// properties.
    fn twin(
        &mut self,
        link: LinkId,
        id: &str,
        request: Message,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Refusal> {
        let correlation = request.properties.at(place::CORRELATION_ID).clone();
        let text = |name: &str| {
            let value = request.annotations.entry(name);
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (operation, resource) = (text("operation"), text("resource"));
        let (hub, id) = (self.hub.clone(), id.to_owned());
        let now = self.amqp.service.clock.now();
        let job: TwinJob = match (operation.as_str(), resource.as_str()) {
            ("GET", _) => Box::new(move |c| {
                let device = registry::require(c, &hub, &id)?;
                let twin = json!({
                    "desired": device.desired.for_device(),
                    "reported": device.reported.for_device(),
                });
                Ok((None, twin.to_string()))
            }),
            ("PATCH", "/properties/reported") => {
                let base = request.annotations.entry("version").and_then(Value::as_i64);
                let body = request.into_body();
                Box::new(move |c| {
                    let version = registry::report(c, (&hub, &id), &body, base, now)?;
                    Ok((Some(version), String::new()))
                })
            }
            ("PUT" | "DELETE", DESIRED) => {
                if let Some(device) = self.devices.get(&id) {
                    let wanted = operation == "PUT";
                    device.handle.desired.store(wanted, Ordering::Release);
                }
                Box::new(|_| Ok((None, String::new())))
            }
            _ => Box::new(move |_| {
                Err(Refusal::new(
                    ErrorCode::ArgumentInvalid,
                    format!("operation '{operation}' on '{resource}' is none of a twin's"),
                ))
            }),
        };
        let commands = self.commands.clone();
        self.amqp.service.store.submit(job, move |result| {
            drop(room);
            let (status, version, body) = match result {
                Ok((version, body)) => (200, version, body),
                Err(refusal) => {
                    let body = json!({
                        "errorCode": refusal.code.number(),
                        "message": refusal.reason,
                    });
                    (refusal.code.status(), None, body.to_string())
                }
            };
            let mut out = Vec::new();
            message::annotations(&mut out, |map| {
                map.symbol("status").int(status.into());
                if let Some(version) = version {
                    map.symbol("version").long(version);
                }
            });
            message::properties(&mut out, |list| {
                list.nulls(place::CORRELATION_ID)
                    .value(&correlation)
                    .nulls(7);
            });
            message::data(&mut out, body.as_bytes());
            let _ = commands.send(Command::Respond(link, String::new(), out));
        });
        Ok(())
    }

    /// A device's answer to a method.
    fn answer(&self, id: &str, message: Message) {
        let Some(device) = self.devices.get(id) else {
            return;
        };
        let correlation = message.properties.at(place::CORRELATION_ID);
        let rid = match request_of(correlation) {
            Some(rid) => rid,
            None => correlation.to_text().unwrap_or_default(),
        };
        let status = message.property("IoThub-status").and_then(Value::as_i64);
        let body = message.into_body();
        let payload = match body.as_slice() {
            [] => Ok(Json::Null),
            body => serde_json::from_slice(body).map_err(|error| {
                let reason = format!("the device's answer to request '{rid}' is not JSON: {error}");
                Refusal::new(ErrorCode::InvalidResponseWhileProxying, reason)
            }),
        };
        let answer = payload.map(|payload| MethodAnswer {
            status: status.unwrap_or_default(),
            payload,
        });
        if !device.handle.answer(&rid, answer) {
            let reason = format!("an answer to request '{rid}', for which nobody waits");
            let refusal = Refusal::new(ErrorCode::InvalidOperation, reason);
            let event = Event::refusal("method", &refusal).of(&self.hub, id);
            let journal = &self.amqp.service.journal;
            journal.record(event.on(device.handle.number, self.address));
        }
    }

    /// What a device says of a message that it was handed.
    pub(super) fn settle_message(&self, id: String, token: LockToken, state: Option<u64>) {
        let service = Arc::clone(&self.amqp.service);
        let (hub, now, policy) = (self.hub.clone(), service.clock.now(), service.settings.c2d);
        let (for_job, device) = (hub.clone(), id.clone());
        let store = service.store.clone();
        store.submit(
            move |c| match state {
                Some(ACCEPTED) => token.settle(c, &for_job, &device, c2d::Outcome::Success, now),
                Some(REJECTED) => token.settle(c, &for_job, &device, c2d::Outcome::Rejected, now),
                _ => token.abandon(c, &for_job, &device, policy, now),
            },
            move |result| {
                if let Err(refusal) = &result {
                    let event = Event::refusal("c2d", refusal).of(&hub, &id);
                    service.journal.record(event);
                }
                service.wake(&hub, &id);
            },
        );
    }
}

type TwinJob =
    Box<dyn FnOnce(&rusqlite::Connection) -> Result<(Option<i64>, String), Refusal> + Send>;

fn telemetry_of(
    hub: &str,
    id: &str,
    message: Message,
    now: UnixMs,
) -> Result<telemetry::Message, Refusal> {
    let mut properties = Properties::default();
    for (at, name) in [
        (place::MESSAGE_ID, "messageId"),
        (place::USER_ID, "userId"),
        (place::CORRELATION_ID, "correlationId"),
        (place::CONTENT_TYPE, "contentType"),
        (place::CONTENT_ENCODING, "contentEncoding"),
        (place::EXPIRY, "absoluteExpiryTime"),
    ] {
        let value = match message.properties.at(at) {
            Value::Timestamp(at) => Some(rfc3339(*at)),
            value => value.to_text().filter(|text| !text.is_empty()),
        };
        properties
            .system
            .extend(value.map(|value| (name.to_owned(), value)));
    }
    for (name, value) in message.application.as_map() {
        let name = name.to_text().unwrap_or_default();
        match (
            SYSTEM.iter().find(|(wire, _)| *wire == name),
            value.to_text(),
        ) {
            (Some((_, system)), value) => {
                properties
                    .system
                    .push(((*system).to_owned(), value.unwrap_or_default()));
            }
            (None, value) => properties.application.push((name, value)),
        }
    }
    let size = properties.size();
    let body = message.into_body();
    if body.len() + size > MAX_TELEMETRY {
        return Err(Refusal::new(
            ErrorCode::MessageTooLarge,
            format!(
                "a message of {} bytes with its properties is larger than {}",
                body.len() + size,
                MAX_TELEMETRY
            ),
        ));
    }
    let mut event = telemetry::Message::new(hub, id, body, properties, 1);
    event.enqueued = now;
    Ok(event)
}

/// A method request's id on the wire: a UUID, as the real hub's is. azure-iot-sdk-c takes no other.
fn correlation_of(rid: &str) -> Value {
    let number = u64::from_str_radix(rid, 16).unwrap_or_default();
    Value::Uuid((REQUEST | u128::from(number)).to_be_bytes())
}

/// The method request that an answer names: by its UUID, or by the text of it.
fn request_of(correlation: &Value) -> Option<String> {
    let bits = match correlation {
        Value::Uuid(bytes) => u128::from_be_bytes(*bytes),
        text => u128::from_str_radix(&text.as_str()?.replace('-', ""), 16).ok()?,
    };
    let number = bits ^ REQUEST;
    (number >> 60 == 0).then(|| format!("{number:x}"))
}

/// The bits of a UUID of version 4; a request's number is in the last 60.
const REQUEST: u128 = 0x4000_8000_0000_0000_0000;

const DESIRED: &str = "/notifications/twin/properties/desired";

/// Body and properties.
const MAX_TELEMETRY: usize = 256 * 1024;

/// Devices of one connection.
const MAX_DEVICES: usize = 1000;
