//! Bulk calls and their outcome, and any call that a device's token opens.

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::http::{Request, Response, fetch, send};
use crate::secret::Secret;

/// Which list is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Target {
    /// `OnboardDevices`: certificates.
    Devices,
    /// `RegisterPublicKeys`.
    PublicKeys,
}

/// Which token of a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceToken {
    /// `GetServiceToken`: signed with the team's service key.
    OfKey,
    /// `GetServiceEvaluationToken`: the one that is there.
    Evaluation,
    /// `GenerateServiceEvaluationToken`; the first one begins the period of evaluation.
    NewEvaluation,
}

/// nRF Cloud's REST interface.
pub struct Api {
    base: String,
    token: Secret,
}

/// How a bulk operation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Not yet done: its status.
    Running(String),
    /// Done without errors.
    Succeeded,
    /// Done with errors: row (counted from 1) and message. A row of 0 is not known.
    Failed(Vec<(usize, String)>),
}

impl Api {
    /// The interface at this address, opened by an API key or a token.
    pub fn new(base: &str, token: Secret) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            token,
        }
    }

    /// Sends a list and returns the id of the bulk operation.
    ///
    /// # Errors
    /// [`Kind::Denied`] for 401 and 403, [`Kind::Server`] for anything but 202.
    pub fn submit(&self, target: Target, body: &str) -> Result<String, Error> {
        let path = match target {
            Target::Devices => "/v1/devices",
            Target::PublicKeys => "/v1/devices/public-keys",
        };
        let response = self.call(
            "POST",
            &format!("{}{path}", self.base),
            Some(body.as_bytes()),
        )?;
        let answer = self.expect(path, response, &[202])?;
        answer["bulkOpsRequestId"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| {
                Error::new(
                    Kind::Server,
                    format!("{path}: the answer has no bulkOpsRequestId"),
                )
            })
    }

    /// How a bulk operation stands. The list of errors is fetched as well.
    ///
    /// # Errors
    /// As [`Api::submit`].
    pub fn operation(&self, id: &str) -> Result<Operation, Error> {
        let path = format!("/v1/bulk-ops-requests/{id}");
        let response = self.call("GET", &format!("{}{path}", self.base), None)?;
        let answer = self.expect(&path, response, &[200])?;
        match answer["status"].as_str().unwrap_or_default() {
            status @ ("PENDING" | "IN_PROGRESS") => Ok(Operation::Running(status.to_owned())),
            "SUCCEEDED" => Ok(Operation::Succeeded),
            "FAILED" => self.failures(&answer).map(Operation::Failed),
            other => Err(Error::new(
                Kind::Server,
                format!("{path}: the status {other:?} is unknown"),
            )),
        }
    }

    /// Claims a device of the Provisioning Service with its attestation token; it then belongs to
    /// the team of the API key.
    ///
    /// # Errors
    /// [`Kind::Denied`] for 401 and 403, [`Kind::Server`] with what the service says for anything
    /// but 200 to 202.
    pub fn claim(&self, token: &str, tags: &[String]) -> Result<(), Error> {
        let path = "/v1/claimed-devices";
        let mut body = json!({ "claimToken": token });
        if !tags.is_empty() {
            body["tags"] = json!(tags);
        }
        let body = body.to_string();
        let url = format!("{}{path}", self.base);
        let response = send(&Request {
            method: "POST",
            url: &url,
            headers: vec![
                ("authorization", format!("Bearer {}", self.token.expose())),
                ("content-type", "application/json".to_owned()),
            ],
            body: Some(body.as_bytes()),
        })?;
        self.expect(path, response, &[200, 201, 202]).map(drop)
    }

    /// `GenerateServiceKeyAndToken`: nRF Cloud makes a key pair for the team, keeps the public half
    /// and forgets the one before. Gives the private key as PEM and a token that it has signed.
    ///
    /// # Errors
    /// [`Kind::Denied`] for 401 and 403, [`Kind::Server`] for anything else but 200 with both.
    pub fn new_service_key(&self) -> Result<(Secret, Secret), Error> {
        let answer = self.ask("POST", "/v1/account/service-key-and-token")?;
        let part = |name| secret_in(&answer, name, "/v1/account/service-key-and-token");
        Ok((part("key")?, part("token")?))
    }

    /// A token for the team's proxy.
    ///
    /// # Errors
    /// As [`Api::new_service_key`].
    pub fn service_token(&self, which: ServiceToken) -> Result<Secret, Error> {
        let (method, path) = match which {
            ServiceToken::OfKey => ("GET", "/v1/account/service-token"),
            ServiceToken::Evaluation => ("GET", "/v1/account/service-evaluation-token"),
            ServiceToken::NewEvaluation => ("POST", "/v1/account/service-evaluation-token"),
        };
        secret_in(&self.ask(method, path)?, "token", path)
    }

    /// A GET that a device's token opens, such as `/v1/location/agnss?…`. `range` is the value of
    /// the `Range` header.
    ///
    /// # Errors
    /// [`Kind::Denied`] if the token is refused, [`Kind::Server`] for anything but 200 and 206.
    pub fn get(&self, path: &str, range: Option<&str>) -> Result<(u16, Vec<u8>), Error> {
        let mut headers = vec![
            ("authorization", format!("Bearer {}", self.token.expose())),
            ("accept", "application/octet-stream".to_owned()),
        ];
        headers.extend(range.map(|range| ("range", range.to_owned())));
        let url = format!("{}{path}", self.base);
        let (status, body) = fetch(&Request {
            method: "GET",
            url: &url,
            headers,
            body: None,
        })?;
        match status {
            200 | 206 => Ok((status, body)),
            _ => Err(refused(path, status, String::from_utf8_lossy(&body).trim())),
        }
    }

    /// The error list lies elsewhere, and is read without the API key.
    fn failures(&self, answer: &Value) -> Result<Vec<(usize, String)>, Error> {
        let Some(url) = answer["errorSummaryUrl"].as_str() else {
            return Ok(vec![(0, "nRF Cloud gives no list of errors".to_owned())]);
        };
        let request = Request {
            method: "GET",
            url,
            headers: Vec::new(),
            body: None,
        };
        let list: Value = serde_json::from_str(&send(&request)?.text).unwrap_or_default();
        let texts = list["errors"].as_array().cloned().unwrap_or_default();
        Ok(texts
            .iter()
            .filter_map(Value::as_str)
            .map(numbered)
            .collect())
    }

    fn call(&self, method: &str, url: &str, body: Option<&[u8]>) -> Result<Response, Error> {
        let headers = vec![
            ("authorization", format!("Bearer {}", self.token.expose())),
            ("content-type", "text/csv".to_owned()),
        ];
        send(&Request {
            method,
            url,
            headers,
            body,
        })
    }

    /// A call of the account, which has no body.
    fn ask(&self, method: &str, path: &str) -> Result<Value, Error> {
        let response = send(&Request {
            method,
            url: &format!("{}{path}", self.base),
            headers: vec![
                ("authorization", format!("Bearer {}", self.token.expose())),
                ("accept", "application/json".to_owned()),
            ],
            body: None,
        })?;
        self.expect(path, response, &[200])
    }

    fn expect(&self, path: &str, response: Response, good: &[u16]) -> Result<Value, Error> {
        if good.contains(&response.status) {
            return Ok(serde_json::from_str(&response.text).unwrap_or_default());
        }
        Err(refused(path, response.status, response.text.trim()))
    }
}

fn secret_in(answer: &Value, name: &str, path: &str) -> Result<Secret, Error> {
    let text = answer[name].as_str().filter(|text| !text.is_empty());
    let missing = || Error::new(Kind::Server, format!("{path}: the answer has no {name}"));
    text.map(|text| Secret::new(text.to_owned()))
        .ok_or_else(missing)
}

fn refused(path: &str, status: u16, said: &str) -> Error {
    let kind = if matches!(status, 401 | 403) {
        Kind::Denied
    } else {
        Kind::Server
    };
    let error = Error::new(kind, format!("{path}: {status} {said}"));
    match kind {
        Kind::Denied => error.advise(
            "devices/ calls take the API key of the account page; location calls take a token \
             whose public key is registered; a user API key of the new portal is refused here",
        ),
        _ => error,
    }
}

/// `[0]: message`, counted from 0.
fn numbered(text: &str) -> (usize, String) {
    let parsed = text.strip_prefix('[').and_then(|rest| {
        let (row, message) = rest.split_once("]:")?;
        Some((row.parse::<usize>().ok()? + 1, message.trim().to_owned()))
    });
    parsed.unwrap_or((0, text.to_owned()))
}
