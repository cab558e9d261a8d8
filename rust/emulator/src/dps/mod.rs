//! A device's connection to the provisioning service: register, then ask until it is assigned.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::faults::Point;
use crate::journal::Event;
use crate::link::{Link, read_refusal};
use crate::provisioning::{self, Request};
use crate::sas::random_hex;
use crate::service::{Service, stopped, throttled};
use crate::throttle::Throttle;
use crate::topic::{Feature, Topic};
use crate::username::is_registration_id;
use crate::webhook;
use crate::wire::{Connect, Packet, Publish, write};

mod operations;

use operations::Operation;
pub(crate) use operations::Operations;

/// Serves a device until its connection ends.
pub(crate) async fn serve(
    service: Arc<Service>,
    number: u64,
    mut link: Link,
    connect: Connect,
    (id_scope, registration_id): (String, String),
    stop: watch::Receiver<bool>,
) {
    let token = connect
        .password
        .as_deref()
        .and_then(|text| std::str::from_utf8(text).ok());
    let request = Arc::new(Request {
        id_scope,
        registration_id,
        certificates: link.certificates.clone(),
        token: token.filter(|token| !token.is_empty()).map(str::to_owned),
    });
    let peer = link.peer;
    let event = |event: Event| {
        let named = Event {
            device_id: Some(request.registration_id.clone()),
            ..event
        };
        service.journal.record(named.on(number, peer));
    };
    if let Err(refusal) = admit(&service, &connect, Arc::clone(&request)).await {
        event(Event::refusal(
            "refused",
            &Refusal::new(refusal.code, format!("provisioning: {}", refusal.reason)),
        ));
        link.writer.push(&write::connack(false, 5));
        link.writer.close().await;
        return;
    }
    event(Event::info("connected", "provisioning"));
    link.writer.push(&write::connack(false, 0));
    link.reader.set_limit(MAX_PACKET);
    let mut session = Session {
        service: Arc::clone(&service),
        request: Arc::clone(&request),
        link,
        subscribed: false,
        polls: Throttle::new(Duration::from_secs(10)),
    };
    let end = session.run(connect.keep_alive, stop).await;
    match &end {
        None => event(Event::info(
            "closed",
            "provisioning: the device sent DISCONNECT",
        )),
        Some(refusal) => event(Event::refusal(
            "closed",
            &Refusal::new(refusal.code, format!("provisioning: {}", refusal.reason)),
        )),
    }
    session.link.writer.close().await;
}

async fn admit(service: &Service, connect: &Connect, request: Arc<Request>) -> Result<(), Refusal> {
    let id = &request.registration_id;
    if !is_registration_id(id) {
        return Err(Refusal::new(
            ErrorCode::IotHubFormatError,
            format!("'{id}' is no registration id"),
        ));
    }
    if connect.client_id != *id {
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            format!(
                "the client id is '{}', and the user name says '{id}'",
                connect.client_id
            ),
        ));
    }
    if !request.id_scope.eq_ignore_ascii_case(&service.id_scope) {
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            format!(
                "the id scope is '{}', and this service has '{}'",
                request.id_scope, service.id_scope
            ),
        ));
    }
    let now = service.clock.now();
    service
        .store
        .run(move |c| provisioning::authenticate(c, &request, now).map(|_| ()))
        .await
}

struct Session {
    service: Arc<Service>,
    request: Arc<Request>,
    link: Link,
    subscribed: bool,
    polls: Throttle,
}

/// Finds the enrolment, which may have changed since CONNECT, and a hub.
async fn assign(
    service: &Service,
    request: Arc<Request>,
    hubs: Vec<String>,
    payload: Option<Value>,
    now: UnixMs,
) -> Result<Value, Refusal> {
    let first = Arc::clone(&request);
    let enrollment = service
        .store
        .run(move |c| provisioning::authenticate(c, &first, now))
        .await?;
    let enrollment = match enrollment.webhook() {
        Some(_) if enrollment.is_enabled() => {
            let id = &request.registration_id;
            webhook::allocate(enrollment, id, payload.as_ref(), &hubs).await?
        }
        _ => enrollment,
    };
    let assign = service
        .store
        .run(move |c| provisioning::assign(c, &hubs, &enrollment, &request, payload.as_ref(), now));
    assign.await
}

