//! A device and its JSON forms.

use serde_json::{Map, Value, json};

use super::{Authentication, etag, invalid, time};
use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::sas;
use crate::twin::Section;
use crate::username::check_device_id;

/// One device: its identity and its twin.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// The hub's host name.
    pub hub: String,
    /// The device id.
    pub id: String,
    /// Tells a device from a later one with the same id.
    pub generation_id: String,
    /// Grows with each change of the identity.
    pub etag: i64,
    /// Whether it may connect.
    pub enabled: bool,
    /// A note by whoever set the status.
    pub status_reason: Option<String>,
    /// When the status was set.
    pub status_updated: UnixMs,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// Whether it is an IoT Edge device; kept, and without effect.
    pub iot_edge: bool,
    /// When it last connected, sent or went.
    pub last_activity: UnixMs,
    /// When it last connected or went.
    pub state_updated: UnixMs,
    /// What the device said at its last CONNECT.
    pub model_id: String,
    /// Grows with each change of the twin.
    pub twin_version: i64,
    /// The service's notes.
    pub tags: Map<String, Value>,
    /// What the service wishes.
    pub desired: Section,
    /// What the device says.
    pub reported: Section,
}
impl Device {
    /// A device with Azure's defaults.
    pub(crate) fn new(
        hub: &str,
        id: &str,
        authentication: Authentication,
        now: UnixMs,
    ) -> Result<Self, Refusal> {
        check_device_id(id).map_err(invalid)?;
        let section = || Section {
            version: 1,
            ..Section::default()
        };
        Ok(Self {
            hub: hub.to_owned(),
            id: id.to_owned(),
            generation_id: format!(
                "{now}{}",
                u16::from_str_radix(&sas::random_hex::<2>(), 16).unwrap_or(0)
            ),
            etag: 1,
            enabled: true,
            status_reason: None,
            status_updated: now,
            authentication,
            iot_edge: false,
            last_activity: 0,
            state_updated: 0,
            model_id: String::new(),
            twin_version: 1,
            tags: Map::new(),
            desired: section(),
            reported: section(),
        })
    }

    /// Applies Azure's device JSON.
    pub(crate) fn update(&mut self, document: &Value, now: UnixMs) -> Result<(), Refusal> {
        if let Some(id) = document.get("deviceId").and_then(Value::as_str)
            && id != self.id
        {
            return Err(invalid(format!(
                "deviceId '{id}' in the body is not '{}' of the path",
                self.id
            )));
        }
        match document.get("status").and_then(Value::as_str) {
            Some(status @ ("enabled" | "disabled")) => {
                let enabled = status == "enabled";
                if enabled != self.enabled {
                    self.status_updated = now;
                }
                self.enabled = enabled;
            }
            None => {}
            Some(other) => {
                return Err(invalid(format!(
                    "status '{other}' is neither enabled nor disabled"
                )));
            }
        }
        if let Some(reason) = document.get("statusReason") {
            self.status_reason = reason.as_str().map(str::to_owned);
        }
        if let Some(authentication) = document
            .get("authentication")
            .filter(|value| !value.is_null())
        {
            self.authentication = Authentication::from_json(authentication)?;
        }
        if let Some(edge) = document
            .pointer("/capabilities/iotEdge")
            .and_then(Value::as_bool)
        {
            self.iot_edge = edge;
        }
        Ok(())
    }

    /// Azure's device JSON.
    /// `live` is the last activity on the connection that the device has now.
    pub(crate) fn identity_json(&self, live: Option<UnixMs>, c2d_count: i64) -> Value {
        json!({
            "deviceId": self.id,
            "generationId": self.generation_id,
            "etag": etag(self.etag),
            "connectionState": connection_state(live.is_some()),
            "status": status(self.enabled),
            "statusReason": self.status_reason,
            "connectionStateUpdatedTime": time(self.state_updated),
            "statusUpdatedTime": time(self.status_updated),
            "lastActivityTime": time(self.last_activity.max(live.unwrap_or_default())),
            "cloudToDeviceMessageCount": c2d_count,
            "authentication": self.authentication.to_json(),
            "capabilities": {"iotEdge": self.iot_edge},
        })
    }

    /// Azure's twin JSON.
    /// `live` is the last activity on the connection that the device has now.
    pub(crate) fn twin_json(&self, live: Option<UnixMs>, c2d_count: i64) -> Value {
        let thumbprints = match &self.authentication {
            Authentication::SelfSigned(primary, secondary) => (primary.clone(), secondary.clone()),
            _ => (None, None),
        };
        json!({
            "deviceId": self.id,
            "etag": etag(self.twin_version),
            "deviceEtag": etag(self.etag),
            "status": status(self.enabled),
            "statusReason": self.status_reason,
            "statusUpdateTime": time(self.status_updated),
            "connectionState": connection_state(live.is_some()),
            "lastActivityTime": time(self.last_activity.max(live.unwrap_or_default())),
            "cloudToDeviceMessageCount": c2d_count,
            "authenticationType": self.authentication.name(),
            "x509Thumbprint": {"primaryThumbprint": thumbprints.0, "secondaryThumbprint": thumbprints.1},
            "modelId": self.model_id,
            "version": self.twin_version,
            "tags": self.tags,
            "properties": {"desired": self.desired.for_service(), "reported": self.reported.for_service()},
            "capabilities": {"iotEdge": self.iot_edge},
        })
    }
}

pub(super) fn status(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

fn connection_state(connected: bool) -> &'static str {
    if connected {
        "Connected"
    } else {
        "Disconnected"
    }
}
