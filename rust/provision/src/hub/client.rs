//! How a hub is spoken to: over REST, with a token where it is Azure's.

use serde_json::Value;
use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::http::{Request, Response, send};
use crate::hub::ConnectionString;

/// A hub: the local emulator by its address, or Azure by a connection string.
pub struct Hub {
    pub(super) base: String,
    access: Option<ConnectionString>,
    now: OffsetDateTime,
}

impl Hub {
    /// The emulator at this address, for example `http://127.0.0.1:8080`.
    pub fn emulator(address: &str, now: OffsetDateTime) -> Self {
        Self {
            base: address.trim_end_matches('/').to_owned(),
            access: None,
            now,
        }
    }

    /// Azure's hub of this connection string.
    pub fn azure(access: ConnectionString, now: OffsetDateTime) -> Self {
        Self {
            base: format!("https://{}", access.host()),
            access: Some(access),
            now,
        }
    }

    /// The host name of Azure's hub; none for the emulator.
    pub fn azure_host(&self) -> Option<&str> {
        self.access.as_ref().map(ConnectionString::host)
    }

    /// Creates, or changes what is there: that takes its entity tag.
    pub(super) fn put(&self, path: &str, mut body: Value) -> Result<Value, Error> {
        if let Some(known) = self.find(path)? {
            body["etag"] = known["etag"].clone();
        }
        self.call("PUT", path, Some(&body))
    }

    /// What is there, or `None`.
    pub(super) fn find(&self, path: &str) -> Result<Option<Value>, Error> {
        match self.exchange("GET", path, None)? {
            Response { status: 404, .. } => Ok(None),
            response => answered("GET", path, response).map(Some),
        }
    }

    pub(super) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        answered(method, path, self.exchange(method, path, body)?)
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response, Error> {
        let is_dps = path.starts_with("/enrollment");
        let version = if is_dps { DPS_API_VERSION } else { API_VERSION };
        let url = format!("{}{path}?api-version={version}", self.base);
        let text = body.map(Value::to_string);
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(
            self.access
                .iter()
                .map(|a| ("authorization", a.authorization(self.now))),
        );
        if method == "PUT" || method == "DELETE" {
            headers.extend(Self::condition(body).map(|etag| ("if-match", etag)));
        }
        let request = Request {
            method,
            url: &url,
            headers,
            body: text.as_deref().map(str::as_bytes),
        };
        send(&request)
    }

    /// Azure wants `If-Match` when something that exists is changed or deleted.
    fn condition(body: Option<&Value>) -> Option<String> {
        match body {
            None => Some("*".to_owned()),
            Some(body) => Some(format!("\"{}\"", body.get("etag")?.as_str()?)),
        }
    }
}

pub(super) fn answered(method: &str, path: &str, response: Response) -> Result<Value, Error> {
    let parsed = serde_json::from_str(&response.text).unwrap_or(Value::Null);
    // The hub's shape, the provisioning service's and Resource Manager's.
    let said = ["/Message", "/message", "/error/message"]
        .iter()
        .find_map(|at| parsed.pointer(at)?.as_str());
    let said = said.unwrap_or(response.text.trim()).to_owned();
    let fail = |kind| Error::new(kind, format!("{method} {path}: {} {said}", response.status));
    match response.status {
        200..=299 => Ok(parsed),
        401 | 403 => Err(fail(Kind::Denied).advise(
            "use credentials with the right to read and write it, and check this machine's clock",
        )),
        404 => Err(Error::new(
            Kind::Server,
            format!("{method} {path}: 404 not found; {said}"),
        )),
        409 => Err(fail(Kind::Exists)),
        _ => Err(fail(Kind::Server)),
    }
}

const API_VERSION: &str = "2021-04-12";
const DPS_API_VERSION: &str = "2021-10-01";
