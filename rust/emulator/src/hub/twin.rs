//! Twin sections as values: RFC 7396 merge, metadata, and the limits with Microsoft's error texts.

use serde_json::{Map, Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};

/// One section of a twin: `desired` or `reported`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Section {
    /// The properties, without `$version` and `$metadata`.
    pub properties: Map<String, Value>,
    /// `$lastUpdated` (and in `desired` `$lastUpdatedVersion`) for every node.
    pub metadata: Map<String, Value>,
    /// Grows by one with each accepted change.
    pub version: i64,
}

/// Which section; only `desired` carries versions in its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Written by the service.
    Desired,
    /// Written by the device.
    Reported,
}

impl Section {
    /// An empty section of a device that is new.
    pub(crate) fn fresh(now: UnixMs) -> Self {
        let mut metadata = Map::new();
        metadata.insert("$lastUpdated".to_owned(), json!(rfc3339(now)));
        Self {
            version: 1,
            metadata,
            ..Self::default()
        }
    }

    /// Applies a merge patch; the section is unchanged if it is refused.
    pub(crate) fn patch(
        &mut self,
        kind: Kind,
        patch: &Map<String, Value>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        *self = self.clone().patched(kind, patch, now)?;
        Ok(())
    }

    /// The section with a merge patch applied.
    pub(crate) fn patched(
        mut self,
        kind: Kind,
        patch: &Map<String, Value>,
        now: UnixMs,
    ) -> Result<Self, Refusal> {
        let owned;
        let patch = match RESERVED.iter().any(|name| patch.contains_key(*name)) {
            true => {
                owned = without_reserved(patch);
                &owned
            }
            false => patch,
        };
        validate(patch)?;
        merge_map(&mut self.properties, patch);
        limit_size(&self.properties, MAX_SECTION, "Twin properties")?;
        self.version += 1;
        let stamp = Stamp {
            at: rfc3339(now),
            version: (kind == Kind::Desired).then_some(self.version),
        };
        stamp.merge(&mut self.metadata, patch);
        Ok(self)
    }

    /// Replaces all properties, as PUT on the service side does.
    pub(crate) fn replace(
        &mut self,
        kind: Kind,
        whole: &Map<String, Value>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let mut next = Self {
            version: self.version,
            ..Self::default()
        };
        let mut whole = without_reserved(whole);
        drop_nulls(&mut whole);
        next.patch(kind, &whole, now)?;
        *self = next;
        Ok(())
    }

    /// What a device gets: the properties and `$version`.
    pub(crate) fn for_device(&self) -> Value {
        let mut all = self.properties.clone();
        all.insert("$version".to_owned(), json!(self.version));
        Value::Object(all)
    }

    /// What the service side gets: with `$metadata` as well.
    pub(crate) fn for_service(&self) -> Value {
        let mut all = self.properties.clone();
        all.insert("$metadata".to_owned(), Value::Object(self.metadata.clone()));
        all.insert("$version".to_owned(), json!(self.version));
        Value::Object(all)
    }
}

/// Merges tags, which have neither metadata nor a version of their own.
pub(crate) fn patch_tags(
    tags: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), Refusal> {
    validate(patch)?;
    let mut next = tags.clone();
    merge_map(&mut next, patch);
    limit_size(&next, MAX_TAGS, "Twin tags")?;
    *tags = next;
    Ok(())
}

/// RFC 7396 on objects.
pub(crate) fn merge_map(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(change) => match target.get_mut(key) {
                Some(Value::Object(inner)) => merge_map(inner, change),
                _ => {
                    let mut inner = Map::new();
                    merge_map(&mut inner, change);
                    target.insert(key.clone(), Value::Object(inner));
                }
            },
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// Reads a body that must be a JSON object.
pub(crate) fn parse_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(invalid("the body must be a JSON object".to_owned())),
        Err(error) => Err(invalid(format!("the body is not JSON: {error}"))),
    }
}

