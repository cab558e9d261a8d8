//! Devices at the provisioning service: one registration a connection, asked for by messages on a
//! pair of links.
//!
//! The operations are those of Microsoft's clients; a refusal is the error's JSON in the rejection,
//! as .NET's reads it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::Connection;
use super::outlet::{Command, LinkId};
use crate::amqp::address::{Address, Node};
use crate::amqp::codec::frame::Fields;
use crate::amqp::codec::message::{self, Message, place};
use crate::amqp::codec::performative::{Fault, Outcome};
use crate::amqp::codec::value::Value;
use crate::code::{ErrorCode, Refusal};
use crate::dps::{Answer, Dps, Request};
use crate::journal::Event;

impl Connection {
    /// Lets a device in with the token of SASL PLAIN, or with the certificate of the TLS handshake.
    pub(super) async fn admit_registration(
        &mut self,
        (scope, id): (&str, &str),
        token: Option<&str>,
    ) -> Result<(), Refusal> {
        if let Some(request) = &self.registration {
            let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
            if same(&request.id_scope, scope) && same(&request.registration_id, id) {
                return Ok(());
            }
            return Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!(
                    "the connection is that of registration '{}', and not of '{id}'",
                    request.registration_id
                ),
            ));
        }
        let request = Arc::new(Request {
            id_scope: scope.to_owned(),
            registration_id: id.to_owned(),
            api_version: String::new(),
            certificates: self.certificates.clone(),
            token: token.map(str::to_owned),
        });
        let admitted = self.amqp.dps.admit(Arc::clone(&request)).await;
        admitted.map_err(|refusal| {
            Refusal::new(refusal.code, format!("provisioning: {}", refusal.reason))
        })?;
        self.unproved = None;
        let event = Event::info("connected", "AMQP, provisioning");
        self.record(Event {
            device_id: Some(id.to_owned()),
            ..event
        });
        self.registration = Some(request);
        Ok(())
    }

    /// Whether a registration's links may be attached, and with which version of the service.
    pub(super) async fn admit_registration_link(
        &mut self,
        address: &Address,
        fields: &Fields,
    ) -> Result<(), Refusal> {
        let hubs = self.amqp.service.hubs.hosts();
        let Ok(Node::Registration { scope, id }) = address.node(&hubs, &self.hub) else {
            return Ok(());
        };
        self.admit_registration((&scope, &id), None).await?;
        let version = fields.at(13).entry("com.microsoft:api-version");
        if let Some(version) = version.and_then(Value::as_str)
            && let Some(request) = &mut self.registration
        {
            version.clone_into(&mut Arc::make_mut(request).api_version);
        }
        Ok(())
    }

    /// Lets the provisioning service answer, beside the connection.
    pub(super) fn provision(
        &self,
        (link, delivery, settled): (LinkId, u32, bool),
        message: Message,
        room: OwnedSemaphorePermit,
    ) {
        let Some(request) = self.registration.clone() else {
            return;
        };
        let (dps, commands) = (Arc::clone(&self.amqp.dps), self.commands.clone());
        tokio::spawn(async move {
            let correlation = message.properties.at(place::CORRELATION_ID).clone();
            let answer = answer(&dps, &request, message).await;
            drop(room);
            let outcome = match answer.status {
                200..300 => Outcome::Accepted,
                _ => Outcome::Rejected(Some(rejection(&answer))),
            };
            let is_accepted = outcome == Outcome::Accepted;
            let _ = commands.send(match settled {
                true => Command::Done(link),
                false => Command::Settle(link, delivery, outcome),
            });
            if is_accepted {
                let response = response(&correlation, &answer);
                let _ = commands.send(Command::Respond(link, String::new(), response));
            }
        });
    }
}

async fn answer(dps: &Dps, request: &Arc<Request>, message: Message) -> Answer {
    let text = |name: &str| message.property(name).and_then(Value::to_text);
    let (operation, id) = (text("iotdps-operation-type"), text("iotdps-operation-id"));
    match operation.as_deref() {
        Some("iotdps-register") => dps.register(request, &message.into_body()).await,
        Some("iotdps-get-operationstatus") => dps.status(request, &id.unwrap_or_default()),
        Some("iotdps-get-registration") => dps.registration(request).await,
        other => dps.turned_down(&Refusal::new(
            ErrorCode::ArgumentInvalid,
            format!(
                "iotdps-operation-type '{}' is none of iotdps-register, iotdps-get-operationstatus, iotdps-get-registration",
                other.unwrap_or_default()
            ),
        )),
    }
}

fn response(correlation: &Value, answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    message::properties(&mut out, |list| {
        list.nulls(place::CORRELATION_ID)
            .value(correlation)
            .nulls(7);
    });
    if let Some(seconds) = seconds(answer) {
        message::application(&mut out, |map| {
            for name in RETRY_AFTER {
                map.string(name).int(seconds);
            }
        });
    }
    message::data(&mut out, answer.body.to_string().as_bytes());
    out
}

fn rejection(answer: &Answer) -> Fault {
    let condition = match answer.status {
        401 | 403 => "amqp:unauthorized-access",
        404 => "amqp:not-found",
        429 => "com.microsoft:device-container-throttled",
        500.. => "amqp:internal-error",
        _ => "com.microsoft:argument-error",
    };
    let info = seconds(answer).map(|it| RETRY_AFTER.map(|name| (name, Value::Int(it))));
    Fault {
        info: info.into_iter().flatten().collect(),
        ..Fault::new(condition, answer.body.to_string())
    }
}

fn seconds(answer: &Answer) -> Option<i32> {
    let seconds = answer.retry_after?;
    Some(i32::try_from(seconds).unwrap_or(i32::MAX))
}

/// As .NET's client and as Node's and C's look for it.
const RETRY_AFTER: [&str; 2] = ["Retry-After", "retry-after"];
