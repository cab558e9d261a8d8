//! Custom allocation: asks the enrollment's webhook which hub a device goes to.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value, json};

use crate::code::{ErrorCode, Refusal};
use crate::dps::enrollments::{Enrollment, Kind};
use crate::http_client::{self, Call};

/// The enrollment with what the webhook answers in it: hub, initial twin, payload.
pub(crate) async fn allocate(
    mut enrollment: Enrollment,
    registration_id: &str,
    payload: Option<&Value>,
    hubs: &[String],
) -> Result<Enrollment, Refusal> {
    let url = enrollment.webhook().unwrap_or_default().to_owned();
    let shown = enrollment.to_json(false);
    let mut context = json!({"registrationId": registration_id});
    let attestation = match enrollment.keys().is_empty() {
        true => "x509",
        false => "symmetricKey",
    };
    context[attestation] = json!({});
    if let Some(payload) = payload {
        context["payload"] = payload.clone();
    }
    let mut question = json!({"deviceRuntimeContext": context, "linkedHubs": hubs});
    question[match enrollment.kind {
        Kind::Individual => "individualEnrollment",
        Kind::Group => "enrollmentGroup",
    }] = shown;
    let answer = tokio::time::timeout(TIME_LIMIT, post(&url, question.to_string())).await;
    let answer =
        answer.map_err(|_| failed(format!("{url} did not answer within {TIME_LIMIT:?}")))??;
    let hub = answer.get("iotHubHostName").and_then(Value::as_str);
    let hub = hub.ok_or_else(|| failed(format!("{url} answered without iotHubHostName")))?;
    let document = &mut enrollment.document;
    document.insert("iotHubHostName".to_owned(), json!(hub));
    for (theirs, ours) in [
        ("initialTwin", "initialTwin"),
        ("payload", "customAllocationPayload"),
    ] {
        if let Some(value) = answer.get(theirs).filter(|value| !value.is_null()) {
            document.insert(ours.to_owned(), value.clone());
        }
    }
    Ok(enrollment)
}

async fn post(url: &str, body: String) -> Result<Map<String, Value>, Refusal> {
    let uri = http_client::parse("webhookUrl", url)?;
    let broken = |error: &dyn std::fmt::Display| failed(format!("{url}: {error}"));
    let json = HeaderValue::from_static("application/json");
    let call = Call {
        method: Method::POST,
        uri: &uri,
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        body: body.into_bytes(),
        limit: MAX_ANSWER,
    };
    let answer = http_client::call(call).await;
    let answer = answer.map_err(|error| broken(&error))?;
    if !answer.status.is_success() {
        return Err(failed(format!("status code: {}", answer.status.as_u16())));
    }
    crate::hub::twin::parse_object(&answer.body).map_err(|refusal| broken(&refusal.reason))
}

fn failed(why: String) -> Refusal {
    Refusal::new(
        ErrorCode::CustomAllocationFailed,
        format!("Custom allocation failed with {why}"),
    )
}

/// As long as Azure waits.
const TIME_LIMIT: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 256 * 1024;