/// The size that counts: keys and strings by their UTF-8 bytes, numbers 8, booleans 4.
pub(crate) fn size(object: &Map<String, Value>) -> usize {
    object
        .iter()
        .map(|(key, value)| key.len() + value_size(value))
        .sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(object) => size(object),
    }
}

fn limit_size(object: &Map<String, Value>, max: usize, what: &str) -> Result<(), Refusal> {
    match size(object) {
        size if size > max => Err(invalid(format!("{what} size {size} exceeds maximum {max}"))),
        _ => Ok(()),
    }
}

/// Checks a patch as [`Section::patched`] does before it merges.
pub(crate) fn check(patch: &Map<String, Value>) -> Result<(), Refusal> {
    match RESERVED.iter().any(|name| patch.contains_key(*name)) {
        true => validate(&without_reserved(patch)),
        false => validate(patch),
    }
}

/// Checks names, values and depth of a patch.
pub(crate) fn validate(patch: &Map<String, Value>) -> Result<(), Refusal> {
    validate_object(patch, 0)
}

fn validate_object(object: &Map<String, Value>, depth: usize) -> Result<(), Refusal> {
    if depth > MAX_DEPTH {
        return Err(invalid(format!(
            "Nested depth of twin property exceeds {MAX_DEPTH}"
        )));
    }
    for (name, value) in object {
        validate_name(name)?;
        validate_value(name, value, depth)?;
    }
    Ok(())
}

fn validate_name(name: &str) -> Result<(), Refusal> {
    if name.len() > MAX_NAME {
        let short: String = name.chars().take(10).collect();
        return Err(invalid(format!(
            "Length of property name {short}.. exceeds maximum length of {MAX_NAME}"
        )));
    }
    let bad = name
        .chars()
        .find(|c| c.is_control() || c.is_whitespace() || matches!(c, '.' | '$' | '#'));
    match bad {
        Some(bad) => Err(invalid(format!(
            "Property name {name} contains invalid character '{bad}'"
        ))),
        None => Ok(()),
    }
}

