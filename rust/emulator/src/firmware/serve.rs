//! `GET /{image}` with ranges (RFC 9110, section 14), as a blob storage answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};

use super::Fault;
use crate::journal::Event;
use crate::service::Service;

/// The paths of the image server. A query, as a signed URL has one, is not looked at.
pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/{image}", get(image))
        .with_state(service)
}

async fn image(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(mut bytes) = service.firmware.read(&name) else {
        return (StatusCode::NOT_FOUND, "there is no such image\n").into_response();
    };
    let total = bytes.len();
    let asked = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let (from, to) = match asked.map(|range| read_range(range, total)) {
        None => (0, total),
        Some(Some(range)) => range,
        Some(None) => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
        }
    };
    let mut cut = None;
    for fault in service.firmware.faults.take(&name, from, to) {
        match fault {
            Fault::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
                tell(&service, format!("{name}: answered {status}"));
                return status.into_response();
            }
            Fault::Cut(at) => cut = Some(at - from),
            Fault::Slow(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Fault::Corrupt => {
                if let Some(byte) = bytes.get_mut(total / 2) {
                    *byte ^= 1;
                }
            }
        }
    }
    let part = Bytes::from(bytes).slice(from..to);
    let sent = cut.unwrap_or(part.len());
    service.firmware.count(&name, sent);
    if from == 0 {
        tell(&service, format!("{name}: a download begins"));
    }
    let status = if asked.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, part.len().to_string()),
        (
            header::CONTENT_RANGE,
            format!("bytes {from}-{}/{total}", to.saturating_sub(1)),
        ),
    ];
    let body = match cut {
        None => Body::from(part),
        Some(sent) => {
            tell(&service, format!("{name}: cut at byte {}", from + sent));
            let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            let first = stream::iter([Ok(part.slice(..sent))]);
            // What has been sent goes out before the break: the server writes while it waits.
            let last = stream::once(async {
                tokio::task::yield_now().await;
                Err(gone)
            });
            Body::from_stream(first.chain(last))
        }
    };
    let mut response = (status, headers, body).into_response();
    if asked.is_none() {
        response.headers_mut().remove(header::CONTENT_RANGE);
    }
    response
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n` as first byte and the one behind the last; `None` where nothing of it is there.
fn read_range(range: &str, total: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let from = total.saturating_sub(last.parse().ok()?);
        return (from < total).then_some((from, total));
    }
    let from: usize = first.parse().ok()?;
    let to = if last.is_empty() {
        total
    } else {
        last.parse::<usize>().ok()?.saturating_add(1).min(total)
    };
    (from < to).then_some((from, to))
}

fn tell(service: &Service, what: String) {
    service.journal.record(Event::info("firmware", what));
}

#[cfg(test)]
mod tests {
    use super::read_range;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-9", Some((0, 10))),
            ("bytes=90-199", Some((90, 100))),
            ("bytes=99-", Some((99, 100))),
            ("bytes=-10", Some((90, 100))),
            ("bytes=100-", None),
            ("bytes=5-4", None),
            ("bytes=a-b", None),
            ("lines=0-1", None),
            ("bytes=-0", None),
        ] {
            assert_eq!(read_range(range, 100), expected, "{range}");
        }
    }
}
