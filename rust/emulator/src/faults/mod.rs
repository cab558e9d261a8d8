//! Faults on command: what a test wants to go wrong, for whom, and how often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::code::{ErrorCode, Refusal};
use crate::fields;

/// Where a fault acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// The answer to CONNECT: `code`.
    Connack,
    /// The answer to a message: late (`delayMs`), or never.
    Puback,
    /// The answer to SUBSCRIBE: late, or never.
    Suback,
    /// The answer to PINGREQ: late, or never.
    Pingresp,
    /// The connection breaks when the device has sent `bytes` bytes.
    DropAtByte,
    /// The connection breaks at every `messages`th message, on average if there is a `seed`.
    DropEvery,
    /// The hub neither reads nor writes for `delayMs`.
    Stall,
    /// Twin requests and methods are answered with `status` (429 or 503).
    Throttle,
    /// The provisioning service answers with `status`, and `retryAfter` seconds.
    Provisioning,
}

const POINTS: &[(&str, Point)] = &[
    ("connack", Point::Connack),
    ("puback", Point::Puback),
    ("suback", Point::Suback),
    ("pingresp", Point::Pingresp),
    ("dropAtByte", Point::DropAtByte),
    ("dropEvery", Point::DropEvery),
    ("stall", Point::Stall),
    ("throttle", Point::Throttle),
    ("provisioning", Point::Provisioning),
];

impl Point {
    /// The field that says how hard it acts, where it is not `delayMs`.
    fn field(self) -> Option<&'static str> {
        match self {
            Self::Connack => Some("code"),
            Self::DropAtByte => Some("bytes"),
            Self::DropEvery => Some("messages"),
            Self::Throttle | Self::Provisioning => Some("status"),
            Self::Puback | Self::Suback | Self::Pingresp | Self::Stall => None,
        }
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    id: u64,
    point: Point,
    device: Option<String>,
    /// How often it still acts; for ever if absent.
    times: Option<u64>,
    /// `code`, `status`, `bytes` or `messages`.
    pub(crate) number: u64,
    /// `delayMs`; absent is never.
    pub(crate) delay_ms: Option<u64>,
    /// `retryAfter`, in seconds.
    pub(crate) retry_after: Option<u64>,
    random: Option<u64>,
    seen: u64,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    all: Mutex<(u64, Vec<Fault>)>,
    /// Whether there ever was one: every packet asks.
    any: AtomicBool,
}

impl Faults {
    /// Sets a fault from JSON and returns it as JSON, with its id.
    pub(crate) fn set(&self, document: &Value) -> Result<Value, Refusal> {
        let fault = parse(document)?;
        let mut all = self.all();
        all.0 += 1;
        let fault = Fault { id: all.0, ..fault };
        let shown = fault.to_json();
        all.1.push(fault);
        self.any.store(true, Ordering::Release);
        Ok(shown)
    }

    /// The fault that acts here and now, if there is one.
    pub(crate) fn trigger(&self, point: Point, device: &str) -> Option<Fault> {
        self.trigger_if(point, device, |_| true)
    }

    /// Whether a fault drops the connection at this number of bytes from the device.
    pub(crate) fn trigger_at_byte(&self, device: &str, bytes: u64) -> bool {
        self.trigger_if(Point::DropAtByte, device, |fault| bytes >= fault.number)
            .is_some()
    }

    /// Whether a fault drops the connection at this message of the device.
    pub(crate) fn trigger_at_message(&self, device: &str) -> bool {
        let counted = |fault: &mut Fault| {
            fault.seen += 1;
            match &mut fault.random {
                None => fault.seen.is_multiple_of(fault.number.max(1)),
                Some(state) => {
                    *state ^= *state << 13;
                    *state ^= *state >> 7;
                    *state ^= *state << 17;
                    state.is_multiple_of(fault.number.max(1))
                }
            }
        };
        self.trigger_if(Point::DropEvery, device, counted).is_some()
    }

    /// All faults as JSON.
    pub(crate) fn list(&self) -> Vec<Value> {
        self.all().1.iter().map(Fault::to_json).collect()
    }

    /// Takes one fault back, or all; `false` if there was none.
    pub(crate) fn clear(&self, id: Option<u64>) -> bool {
        let mut all = self.all();
        let before = all.1.len();
        all.1.retain(|fault| id.is_some_and(|id| fault.id != id));
        all.1.len() < before
    }

    fn trigger_if(
        &self,
        point: Point,
        device: &str,
        wanted: impl Fn(&mut Fault) -> bool,
    ) -> Option<Fault> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut all = self.all();
        let fits = |fault: &mut Fault| {
            fault.point == point
                && fault.device.as_ref().is_none_or(|id| id == device)
                && wanted(fault)
        };
        let index = all.1.iter_mut().position(fits)?;
        let fault = all.1.get_mut(index)?;
        let struck = fault.clone();
        match fault.times.as_mut() {
            Some(times) if *times <= 1 => {
                all.1.remove(index);
            }
            Some(times) => *times -= 1,
            None => {}
        }
        Some(struck)
    }

    fn all(&self) -> MutexGuard<'_, (u64, Vec<Fault>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn to_json(&self) -> Value {
        let kind = POINTS
            .iter()
            .find(|(_, point)| *point == self.point)
            .map(|(name, _)| *name);
        let mut shown = json!({
            "id": self.id,
            "kind": kind,
            "device": self.device,
            "times": self.times,
            "delayMs": self.delay_ms,
            "retryAfter": self.retry_after,
        });
        if let Some(field) = self.point.field() {
            shown[field] = json!(self.number);
        }
        shown
    }
}

