//! The running provisioning service, which every protocol is a door to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::operations::{Operation, Operations, Polls};
use super::{Request, assignment, authenticate, webhook};
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::faults::{Point, throttled};
use crate::hub::service::Service;
use crate::id::is_registration_id;
use crate::journal::Event;
use crate::random;
use crate::throttle::Throttle;

/// The provisioning service over the hubs of one process.
#[derive(Debug)]
pub(crate) struct Dps {
    /// The hubs.
    pub hub: Arc<Service>,
    /// The id scope.
    pub id_scope: String,
    registrations: Throttle,
    operations: Operations,
    polls: Polls,
}

/// What a device is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// As in HTTP.
    pub status: u16,
    /// Seconds until the device may ask again.
    pub retry_after: Option<u64>,
    /// JSON.
    pub body: Value,
}

impl Dps {
    /// A service that has assigned nothing yet.
    pub(crate) fn new(hub: Arc<Service>, id_scope: String) -> Self {
        Self {
            hub,
            id_scope,
            registrations: Throttle::new(Duration::from_secs(60)),
            operations: Operations::default(),
            polls: Polls::default(),
        }
    }

    /// Whether a device may speak to the service at all.
    pub(crate) async fn admit(&self, request: Arc<Request>) -> Result<(), Refusal> {
        let id = &request.registration_id;
        if !is_registration_id(id) {
            return Err(Refusal::new(
                ErrorCode::IotHubFormatError,
                format!("'{id}' is no registration id"),
            ));
        }
        if !request.id_scope.eq_ignore_ascii_case(&self.id_scope) {
            return Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!(
                    "the id scope is '{}', and this service has '{}'",
                    request.id_scope, self.id_scope
                ),
            ));
        }
        let now = self.hub.clock.now();
        self.hub
            .store
            .run(move |c| authenticate(c, &request, now).map(|_| ()))
            .await
    }

    /// Begins the assignment of a device to a hub; `body` is the request's JSON, which may be
    /// empty.
    pub(crate) async fn register(&self, request: &Arc<Request>, body: &[u8]) -> Answer {
        if let Some(answer) = self.fault(request) {
            return answer;
        }
        let limit = self.hub.settings.registrations_per_minute;
        if let Err(seconds) = self.registrations.pass(limit) {
            return self.too_many(request, seconds);
        }
        let document = match assignment::parse_body(body) {
            Ok(document) => document,
            Err(refusal) => return self.failed(request, &refusal),
        };
        let not_here = ["csr", "tpm"].into_iter().find(|name| {
            let value = document.get(*name);
            value.is_some_and(|value| !value.is_null())
        });
        if let Some(name) = not_here {
            let reason = format!("'{name}' in the body asks for what is not emulated");
            return self.failed(request, &Refusal::new(ErrorCode::ArgumentInvalid, reason));
        }
        let id = &request.registration_id;
        if let Some(other) = document.get("registrationId").and_then(Value::as_str)
            && !other.eq_ignore_ascii_case(id)
        {
            let reason = format!("registrationId '{other}' in the body is not '{id}'");
            return self.failed(request, &Refusal::new(ErrorCode::ArgumentInvalid, reason));
        }
        let payload = document
            .get("payload")
            .filter(|payload| !payload.is_null())
            .cloned();
        let now = self.hub.clock.now();
        let outcome = self.assign(Arc::clone(request), payload, now).await;
        if let Err(refusal) = &outcome
            && !ASSIGNMENT_FAILED.contains(&refusal.code)
        {
            return self.failed(request, refusal);
        }
        let operation_id = format!("4.{}.{}", random::hex::<8>(), random::guid());
        self.operations.insert(Operation {
            id: operation_id.clone(),
            registration_id: id.to_ascii_lowercase(),
            ready: Instant::now() + self.hub.settings.assignment_delay,
            outcome,
        });
        Answer {
            status: 202,
            retry_after: Some(self.hub.settings.retry_after_s),
            body: json!({"operationId": operation_id, "status": "assigning"}),
        }
    }

    /// Says what became of an assignment.
    pub(crate) fn status(&self, request: &Request, operation_id: &str) -> Answer {
        if let Some(answer) = self.fault(request) {
            return answer;
        }
        let id = &request.registration_id;
        let mine = id.to_ascii_lowercase();
        let limit = self.hub.settings.polls_per_ten_seconds;
        if let Err(seconds) = self.polls.pass(&mine, limit) {
            return self.too_many(request, seconds);
        }
        let Some(operation) = self.operations.find(operation_id, &mine) else {
            let reason = format!("registration '{id}' has no operation '{operation_id}'");
            return self.failed(request, &Refusal::new(ErrorCode::NotFound, reason));
        };
        if Instant::now() < operation.ready {
            let state = json!({"registrationId": id, "status": "assigning"});
            return Answer {
                status: 202,
                retry_after: Some(self.hub.settings.retry_after_s),
                body: json!({"operationId": operation_id, "status": "assigning", "registrationState": state}),
            };
        }
        let state = match &operation.outcome {
            Ok(state) => state.clone(),
            Err(refusal) => json!({
                "registrationId": id,
                "status": "failed",
                "errorCode": refusal.code.number(),
                "errorMessage": refusal.reason,
                "lastUpdatedDateTimeUtc": rfc3339(self.hub.clock.now()),
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
                state["errorMessage"]
                    .as_str()
                    .unwrap_or("by its enrollment")
            ),
        };
        self.hub.journal.record(Event {
            device_id: Some(id.clone()),
            ..Event::info("provisioned", what)
        });
        Answer {
            status: 200,
            retry_after: None,
            body: json!({"operationId": operation_id, "status": state["status"], "registrationState": state}),
        }
    }

    /// What is registered of a device.
    pub(crate) async fn registration(&self, request: &Request) -> Answer {
        let wanted = request.registration_id.clone();
        let found = self.hub.store.run(move |c| assignment::find(c, &wanted));
        match found.await {
            Ok(Some(state)) => Answer {
                status: 200,
                retry_after: None,
                body: state,
            },
            Ok(None) => {
                let reason = format!("'{}' has not registered", request.registration_id);
                self.turned_down(&Refusal::new(ErrorCode::NotFound, reason))
            }
            Err(refusal) => self.turned_down(&refusal),
        }
    }

    /// Moves a device to another hub, as an operator's re-assignment does, and drops its
    /// connection.
    pub(crate) async fn move_device(&self, id: &str, to: &str) -> Result<String, Refusal> {
        let hub = &self.hub;
        let (hubs, owned_id, owned_to) = (hub.hubs.hosts(), id.to_owned(), to.to_owned());
        let moved = hub
            .store
            .run(move |c| assignment::move_device(c, &hubs, &owned_id, &owned_to));
        let from = moved.await.inspect_err(|refusal| {
            hub.journal
                .record(Event::refusal("fault", refusal).of(to, id));
        })?;
        let refusal = Refusal::new(
            ErrorCode::GatewayFailureCoreReceive,
            format!("device '{id}' was moved to hub '{to}'"),
        );
        hub.drop_device(&from, id, refusal);
        hub.journal
            .record(Event::info("fault", format!("moved from hub '{from}'")).of(to, id));
        Ok(from)
    }

    /// Finds the enrollment, which may have changed since the device was admitted, and a hub.
    async fn assign(
        &self,
        request: Arc<Request>,
        payload: Option<Value>,
        now: UnixMs,
    ) -> Result<Value, Refusal> {
        let hubs = self.hub.hubs.hosts();
        let first = Arc::clone(&request);
        let enrollment = self
            .hub
            .store
            .run(move |c| authenticate(c, &first, now))
            .await?;
        let enrollment = match enrollment.webhook() {
            Some(_) if enrollment.is_enabled() => {
                let id = &request.registration_id;
                webhook::allocate(enrollment, id, payload.as_ref(), &hubs).await?
            }
            _ => enrollment,
        };
        let assign = self.hub.store.run(move |c| {
            assignment::assign(c, &hubs, &enrollment, &request, payload.as_ref(), now)
        });
        assign.await
    }

    fn fault(&self, request: &Request) -> Option<Answer> {
        let id = &request.registration_id;
        let fault = self.hub.faults.trigger(Point::Provisioning, id)?;
        let answer = self.failed(request, &throttled(fault.number, "the request"));
        Some(Answer {
            status: u16::try_from(fault.number).unwrap_or(500),
            retry_after: fault.retry_after,
            ..answer
        })
    }

    fn too_many(&self, request: &Request, seconds: u64) -> Answer {
        let reason = "Operations are being throttled for this tenant.";
        let refusal = Refusal::new(ErrorCode::ThrottlingException, reason);
        Answer {
            retry_after: Some(seconds),
            ..self.failed(request, &refusal)
        }
    }

    fn failed(&self, request: &Request, refusal: &Refusal) -> Answer {
        self.hub.journal.record(Event {
            device_id: Some(request.registration_id.clone()),
            ..Event::refusal("provisioning", refusal)
        });
        self.turned_down(refusal)
    }

    /// A refusal in the form of the service.
    pub(crate) fn turned_down(&self, refusal: &Refusal) -> Answer {
        let body = json!({
            "errorCode": refusal.code.number(),
            "trackingId": random::guid(),
            "message": refusal.reason,
            "timestampUtc": rfc3339(self.hub.clock.now()),
        });
        Answer {
            status: refusal.code.status(),
            retry_after: None,
            body,
        }
    }
}

/// These end an assignment, and not the request for it.
const ASSIGNMENT_FAILED: &[ErrorCode] =
    &[ErrorCode::NoHubAvailable, ErrorCode::CustomAllocationFailed];
