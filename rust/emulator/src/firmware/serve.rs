//! `GET /{image}` with ranges (RFC 9110, section 14), as a blob storage answers.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt as _, stream};

use super::{CHUNK, Fault, Firmware};
use crate::hub::service::Service;
use crate::journal::Event;

/// The paths of the image server. A query, as a signed URL has one, is not looked at.
pub(crate) fn router(firmware: Arc<Firmware>, service: Arc<Service>) -> Router {
    Router::new()
        .route("/{image}", get(image))
        .with_state((firmware, service))
}

async fn image(
    State((firmware, service)): State<(Arc<Firmware>, Arc<Service>)>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let (folder, wanted) = (Arc::clone(&firmware), name.clone());
    let opened = tokio::task::spawn_blocking(move || folder.open(&wanted)).await;
    let Ok(Some((file, total))) = opened else {
        return (StatusCode::NOT_FOUND, "there is no such image\n").into_response();
    };
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let range = match asked(&method, &headers) {
        None => Range::Whole,
        Some(range) => Range::parse(range, total),
    };
    let (status, from, to) = match range {
        Range::Whole => (StatusCode::OK, 0, total),
        Range::Some(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Range::NotThere => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
        }
    };
    let (mut cut, mut corrupt) = (None, false);
    for fault in firmware.faults.take(&name, from, to) {
        match fault {
            Fault::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
                tell(&service, format!("{name}: answered {status}"));
                return status.into_response();
            }
            Fault::Cut(at) => cut = Some(at - from),
            Fault::Slow(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Fault::Corrupt => corrupt = true,
        }
    }
    let middle = (total / 2).checked_sub(from).filter(|_| corrupt);
    let part = Part {
        wrong: middle.map(|at| from + at),
        ..Part::new(file, from, to)
    };
    let length = to - from;
    let sent = cut.unwrap_or(length);
    firmware.count(&name, sent);
    if from == 0 {
        tell(&service, format!("{name}: a download begins"));
    }
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (
            header::CONTENT_RANGE,
            format!("bytes {from}-{}/{total}", to.saturating_sub(1)),
        ),
    ];
    let body = match cut {
        None => Body::from_stream(part.chunks()),
        Some(sent) => {
            tell(&service, format!("{name}: cut at byte {}", from + sent));
            // What comes before the cut goes out before the connection does.
            let before = Part {
                end: from + sent,
                ..part
            };
            let gone = stream::once(async {
                tokio::time::sleep(FLUSH).await;
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
            });
            Body::from_stream(before.chunks().chain(gone))
        }
    };
    let mut response = (status, headers, body).into_response();
    if status == StatusCode::OK {
        response.headers_mut().remove(header::CONTENT_RANGE);
    }
    response
}

/// A part of a file, read from the disk as it goes out.
pub(crate) struct Part {
    file: File,
    at: usize,
    end: usize,
    /// The position of a byte that is sent wrong.
    wrong: Option<usize>,
}

impl Part {
    /// From a byte to the one behind the last.
    pub(crate) fn new(file: File, from: usize, to: usize) -> Self {
        Self {
            file,
            at: from,
            end: to,
            wrong: None,
        }
    }

    /// The bytes in pieces.
    pub(crate) fn chunks(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        stream::try_unfold(self, |mut part| async move {
            if part.at >= part.end {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || part.read().map(|bytes| (bytes, part)));
            read.await.map_err(std::io::Error::other)?.map(Some)
        })
    }

    fn read(&mut self) -> std::io::Result<Bytes> {
        let mut bytes = vec![0; CHUNK.min(self.end - self.at)];
        self.file.seek(SeekFrom::Start(self.at as u64))?;
        self.file.read_exact(&mut bytes)?;
        let wrong = self.wrong.and_then(|wrong| wrong.checked_sub(self.at));
        if let Some(byte) = wrong.and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
        self.at += bytes.len();
        Ok(Bytes::from(bytes))
    }
}

/// The header `Range`, where it is to be looked at (RFC 9110, sections 13.1.5 and 14.2): with GET
/// only, and not under a condition, since images have no validator that could fulfil one.
fn asked<'h>(method: &Method, headers: &'h HeaderMap) -> Option<&'h str> {
    let range = headers.get(header::RANGE)?.to_str().ok()?;
    (method == Method::GET && !headers.contains_key(header::IF_RANGE)).then_some(range)
}

/// What of an image is meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// All, also where the header is of another unit, of several parts, or cannot be understood.
    Whole,
    /// The first byte and the one behind the last.
    Some(usize, usize),
    /// None of it is there.
    NotThere,
}

impl Range {
    /// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`.
    pub(crate) fn parse(text: &str, total: usize) -> Self {
        let Some((unit, range)) = text.split_once('=') else {
            return Self::Whole;
        };
        let Some((first, last)) = range.split_once('-') else {
            return Self::Whole;
        };
        let number = |text: &str| {
            let digits = text.trim();
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<usize>().ok().filter(|_| all)
        };
        let (from, to) = match (number(first), number(last)) {
            _ if !unit.trim().eq_ignore_ascii_case("bytes") => return Self::Whole,
            (None, Some(count)) if first.trim().is_empty() => (total.saturating_sub(count), total),
            (Some(from), None) if last.trim().is_empty() => (from, total),
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(total)),
            _ => return Self::Whole,
        };
        match from < to {
            true => Self::Some(from, to),
            false => Self::NotThere,
        }
    }
}

const FLUSH: Duration = Duration::from_millis(20);

fn tell(service: &Service, what: String) {
    service.journal.record(Event::info("firmware", what));
}

#[cfg(test)]
mod tests {
    use super::Range::{self, NotThere, Whole};

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-9", Range::Some(0, 10)),
            ("bytes=90-199", Range::Some(90, 100)),
            ("bytes=99-", Range::Some(99, 100)),
            ("bytes=-10", Range::Some(90, 100)),
            ("bytes=-1000", Range::Some(0, 100)),
            ("bytes=100-", NotThere),
            ("bytes=-0", NotThere),
            ("bytes=5-4", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=99999999999999999999-", Whole),
            ("lines=0-1", Whole),
        ] {
            assert_eq!(Range::parse(range, 100), expected, "{range}");
        }
    }
}
