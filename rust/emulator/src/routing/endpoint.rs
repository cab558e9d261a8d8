//! Where messages come out: a file of JSON lines, or a webhook.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde_json::{Map, Value};

use crate::code::{ErrorCode, Refusal};
use crate::file::Mode as _;
use crate::http_client::{self, Call};

/// An endpoint with a name.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Of letters, digits, `-`, `.` and `_`.
    pub name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    File,
    Webhook(Uri),
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
        let kind = match text("type") {
            "file" => Kind::File,
            "webhook" => Kind::Webhook(http_client::parse("the endpoint's url", text("url"))?),
            other => {
                return Err(invalid(format!(
                    "endpoint '{name}': type '{other}' is neither file nor webhook"
                )));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
        })
    }

    /// Hands messages over, all of them or with an error that says why not. What was handed over before a fault comes again.
    pub(super) async fn deliver(&self, folder: &Path, lines: Vec<Value>) -> Result<(), String> {
        match &self.kind {
            Kind::File => {
                let path = folder.join(format!("{}.jsonl", self.name));
                let written = tokio::task::spawn_blocking(move || append(&path, &lines)).await;
                written
                    .map_err(|error| error.to_string())?
                    .map_err(|error| error.to_string())
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
                let answer = answer.map_err(|_| format!("no answer within {TIME_LIMIT:?}"))??;
                match answer.status.is_success() {
                    true => Ok(()),
                    false => Err(format!("it answered {}", answer.status)),
                }
            }
        }
    }
}

/// Appends lines; a file that has grown large makes room for the next one, and its predecessor goes.
fn append(path: &Path, lines: &[Value]) -> std::io::Result<()> {
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
const TIME_LIMIT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 64 * 1024;
const MAX_FILE: u64 = 256 * 1024 * 1024;
