//! What goes wrong with images, on demand.

use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::lock;
use crate::code::{ErrorCode, Refusal};
use crate::fields;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends before this byte of the file.
    Cut(usize),
    /// This is the answer.
    Status(u16),
    /// A byte of the image is another one.
    Corrupt,
    /// Each answer comes so late.
    Slow(u64),
}

#[derive(Debug)]
struct Entry {
    id: u64,
    fault: Fault,
    /// The image that it is for; all of them without.
    image: Option<String>,
    /// How often still; for ever without.
    left: Option<u64>,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<(u64, Vec<Entry>)>);

impl Faults {
    /// Sets one from `{"kind":"cut","at":N}`, `{"kind":"status","status":404}`,
    /// `{"kind":"corrupt"}` or `{"kind":"slow","delayMs":N}`, with `times` and `image`.
    pub(crate) fn set(&self, document: &Map<String, Value>) -> Result<Value, Refusal> {
        fields::check(document, FIELDS)?;
        let number = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_u64)
                .ok_or_else(|| invalid(format!("{name} must be a number")))
        };
        let (fault, times) = match document.get("kind").and_then(Value::as_str) {
            Some("cut") => (Fault::Cut(number("at")? as usize), Some(1)),
            Some("status") => {
                let status = number("status")?;
                let status = u16::try_from(status)
                    .ok()
                    .filter(|it| (400..600).contains(it));
                let status = status.ok_or_else(|| invalid("status must be 400 to 599".to_owned()));
                (Fault::Status(status?), None)
            }
            Some("corrupt") => (Fault::Corrupt, None),
            Some("slow") => (Fault::Slow(number("delayMs")?.min(60_000)), None),
            _ => {
                return Err(invalid(
                    "kind must be cut, status, corrupt or slow".to_owned(),
                ));
            }
        };
        let left = match document.get("times") {
            None | Some(Value::Null) => times,
            Some(times) => Some(
                times
                    .as_u64()
                    .ok_or_else(|| invalid("times must be a number".to_owned()))?,
            ),
        };
        let image = document.get("image").and_then(Value::as_str);
        let mut faults = lock(&self.0);
        faults.0 += 1;
        let id = faults.0;
        faults.1.push(Entry {
            id,
            fault,
            image: image.map(str::to_owned),
            left,
        });
        Ok(json!({ "id": id }))
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).1.clear();
    }

    pub(crate) fn list(&self) -> Value {
        let faults = lock(&self.0);
        let all = faults.1.iter();
        all.map(|entry| {
            let (kind, name, number) = match entry.fault {
                Fault::Cut(at) => ("cut", "at", json!(at)),
                Fault::Status(status) => ("status", "status", json!(status)),
                Fault::Corrupt => ("corrupt", "at", Value::Null),
                Fault::Slow(delay) => ("slow", "delayMs", json!(delay)),
            };
            let mut shown =
                json!({"id": entry.id, "kind": kind, "image": entry.image, "times": entry.left});
            if !number.is_null() {
                shown[name] = number;
            }
            shown
        })
        .collect()
    }

    /// What happens to an answer with the bytes `from..to` of an image. A cut happens to the answer
    /// that has its byte.
    pub(super) fn take(&self, image: &str, from: usize, to: usize) -> Vec<Fault> {
        let mut faults = lock(&self.0);
        let mut taken = Vec::new();
        for entry in &mut faults.1 {
            let here = match entry.fault {
                Fault::Cut(at) => (from..to).contains(&at),
                _ => true,
            };
            let for_it = entry.image.as_deref().is_none_or(|name| name == image);
            if !here || !for_it || entry.left == Some(0) {
                continue;
            }
            entry.left = entry.left.map(|left| left - 1);
            taken.push(entry.fault);
        }
        faults.1.retain(|entry| entry.left != Some(0));
        taken
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const FIELDS: &[&str] = &["kind", "image", "times", "at", "status", "delayMs"];

#[cfg(test)]
mod tests {
    use super::*;

    fn set(faults: &Faults, json: &str) -> Result<Value, Refusal> {
        faults.set(
            serde_json::from_str::<Value>(json)
                .unwrap()
                .as_object()
                .unwrap(),
        )
    }

    #[test]
    fn a_cut_happens_once_where_its_byte_is() {
        let faults = Faults::default();
        set(&faults, r#"{"kind":"cut","at":100,"image":"a"}"#).unwrap();
        assert_eq!(faults.take("a", 0, 100), []);
        assert_eq!(faults.take("b", 0, 1000), []);
        assert_eq!(faults.take("a", 100, 200), [Fault::Cut(100)]);
        assert_eq!(faults.take("a", 100, 200), []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let faults = Faults::default();
        for (json, reason) in [
            ("{}", "kind"),
            (r#"{"kind":"cut"}"#, "at"),
            (r#"{"kind":"status","status":200}"#, "400 to 599"),
            (r#"{"kind":"corrupt","times":"x"}"#, "times"),
            (r#"{"kind":"cut","at":1,"imgae":"a"}"#, "'imgae' is none of"),
        ] {
            assert!(
                set(&faults, json).unwrap_err().reason.contains(reason),
                "{json}"
            );
        }
    }
}
