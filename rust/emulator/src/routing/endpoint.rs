//! Where messages come out: a file of JSON lines, a webhook, or blobs of a storage container.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Map, Value};

use super::container::Container;
use crate::blobs::Blobs;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::file::Mode as _;
use crate::http_client::{self, Call, CallError};

/// An endpoint with a name.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Of letters, digits, `-`, `.` and `_`.
    pub name: String,
    kind: Kind,
    /// The kind of a service elsewhere for which a file stands in.
    pub stands_for: Option<&'static str>,
}

/// What messages are handed over with.
pub(super) struct Means<'m> {
    /// Of the hub's files.
    pub folder: &'m Path,
    /// The emulator's storage.
    pub blobs: &'m Blobs,
    /// How many the hub has.
    pub partitions: u32,
    pub now: UnixMs,
}

/// Why messages could not be handed over.
#[derive(Debug)]
pub(super) enum DeliveryError {
    /// The storage of the emulator, or the one elsewhere.
    Storage(Refusal),
    /// The file of JSON lines.
    File(io::Error),
    /// The webhook is not reached.
    Call(CallError),
    /// The webhook does not answer.
    TimedOut,
    /// The webhook does not take them.
    Refused(StatusCode),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(refusal) => f.write_str(&refusal.reason),
            Self::File(error) => error.fmt(f),
            Self::Call(error) => error.fmt(f),
            Self::TimedOut => write!(f, "no answer within {TIME_LIMIT:?}"),
            Self::Refused(status) => write!(f, "it answered {status}"),
        }
    }
}

impl std::error::Error for DeliveryError {}

impl From<Refusal> for DeliveryError {
    fn from(refusal: Refusal) -> Self {
        Self::Storage(refusal)
    }
}

#[derive(Clone, Debug)]
enum Kind {
    File,
    Webhook(Uri),
    Container(Box<Container>),
}

impl Endpoint {
    pub(super) fn parse(document: &Map<String, Value>) -> Result<Self, Refusal> {
        let text = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let name = text("name");
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(allowed) || name.starts_with('.') {
            return Err(invalid(format!(
                "endpoint '{name}' must have 1 to 64 letters, digits or - . _ and begin with no dot"
            )));
        }
        if name == EVENTS {
            return Err(invalid(format!("endpoint '{EVENTS}' is built in")));
        }
        let stands_for = ELSEWHERE
            .iter()
            .find(|kind| **kind == text("type"))
            .copied();
        let has_place = || {
            ["connectionString", "endpointUri"]
                .iter()
                .any(|it| !text(it).is_empty())
        };
        let kind = match text("type") {
            "storageContainer" => {
                let container = Container::parse(&format!("endpoint '{name}'"), document)?;
                Kind::Container(Box::new(container))
            }
            _ if stands_for.is_some() && has_place() => Kind::File,
            _ if stands_for.is_some() => {
                return Err(invalid(format!(
                    "endpoint '{name}': neither 'connectionString' nor 'endpointUri' is there"
                )));
            }
            "file" => Kind::File,
            "webhook" => Kind::Webhook(http_client::parse("the endpoint's url", text("url"))?),
            other => {
                return Err(invalid(format!(
                    "endpoint '{name}': type '{other}' is none of file, webhook, storageContainer, {}",
                    ELSEWHERE.join(", ")
                )));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
            stands_for,
        })
    }

    /// How long a message waits for others, and with how many bytes they wait no longer; `None` if
    /// it does not.
    pub(super) fn waits(&self) -> Option<(UnixMs, usize)> {
        match &self.kind {
            Kind::Container(container) => Some((container.wait_ms, container.max_bytes)),
            Kind::File | Kind::Webhook(_) => None,
        }
    }

    /// Hands messages over, all of them or with an error that says why not. What was handed over
    /// before a fault comes again.
    pub(super) async fn deliver(
        &self,
        means: Means<'_>,
        lines: Vec<Value>,
    ) -> Result<(), DeliveryError> {
        match &self.kind {
            Kind::Container(container) => {
                let written = container.write(means.blobs, means.partitions, lines, means.now);
                Ok(written.await?)
            }
            Kind::File => {
                let path = means.folder.join(format!("{}.jsonl", self.name));
                let written = tokio::task::spawn_blocking(move || append(&path, &lines)).await;
                written
                    .map_err(io::Error::other)
                    .flatten()
                    .map_err(DeliveryError::File)
            }
            Kind::Webhook(uri) => {
                let json = HeaderValue::from_static("application/json");
                let call = http_client::call(Call {
                    method: Method::POST,
                    uri,
                    headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
                    body: Value::Array(lines).to_string().into_bytes(),
                    limit: MAX_ANSWER,
                });
                let answer = tokio::time::timeout(TIME_LIMIT, call).await;
                let answer = answer.map_err(|_| DeliveryError::TimedOut)?;
                let answer = answer.map_err(DeliveryError::Call)?;
                match answer.status.is_success() {
                    true => Ok(()),
                    false => Err(DeliveryError::Refused(answer.status)),
                }
            }
        }
    }
}

/// Appends lines; a file that has grown large makes room for the next one, and its predecessor
/// goes.
fn append(path: &Path, lines: &[Value]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).owned(0o700).create(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|it| it.len() >= MAX_FILE) {
        std::fs::rename(path, path.with_extension("jsonl.1"))?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).owned(0o600).open(path)?;
    let mut text = String::new();
    for line in lines {
        text += &line.to_string();
        text.push('\n');
    }
    file.write_all(text.as_bytes())
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// The built-in endpoint.
pub(super) const EVENTS: &str = "events";
/// Services that are on no machine of one's own: a file takes what leads there.
const ELSEWHERE: &[&str] = &[
    "eventHub",
    "serviceBusQueue",
    "serviceBusTopic",
    "cosmosDBSqlContainer",
    "cosmosDBSqlCollection",
];
const TIME_LIMIT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 64 * 1024;
const MAX_FILE: u64 = 256 * 1024 * 1024;
