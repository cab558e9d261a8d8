//! The shared access policies of the provisioning service.

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use crate::auth::policy::{self, Policy};
use crate::code::Refusal;

/// The policies that there are; `key` is the one that those have which nobody has changed.
pub(crate) fn policies(c: &Connection, key: &str) -> Result<Vec<Policy>, Refusal> {
    let mut select = c.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
    let text: Option<String> = select.query_row([RESOURCE], |row| row.get(0)).optional()?;
    let document: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let kept = document.as_ref().and_then(|it| it.get(POLICIES));
    Ok(policy::PROVISIONING.policies(kept, key))
}

/// Under which name the settings have what management has written of the service.
pub(crate) const RESOURCE: &str = "provisioning service";
/// Where that has the policies.
pub(crate) const POLICIES: &str = "authorizationPolicies";
