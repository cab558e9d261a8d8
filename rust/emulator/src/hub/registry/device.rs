//! A device and its JSON forms.

use serde_json::{Map, Value, json};

use super::{Authentication, invalid, time};
use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::etag::etag;
use crate::fields;
use crate::hub::twin::Section;
use crate::id::{self, check_identity};
use crate::random;

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
    /// The scope of the IoT Edge device that it is a child of; kept, and without effect.
    pub parent: Option<String>,
    /// Who manages a module, as its creator says.
    pub managed_by: Option<String>,
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
    /// What the service asks for.
    pub desired: Section,
    /// What the device says.
    pub reported: Section,
    /// How it stands with each configuration that is about it; written by them alone.
    pub configurations: Map<String, Value>,
}
impl Device {
    /// A device with Azure's defaults.
    pub(crate) fn new(
        hub: &str,
        id: &str,
        authentication: Authentication,
        now: UnixMs,
    ) -> Result<Self, Refusal> {
        check_identity(id).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            hub: hub.to_owned(),
            id: id.to_owned(),
            generation_id: format!(
                "{now}{}",
                u16::from_str_radix(&random::hex::<2>(), 16).unwrap_or(0)
            ),
            etag: 1,
            enabled: true,
            status_reason: None,
            status_updated: now,
            authentication,
            iot_edge: false,
            parent: None,
            managed_by: None,
            last_activity: 0,
            state_updated: 0,
            model_id: String::new(),
            twin_version: 1,
            tags: Map::new(),
            desired: Section::fresh(now),
            reported: Section::fresh(now),
            configurations: Map::new(),
        })
    }

    /// Applies Azure's device JSON.
    pub(crate) fn update(&mut self, document: &Value, now: UnixMs) -> Result<(), Refusal> {
        let (device, module) = id::split(&self.id);
        for (name, expected) in [("deviceId", Some(device)), ("moduleId", module)] {
            let given = document.get(name).and_then(Value::as_str);
            if let Some(given) = given.filter(|given| Some(*given) != expected) {
                return Err(invalid(format!(
                    "{name} '{given}' in the body is not '{}' of the path",
                    expected.unwrap_or_default()
                )));
            }
        }
        if let Some(managed_by) = document.get("managedBy") {
            self.managed_by = managed_by.as_str().map(str::to_owned);
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
            .and_then(fields::boolean)
        {
            self.iot_edge = edge;
        }
        self.update_parent(document)
    }

    /// A leaf names its parent in `deviceScope`; an IoT Edge device has a scope of its own there,
    /// and its parent is in `parentScopes`.
    fn update_parent(&mut self, document: &Value) -> Result<(), Refusal> {
        let scope = |value: &Value| match value {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) if text.starts_with(SCOPE) => Ok(Some(text.clone())),
            other => Err(invalid(format!(
                "scope {other} does not begin with {SCOPE}"
            ))),
        };
        let by_parents = match document.get("parentScopes") {
            None | Some(Value::Null) => None,
            Some(Value::Array(scopes)) if scopes.len() <= 1 => {
                Some(scope(scopes.first().unwrap_or(&Value::Null))?)
            }
            Some(_) => return Err(invalid("parentScopes may have one scope".to_owned())),
        };
        let by_device = document.get("deviceScope").filter(|it| !it.is_null());
        let by_device = by_device
            .filter(|_| !self.iot_edge)
            .map(scope)
            .transpose()?;
        // Whoever changes one of them writes back the other as it was read.
        let changed = [by_device, by_parents].into_iter().flatten();
        if let Some(parent) = changed.into_iter().find(|parent| *parent != self.parent) {
            self.parent = parent;
        }
        Ok(())
    }

    fn add_scopes(&self, shown: &mut Value) {
        let own = self
            .iot_edge
            .then(|| format!("{SCOPE}{}-{}", self.id, self.generation_id));
        if let Some(scope) = own.as_ref().or(self.parent.as_ref()) {
            shown["deviceScope"] = json!(scope);
            shown["parentScopes"] = json!(self.parent.iter().collect::<Vec<_>>());
        }
    }

    /// Azure's device JSON.
    /// `live` is the last activity on the connection that the device has now.
    pub(crate) fn identity_json(&self, live: Option<UnixMs>, c2d_count: i64) -> Value {
        let (device, module) = id::split(&self.id);
        if let Some(module) = module {
            return json!({
                "moduleId": module,
                "managedBy": self.managed_by,
                "deviceId": device,
                "generationId": self.generation_id,
                "etag": etag(self.etag),
                "connectionState": connection_state(live.is_some()),
                "connectionStateUpdatedTime": time(self.state_updated),
                "lastActivityTime": time(self.last_activity.max(live.unwrap_or_default())),
                "cloudToDeviceMessageCount": c2d_count,
                "authentication": self.authentication.to_json(),
            });
        }
        let mut shown = json!({
            "deviceId": device,
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
        });
        self.add_scopes(&mut shown);
        shown
    }

    /// What a list shows of it: the identity without secrets, and what of the twin tells it from
    /// others. `live` is the last activity on the connection that the device has now.
    pub(crate) fn summary_json(&self, live: Option<UnixMs>, c2d_count: i64) -> Value {
        json!({
            "deviceId": self.id,
            "status": status(self.enabled),
            "statusReason": self.status_reason,
            "connectionState": connection_state(live.is_some()),
            "connectionStateUpdatedTime": time(self.state_updated),
            "lastActivityTime": time(self.last_activity.max(live.unwrap_or_default())),
            "cloudToDeviceMessageCount": c2d_count,
            "authenticationType": self.authentication.name(),
            "modelId": self.model_id,
            "tags": self.tags,
            "firmware": firmware(&self.reported.properties),
        })
    }

    /// Azure's twin JSON.
    /// `live` is the last activity on the connection that the device has now.
    pub(crate) fn twin_json(&self, live: Option<UnixMs>, c2d_count: i64) -> Value {
        let thumbprints = match &self.authentication {
            Authentication::SelfSigned(primary, secondary) => (primary.clone(), secondary.clone()),
            _ => (None, None),
        };
        let (device, module) = id::split(&self.id);
        let mut shown = json!({
            "deviceId": device,
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
        });
        match (module, &mut shown) {
            (Some(module), Value::Object(twin)) => {
                twin.shift_remove("capabilities");
                twin.shift_insert(1, "moduleId".to_owned(), json!(module));
            }
            _ => self.add_scopes(&mut shown),
        }
        if !self.configurations.is_empty() {
            shown["configurations"] = json!(self.configurations);
        }
        shown
    }
}

/// The version that a device says it runs, where Azure's and Nordic's samples report it.
pub(super) fn firmware(reported: &Map<String, Value>) -> Option<String> {
    FIRMWARE.iter().find_map(|(first, rest)| {
        let document = reported.get(*first)?;
        document.pointer(rest)?.as_str().map(str::to_owned)
    })
}

/// A property and what in it is the version.
const FIRMWARE: &[(&str, &str)] = &[
    ("firmware", "/currentFwVersion"),
    ("firmware", "/version"),
    ("dev", "/v/appV"),
    ("device", "/deviceInfo/appVersion"),
];

/// How scopes begin; the device id and its generation follow.
const SCOPE: &str = "ms-azure-iot-edge://";

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
