//! Device identities and their twins, as rows.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use crate::clock::{NEVER, UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::sas;
use crate::twin::{self, Section};
use crate::username::is_device_id;

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

/// How a device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// A token signed with one of two keys (base64).
    Sas(String, String),
    /// A certificate with one of two thumbprints.
    SelfSigned(Option<String>, Option<String>),
    /// A certificate behind which a registered CA stands.
    CertificateAuthority,
    /// Not at all: such a device cannot connect.
    None,
}

impl Authentication {
    /// The name in Azure's JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sas(..) => "sas",
            Self::SelfSigned(..) => "selfSigned",
            Self::CertificateAuthority => "certificateAuthority",
            Self::None => "none",
        }
    }

    fn from_json(value: &Value) -> Result<Self, Refusal> {
        let text = |path: &str| {
            let found = value.pointer(path).and_then(Value::as_str);
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let kind = text("/type");
        let thumbprints = (
            text("/x509Thumbprint/primaryThumbprint"),
            text("/x509Thumbprint/secondaryThumbprint"),
        );
        match kind.as_deref() {
            Some("certificateAuthority") => Ok(Self::CertificateAuthority),
            Some("none") => Ok(Self::None),
            Some("selfSigned") => Self::self_signed(thumbprints),
            None if thumbprints != (None, None) => Self::self_signed(thumbprints),
            Some("sas") | None => {
                let key = |path| -> Result<String, Refusal> {
                    let Some(key) = text(path) else {
                        return Ok(sas::random_key());
                    };
                    check_key(&key)?;
                    Ok(key)
                };
                Ok(Self::Sas(
                    key("/symmetricKey/primaryKey")?,
                    key("/symmetricKey/secondaryKey")?,
                ))
            }
            Some(other) => Err(invalid(format!("authentication type '{other}' is unknown"))),
        }
    }

    fn self_signed(thumbprints: (Option<String>, Option<String>)) -> Result<Self, Refusal> {
        let (primary, secondary) = thumbprints;
        if primary.is_none() && secondary.is_none() {
            return Err(invalid(
                "selfSigned needs a primaryThumbprint or a secondaryThumbprint".into(),
            ));
        }
        for thumbprint in primary.iter().chain(&secondary) {
            let digits = thumbprint.chars().filter(char::is_ascii_hexdigit).count();
            if digits != 40 && digits != 64 {
                return Err(invalid(format!(
                    "'{thumbprint}' is no SHA-1 or SHA-256 thumbprint"
                )));
            }
        }
        Ok(Self::SelfSigned(primary, secondary))
    }

    fn to_json(&self) -> Value {
        let (mut keys, mut thumbprints) = ((None, None), (None, None));
        match self {
            Self::Sas(primary, secondary) => keys = (Some(primary), Some(secondary)),
            Self::SelfSigned(primary, secondary) => {
                thumbprints = (primary.as_ref(), secondary.as_ref())
            }
            Self::CertificateAuthority | Self::None => {}
        }
        json!({
            "symmetricKey": {"primaryKey": keys.0, "secondaryKey": keys.1},
            "x509Thumbprint": {"primaryThumbprint": thumbprints.0, "secondaryThumbprint": thumbprints.1},
            "type": self.name(),
        })
    }
}

/// An `If-Match` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// No header.
    #[default]
    Absent,
    /// `*`
    Any,
    /// An entity tag.
    Tag(String),
}

