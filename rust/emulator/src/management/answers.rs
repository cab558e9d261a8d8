//! What most paths answer.

use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::code::{ErrorCode, Refusal};
use crate::rest::Answer;

/// `value` with what there is.
pub(super) fn listed(all: Vec<Value>) -> Answer {
    Ok(axum::Json(json!({ "value": all })).into_response())
}

pub(super) fn shown(document: Value) -> Answer {
    Ok(axum::Json(document).into_response())
}

pub(super) fn not_found(reason: String) -> Refusal {
    Refusal::new(ErrorCode::NotFound, reason)
}

pub(super) fn invalid(reason: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
