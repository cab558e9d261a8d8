//! Values of JSON as the query language compares and makes them.

use std::cmp::Ordering;

use serde_json::{Value, json};

/// Whether two values are equal; 1 and 1.0 are.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match left.as_f64().zip(right.as_f64()) {
        Some((left, right)) => left == right,
        None => left == right,
    }
}

/// The order of two numbers or two texts; values of other kinds have none.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// A whole number where it is one, as JSON writes it; undefined if it is infinite or none.
pub(super) fn number(number: f64) -> Option<Value> {
    if !number.is_finite() {
        None
    } else if number.fract() == 0.0 && number.abs() < EXACT {
        // In this range every whole number has an exact float.
        Some(json!(number as i64))
    } else {
        Some(json!(number))
    }
}

/// 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;