/// The refusal of a throttle fault: 429, or 503.
pub(crate) fn throttled(status: u64, what: &str) -> Refusal {
    let code = match status {
        429 => ErrorCode::ThrottlingException,
        _ => ErrorCode::ServiceUnavailable,
    };
    Refusal::new(code, format!("{what} was refused by a fault on command"))
}

/// Refuses what [`Faults::set`] would refuse.
pub(crate) fn check(document: &Value) -> Result<(), Refusal> {
    parse(document).map(|_| ())
}

fn parse(document: &Value) -> Result<Fault, Refusal> {
    let kind = document
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let point = POINTS
        .iter()
        .find(|(name, _)| *name == kind)
        .map(|(_, point)| *point)
        .ok_or_else(|| {
            let names: Vec<_> = POINTS.iter().map(|(name, _)| *name).collect();
            invalid(format!("kind '{kind}' is none of {}", names.join(", ")))
        })?;
    if let Some(object) = document.as_object() {
        fields::check(object, FIELDS)?;
    }
    let number = |name: &str| match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| invalid(format!("{name} must be a number from 0"))),
    };
    let required = |name: &str, low: u64, high: u64| match number(name)? {
        Some(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(invalid(format!("{kind} needs {name} from {low} to {high}"))),
    };
    let delay_ms = number("delayMs")?;
    let value = match point {
        Point::Connack => required("code", 1, 5)?,
        Point::DropAtByte => required("bytes", 1, u64::MAX)?,
        Point::DropEvery => required("messages", 1, u64::MAX)?,
        Point::Throttle => required("status", 429, 503)?,
        Point::Provisioning => required("status", 400, 599)?,
        Point::Stall => required("delayMs", 1, 3_600_000)?,
        Point::Puback | Point::Suback | Point::Pingresp => 0,
    };
    Ok(Fault {
        id: 0,
        point,
        device: document
            .get("device")
            .and_then(Value::as_str)
            .map(str::to_owned),
        times: number("times")?,
        number: value,
        delay_ms,
        retry_after: number("retryAfter")?,
        random: number("seed")?.map(|seed| seed | 1),
        seen: 0,
    })
}

const FIELDS: &[&str] = &[
    "kind",
    "device",
    "times",
    "code",
    "bytes",
    "messages",
    "seed",
    "delayMs",
    "status",
    "retryAfter",
];

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_misspelt_is_refused() {
        let refusal = Faults::default()
            .set(&json!({"kind": "puback", "devcie": "dev"}))
            .unwrap_err();
        assert!(
            refusal.reason.contains("'devcie' is none of kind, device"),
            "{refusal}"
        );
    }

    #[test]
    fn what_was_sent_is_shown_by_its_name() {
        let faults = Faults::default();
        for (kind, field) in [
            ("connack", "code"),
            ("dropAtByte", "bytes"),
            ("dropEvery", "messages"),
        ] {
            let shown = faults.set(&json!({"kind": kind, field: 3})).unwrap();
            assert_eq!(shown[field], 3, "{shown}");
        }
    }

    #[test]
    fn strikes_whom_and_as_often_as_it_was_told() {
        let faults = Faults::default();
        faults
            .set(&json!({"kind": "connack", "code": 3, "device": "a", "times": 2}))
            .unwrap();
        assert!(faults.trigger(Point::Connack, "b").is_none());
        assert_eq!(
            faults
                .trigger(Point::Connack, "a")
                .map(|fault| fault.number),
            Some(3)
        );
        assert!(faults.trigger(Point::Connack, "a").is_some());
        assert!(faults.trigger(Point::Connack, "a").is_none());
        assert!(faults.list().is_empty());
    }

    #[test]
    fn every_third_message_and_the_same_by_seed() {
        let struck = |fault: Value| {
            let faults = Faults::default();
            faults.set(&fault).unwrap();
            (0..30)
                .map(|_| faults.trigger_at_message("d"))
                .collect::<Vec<_>>()
        };
        let third = struck(json!({"kind": "dropEvery", "messages": 3}));
        assert_eq!(third[..6], [false, false, true, false, false, true]);
        let seeded = struck(json!({"kind": "dropEvery", "messages": 3, "seed": 7}));
        assert_eq!(
            seeded,
            struck(json!({"kind": "dropEvery", "messages": 3, "seed": 7}))
        );
        assert!(seeded.contains(&true) && seeded.contains(&false));
    }

    #[test]
    fn a_fault_that_makes_no_sense_is_refused() {
        for (fault, why) in [
            (json!({}), "kind ''"),
            (json!({"kind": "connack"}), "connack needs code from 1 to 5"),
            (
                json!({"kind": "puback", "delayMs": -1}),
                "delayMs must be a number",
            ),
        ] {
            assert!(
                Faults::default()
                    .set(&fault)
                    .unwrap_err()
                    .reason
                    .contains(why),
                "{fault}"
            );
        }
    }
}
