//! Fields that nobody knows are refused: a misspelt one would silently mean something else.

use serde_json::{Map, Value};

/// The error names the field, and those that there are.
pub(crate) fn check(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("field '{name}' is none of {}", known.join(", "))),
    }
}
