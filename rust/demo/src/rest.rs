//! The hub's REST interface, as a back end uses it.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{Error, stop};

/// A client of the service side.
#[derive(Clone, Debug)]
pub struct Rest {
    base: String,
    agent: ureq::Agent,
}

impl Rest {
    /// Of the hub at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self::at(&format!("http://{address}"))
    }

    /// Of the hub at this URL.
    pub(crate) fn at(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(40)))
            .build()
            .into();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            agent,
        }
    }

    /// Registers a CA certificate as verified.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn register_ca(&self, name: &str, pem: &str) -> Result<(), Error> {
        let body = json!({ "name": name, "certificate": pem, "isVerified": true });
        self.expect("POST", "/admin/certificates", &body).map(drop)
    }

    /// Changes the status of a device that is registered.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn set_status(&self, id: &str, status: &str) -> Result<(), Error> {
        let mut device = self.expect("GET", &format!("/devices/{id}"), &Value::Null)?;
        device["status"] = json!(status);
        self.expect("PUT", &format!("/devices/{id}"), &device)
            .map(drop)
    }

    /// The twin as the service sees it.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn twin(&self, id: &str) -> Result<Value, Error> {
        self.expect("GET", &format!("/twins/{id}"), &Value::Null)
    }

    /// Patches desired properties; returns the new version.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn patch_desired(&self, id: &str, desired: &Value) -> Result<u64, Error> {
        let body = json!({ "properties": { "desired": desired } });
        let twin = self.expect("PATCH", &format!("/twins/{id}"), &body)?;
        Ok(twin["properties"]["desired"]["$version"]
            .as_u64()
            .unwrap_or(0))
    }

    /// Calls a direct method: HTTP status and body.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn method(&self, id: &str, name: &str, payload: &Value) -> Result<(u16, Value), Error> {
        let body = json!({
            "methodName": name, "payload": payload,
            "responseTimeoutInSeconds": 10, "connectTimeoutInSeconds": 0
        });
        self.call("POST", &format!("/twins/{id}/methods"), &body)
    }

    /// Queues a cloud-to-device message.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn send_c2d(&self, id: &str, body: &str) -> Result<(), Error> {
        self.send_c2d_with(id, None, body.as_bytes())
    }

    /// The same with an application property, and whatever bytes.
    ///
    /// # Errors
    /// The hub refuses it.
    pub fn send_c2d_with(
        &self,
        id: &str,
        property: Option<(&str, &str)>,
        body: &[u8],
    ) -> Result<(), Error> {
        let url = format!("{}/devices/{id}/messages/deviceBound", self.base);
        let mut request = self.agent.post(&url);
        if let Some((name, value)) = property {
            request = request.header(format!("iothub-app-{name}"), value);
        }
        let answer = request.send(body).map_err(Error::new)?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(Error::new(format!("POST {url}: {}", answer.status())))
        }
    }

    /// What the emulator says of itself.
    pub(crate) fn about(&self) -> Result<Value, Error> {
        self.expect("GET", "/admin", &Value::Null)
    }

    /// The device as the registry has it.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn device(&self, id: &str) -> Result<Value, Error> {
        self.expect("GET", &format!("/devices/{id}"), &Value::Null)
    }

    /// Asks for the image `{version}.bin`, under a job of that name.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn deploy(&self, id: &str, version: &str, protocol: &str) -> Result<Value, Error> {
        self.deploy_from(id, version, protocol, None)
    }

    /// The same, of a server by this name; `None`: by the hub's.
    pub(crate) fn deploy_from(
        &self,
        id: &str,
        version: &str,
        protocol: &str,
        host: Option<&str>,
    ) -> Result<Value, Error> {
        let mut body = json!({
            "deviceId": id, "image": format!("{version}.bin"), "jobId": format!("job-{version}"), "protocol": protocol,
            "fragmentSize": 1024,
        });
        if let Some(host) = host {
            body["host"] = host.into();
        }
        self.expect("POST", "/admin/firmware/deployments", &body)
    }

    /// Lets something go wrong with images; `null`: nothing any more.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn firmware_fault(&self, fault: &Value) -> Result<(), Error> {
        let method = if fault.is_null() { "DELETE" } else { "POST" };
        self.expect(method, "/admin/firmware/faults", fault)
            .map(drop)
    }

    /// Lets something go wrong with the hub: `/admin/faults` in docs/emulator.md.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn fault(&self, fault: &Value) -> Result<(), Error> {
        self.expect("POST", "/admin/faults", fault).map(drop)
    }

    /// Bytes of the image `{version}.bin` that went out.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn served(&self, version: &str) -> Result<u64, Error> {
        let all = self.expect("GET", "/admin/firmware", &Value::Null)?;
        let name = format!("{version}.bin");
        let image = all["images"]
            .as_array()
            .and_then(|images| images.iter().find(|image| image["name"] == name.as_str()));
        Ok(image.map_or(0, |image| image["bytesServed"].as_u64().unwrap_or(0)))
    }

    /// What a device reports of its firmware.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn firmware(&self, id: &str) -> Result<Value, Error> {
        Ok(self.twin(id)?["properties"]["reported"]["firmware"].take())
    }

    /// Telemetry behind sequence number `since`.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn telemetry(&self, id: &str, since: u64) -> Result<Vec<Value>, Error> {
        self.lines(&format!("/admin/telemetry.jsonl?since={since}&device={id}"))
    }

    /// Hands over each telemetry message behind sequence number `since`, as it arrives, until the
    /// hub ends.
    pub(crate) fn follow_telemetry(
        &self,
        id: &str,
        since: u64,
        mut each: impl FnMut(&Value),
    ) -> Result<(), Error> {
        let url = format!(
            "{}/admin/telemetry.jsonl?since={since}&device={id}&follow=true",
            self.base
        );
        // This one may take as long as it likes.
        let answer = ureq::get(&url).call().map_err(Error::new)?;
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.map_err(Error::new)?;
            each(&serde_json::from_str(&line).map_err(Error::new)?);
        }
        Ok(())
    }

    /// The sequence number of the newest telemetry message; 0 where there is none.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn last_telemetry(&self, id: &str) -> Result<u64, Error> {
        let newest = self.lines(&format!("/admin/telemetry.jsonl?last=1&device={id}"))?;
        Ok(newest.last().map_or(0, sequence))
    }

    /// The hub's events behind sequence number `since`.
    ///
    /// # Errors
    /// The hub refuses, or cannot be reached.
    pub fn events(&self, since: u64) -> Result<Vec<Value>, Error> {
        self.lines(&format!("/admin/events.jsonl?since={since}"))
    }

    /// Asks `look` until it finds something; what a hub's client does that waits for a change.
    ///
    /// # Errors
    /// Nothing was found within `timeout`.
    pub fn until<T>(
        &self,
        what: &str,
        timeout: Duration,
        mut look: impl FnMut(&Self) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + timeout;
        let mut last = None;
        loop {
            stop::check()?;
            match look(self) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            if Instant::now() >= deadline {
                let cause = last.map(|error| format!(": {error}")).unwrap_or_default();
                return Err(Error::new(format!(
                    "{what}: not within {} s{cause}",
                    timeout.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn lines(&self, path: &str) -> Result<Vec<Value>, Error> {
        let url = format!("{}{path}", self.base);
        let mut answer = self.agent.get(&url).call().map_err(Error::new)?;
        let text = answer.body_mut().read_to_string().map_err(Error::new)?;
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(Error::new))
            .collect()
    }

    fn expect(&self, method: &str, path: &str, body: &Value) -> Result<Value, Error> {
        let (status, answer) = self.call(method, path, body)?;
        if (200..300).contains(&status) {
            Ok(answer)
        } else {
            Err(Error::new(format!("{method} {path}: {status} {answer}")))
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value), Error> {
        let url = format!("{}{path}", self.base);
        let answer = match method {
            "GET" => self.agent.get(&url).call(),
            "PUT" => self.agent.put(&url).header("if-match", "*").send_json(body),
            "PATCH" => self.agent.patch(&url).send_json(body),
            "DELETE" => self.agent.delete(&url).call(),
            _ => self.agent.post(&url).send_json(body),
        };
        let mut answer = answer.map_err(|error| Error::new(format!("{method} {path}: {error}")))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(Error::new)?;
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok((status, value))
    }
}

/// The number of a telemetry message or of an event.
pub(crate) fn sequence(line: &Value) -> u64 {
    line["seq"].as_u64().unwrap_or(0)
}