fn validate_value(name: &str, value: &Value, depth: usize) -> Result<(), Refusal> {
    match value {
        Value::Object(inner) => validate_object(inner, depth + 1),
        Value::Array(items) => {
            if depth + 1 > MAX_DEPTH {
                return Err(invalid(format!(
                    "Nested depth of twin property exceeds {MAX_DEPTH}"
                )));
            }
            items.iter().try_for_each(|item| match item {
                Value::Null => Err(invalid("Arrays cannot contain 'null' as value".to_owned())),
                item => validate_value(name, item, depth + 1),
            })
        }
        Value::String(text) if text.len() > MAX_STRING => Err(invalid(format!(
            "Value associated with property name {name} has length {} that exceeds maximum length of {MAX_STRING}",
            text.len()
        ))),
        Value::Number(number) => {
            let whole = number
                .as_i64()
                .or_else(|| number.as_u64().map(|_| i64::MAX));
            match whole {
                Some(whole) if !(MIN_INTEGER..=MAX_INTEGER).contains(&whole) => {
                    Err(invalid(format!(
                        "Property {name} has an out of bound value. Valid values are between {MIN_INTEGER} and {MAX_INTEGER}"
                    )))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Without `$version` and `$metadata`, which are the service's to write.
pub(crate) fn without_reserved(object: &Map<String, Value>) -> Map<String, Value> {
    let mut object = object.clone();
    for name in RESERVED {
        object.shift_remove(name);
    }
    object
}

const RESERVED: [&str; 2] = ["$version", "$metadata"];

fn drop_nulls(object: &mut Map<String, Value>) {
    object.retain(|_, value| !value.is_null());
    for value in object.values_mut() {
        if let Value::Object(inner) = value {
            drop_nulls(inner);
        }
    }
}

struct Stamp {
    at: String,
    version: Option<i64>,
}

impl Stamp {
    fn merge(&self, metadata: &mut Map<String, Value>, patch: &Map<String, Value>) {
        metadata.insert("$lastUpdated".to_owned(), json!(self.at));
        if let Some(version) = self.version {
            metadata.insert("$lastUpdatedVersion".to_owned(), json!(version));
        }
        for (key, change) in patch {
            if change.is_null() {
                metadata.shift_remove(key);
                continue;
            }
            let node = metadata.entry(key.clone()).or_insert_with(|| json!({}));
            let Value::Object(node) = node else { continue };
            match change {
                Value::Object(change) => self.merge(node, change),
                _ => {
                    node.clear();
                    self.merge(node, &Map::new());
                }
            }
        }
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const MAX_DEPTH: usize = 10;
const MAX_NAME: usize = 1024;
const MAX_STRING: usize = 4096;
const MAX_SECTION: usize = 32 * 1024;
const MAX_TAGS: usize = 8 * 1024;
const MIN_INTEGER: i64 = -4_503_599_627_370_496;
const MAX_INTEGER: i64 = 4_503_599_627_370_495;

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn refusal(patch: Value) -> String {
        Section::default()
            .patch(Kind::Reported, &object(patch), 0)
            .unwrap_err()
            .reason
    }

    /// The object-to-object cases of RFC 7396, appendix A.
    #[test]
    fn merges_as_in_appendix_a() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            let mut merged = object(target);
            merge_map(&mut merged, &object(patch));
            assert_eq!(Value::Object(merged), result);
        }
    }

    #[test]
    fn each_accepted_change_is_a_version_and_a_refused_one_is_none() {
        let mut section = Section {
            version: 1,
            ..Section::default()
        };
        section
            .patch(Kind::Desired, &object(json!({"a": {"b": 1}})), 0)
            .unwrap();
        section
            .patch(
                Kind::Desired,
                &object(json!({"a": {"c": true}, "x": null})),
                1000,
            )
            .unwrap();
        let before = section.clone();
        section
            .patch(Kind::Desired, &object(json!({"bad.name": 1})), 2000)
            .unwrap_err();
        assert_eq!(section, before);
        assert_eq!(
            section.for_device(),
            json!({"a": {"b": 1, "c": true}, "$version": 3})
        );
        let first = json!({"$lastUpdated": "1970-01-01T00:00:00.000Z", "$lastUpdatedVersion": 2});
        let second = json!({"$lastUpdated": "1970-01-01T00:00:01.000Z", "$lastUpdatedVersion": 3});
        let mut node = second.clone();
        node["b"] = first;
        node["c"] = second.clone();
        let mut whole = second;
        whole["a"] = node;
        assert_eq!(Value::Object(section.metadata), whole);
    }

    #[test]
    fn says_it_in_microsofts_words() {
        let mut deep = json!({"property": "value"});
        for _ in 0..10 {
            deep = json!({ "level": deep });
        }
        assert!(
            Section::default()
                .patch(Kind::Reported, &object(deep.clone()), 0)
                .is_ok()
        );
        assert_eq!(
            refusal(json!({ "level": deep })),
            "Nested depth of twin property exceeds 10"
        );
        assert_eq!(
            refusal(json!({"o#k": 1})),
            "Property name o#k contains invalid character '#'"
        );
        assert_eq!(
            refusal(json!({"a": [1, null]})),
            "Arrays cannot contain 'null' as value"
        );
        assert_eq!(
            refusal(json!({"n": {"invalidNumber": -4503599627370497i64}})),
            "Property invalidNumber has an out of bound value. Valid values are between -4503599627370496 and 4503599627370495"
        );
        assert_eq!(
            refusal(json!({"big": "x".repeat(5000)})),
            "Value associated with property name big has length 5000 that exceeds maximum length of 4096"
        );
        let many: Map<_, _> = (0..9)
            .map(|n| (format!("k{n}"), json!("x".repeat(4000))))
            .collect();
        assert_eq!(
            refusal(Value::Object(many)),
            "Twin properties size 36018 exceeds maximum 32768"
        );
    }

    #[test]
    fn deep_json_is_an_error_and_no_stack_overflow() {
        let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(
            parse_object(deep.as_bytes())
                .unwrap_err()
                .reason
                .contains("recursion limit")
        );
    }
}
