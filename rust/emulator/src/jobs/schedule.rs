//! A job over devices: which they are, and then one after the other a change of the twin or a call
//! of a method.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::runner::Jobs;
use super::table::{self, Job, text};
use crate::code::{ErrorCode, Refusal};
use crate::etag::IfMatch;
use crate::fields;
use crate::hub::c2d;
use crate::hub::query::Query;
use crate::hub::registry;
use crate::hub::service::MethodCall;

impl Jobs {
    pub(super) async fn schedule(self: &Arc<Self>, job: &Job) -> Result<(), Refusal> {
        if job.done == 0 {
            self.list_devices(job).await?;
        }
        let deadline = job
            .document
            .get("maxExecutionTimeInSeconds")
            .and_then(fields::integer)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| self.service.clock.now() + seconds.saturating_mul(1000));
        loop {
            if self.is_over(job).await? {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| self.service.clock.now() >= deadline) {
                let reason = "maxExecutionTimeInSeconds is over";
                return Err(Refusal::new(ErrorCode::GatewayTimeout, reason));
            }
            let asked = job.clone();
            let next = self
                .service
                .store
                .read(move |c| table::pending(c, &asked, STEP));
            let devices = next.await?;
            if devices.is_empty() {
                return Ok(());
            }
            match job.kind.as_str() {
                "scheduleDeviceMethod" => self.call_methods(job, devices).await?,
                _ => self.write_twins(job, devices).await?,
            }
        }
    }

    /// Finds the devices by the job's condition; they are those that fit now.
    async fn list_devices(&self, job: &Job) -> Result<(), Refusal> {
        let condition = text(&job.document, "queryCondition").unwrap_or("*");
        let query = Arc::new(Query::parse(&match condition {
            "*" => "SELECT * FROM devices".to_owned(),
            condition => format!("SELECT * FROM devices WHERE {condition}"),
        })?);
        let plan = Arc::new(query.plan());
        let online = Arc::new(self.service.connections.online(&job.hub));
        let now = self.service.clock.now();
        let mut after = Some(String::new());
        while let Some(behind) = after {
            let (query, plan, online) =
                (Arc::clone(&query), Arc::clone(&plan), Arc::clone(&online));
            let hub = job.hub.clone();
            let step = self.service.store.read(move |c| {
                let found = registry::search(c, &hub, &plan, &behind, LIST)?;
                let mut ids = Vec::new();
                for device in found.devices {
                    let waiting = c2d::count(c, &device.hub, &device.id)?;
                    let twin = device.twin_json(online.get(&device.id).copied(), waiting);
                    if query.row(twin).is_some() {
                        ids.push(device.id);
                    }
                }
                Ok((ids, found.next))
            });
            let (ids, next) = step.await?;
            let listed = job.clone();
            let add = self
                .service
                .store
                .run(move |c| table::add_devices(c, &listed, &ids, now));
            add.await?;
            after = next;
        }
        let listed = job.clone();
        self.service
            .store
            .run(move |c| table::advance(c, &listed, 1, 0))
            .await
    }

    async fn write_twins(&self, job: &Job, devices: Vec<String>) -> Result<(), Refusal> {
        let document = job.document.get("updateTwin").and_then(Value::as_object);
        let document = document.cloned().unwrap_or_default();
        let tag = document.get("etag").and_then(Value::as_str);
        let condition = match tag {
            None | Some("" | "*") => IfMatch::Any,
            Some(tag) => IfMatch::Tag(tag.trim_matches('"').to_owned()),
        };
        let (owned, now) = (job.clone(), self.service.clock.now());
        let _turn = self.turn.lock().await;
        self.service
            .write_twins(
                job.hub.clone(),
                devices,
                document,
                condition,
                move |c, device, result| {
                    let result = match result {
                        Ok(_) => Ok(Value::Object(Map::new())),
                        Err(refusal) => Err(refusal.clone()),
                    };
                    table::finish_device(c, &owned, device, &result, now)
                },
            )
            .await
    }

    async fn call_methods(
        self: &Arc<Self>,
        job: &Job,
        devices: Vec<String>,
    ) -> Result<(), Refusal> {
        let call = method(&job.document)?;
        let mut calls = JoinSet::new();
        for device in devices {
            let (jobs, job, call) = (Arc::clone(self), job.clone(), call.clone());
            calls.spawn(async move {
                let (service, now) = (&jobs.service, jobs.service.clock.now());
                let (owned, id) = (job.clone(), device.clone());
                let begun = service
                    .store
                    .run(move |c| table::set_device(c, &owned, &id, "running", None, now));
                begun.await?;
                let answer = service.invoke(&job.hub, &device, call).await;
                let result = answer.map(|answer| {
                    let response = json!({"status": answer.status, "payload": answer.payload});
                    json!({ "deviceMethodResponse": response })
                });
                let now = service.clock.now();
                let settle = service
                    .store
                    .run(move |c| table::finish_device(c, &job, &device, &result, now));
                settle.await
            });
        }
        while let Some(done) = calls.join_next().await {
            done.map_err(|_| Refusal::new(ErrorCode::ServerError, "a call was broken off"))??;
        }
        Ok(())
    }
}

/// The method of a request.
pub(super) fn method(document: &Map<String, Value>) -> Result<MethodCall, Refusal> {
    let given = document
        .get("cloudToDeviceMethod")
        .and_then(Value::as_object);
    let given = given.ok_or_else(|| invalid("'cloudToDeviceMethod' is missing"))?;
    MethodCall::from_json(given)
}

/// Checks a request before it is taken; the text says what it must have.
pub(crate) fn check(document: &Map<String, Value>) -> Result<(), Refusal> {
    match text(document, "type") {
        Some("scheduleDeviceMethod") => {
            method(document)?;
        }
        Some("scheduleUpdateTwin") => {
            let twin = document.get("updateTwin").and_then(Value::as_object);
            twin.ok_or_else(|| invalid("'updateTwin' is missing"))?;
        }
        Some(other) => {
            return Err(invalid(&format!(
                "type '{other}' is neither scheduleUpdateTwin nor scheduleDeviceMethod"
            )));
        }
        None => return Err(invalid("'type' is missing")),
    }
    let condition = text(document, "queryCondition");
    let condition = condition.ok_or_else(|| {
        invalid("'queryCondition' is missing: a condition over twins, or * for all devices")
    })?;
    if condition != "*" {
        Query::parse(&format!("SELECT * FROM devices WHERE {condition}"))?;
    }
    Ok(())
}

fn invalid(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// Devices that are done together: few, so that others have their turn in between.
const STEP: usize = 25;
/// Devices that are looked at together.
const LIST: usize = 250;