impl Device {
    /// A device with Azure's defaults.
    pub(crate) fn new(
        hub: &str,
        id: &str,
        authentication: Authentication,
        now: UnixMs,
    ) -> Result<Self, Refusal> {
        if !is_device_id(id) {
            return Err(invalid(format!(
                "device id '{id}' must have 1 to 128 ASCII letters, digits or any of - . + % _ # * ? ! ( ) , : = @ $ '"
            )));
        }
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
    pub(crate) fn identity_json(&self, connected: bool, c2d_count: i64) -> Value {
        json!({
            "deviceId": self.id,
            "generationId": self.generation_id,
            "etag": etag(self.etag),
            "connectionState": connection_state(connected),
            "status": status(self.enabled),
            "statusReason": self.status_reason,
            "connectionStateUpdatedTime": time(self.state_updated),
            "statusUpdatedTime": time(self.status_updated),
            "lastActivityTime": time(self.last_activity),
            "cloudToDeviceMessageCount": c2d_count,
            "authentication": self.authentication.to_json(),
            "capabilities": {"iotEdge": self.iot_edge},
        })
    }

    /// Azure's twin JSON.
    pub(crate) fn twin_json(&self, connected: bool, c2d_count: i64) -> Value {
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
            "connectionState": connection_state(connected),
            "lastActivityTime": time(self.last_activity),
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

    /// Writes the whole row.
    pub(crate) fn save(&self, connection: &Connection) -> Result<(), Refusal> {
        let (keys, thumbprints) = match &self.authentication {
            Authentication::Sas(primary, secondary) => {
                ((Some(primary), Some(secondary)), (None, None))
            }
            Authentication::SelfSigned(primary, secondary) => {
                ((None, None), (primary.as_ref(), secondary.as_ref()))
            }
            _ => ((None, None), (None, None)),
        };
        let text = |object: &Map<String, Value>| Value::Object(object.clone()).to_string();
        connection.prepare_cached(SAVE)?.execute(params![
            self.hub,
            self.id,
            self.generation_id,
            self.etag,
            status(self.enabled),
            self.status_reason,
            self.status_updated,
            self.authentication.name(),
            keys.0,
            keys.1,
            thumbprints.0,
            thumbprints.1,
            self.iot_edge,
            self.last_activity,
            self.state_updated,
            self.model_id,
            self.twin_version,
            text(&self.tags),
            text(&self.desired.properties),
            text(&self.desired.metadata),
            self.desired.version,
            text(&self.reported.properties),
            text(&self.reported.metadata),
            self.reported.version,
        ])?;
        Ok(())
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let object = |column: &str| -> rusqlite::Result<Map<String, Value>> {
            let text: String = row.get(column)?;
            Ok(serde_json::from_str(&text).unwrap_or_default())
        };
        let authentication = match row.get::<_, String>("auth_type")?.as_str() {
            "sas" => Authentication::Sas(row.get("primary_key")?, row.get("secondary_key")?),
            "selfSigned" => Authentication::SelfSigned(
                row.get("primary_thumbprint")?,
                row.get("secondary_thumbprint")?,
            ),
            "certificateAuthority" => Authentication::CertificateAuthority,
            _ => Authentication::None,
        };
        Ok(Self {
            hub: row.get("hub")?,
            id: row.get("id")?,
            generation_id: row.get("generation_id")?,
            etag: row.get("etag")?,
            enabled: row.get::<_, String>("status")? == "enabled",
            status_reason: row.get("status_reason")?,
            status_updated: row.get("status_updated")?,
            authentication,
            iot_edge: row.get("iot_edge")?,
            last_activity: row.get("last_activity")?,
            state_updated: row.get("state_updated")?,
            model_id: row.get("model_id")?,
            twin_version: row.get("twin_version")?,
            tags: object("tags")?,
            desired: Section {
                properties: object("desired")?,
                metadata: object("desired_metadata")?,
                version: row.get("desired_version")?,
            },
            reported: Section {
                properties: object("reported")?,
                metadata: object("reported_metadata")?,
                version: row.get("reported_version")?,
            },
        })
    }
}

/// Finds a device.
pub(crate) fn find(
    connection: &Connection,
    hub: &str,
    id: &str,
) -> Result<Option<Device>, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT * FROM devices WHERE hub = ?1 AND id = ?2")?;
    Ok(select.query_row([hub, id], Device::from_row).optional()?)
}

/// Finds a device, or refuses with `DeviceNotFound`.
pub(crate) fn require(connection: &Connection, hub: &str, id: &str) -> Result<Device, Refusal> {
    find(connection, hub, id)?.ok_or_else(|| {
        Refusal::new(
            ErrorCode::DeviceNotFound,
            format!("device '{id}' is not registered with hub '{hub}'"),
        )
    })
}

/// All devices of a hub, by id.
pub(crate) fn list(connection: &Connection, hub: &str) -> Result<Vec<Device>, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT * FROM devices WHERE hub = ?1 ORDER BY id")?;
    let devices = select.query_map([hub], Device::from_row)?;
    Ok(devices.collect::<Result<_, _>>()?)
}

