//! Telemetry and events as JSON lines and as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::hub::service::Service;
use crate::hub::telemetry;

/// How the lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object a line.
    Lines,
    /// `text/event-stream`.
    Events,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// Only what has a larger number.
    pub(super) since: u64,
    /// Of those only the latest so many; telemetry only.
    pub(super) last: Option<i64>,
    /// Only of this device.
    pub(super) device: Option<String>,
    /// At most so many; then it ends, also where it follows.
    pub(super) limit: i64,
    /// Whether it goes on with what comes.
    pub(super) follow: bool,
}

type Lines = mpsc::Sender<Result<Vec<u8>, Infallible>>;

/// Streams telemetry.
pub(super) fn telemetry(
    service: Arc<Service>,
    form: Form,
    mut selection: Selection,
    place: Option<OwnedSemaphorePermit>,
) -> Response {
    let (lines, queue) = mpsc::channel(CHUNKS);
    tokio::spawn(async move {
        let _place = place;
        // Subscribed before the past is read, so that nothing falls between the two.
        let mut live = service.telemetry.subscribe();
        let mut last = i64::try_from(selection.since).unwrap_or(i64::MAX);
        if let Some(count) = selection.last {
            let device = selection.device.clone();
            let latest = service
                .store
                .read(move |c| telemetry::before_last(c, device.as_deref(), count));
            match latest.await {
                Ok(before) => last = last.max(before),
                Err(_) => return,
            }
        }
        let mut behind = true;
        loop {
            while behind {
                let device = selection.device.clone();
                let limit = selection.limit.min(PAGE);
                let Ok((page, more)) = service
                    .store
                    .read(move |c| telemetry::after(c, last, device.as_deref(), limit))
                    .await
                else {
                    return;
                };
                let mut chunk = Vec::new();
                for message in page {
                    last = message.seq;
                    selection.limit -= 1;
                    write(&mut chunk, form, message.seq, &message.to_json());
                    if chunk.len() >= CHUNK
                        && lines.send(Ok(std::mem::take(&mut chunk))).await.is_err()
                    {
                        return;
                    }
                }
                if !chunk.is_empty() && lines.send(Ok(chunk)).await.is_err() {
                    return;
                }
                behind = more && selection.limit > 0;
            }
            if !selection.follow || selection.limit <= 0 {
                return;
            }
            match next(&mut live, &lines, form).await {
                Some(Ok(message)) => {
                    let wanted = selection
                        .device
                        .as_ref()
                        .is_none_or(|id| *id == message.device_id);
                    if message.seq > last && wanted {
                        last = message.seq;
                        selection.limit -= 1;
                        if send(&lines, form, message.seq, &message.to_json())
                            .await
                            .is_err()
                        {
                            return;
                        }
                    }
                }
                Some(Err(())) => behind = true,
                None => return,
            }
        }
    });
    respond(form, queue)
}

/// Streams events.
pub(super) fn events(
    service: &Service,
    form: Form,
    selection: Selection,
    place: Option<OwnedSemaphorePermit>,
) -> Response {
    let (past, mut live) = service.journal.follow(selection.since);
    let (lines, queue) = mpsc::channel(CHUNKS);
    tokio::spawn(async move {
        let _place = place;
        let wanted =
            |device: &Option<String>| selection.device.is_none() || *device == selection.device;
        let mut limit = usize::try_from(selection.limit).unwrap_or(usize::MAX);
        for event in past
            .iter()
            .filter(|event| wanted(&event.device_id))
            .take(limit)
        {
            if send(&lines, form, event.seq, event.as_ref()).await.is_err() {
                return;
            }
            limit -= 1;
        }
        while selection.follow && limit > 0 {
            match next(&mut live, &lines, form).await {
                Some(Ok(event)) if wanted(&event.device_id) => {
                    limit -= 1;
                    if send(&lines, form, event.seq, event.as_ref()).await.is_err() {
                        return;
                    }
                }
                // A reader that is too slow misses events, as their numbers show.
                Some(_) => {}
                None => return,
            }
        }
    });
    respond(form, queue)
}

/// The next live value; `Some(Err)` if some were missed; `None` if the reader or the service went.
async fn next<T: Clone>(
    live: &mut tokio::sync::broadcast::Receiver<T>,
    lines: &Lines,
    form: Form,
) -> Option<Result<T, ()>> {
    loop {
        let received = tokio::select! {
            received = live.recv() => received,
            () = lines.closed() => return None,
            () = tokio::time::sleep(HEARTBEAT) => {
                if form == Form::Events {
                    lines.send(Ok(b": still here\n\n".to_vec())).await.ok()?;
                }
                continue;
            }
        };
        return match received {
            Ok(value) => Some(Ok(value)),
            Err(RecvError::Lagged(_)) => Some(Err(())),
            Err(RecvError::Closed) => None,
        };
    }
}

async fn send(
    lines: &Lines,
    form: Form,
    id: impl std::fmt::Display,
    value: &impl serde::Serialize,
) -> Result<(), ()> {
    let mut chunk = Vec::new();
    write(&mut chunk, form, id, value);
    lines.send(Ok(chunk)).await.map_err(|_| ())
}

fn write(
    chunk: &mut Vec<u8>,
    form: Form,
    id: impl std::fmt::Display,
    value: &impl serde::Serialize,
) {
    let json = serde_json::to_value(value).unwrap_or(Value::Null);
    let text = match form {
        Form::Lines => format!("{json}\n"),
        Form::Events => format!("id: {id}\ndata: {json}\n\n"),
    };
    chunk.extend(text.into_bytes());
}

fn respond(form: Form, queue: mpsc::Receiver<Result<Vec<u8>, Infallible>>) -> Response {
    let stream = futures_util::stream::unfold(queue, |mut queue| async move {
        let line = queue.recv().await?;
        Some((line, queue))
    });
    let kind = match form {
        Form::Lines => "application/x-ndjson",
        Form::Events => "text/event-stream",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(stream)).into_response()
}

const PAGE: i64 = 500;

/// What waits for a reader: so many pieces, each of about so many bytes or one message.
const CHUNKS: usize = 2;
const CHUNK: usize = 64 * 1024;

const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(15);
