//! A device as a row of the database.

use rusqlite::{Connection, Row, params};
use serde_json::{Map, Value};

use super::device::status;
use super::{Authentication, Device};
use crate::code::Refusal;
use crate::hub::twin::Section;

impl Device {
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
        let text = |object: &Map<String, Value>| serde_json::to_string(object).unwrap_or_default();
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
            self.parent,
            self.managed_by,
        ])?;
        Ok(())
    }

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
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
            parent: row.get("parent")?,
            managed_by: row.get("managed_by")?,
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
            configurations: object("configurations")?,
        })
    }
}

const SAVE: &str = "INSERT INTO devices (hub, id, generation_id, etag, status, status_reason, status_updated, \
    auth_type, primary_key, secondary_key, primary_thumbprint, secondary_thumbprint, iot_edge, created, \
    last_activity, state_updated, model_id, twin_version, tags, desired, desired_metadata, desired_version, \
    reported, reported_metadata, reported_version, parent, managed_by) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?7, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
    ?21, ?22, ?23, ?24, ?25, ?26) \
    ON CONFLICT (hub, id) DO UPDATE SET generation_id = ?3, etag = ?4, status = ?5, status_reason = ?6, \
    status_updated = ?7, auth_type = ?8, primary_key = ?9, secondary_key = ?10, primary_thumbprint = ?11, \
    secondary_thumbprint = ?12, iot_edge = ?13, last_activity = ?14, state_updated = ?15, model_id = ?16, \
    twin_version = ?17, tags = ?18, desired = ?19, desired_metadata = ?20, desired_version = ?21, \
    reported = ?22, reported_metadata = ?23, reported_version = ?24, parent = ?25, managed_by = ?26";
