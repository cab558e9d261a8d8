//! Twin requests of the device.

use std::sync::Arc;

use rusqlite::Connection;

use super::Session;
use crate::code::{ErrorCode, Refusal};
use crate::faults::Point;
use crate::faults::throttled;
use crate::hub::connections::Command;
use crate::hub::registry;
use crate::journal::Event;
use crate::mqtt::topic::Feature;
use crate::mqtt::wire::write;
use crate::random;
use crate::store::Later;

impl Session {
    pub(super) fn twin_get(&mut self, rid: &str, packet_id: u16) {
        let (hub, id, given) = (self.hub.clone(), self.device_id.clone(), rid);
        let rid = rid.to_owned();
        self.ask(given, packet_id, 0, move |c, later| {
            later.settle(c)?;
            let device = registry::require(c, &hub, &id)?;
            let body = serde_json::json!({
                "desired": device.desired.for_device(),
                "reported": device.reported.for_device(),
            });
            Ok(Reply {
                topic: format!("$iothub/twin/res/200/?$rid={rid}"),
                body: body.to_string(),
                event: None,
            })
        });
    }

    pub(super) fn twin_patch(
        &mut self,
        rid: &str,
        base: Option<i64>,
        body: Vec<u8>,
        packet_id: u16,
    ) {
        let (hub, id, given) = (self.hub.clone(), self.device_id.clone(), rid);
        let rid = rid.to_owned();
        let now = self.service.clock.now();
        let held = body.len();
        let reports = Arc::clone(&self.service.reports);
        self.ask(given, packet_id, held, move |c, later| {
            match reports.apply(c, later, (&hub, &id), &body, base, now) {
                Ok(version) => Ok(Reply {
                    topic: format!("$iothub/twin/res/204/?$rid={rid}&$version={version}"),
                    body: String::new(),
                    event: Some(Event::info(
                        "twin",
                        format!("reported properties, now version {version}"),
                    )),
                }),
                // Then nothing of the transaction may stay.
                Err(refusal) if refusal.code == ErrorCode::ServerError => Err(refusal),
                Err(refusal) => Ok(Reply::refusal(&rid, &refusal)),
            }
        });
    }

    /// Lets the storage answer a request on a twin topic.
    fn ask(
        &mut self,
        rid: &str,
        packet_id: u16,
        bytes: usize,
        job: impl FnOnce(&Connection, &mut Later) -> Result<Reply, Refusal> + Send + 'static,
    ) {
        let held = self.hold(bytes);
        let handle = Arc::clone(&self.handle);
        let listens = self.subscriptions.qos(Feature::TwinResponses).is_some();
        let fault = self
            .service
            .faults
            .trigger(Point::Throttle, &self.device_id);
        let rid = rid.to_owned();
        let refusal = match fault {
            Some(fault) => Some(throttled(fault.number, "the twin request")),
            None if self.reduced => Some(Refusal::new(
                ErrorCode::InvalidProtocolVersion,
                "the user name of CONNECT has no api-version, and without it there is no twin",
            )),
            None => None,
        };
        let job = move |c: &Connection, later: &mut Later| match refusal {
            None => job(c, later),
            Some(refusal) => Ok(Reply::refusal(&rid, &refusal)),
        };
        let (service, hub, id) = (
            Arc::clone(&self.service),
            self.hub.clone(),
            self.device_id.clone(),
        );
        self.enqueued = true;
        let answer = move |result| match result {
            Ok(Reply { topic, body, event }) => {
                if let Some(event) = event {
                    service.journal.record(event.of(&hub, &id));
                }
                let mut answer = if packet_id == 0 {
                    Vec::new()
                } else {
                    write::puback(packet_id)
                };
                if listens {
                    answer.extend(write::publish(&topic, body.as_bytes(), None, false));
                }
                handle.answer_request(answer, held);
            }
            Err(refusal) => handle.command(Command::Close(refusal)),
        };
        self.service.store.enqueue(job, answer);
    }
}

/// What a twin request is answered with, and what the event log says of it.
struct Reply {
    topic: String,
    body: String,
    event: Option<Event>,
}

impl Reply {
    fn refusal(rid: &str, refusal: &Refusal) -> Self {
        Self {
            topic: format!("$iothub/twin/res/{}/?$rid={rid}", refusal.code.status()),
            body: error_body(refusal),
            event: Some(Event::refusal("twin", refusal)),
        }
    }
}

/// The body of an answer with an error status.
fn error_body(refusal: &Refusal) -> String {
    serde_json::json!({
        "errorCode": refusal.code.number(),
        "trackingId": random::guid(),
        "message": refusal.reason,
    })
    .to_string()
}
