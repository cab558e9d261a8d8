//! The provisioning service's enrollments: individual ones and groups.

use std::fmt;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use crate::auth::certificates;
use crate::auth::sas::check_key;
use crate::auth::x509;
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::dps::check;
use crate::etag::{IfMatch, check_etag, etag};
use crate::id::{check_device_id, is_registration_id};
use crate::random;

/// One device, or many behind one CA or one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `/enrollments`
    Individual,
    /// `/enrollmentGroups`
    Group,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Group => "group",
        }
    }

    /// The name of the id in Azure's JSON.
    pub(crate) fn id_field(self) -> &'static str {
        match self {
            Self::Individual => "registrationId",
            Self::Group => "enrollmentGroupId",
        }
    }
}

/// An enrollment with its document as Azure's JSON has it.
#[derive(Clone)]
pub(crate) struct Enrollment {
    /// Which of the two.
    pub(crate) kind: Kind,
    /// Registration id or group id, in lower case.
    pub(crate) id: String,
    /// Grows with each change.
    pub(crate) etag: i64,
    /// Azure's JSON, certificates included.
    pub(crate) document: Map<String, Value>,
    created: UnixMs,
    updated: UnixMs,
}

/// Without the document, which may have keys in it.
impl fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrollment")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Enrollment {
    /// Azure's JSON as the service answers it.
    pub(crate) fn to_json(&self, with_keys: bool) -> Value {
        let mut document = self.document.clone();
        document.insert("etag".to_owned(), json!(format!("\"{}\"", etag(self.etag))));
        document.insert(
            "createdDateTimeUtc".to_owned(),
            json!(rfc3339(self.created)),
        );
        document.insert(
            "lastUpdatedDateTimeUtc".to_owned(),
            json!(rfc3339(self.updated)),
        );
        if !with_keys && let Some(Value::Object(attestation)) = document.get_mut("attestation") {
            attestation.shift_remove("symmetricKey");
        }
        for chain in ["clientCertificates", "signingCertificates"] {
            for which in ["primary", "secondary"] {
                let path = format!("/attestation/x509/{chain}/{which}");
                let mut value = Value::Object(document.clone());
                if let Some(slot @ Value::Object(_)) = value.pointer_mut(&path) {
                    let der = certificate_of(slot);
                    *slot = json!({"info": der.and_then(|der| info(&der).ok())});
                    if let Value::Object(changed) = value {
                        document = changed;
                    }
                }
            }
        }
        Value::Object(document)
    }

    /// Who decides, if the policy is custom allocation.
    pub(crate) fn webhook(&self) -> Option<&str> {
        if self.text("allocationPolicy") != Some("custom") {
            return None;
        }
        self.document
            .get("customAllocationDefinition")?
            .get("webhookUrl")?
            .as_str()
    }

    /// Whether devices may use it.
    pub(crate) fn is_enabled(&self) -> bool {
        self.document
            .get("provisioningStatus")
            .and_then(Value::as_str)
            != Some("disabled")
    }

    /// The keys of a symmetric-key attestation.
    pub(crate) fn keys(&self) -> Vec<String> {
        let key = |which: &str| {
            let key = self
                .document
                .get("attestation")?
                .get("symmetricKey")?
                .get(which)?;
            key.as_str().map(str::to_owned)
        };
        ["primaryKey", "secondaryKey"]
            .into_iter()
            .filter_map(key)
            .collect()
    }

    /// The certificates of an X.509 attestation; those registered as CA come from `anchors`.
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        let Some(x509) = self
            .document
            .get("attestation")
            .and_then(|it| it.get("x509"))
        else {
            return Vec::new();
        };
        ["clientCertificates", "signingCertificates"]
            .into_iter()
            .flat_map(|chain| {
                ["primary", "secondary"].map(|which| x509.pointer(&format!("/{chain}/{which}")))
            })
            .filter_map(|slot| certificate_of(slot?))
            .collect()
    }

    /// The names of registered CA certificates that it refers to.
    pub(crate) fn ca_references(&self) -> Vec<String> {
        let name = |which: &str| {
            let name = self
                .document
                .get("attestation")?
                .pointer(&format!("/x509/caReferences/{which}"))?;
            name.as_str().map(str::to_owned)
        };
        ["primary", "secondary"]
            .into_iter()
            .filter_map(name)
            .collect()
    }

    /// A text of the document.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.document
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }
}