impl Session {
    /// `None` is an orderly end.
    async fn run(&mut self, keep_alive: u16, mut stop: watch::Receiver<bool>) -> Option<Refusal> {
        loop {
            if let Err(refusal) = self.link.writer.flush().await {
                return Some(refusal);
            }
            let silence = match keep_alive {
                0 => MAX_SILENCE,
                seconds => Duration::from_millis(u64::from(seconds) * 1500).min(MAX_SILENCE),
            };
            let packet = tokio::select! {
                packet = self.link.reader.next() => packet,
                () = tokio::time::sleep(silence) => {
                    return Some(Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, "nothing was heard for one and a half times the keep-alive"));
                }
                () = stopped(&mut stop) => {
                    return Some(Refusal::new(ErrorCode::ServiceUnavailable, "the emulator is stopping"));
                }
            };
            let step = match packet {
                Ok(Packet::Publish(publish)) => self.receive(publish).await,
                Ok(Packet::Subscribe(packet_id, filters)) => self.subscribe(packet_id, &filters),
                Ok(Packet::Unsubscribe(packet_id, _)) => {
                    self.subscribed = false;
                    self.link.writer.push(&write::unsuback(packet_id));
                    Ok(())
                }
                Ok(Packet::Pingreq) => {
                    self.link.writer.push(&write::pingresp());
                    Ok(())
                }
                Ok(Packet::Disconnect) => return None,
                Ok(Packet::Connect(_) | Packet::Puback(_)) => Err(Refusal::new(
                    ErrorCode::InvalidOperation,
                    "a packet that has no place here",
                )),
                Err(error) => Err(read_refusal(&error)),
            };
            if let Err(refusal) = step {
                return Some(refusal);
            }
        }
    }

    fn subscribe(&mut self, packet_id: u16, filters: &[(String, u8)]) -> Result<(), Refusal> {
        let mut granted = Vec::new();
        for (filter, qos) in filters {
            Feature::parse(None, filter)?;
            granted.push((*qos).min(1));
        }
        self.subscribed = true;
        self.link.writer.push(&write::suback(packet_id, &granted));
        Ok(())
    }

    async fn receive(&mut self, publish: Publish) -> Result<(), Refusal> {
        if publish.qos == 2 {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                "PUBLISH with QoS 2: the service has no QoS 2",
            ));
        }
        let topic = Topic::parse_provisioning(&publish.topic)?;
        let fault = self
            .service
            .faults
            .strike(Point::Provisioning, &self.request.registration_id);
        let settings = &self.service.settings;
        let limits = (
            settings.registrations_per_minute,
            settings.polls_per_ten_seconds,
        );
        let (status, rid, retry_after, body) = match topic {
            Topic::Register { rid } | Topic::OperationStatus { rid, .. } if fault.is_some() => {
                let (status, retry) = fault.map_or((500, None), |it| (it.number, it.retry_after));
                let (_, rid, _, body) = self.failed(rid, &throttled(status, "the request"));
                (u16::try_from(status).unwrap_or(500), rid, retry, body)
            }
            Topic::Register { rid } => match self.service.registrations.pass(limits.0) {
                Ok(()) => self.register(rid, &publish.payload).await,
                Err(seconds) => self.too_many(rid, seconds),
            },
            Topic::OperationStatus { rid, operation_id } => match self.polls.pass(limits.1) {
                Ok(()) => self.status(rid, operation_id),
                Err(seconds) => self.too_many(rid, seconds),
            },
            _ => return Ok(()),
        };
        if publish.qos == 1 {
            self.link.writer.push(&write::puback(publish.packet_id));
        }
        if self.subscribed {
            let retry = retry_after
                .map(|seconds| format!("&retry-after={seconds}"))
                .unwrap_or_default();
            let topic = format!("$dps/registrations/res/{status}/?$rid={rid}{retry}");
            self.link.writer.push(&write::publish(
                &topic,
                body.to_string().as_bytes(),
                None,
                false,
            ));
        }
        Ok(())
    }

    async fn register<'t>(&mut self, rid: &'t str, body: &[u8]) -> Answer<'t> {
        let document = match provisioning::parse_body(body) {
            Ok(document) => document,
            Err(refusal) => return self.failed(rid, &refusal),
        };
        let id = &self.request.registration_id;
        if let Some(other) = document.get("registrationId").and_then(Value::as_str)
            && !other.eq_ignore_ascii_case(id)
        {
            let reason = format!("registrationId '{other}' in the body is not '{id}'");
            return self.failed(rid, &Refusal::new(ErrorCode::ArgumentInvalid, reason));
        }
        let payload = document
            .get("payload")
            .filter(|payload| !payload.is_null())
            .cloned();
        let (request, hubs, now) = (
            Arc::clone(&self.request),
            self.service.hubs.clone(),
            self.service.clock.now(),
        );
        let outcome = assign(&self.service, request, hubs, payload, now).await;
        if let Err(refusal) = &outcome
            && !ASSIGNMENT_FAILED.contains(&refusal.code)
        {
            return self.failed(rid, &refusal.clone());
        }
        let operation_id = format!("4.{}.{}", random_hex::<8>(), crate::c2d::guid());
        self.service.operations.insert(Operation {
            id: operation_id.clone(),
            registration_id: self.request.registration_id.to_ascii_lowercase(),
            ready: Instant::now() + self.service.settings.assignment_delay,
            outcome,
        });
        let seconds = self.service.settings.retry_after_s;
        (
            202,
            rid,
            Some(seconds),
            json!({"operationId": operation_id, "status": "assigning"}),
        )
    }

    fn status<'t>(&mut self, rid: &'t str, operation_id: &str) -> Answer<'t> {
        let id = self.request.registration_id.clone();
        let mine = id.to_ascii_lowercase();
        let Some(operation) = self.service.operations.find(operation_id, &mine) else {
            let reason = format!("registration '{id}' has no operation '{operation_id}'");
            return self.failed(rid, &Refusal::new(ErrorCode::NotFound, reason));
        };
        if Instant::now() < operation.ready {
            let state = json!({"registrationId": id, "status": "assigning"});
            let body = json!({"operationId": operation_id, "status": "assigning", "registrationState": state});
            return (202, rid, Some(self.service.settings.retry_after_s), body);
        }
        let state = match &operation.outcome {
            Ok(state) => state.clone(),
            Err(refusal) => json!({
                "registrationId": id,
                "status": "failed",
                "errorCode": refusal.code.number(),
                "errorMessage": refusal.reason,
                "lastUpdatedDateTimeUtc": rfc3339(self.service.clock.now()),
            }),
        };
        let what = match state["assignedHub"].as_str() {
            Some(hub) => format!(
                "assigned to hub '{hub}' as '{}', {}",
                state["deviceId"].as_str().unwrap_or_default(),
                state["substatus"].as_str().unwrap_or_default()
            ),
            None => format!(
                "{}: {}",
                state["status"].as_str().unwrap_or_default(),
                state["errorMessage"].as_str().unwrap_or("by its enrolment")
            ),
        };
        self.service.journal.record(Event {
            device_id: Some(id),
            ..Event::info("provisioned", what)
        });
        (
            200,
            rid,
            None,
            json!({"operationId": operation_id, "status": state["status"], "registrationState": state}),
        )
    }

    fn too_many<'t>(&self, rid: &'t str, seconds: u64) -> Answer<'t> {
        let reason = "Operations are being throttled for this tenant.";
        let refusal = Refusal::new(ErrorCode::ThrottlingException, reason);
        let (status, rid, _, body) = self.failed(rid, &refusal);
        (status, rid, Some(seconds), body)
    }

    fn failed<'t>(&self, rid: &'t str, refusal: &Refusal) -> Answer<'t> {
        let event = Event::refusal("provisioning", refusal);
        self.service.journal.record(Event {
            device_id: Some(self.request.registration_id.clone()),
            ..event
        });
        let body = json!({
            "errorCode": refusal.code.number(),
            "trackingId": crate::c2d::guid(),
            "message": refusal.reason,
            "timestampUtc": rfc3339(self.service.clock.now()),
        });
        (refusal.code.status(), rid, None, body)
    }
}

/// Status, request id, seconds to wait, body.
type Answer<'t> = (u16, &'t str, Option<u64>, Value);

/// These end an assignment, and not the request for it.
const ASSIGNMENT_FAILED: &[ErrorCode] =
    &[ErrorCode::NoHubAvailable, ErrorCode::CustomAllocationFailed];
const MAX_PACKET: usize = 96 * 1024;
const MAX_SILENCE: Duration = Duration::from_secs(1767);
