//! The `api-version` of a request: Azure refuses those that it does not know.
//!
//! The versions are those of the data planes in Microsoft's REST reference, its specifications and
//! the SDKs' history. A request without one is served, since people try things by hand; the real
//! hub refuses it too.

use axum::http::Uri;

use crate::code::{ErrorCode, Refusal};
use crate::properties;

/// Refuses an unknown version on a path of Azure's data planes, in Azure's words.
pub(super) fn check(uri: &Uri) -> Result<(), Refusal> {
    let first = uri.path().split('/').find(|part| !part.is_empty());
    let known: &[&str] = match first {
        Some("devices" | "twins" | "messages" | "statistics" | "jobs" | "configurations") => HUB,
        Some("enrollments" | "enrollmentGroups" | "registrations") => PROVISIONING,
        Some("subscriptions") if is_management(uri.path()) => MANAGEMENT,
        _ => return Ok(()),
    };
    let query = uri.query().unwrap_or_default();
    let Some(version) = properties::parameter(query, "api-version") else {
        return Ok(());
    };
    if known.contains(&version.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::InvalidProtocolVersion,
        format!(
            "BadRequest: api-version '{version}' is none of {}",
            known.join(", ")
        ),
    ))
}

/// Whether it is a path of `Microsoft.Devices`; the others of management are not its own, and have
/// their own versions.
fn is_management(path: &str) -> bool {
    let mut parts = path.split('/').map(str::to_ascii_lowercase);
    parts.any(|part| part == "microsoft.devices") && parts.next().is_some()
}

/// The versions of management, the latest first.
pub(crate) fn management_versions() -> Vec<&'static str> {
    MANAGEMENT.iter().rev().copied().collect()
}

const HUB: &[&str] = &[
    "2015-08-15-preview",
    "2016-02-03",
    "2016-11-14",
    "2017-06-30",
    "2017-11-08-preview",
    "2018-03-01-preview",
    "2018-04-01",
    "2018-06-30",
    "2018-08-30-preview",
    "2019-03-30",
    "2019-03-31",
    "2019-07-01-preview",
    "2019-10-01",
    "2020-03-01",
    "2020-03-13",
    "2020-05-01",
    "2020-05-31",
    "2020-05-31-preview",
    "2020-06-30-preview",
    "2020-09-30",
    "2021-04-12",
    "2021-11-30",
    "2021-11-30-preview",
    "2024-03-31",
    "2025-08-01-preview",
];
const PROVISIONING: &[&str] = &[
    "2017-08-31-preview",
    "2017-11-15",
    "2018-04-01",
    "2018-09-01-preview",
    "2018-11-01",
    "2019-03-31",
    "2021-06-01",
    "2021-10-01",
    "2021-11-01-preview",
    "2025-07-01-preview",
    "2026-11-02-preview",
];
/// Of hubs and of the provisioning service together.
const MANAGEMENT: &[&str] = &[
    "2016-02-03",
    "2017-01-19",
    "2017-07-01",
    "2017-08-21-preview",
    "2017-11-15",
    "2018-01-22",
    "2018-04-01",
    "2018-12-01-preview",
    "2019-03-22",
    "2019-03-22-preview",
    "2019-07-01-preview",
    "2019-11-04",
    "2020-01-01",
    "2020-03-01",
    "2020-04-01",
    "2020-06-15",
    "2020-07-10-preview",
    "2020-08-01",
    "2020-08-31",
    "2020-08-31-preview",
    "2020-09-01-preview",
    "2021-02-01-preview",
    "2021-03-03-preview",
    "2021-03-31",
    "2021-07-01",
    "2021-07-01-preview",
    "2021-07-02",
    "2021-07-02-preview",
    "2021-10-15",
    "2022-02-05",
    "2022-04-30-preview",
    "2022-11-15-preview",
    "2022-12-12",
    "2023-03-01-preview",
    "2023-06-30",
    "2023-06-30-preview",
    "2025-02-01-preview",
    "2025-08-01-preview",
];