fn certificate_of(slot: &Value) -> Option<Vec<u8>> {
    x509::from_text(slot.get("certificate")?.as_str()?).ok()
}

fn info(der: &[u8]) -> Result<Value, Refusal> {
    let shown = x509::describe(der)?;
    Ok(json!({
        "subjectName": shown.subject,
        "sha1Thumbprint": shown.sha1,
        "sha256Thumbprint": shown.sha256,
        "issuerName": shown.issuer,
        "notBeforeUtc": rfc3339(shown.not_before),
        "notAfterUtc": rfc3339(shown.not_after),
        "serialNumber": shown.serial,
        "version": shown.version,
    }))
}

/// Creates or replaces an enrollment from Azure's JSON.
pub(crate) fn put(
    c: &Connection,
    kind: Kind,
    id: &str,
    mut document: Map<String, Value>,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Enrollment, Refusal> {
    if !is_registration_id(id) {
        return Err(invalid(format!(
            "'{id}' must have 1 to 128 letters, digits or - . _ : and end with a letter, a digit or -"
        )));
    }
    let field = kind.id_field();
    if document
        .get(field)
        .and_then(Value::as_str)
        .is_some_and(|given| !given.eq_ignore_ascii_case(id))
    {
        return Err(invalid(format!(
            "{field} in the body is not '{id}' of the path"
        )));
    }
    document.insert(field.to_owned(), json!(id));
    if let (Kind::Individual, Some(device)) =
        (kind, document.get("deviceId").and_then(Value::as_str))
    {
        check_device_id(device).map_err(|error| invalid(error.to_string()))?;
    }
    let known = find(c, kind, id)?;
    match (&known, if_match) {
        (Some(known), _) => check_etag(if_match, known.etag, &format!("enrollment '{id}'"))?,
        (None, IfMatch::Tag(_)) => return Err(not_found(id)),
        (None, _) => {}
    }
    check_attestation(c, kind, &mut document, known.as_ref())?;
    document
        .entry("provisioningStatus")
        .or_insert_with(|| json!("enabled"));
    document
        .entry("reprovisionPolicy")
        .or_insert_with(|| json!({"updateHubAssignment": true, "migrateDeviceData": true}));
    document
        .entry("allocationPolicy")
        .or_insert_with(|| json!("hashed"));
    check::check(&document)?;
    let enrollment = Enrollment {
        kind,
        id: id.to_ascii_lowercase(),
        etag: known.as_ref().map_or(1, |known| known.etag + 1),
        document,
        created: known.as_ref().map_or(now, |known| known.created),
        updated: now,
    };
    c.execute(
        "INSERT OR REPLACE INTO enrollments (kind, id, etag, document, created, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            kind.name(),
            enrollment.id,
            enrollment.etag,
            Value::Object(enrollment.document.clone()).to_string(),
            enrollment.created,
            enrollment.updated
        ],
    )?;
    Ok(enrollment)
}

