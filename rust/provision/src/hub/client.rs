//! The registry over REST.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::http::{Request, Response, open, send};
use crate::hub::sas::{ConnectionString, escaped};
use crate::pki::Certificate;

/// A hub: the local emulator by its address, or Azure by a connection string.
pub struct Hub {
    base: String,
    access: Option<ConnectionString>,
    now: OffsetDateTime,
}

/// How a device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A certificate that a registered CA has signed.
    CertificateAuthority,
    /// One certificate, by its thumbprint.
    Thumbprint(String),
}

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

    /// Registers a CA, proved. Only the emulator does this here.
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

    /// A device, or `None` if the hub does not know it.
    ///
    /// # Errors
    /// As every call.
    pub fn device(&self, id: &str) -> Result<Option<Value>, Error> {
        match self.call("GET", &device_path(id), None) {
            Err(error) if error.message().contains(NOT_FOUND) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Registers a device, or changes it.
    ///
    /// # Errors
    /// As every call.
    pub fn put_device(
        &self,
        id: &str,
        authentication: &Authentication,
        enabled: bool,
    ) -> Result<Value, Error> {
        let authentication = match authentication {
            Authentication::CertificateAuthority => json!({"type": "certificateAuthority"}),
            Authentication::Thumbprint(thumbprint) => json!({"type": "selfSigned",
                "x509Thumbprint": {"primaryThumbprint": thumbprint,
                                   "secondaryThumbprint": thumbprint}}),
        };
        let status = if enabled { "enabled" } else { "disabled" };
        let body = json!({"deviceId": id, "status": status, "authentication": authentication});
        self.put(&device_path(id), body)
    }

    /// Enables or disables a device as it is (the way to revoke it).
    ///
    /// # Errors
    /// As every call; [`Kind::Server`] if there is no such device.
    pub fn set_enabled(&self, id: &str, enabled: bool) -> Result<Value, Error> {
        let Some(mut device) = self.device(id)? else {
            return Err(Error::new(
                Kind::Server,
                format!("the hub does not know the device {id}"),
            )
            .advise("register it: iothub-provision hub device create"));
        };
        device["status"] = json!(if enabled { "enabled" } else { "disabled" });
        self.call("PUT", &device_path(id), Some(&device))
    }

    /// Deletes a device.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_device(&self, id: &str) -> Result<(), Error> {
        self.call("DELETE", &device_path(id), None).map(drop)
    }

    /// All devices.
    ///
    /// # Errors
    /// As every call.
    pub fn devices(&self) -> Result<Vec<Value>, Error> {
        match self.call("GET", "/devices", None)? {
            Value::Array(devices) => Ok(devices),
            _ => Ok(Vec::new()),
        }
    }

    /// Makes an enrolment group of the Device Provisioning Service: every device that this CA has
    /// signed is let in. The connection string is that of the provisioning service.
    ///
    /// # Errors
    /// As every call.
    pub fn put_enrollment_group(&self, id: &str, ca: &Certificate) -> Result<Value, Error> {
        let certificates = json!({"primary": {"certificate": ca.pem()}});
        let body = json!({"enrollmentGroupId": id, "provisioningStatus": "enabled",
            "attestation": {"type": "x509", "x509": {"signingCertificates": certificates}}});
        self.put(&enrollment_path(id), body)
    }

    /// All enrolment groups.
    ///
    /// # Errors
    /// As every call.
    pub fn enrollment_groups(&self) -> Result<Vec<Value>, Error> {
        let query = json!({"query": "SELECT * FROM enrollmentGroups"});
        match self.call("POST", "/enrollmentGroups/query", Some(&query))? {
            Value::Array(groups) => Ok(groups),
            _ => Ok(Vec::new()),
        }
    }

    /// Deletes an enrolment group. Devices that are registered stay so.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_enrollment_group(&self, id: &str) -> Result<(), Error> {
        self.call("DELETE", &enrollment_path(id), None).map(drop)
    }

    /// Enrols one device by its certificate; `device_id` is the id that it gets, the registration
    /// id without it. It goes before any group.
    ///
    /// # Errors
    /// As every call.
    pub fn put_enrollment(
        &self,
        id: &str,
        device_id: Option<&str>,
        certificate: &Certificate,
    ) -> Result<Value, Error> {
        let certificates = json!({"primary": {"certificate": certificate.pem()}});
        let mut body = json!({"registrationId": id, "provisioningStatus": "enabled",
            "attestation": {"type": "x509", "x509": {"clientCertificates": certificates}}});
        if let Some(device_id) = device_id {
            body["deviceId"] = json!(device_id);
        }
        self.put(&format!("/enrollments/{}", escaped(id)), body)
    }

    /// All enrolments of single devices.
    ///
    /// # Errors
    /// As every call.
    pub fn enrollments(&self) -> Result<Vec<Value>, Error> {
        let query = json!({"query": "SELECT * FROM enrollments"});
        match self.call("POST", "/enrollments/query", Some(&query))? {
            Value::Array(devices) => Ok(devices),
            _ => Ok(Vec::new()),
        }
    }

    /// Deletes the enrolment of a device. If it is registered it stays so.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_enrollment(&self, id: &str) -> Result<(), Error> {
        self.call("DELETE", &format!("/enrollments/{}", escaped(id)), None)
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

    /// Hands over each telemetry line of the emulator, until `each` says that it is enough.
    ///
    /// # Errors
    /// As every call.
    pub fn telemetry(
        &self,
        device: Option<&str>,
        mut each: impl FnMut(&str) -> bool,
    ) -> Result<(), Error> {
        let filter = device
            .map(|id| format!("&device={}", escaped(id)))
            .unwrap_or_default();
        let url = format!("{}/admin/telemetry.jsonl?follow=true{filter}", self.base);
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

    /// Creates, or changes what is there: that takes its entity tag.
    fn put(&self, path: &str, mut body: Value) -> Result<Value, Error> {
        match self.call("GET", path, None) {
            Ok(known) => body["etag"] = known["etag"].clone(),
            Err(error) if error.message().contains(NOT_FOUND) => {}
            Err(error) => return Err(error),
        }
        self.call("PUT", path, Some(&body))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
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
        answered(method, path, send(&request)?)
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
    let said = ["Message", "message"]
        .iter()
        .find_map(|name| parsed[name].as_str());
    let said = said.unwrap_or(response.text.trim()).to_owned();
    let fail = |kind| Error::new(kind, format!("{method} {path}: {} {said}", response.status));
    match response.status {
        200..=299 => Ok(parsed),
        401 | 403 => Err(fail(Kind::Denied).advise(
            "use credentials with the right to read and write it, and check this machine's clock",
        )),
        404 => Err(Error::new(
            Kind::Server,
            format!("{method} {path}: {NOT_FOUND}; {said}"),
        )),
        409 => Err(fail(Kind::Exists)),
        _ => Err(fail(Kind::Server)),
    }
}

fn device_path(id: &str) -> String {
    format!("/devices/{}", escaped(id))
}

fn enrollment_path(id: &str) -> String {
    format!("/enrollmentGroups/{}", escaped(id))
}

const API_VERSION: &str = "2021-04-12";
const DPS_API_VERSION: &str = "2021-10-01";
const NOT_FOUND: &str = "404 not found";
