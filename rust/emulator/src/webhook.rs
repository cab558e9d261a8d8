//! Custom allocation: asks the enrolment's webhook which hub a device goes to.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;

use crate::code::{ErrorCode, Refusal};
use crate::enrollments::{Enrollment, Kind};

/// Refuses what cannot be called: only plain HTTP is spoken here.
pub(crate) fn check(url: &str) -> Result<(), Refusal> {
    parse(url).map(|_| ())
}

/// The enrolment with what the webhook answers in it: hub, initial twin, payload.
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
    let answer = tokio::time::timeout(PATIENCE, post(&url, question.to_string())).await;
    let answer =
        answer.map_err(|_| failed(format!("{url} did not answer within {PATIENCE:?}")))??;
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
    let uri = parse(url)?;
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
    let broken = |error: &dyn std::fmt::Display| failed(format!("{url}: {error}"));
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((name, port)).await;
    let stream = stream.map_err(|error| broken(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    // It ends with the answer; what went wrong shows there.
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let request = Request::post(path)
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Body::from(body))
        .map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| broken(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(failed(format!("status code: {}", status.as_u16())));
    }
    let bytes = axum::body::to_bytes(Body::new(response.into_body()), MAX_ANSWER).await;
    connection.abort();
    let bytes = bytes.map_err(|error| broken(&error))?;
    crate::twin::parse_object(&bytes).map_err(|refusal| broken(&refusal.reason))
}

fn parse(url: &str) -> Result<Uri, Refusal> {
    let uri = url.parse::<Uri>().ok();
    let plain = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    plain.ok_or_else(|| {
        Refusal::new(
            ErrorCode::ArgumentInvalid,
            format!("webhookUrl '{url}' must begin with http:// here"),
        )
    })
}

fn failed(why: String) -> Refusal {
    Refusal::new(
        ErrorCode::CustomAllocationFailed,
        format!("Custom allocation failed with {why}"),
    )
}

/// As long as Azure waits.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 256 * 1024;
