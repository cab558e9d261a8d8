//! A message as Azure writes it into blobs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// A message as it stands in a blob.
#[derive(Debug)]
pub(super) struct Record<'l> {
    line: &'l Value,
}

impl<'l> Record<'l> {
    /// Of a line of an endpoint.
    pub(super) fn of(line: &'l Value) -> Self {
        Self { line }
    }

    /// When it was accepted.
    pub(super) fn enqueued(&self) -> &'l str {
        self.line["enqueuedTimeUtc"].as_str().unwrap_or_default()
    }

    /// Application properties as texts.
    pub(super) fn properties(&self) -> Vec<(&'l str, String)> {
        let properties = self.line["properties"].as_object().into_iter().flatten();
        properties
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect()
    }

    /// System properties, with who sent it and when.
    pub(super) fn system(&self) -> Vec<(&'l str, String)> {
        let given = self.line["systemProperties"]
            .as_object()
            .into_iter()
            .flatten();
        let given = given.map(|(name, value)| (name.as_str(), text(value)));
        let device = [
            ("connectionDeviceId", "deviceId"),
            ("connectionModuleId", "moduleId"),
        ];
        let device = device
            .into_iter()
            .filter_map(|(name, field)| Some((name, self.line[field].as_str()?.to_owned())));
        let enqueued = ("enqueuedTime", self.enqueued().to_owned());
        given.chain(device).chain([enqueued]).collect()
    }

    /// The bytes of its body.
    pub(super) fn body(&self) -> Vec<u8> {
        let text = self.line["bodyBase64"].as_str().unwrap_or_default();
        STANDARD.decode(text).unwrap_or_default()
    }

    /// A body that says that it is JSON in UTF-8 stands there as it is, any other in base64.
    pub(super) fn to_json(&self) -> Value {
        let object = |pairs: Vec<(&str, String)>| {
            let pairs = pairs.into_iter();
            pairs
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect::<Map<_, _>>()
        };
        let system = object(self.system());
        let says = |name: &str| {
            system
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let is_json = says("contentType").starts_with("application/json")
            && ["utf-8", "utf8"].contains(&says("contentEncoding").as_str())
            && self.line["format"] == "json";
        let body = if is_json { "body" } else { "bodyBase64" };
        json!({
            "EnqueuedTimeUtc": self.enqueued(),
            "Properties": object(self.properties()),
            "SystemProperties": system,
            "Body": self.line[body],
        })
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_it_says_that_it_is() {
        let mut line = json!({
            "hub": "h.localhost", "deviceId": "d", "moduleId": "m", "enqueuedTimeUtc": "2026-01-02T03:04:05.000Z",
            "format": "json", "body": {"a": 1}, "bodyBase64": "eyJhIjoxfQ==", "properties": {"n": "1", "none": null},
            "systemProperties": {"contentType": "application/json; charset=utf-8", "contentEncoding": "UTF-8"},
        });
        let shown = Record::of(&line).to_json();
        assert_eq!(shown["Body"], json!({"a": 1}));
        assert_eq!(shown["Properties"], json!({"n": "1", "none": ""}));
        assert_eq!(shown["SystemProperties"]["connectionModuleId"], "m");
        line["systemProperties"] = json!({});
        assert_eq!(Record::of(&line).to_json()["Body"], "eyJhIjoxfQ==");
    }
}