/// Creates or updates a device from Azure's JSON.
pub(crate) fn put(
    connection: &Connection,
    hub: &str,
    id: &str,
    document: &Value,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Device, Refusal> {
    let known = find(connection, hub, id)?;
    let device = match (known, if_match) {
        (Some(mut device), _) => {
            check_etag(if_match, device.etag, &format!("device '{id}'"))?;
            device.update(document, now)?;
            device.etag += 1;
            device
        }
        (None, IfMatch::Absent) => {
            let none = Authentication::from_json(&json!({}))?;
            let mut device = Device::new(hub, id, none, now)?;
            device.update(document, now)?;
            device
        }
        (None, _) => {
            return Err(Refusal::new(
                ErrorCode::DeviceNotFound,
                format!(
                    "device '{id}' is not registered with hub '{hub}', and If-Match asks for an update"
                ),
            ));
        }
    };
    device.save(connection)?;
    Ok(device)
}

/// Deletes a device and all that belongs to it.
pub(crate) fn delete(
    connection: &Connection,
    hub: &str,
    id: &str,
    if_match: &IfMatch,
) -> Result<(), Refusal> {
    let device = require(connection, hub, id)?;
    check_etag(if_match, device.etag, &format!("device '{id}'"))?;
    connection.execute("DELETE FROM devices WHERE hub = ?1 AND id = ?2", [hub, id])?;
    for table in ["sessions", "c2d", "dead_letters"] {
        connection.execute(
            &format!("DELETE FROM {table} WHERE hub = ?1 AND device = ?2"),
            [hub, id],
        )?;
    }
    Ok(())
}

/// What the service may change in a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwinWrite {
    /// PATCH: merges.
    Patch,
    /// PUT: replaces tags and desired properties.
    Replace,
}

/// A changed twin, and what the device is to be told.
#[derive(Clone, Debug)]
pub(crate) struct TwinChange {
    /// The device afterwards.
    pub device: Device,
    /// The change of the desired properties with `$version`, if there was one.
    pub notification: Option<(i64, Value)>,
}

/// Applies a write of the service side.
pub(crate) fn write_twin(
    connection: &Connection,
    hub: &str,
    id: &str,
    how: TwinWrite,
    document: &Map<String, Value>,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<TwinChange, Refusal> {
    let mut device = require(connection, hub, id)?;
    check_etag(
        if_match,
        device.twin_version,
        &format!("the twin of '{id}'"),
    )?;
    let object = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(invalid(format!("{name} must be a JSON object"))),
    };
    let mut tags = object(document.get("tags"), "tags")?;
    let desired = document
        .get("properties")
        .and_then(|properties| properties.get("desired"));
    let mut desired = object(desired, "properties.desired")?;
    if how == TwinWrite::Replace {
        device.tags.clear();
        tags = tags.or_else(|| Some(Map::new()));
        desired = desired.or_else(|| Some(Map::new()));
    }
    if let Some(tags) = &tags {
        twin::patch_tags(&mut device.tags, tags)?;
    }
    let mut notification = None;
    if let Some(desired) = &desired {
        let kind = twin::Kind::Desired;
        match how {
            TwinWrite::Patch => device.desired.patch(kind, desired, now)?,
            TwinWrite::Replace => device.desired.replace(kind, desired, now)?,
        }
        let mut patch = desired.clone();
        patch.remove("$metadata");
        patch.insert("$version".to_owned(), json!(device.desired.version));
        notification = Some((device.desired.version, Value::Object(patch)));
    }
    device.twin_version += 1;
    device.save(connection)?;
    Ok(TwinChange {
        device,
        notification,
    })
}

