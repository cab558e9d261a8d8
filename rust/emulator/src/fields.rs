//! Fields of JSON objects: unknown ones are refused, since a misspelt one would silently mean
//! something else; numbers and booleans are taken as loosely as Microsoft's server takes them.

use std::fmt;

use serde_json::{Map, Value};

use crate::code::{ErrorCode, Refusal};

/// Refuses a field that nobody knows.
pub(crate) fn check(object: &Map<String, Value>, known: &[&str]) -> Result<(), UnknownField> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(UnknownField {
            name: name.clone(),
            known: known.join(", "),
        }),
    }
}

/// A field that nobody knows, and those that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownField {
    name: String,
    known: String,
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field '{}' is none of {}", self.name, self.known)
    }
}

impl std::error::Error for UnknownField {}

impl From<UnknownField> for Refusal {
    fn from(error: UnknownField) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, error.to_string())
    }
}

/// A whole number: `30`, `30.0` or `"30"`, as Json.NET converts them. The Azure CLI sends time-outs
/// as texts.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64()?;
            // Beyond it not every whole number is one of these.
            let whole = number.fract() == 0.0 && number.abs() < MAX_WHOLE;
            whole.then_some(number as i64)
        }),
        _ => None,
    }
}

/// `true` or `"true"`, in any case, as Json.NET converts them.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_may_be_a_text() {
        for (value, number) in [
            (json!(30), Some(30)),
            (json!(5.0), Some(5)),
            (json!("30"), Some(30)),
            (json!(" 7 "), Some(7)),
            (json!(-1), Some(-1)),
            (json!(5.5), None),
            (json!("5.5"), None),
            (json!("soon"), None),
            (json!(""), None),
            (json!(1e300), None),
            (json!(true), None),
            (json!(null), None),
        ] {
            assert_eq!(integer(&value), number, "{value}");
        }
    }

    #[test]
    fn a_boolean_may_be_a_text() {
        for (value, expected) in [
            (json!(true), Some(true)),
            (json!("True"), Some(true)),
            (json!("false"), Some(false)),
            (json!("yes"), None),
            (json!(1), None),
        ] {
            assert_eq!(boolean(&value), expected, "{value}");
        }
    }
}
