//! Uploads of files by devices: which are going on, and what services are told of those that are
//! done.
//!
//! Microsoft, "Upload files with IoT Hub".

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::hub::locked_records::Records;
use crate::random;

/// An upload that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    /// With which the device says how it went.
    pub correlation_id: String,
    /// The device's id, `/`, and the name that the device gave.
    pub blob: String,
}

/// Begins an upload, for which the device has until `expiry`.
pub(crate) fn begin(
    c: &Connection,
    hub: &str,
    device: &str,
    name: &str,
    expiry: UnixMs,
    now: UnixMs,
) -> Result<Upload, Refusal> {
    c.execute("DELETE FROM file_uploads WHERE expiry <= ?1", [now])?;
    let active: i64 = c.query_row(
        "SELECT count(*) FROM file_uploads WHERE hub = ?1 AND device = ?2",
        [hub, device],
        |row| row.get(0),
    )?;
    if active >= MAX_ACTIVE {
        return Err(Refusal::new(
            ErrorCode::DeviceMaximumActiveFileUploadLimitExceeded,
            format!("{active} uploads of '{device}' are going on already: notify of their end"),
        ));
    }
    let upload = Upload {
        correlation_id: format!("{}{}", random::guid(), random::hex::<4>()),
        blob: format!("{device}/{name}"),
    };
    c.execute(
        "INSERT INTO file_uploads (correlation_id, hub, device, blob, expiry) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![upload.correlation_id, hub, device, upload.blob, expiry],
    )?;
    Ok(upload)
}

/// The upload that a device means.
pub(crate) fn find(
    c: &Connection,
    hub: &str,
    device: &str,
    correlation_id: &str,
) -> Result<Upload, Refusal> {
    let blob = c
        .query_row(
            "SELECT blob FROM file_uploads WHERE correlation_id = ?1 AND hub = ?2 AND device = ?3",
            [correlation_id, hub, device],
            |row| row.get(0),
        )
        .optional()?;
    blob.map(|blob| Upload {
        correlation_id: correlation_id.to_owned(),
        blob,
    })
    .ok_or_else(|| {
        Refusal::new(
            ErrorCode::ArgumentInvalid,
            format!("device '{device}' has no upload '{correlation_id}' that is going on"),
        )
    })
}

/// Ends an upload; where `uri` and `size` of a blob are given, services are told of it.
pub(crate) fn end(
    c: &Connection,
    hub: &str,
    device: &str,
    upload: &Upload,
    blob: Option<(String, u64)>,
    now: UnixMs,
) -> Result<(), Refusal> {
    c.execute(
        "DELETE FROM file_uploads WHERE correlation_id = ?1",
        [&upload.correlation_id],
    )?;
    let Some((uri, size)) = blob else {
        return Ok(());
    };
    let record = json!({
        "deviceId": device,
        "blobUri": uri,
        "blobName": upload.blob,
        "lastUpdatedTime": rfc3339(now),
        "blobSizeInBytes": size,
        "enqueuedTimeUtc": rfc3339(now),
    });
    NOTIFICATIONS.write(c, hub, &record, now)
}

/// What services are told, one at a time.
pub(crate) const NOTIFICATIONS: Records = Records {
    table: "file_notifications",
    batch: 1,
    what: "notification of a file",
};

/// Azure's limit, "Other limits" of the quotas.
const MAX_ACTIVE: i64 = 10;