/// Applies a device's patch of its reported properties; returns the new version.
pub(crate) fn report(
    connection: &Connection,
    hub: &str,
    id: &str,
    body: &[u8],
    base: Option<i64>,
    now: UnixMs,
) -> Result<i64, Refusal> {
    let mut device = require(connection, hub, id)?;
    if let Some(base) = base
        && base != device.reported.version
    {
        return Err(Refusal::new(
            ErrorCode::PreconditionFailed,
            format!(
                "the patch builds on version {base}, and the reported properties are at {}",
                device.reported.version
            ),
        ));
    }
    let patch = twin::parse_object(body)?;
    device.reported.patch(twin::Kind::Reported, &patch, now)?;
    device.twin_version += 1;
    device.last_activity = now;
    device.save(connection)?;
    Ok(device.reported.version)
}

/// Notes that a device connected or went.
pub(crate) fn touch(
    connection: &Connection,
    hub: &str,
    id: &str,
    now: UnixMs,
    model_id: Option<&str>,
) -> Result<(), Refusal> {
    let mut update = connection.prepare_cached(
        "UPDATE devices SET last_activity = ?3, state_updated = ?3, model_id = coalesce(?4, model_id) \
         WHERE hub = ?1 AND id = ?2",
    )?;
    update.execute(params![hub, id, now, model_id])?;
    Ok(())
}

/// Checks an `If-Match` against the current number behind an entity tag.
pub(crate) fn check_etag(if_match: &IfMatch, current: i64, what: &str) -> Result<(), Refusal> {
    match if_match {
        IfMatch::Absent | IfMatch::Any => Ok(()),
        IfMatch::Tag(tag) if *tag == etag(current) => Ok(()),
        IfMatch::Tag(tag) => Err(Refusal::new(
            ErrorCode::PreconditionFailed,
            format!(
                "the etag of {what} is '{}', and If-Match says '{tag}'",
                etag(current)
            ),
        )),
    }
}

/// The entity tag of a number, in Azure's looks.
pub(crate) fn etag(number: i64) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(number.to_be_bytes())
}

/// Refuses what is no base64 of 16 to 64 bytes.
pub(crate) fn check_key(key: &str) -> Result<(), Refusal> {
    use base64::Engine as _;
    match base64::engine::general_purpose::STANDARD.decode(key) {
        Ok(bytes) if (16..=64).contains(&bytes.len()) => Ok(()),
        _ => Err(invalid(
            "a symmetric key must be base64 of 16 to 64 bytes".into(),
        )),
    }
}

/// A moment, or Azure's "never".
pub(crate) fn time(at: UnixMs) -> String {
    if at == 0 {
        NEVER.to_owned()
    } else {
        rfc3339(at)
    }
}

fn status(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

fn connection_state(connected: bool) -> &'static str {
    if connected {
        "Connected"
    } else {
        "Disconnected"
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const SAVE: &str = "INSERT INTO devices (hub, id, generation_id, etag, status, status_reason, status_updated, \
    auth_type, primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge, created, \
    last_activity, state_updated, model_id, twin_version, tags, desired, desired_metadata, desired_version, \
    reported, reported_metadata, reported_version) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?7, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
    ?21, ?22, ?23, ?24) \
    ON CONFLICT (hub, id) DO UPDATE SET generation_id = ?3, etag = ?4, status = ?5, status_reason = ?6, \
    status_updated = ?7, auth_type = ?8, primary_key = ?9, secondary_key = ?10, primary_thumbprint = ?11, \
    secondary_thumbprint = ?12, iot_edge = ?13, last_activity = ?14, state_updated = ?15, model_id = ?16, \
    twin_version = ?17, tags = ?18, desired = ?19, desired_metadata = ?20, desired_version = ?21, \
    reported = ?22, reported_metadata = ?23, reported_version = ?24";