fn check_attestation(
    c: &Connection,
    kind: Kind,
    document: &mut Map<String, Value>,
    known: Option<&Enrollment>,
) -> Result<(), Refusal> {
    let Some(Value::Object(attestation)) = document.get_mut("attestation") else {
        return Err(invalid("attestation is missing".to_owned()));
    };
    match attestation.get("type").and_then(Value::as_str) {
        Some("symmetricKey") => {
            let old = known.map(Enrollment::keys).unwrap_or_default();
            let given = attestation.entry("symmetricKey");
            let given = given.or_insert_with(|| json!({}));
            if given.is_null() {
                *given = json!({});
            }
            let keys = given.as_object_mut().ok_or_else(|| {
                invalid("attestation.symmetricKey must be a JSON object".to_owned())
            })?;
            for (index, which) in ["primaryKey", "secondaryKey"].into_iter().enumerate() {
                match keys
                    .get(which)
                    .and_then(Value::as_str)
                    .filter(|key| !key.is_empty())
                {
                    Some(key) => check_key(key)?,
                    None => {
                        let key = old.get(index).cloned().unwrap_or_else(random::key);
                        keys.insert(which.to_owned(), json!(key));
                    }
                }
            }
            Ok(())
        }
        Some("x509") => {
            let x509 = attestation.get("x509").cloned().unwrap_or_default();
            let chain = if kind == Kind::Individual {
                "clientCertificates"
            } else {
                "signingCertificates"
            };
            let reference = x509
                .pointer("/caReferences/primary")
                .and_then(Value::as_str);
            if let Some(name) = reference {
                certificates::require(c, certificates::PROVISIONING, name)?;
                return Ok(());
            }
            let given = x509
                .pointer(&format!("/{chain}/primary/certificate"))
                .and_then(Value::as_str);
            match given {
                Some(text) => {
                    let shown = x509::describe(&x509::from_text(text)?)?;
                    if kind == Kind::Group && !shown.is_ca {
                        return Err(invalid(format!("'{}' is no CA certificate", shown.subject)));
                    }
                    Ok(())
                }
                // What the service answers holds no certificates; writing it back keeps the old
                // ones.
                None => match known.and_then(|known| known.document.get("attestation")) {
                    Some(Value::Object(old)) if old.get("x509").is_some() => {
                        *attestation = old.clone();
                        Ok(())
                    }
                    _ => Err(invalid(format!(
                        "attestation.x509.{chain}.primary.certificate is missing"
                    ))),
                },
            }
        }
        Some(other) => Err(invalid(format!(
            "attestation type '{other}' is not emulated: x509, symmetricKey"
        ))),
        None => Err(invalid("attestation.type is missing".to_owned())),
    }
}

/// Finds an enrollment.
pub(crate) fn find(c: &Connection, kind: Kind, id: &str) -> Result<Option<Enrollment>, Refusal> {
    let mut select = c.prepare_cached(&format!("{SELECT} WHERE kind = ?1 AND id = ?2"))?;
    let row = select.query_row([kind.name(), &id.to_ascii_lowercase()], |row| {
        from_row(kind, row)
    });
    Ok(row.optional()?)
}

/// Finds an enrollment, or refuses.
pub(crate) fn require(c: &Connection, kind: Kind, id: &str) -> Result<Enrollment, Refusal> {
    find(c, kind, id)?.ok_or_else(|| not_found(id))
}

/// All enrollments of a kind.
pub(crate) fn list(c: &Connection, kind: Kind) -> Result<Vec<Enrollment>, Refusal> {
    let mut select = c.prepare_cached(&format!("{SELECT} WHERE kind = ?1 ORDER BY id"))?;
    let all = select.query_map([kind.name()], |row| from_row(kind, row))?;
    Ok(all.collect::<Result<_, _>>()?)
}

/// Enrollments of a kind behind `after`, in the order of their ids.
pub(crate) fn page(
    c: &Connection,
    kind: Kind,
    after: &str,
    limit: usize,
) -> Result<Vec<Enrollment>, Refusal> {
    let sql = format!("{SELECT} WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT {limit}");
    let mut select = c.prepare_cached(&sql)?;
    let page = select.query_map([kind.name(), after], |row| from_row(kind, row))?;
    Ok(page.collect::<Result<_, _>>()?)
}

/// Deletes an enrollment; the devices that it made stay.
pub(crate) fn delete(
    c: &Connection,
    kind: Kind,
    id: &str,
    if_match: &IfMatch,
) -> Result<(), Refusal> {
    let enrollment = require(c, kind, id)?;
    check_etag(if_match, enrollment.etag, &format!("enrollment '{id}'"))?;
    c.execute(
        "DELETE FROM enrollments WHERE kind = ?1 AND id = ?2",
        [kind.name(), &enrollment.id],
    )?;
    Ok(())
}

fn from_row(kind: Kind, row: &rusqlite::Row<'_>) -> rusqlite::Result<Enrollment> {
    Ok(Enrollment {
        kind,
        id: row.get("id")?,
        etag: row.get("etag")?,
        document: serde_json::from_str(&row.get::<_, String>("document")?).unwrap_or_default(),
        created: row.get("created")?,
        updated: row.get("updated")?,
    })
}

fn not_found(id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::EnrollmentNotFound,
        format!("there is no enrollment '{id}'"),
    )
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const SELECT: &str = "SELECT id, etag, document, created, updated FROM enrollments";
