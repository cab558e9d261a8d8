//! Faults by a timetable: a TOML file of what is to go wrong, when, for how long, and how often.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::faults;
use crate::fields;
use crate::journal::Event;
use crate::service::Service;
use crate::state::parse_toml;

/// One entry of a timetable.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// From the start.
    after: Duration,
    /// After which it is taken back; absent if it stays until it has struck.
    lasts: Option<Duration>,
    /// From one beginning to the next.
    every: Option<Duration>,
    action: Action,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    /// As `POST /admin/faults` takes it.
    Fault(Value),
    /// Shifts the clock by milliseconds.
    Clock(i64),
    /// Moves a device to a hub.
    Move(String, String),
}

/// A timetable that makes sense.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    text: String,
    entries: Vec<Entry>,
}

impl Plan {
    /// From TOML with a list `fault`; the error names the entry.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self {
            text: text.to_owned(),
            entries: parse(text)?,
        })
    }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Plan, String> {
    let text = crate::state::read_text(path)?;
    Plan::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let document = parse_toml(text)?;
    let whole = document.as_object().into_iter().flatten();
    if let Some((name, _)) = whole.clone().find(|(name, _)| *name != "fault") {
        return Err(format!("'{name}' is not known: there are [[fault]] tables"));
    }
    let all = document.get("fault").and_then(Value::as_array);
    let all = all.ok_or("there is no [[fault]] table")?;
    let entries = all.iter().enumerate().map(|(index, one)| {
        entry(one).map_err(|refusal| format!("fault {}: {}", index + 1, refusal.reason))
    });
    entries.collect()
}

fn entry(document: &Value) -> Result<Entry, Refusal> {
    let millis = |name: &str| match document.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64().filter(|it| *it <= MAX_MS) {
            Some(millis) => Ok(Some(Duration::from_millis(millis))),
            None => Err(invalid(format!("{name} must be 0 to {MAX_MS} ms"))),
        },
    };
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| invalid(format!("{name} is missing")))
    };
    let mut fault = document.clone();
    if let Some(fields) = fault.as_object_mut() {
        fields.retain(|name, _| !TIMES.contains(&name.as_str()));
    }
    let only = |own: &[&str]| match fault.as_object() {
        Some(object) => fields::check(object, own).map_err(invalid),
        None => Ok(()),
    };
    let action = match document.get("kind").and_then(Value::as_str) {
        Some("clock") => {
            only(&["kind", "shiftMs"])?;
            let shift = document.get("shiftMs").and_then(Value::as_i64);
            Action::Clock(shift.ok_or_else(|| invalid("clock needs shiftMs".to_owned()))?)
        }
        Some("move") => {
            only(&["kind", "device", "hub"])?;
            Action::Move(text("device")?, text("hub")?)
        }
        _ => {
            faults::check(&fault)?;
            Action::Fault(fault)
        }
    };
    let entry = Entry {
        after: millis("afterMs")?.unwrap_or_default(),
        lasts: millis("forMs")?,
        every: millis("everyMs")?,
        action,
    };
    match (entry.every, entry.lasts) {
        (Some(every), _) if every.is_zero() => {
            Err(invalid("everyMs must be more than 0".to_owned()))
        }
        (Some(every), Some(lasts)) if lasts > every => {
            Err(invalid("forMs must not be longer than everyMs".to_owned()))
        }
        _ => Ok(entry),
    }
}

/// The timetable that runs, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Timetable(Mutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    text: String,
    begun: UnixMs,
    entries: usize,
    /// Ends the entries with it.
    _tasks: JoinSet<()>,
}

impl Timetable {
    /// Ends the one before and begins this one now; says how many entries it has. What was set already
    /// stays until it is cleared.
    pub(crate) fn start(&self, service: &Arc<Service>, plan: Plan) -> usize {
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        let count = plan.entries.len();
        for entry in plan.entries {
            tasks.spawn(follow(Arc::downgrade(service), entry, begin));
        }
        *self.lock() = Some(Running {
            text: plan.text,
            begun: service.clock.now(),
            entries: count,
            _tasks: tasks,
        });
        count
    }

    /// Ends it; says whether there was one.
    pub(crate) fn end(&self) -> bool {
        self.lock().take().is_some()
    }

    /// `{"timetable", "begun", "entries"}`, each null if there is none.
    pub(crate) fn to_json(&self) -> Value {
        let running = self.lock();
        let running = running.as_ref();
        json!({
            "timetable": running.map(|it| &it.text),
            "begun": running.map(|it| rfc3339(it.begun)),
            "entries": running.map(|it| it.entries),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow(service: Weak<Service>, entry: Entry, begin: Instant) {
    let mut at = begin + entry.after;
    loop {
        tokio::time::sleep_until(at).await;
        let Some(now) = service.upgrade() else { return };
        let id = happen(&now, &entry.action).await;
        drop(now);
        if let Some(lasts) = entry.lasts {
            tokio::time::sleep_until(at + lasts).await;
            let Some(now) = service.upgrade() else { return };
            take_back(&now, &entry.action, id);
        }
        match entry.every {
            Some(every) => at += every,
            None => return,
        }
    }
}

/// The id of the fault, if it is one.
async fn happen(service: &Arc<Service>, action: &Action) -> Option<u64> {
    let (done, id) = match action {
        Action::Fault(document) => match service.faults.set(document) {
            Ok(shown) => (
                format!("set by the timetable: {shown}"),
                shown["id"].as_u64(),
            ),
            Err(refusal) => (refusal.reason, None),
        },
        Action::Clock(shift) => {
            service.clock.set_shift_ms(*shift);
            (format!("the clock is shifted by {shift} ms"), None)
        }
        // The move says in the log what came of it.
        Action::Move(device, hub) => {
            let _ = service.move_device(device, hub).await;
            return None;
        }
    };
    service.journal.record(Event::info("fault", done));
    id
}

fn take_back(service: &Service, action: &Action, id: Option<u64>) {
    match (action, id) {
        (Action::Clock(_), _) => service.clock.set_shift_ms(0),
        (_, Some(id)) => {
            if !service.faults.clear(Some(id)) {
                return;
            }
        }
        _ => return,
    }
    service
        .journal
        .record(Event::info("fault", "taken back by the timetable"));
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const TIMES: &[&str] = &["afterMs", "forMs", "everyMs"];
/// A year.
const MAX_MS: u64 = 365 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_fault_makes_no_sense() {
        for (text, why) in [
            ("", "there is no [[fault]]"),
            ("[[faults]]\nkind = 'stall'", "'faults' is not known"),
            (
                "[[fault]]\nkind = 'puback'\naftrMs = 60000",
                "fault 1: field 'aftrMs' is none of",
            ),
            ("[[fault]]\nkind = 'stall'", "fault 1: stall needs delayMs"),
            ("[[fault]]\nkind = 'clock'", "fault 1: clock needs shiftMs"),
            (
                "[[fault]]\nkind = 'puback'\n[[fault]]\nkind = 'puback'\nafterMs = -1",
                "fault 2: afterMs must be",
            ),
            (
                "[[fault]]\nkind = 'puback'\neveryMs = 5\nforMs = 6",
                "longer than everyMs",
            ),
            ("[[fault]\n", "TOML"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let whole = "[[fault]]\nkind = 'connack'\ncode = 3\nafterMs = 5\nforMs = 6\neveryMs = 7";
        let entries = parse(whole).unwrap();
        assert_eq!(entries[0].after, Duration::from_millis(5));
        assert_eq!(entries[0].lasts, Some(Duration::from_millis(6)));
        assert_eq!(entries[0].every, Some(Duration::from_millis(7)));
    }
}
