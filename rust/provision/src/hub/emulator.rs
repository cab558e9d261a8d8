//! What only the emulator answers: its CA certificates, itself, and telemetry.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::http::{Request, open};
use crate::hub::Hub;
use crate::hub::sas::escaped;
use crate::pki::Certificate;

/// What the emulator says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The host name of its first hub.
    pub hostname: String,
    /// The ID scope of its provisioning service.
    pub id_scope: String,
    /// The CA behind its server's certificate, if it has made that itself.
    pub server_ca: Option<Certificate>,
}

impl Hub {
    /// Registers a CA as verified, without a proof: its key need not be here. Only the emulator
    /// does this; [`Resource::emulator`](crate::hub::Resource::emulator) proves possession.
    ///
    /// # Errors
    /// [`Kind::Unreachable`], [`Kind::Denied`] or [`Kind::Server`], as every call.
    pub fn add_authority(&self, name: &str, certificate: &Certificate) -> Result<Value, Error> {
        let body = json!({"name": name, "certificate": certificate.pem(), "isVerified": true});
        self.call("POST", "/admin/certificates", Some(&body))
    }

    /// The registered CAs of the emulator.
    ///
    /// # Errors
    /// As every call.
    pub fn authorities(&self) -> Result<Value, Error> {
        self.call("GET", "/admin/certificates", None)
    }

    /// Deletes a registered CA of the emulator.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_authority(&self, name: &str) -> Result<(), Error> {
        self.call(
            "DELETE",
            &format!("/admin/certificates/{}", escaped(name)),
            None,
        )
        .map(drop)
    }

    /// What the emulator says of itself.
    ///
    /// # Errors
    /// As every call; [`Kind::Server`] if it is something else that answers.
    pub fn about(&self) -> Result<About, Error> {
        let about = self.call("GET", "/admin", None)?;
        let text = |path: &str| {
            let text = about.pointer(path).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| {
                Error::new(
                    Kind::Server,
                    format!("GET /admin: the answer holds no {}", &path[1..]),
                )
                .advise("is it the emulator of this project?")
            })
        };
        let server_ca = about["serverCa"].as_str();
        Ok(About {
            hostname: text("/hubs/0")?,
            id_scope: text("/idScope")?,
            server_ca: server_ca.map(Certificate::from_pem).transpose()?,
        })
    }

    /// Hands over each telemetry line of the emulator, until `each` says that it is enough: what
    /// comes from now on, or from the message with the number `since`.
    ///
    /// # Errors
    /// As every call.
    pub fn telemetry(
        &self,
        device: Option<&str>,
        since: Option<u64>,
        mut each: impl FnMut(&str) -> bool,
    ) -> Result<(), Error> {
        let filter = device
            .map(|id| format!("&device={}", escaped(id)))
            .unwrap_or_default();
        let begin = since.map_or("last=0".to_owned(), |since| format!("since={since}"));
        let url = format!(
            "{}/admin/telemetry.jsonl?follow=true&{begin}{filter}",
            self.base
        );
        let request = Request {
            method: "GET",
            url: &url,
            headers: Vec::new(),
            body: None,
        };
        for line in BufReader::new(open(&request)?.into_body().into_reader()).lines() {
            let line = line.map_err(|error| {
                Error::new(
                    Kind::Unreachable,
                    format!("the stream of telemetry ended: {error}"),
                )
            })?;
            if !line.is_empty() && !each(&line) {
                return Ok(());
            }
        }
        Ok(())
    }
}
