//! Faults by a timetable: a TOML file of what is to go wrong, when, for how long, and how often.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::dps::Dps;
use crate::faults;
use crate::fields;
use crate::file::{FileError, parse_toml, read_text};
use crate::journal::Event;

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
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        Ok(Self {
            text: text.to_owned(),
            entries: parse(text)?,
        })
    }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Plan, FileError> {
    let text = read_text(path)?;
    Plan::parse(&text).map_err(|refusal| FileError::Content(path.to_owned(), refusal))
}

fn parse(text: &str) -> Result<Vec<Entry>, Refusal> {
    let document =
        parse_toml(text).map_err(|error| invalid(error.to_string().trim_end().to_owned()))?;
    let whole = document.as_object().into_iter().flatten();
    if let Some((name, _)) = whole.clone().find(|(name, _)| *name != "fault") {
        return Err(invalid(format!(
            "'{name}' is not known: there are [[fault]] tables"
        )));
    }
    let all = document.get("fault").and_then(Value::as_array);
    let all = all.ok_or_else(|| invalid("there is no [[fault]] table".to_owned()))?;
    let entries = all.iter().enumerate().map(|(index, one)| {
        entry(one).map_err(|refusal| invalid(format!("fault {}: {}", index + 1, refusal.reason)))
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
        Some(object) => fields::check(object, own).map_err(Refusal::from),
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
    /// Ends the one before and begins this one now; says how many entries it has. What was set
    /// already stays until it is cleared.
    pub(crate) fn start(&self, dps: &Arc<Dps>, plan: Plan) -> usize {
        let count = plan.entries.len();
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(Arc::downgrade(dps), plan.entries, Instant::now()));
        *self.lock() = Some(Running {
            text: plan.text,
            begun: dps.hub.clock.now(),
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

/// What comes next: when, which entry, and whether it begins or ends.
type Next = Reverse<(Instant, usize, bool)>;

/// One task for all entries, with a pause after each: however many there are and however often they
/// come, requests have their turn between them.
async fn follow(dps: Weak<Dps>, entries: Vec<Entry>, begin: Instant) {
    let mut next: BinaryHeap<Next> = (entries.iter().enumerate())
        .map(|(index, entry)| Reverse((begin + entry.after, index, true)))
        .collect();
    let mut set = vec![None; entries.len()];
    while let Some(Reverse((at, index, begins))) = next.pop() {
        tokio::time::sleep_until(at).await;
        let (Some(now), Some(entry), Some(id)) =
            (dps.upgrade(), entries.get(index), set.get_mut(index))
        else {
            return;
        };
        if !begins {
            take_back(&now, &entry.action, id.take());
            continue;
        }
        // One that comes again replaces itself: what nobody met does not pile up.
        if let Some(id) = id.take() {
            now.hub.faults.clear(Some(id));
        }
        *id = happen(&now, &entry.action).await;
        drop(now);
        next.extend(entry.lasts.map(|lasts| Reverse((at + lasts, index, false))));
        // A time that has passed meanwhile is left out.
        let again = entry.every.map(|every| (at + every).max(Instant::now()));
        next.extend(again.map(|again| Reverse((again, index, true))));
        tokio::time::sleep(PAUSE).await;
    }
}

/// At most a thousand actions a second.
const PAUSE: Duration = Duration::from_millis(1);

/// The id of the fault, if it is one.
async fn happen(dps: &Arc<Dps>, action: &Action) -> Option<u64> {
    let (done, id) = match action {
        Action::Fault(document) => match dps.hub.faults.set(document) {
            Ok(shown) => (
                format!("set by the timetable: {shown}"),
                shown["id"].as_u64(),
            ),
            Err(refusal) => (refusal.reason, None),
        },
        Action::Clock(shift) => {
            dps.hub.clock.set_shift_ms(*shift);
            (format!("the clock is shifted by {shift} ms"), None)
        }
        // The move says in the log what came of it.
        Action::Move(device, hub) => {
            let _ = dps.move_device(device, hub).await;
            return None;
        }
    };
    dps.hub.journal.record(Event::info("fault", done));
    id
}

fn take_back(dps: &Dps, action: &Action, id: Option<u64>) {
    match (action, id) {
        (Action::Clock(_), _) => dps.hub.clock.set_shift_ms(0),
        (_, Some(id)) => {
            if !dps.hub.faults.clear(Some(id)) {
                return;
            }
        }
        _ => return,
    }
    dps.hub
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
            let error = parse(text).unwrap_err().reason;
            assert!(error.contains(why), "{text}: {error}");
        }
        let whole = "[[fault]]\nkind = 'connack'\ncode = 3\nafterMs = 5\nforMs = 6\neveryMs = 7";
        let entries = parse(whole).unwrap();
        assert_eq!(entries[0].after, Duration::from_millis(5));
        assert_eq!(entries[0].lasts, Some(Duration::from_millis(6)));
        assert_eq!(entries[0].every, Some(Duration::from_millis(7)));
    }
}
