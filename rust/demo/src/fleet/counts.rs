//! What all devices have done, counted.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

/// One number.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All numbers.
#[derive(Default)]
pub(super) struct Counts {
    /// Devices that are ready now.
    pub(super) ready: Count,
    /// Connects that were accepted.
    pub(super) connects: Count,
    /// Connects that failed or were refused.
    pub(super) failed: Count,
    /// Connections that ended without having been asked to.
    pub(super) disconnects: Count,
    /// Losses of the network that `--faulty` asked for.
    pub(super) network_losses: Count,
    /// Messages that the core accepted.
    pub(super) accepted: Count,
    /// Messages that the hub acknowledged.
    pub(super) acknowledged: Count,
    /// Messages that the core's outbox had no room for.
    pub(super) outbox_full: Count,
    /// Accepted messages that were given up.
    pub(super) dropped: Count,
    /// Methods that were answered.
    pub(super) methods: Count,
    /// Messages from the cloud.
    pub(super) c2d: Count,
    /// Why connects failed and connections ended.
    pub(super) causes: Causes,
}

impl Counts {
    /// A line of progress, `time` after the begin, with `ready` of so many devices ready; `rate`
    /// messages were acknowledged in a second.
    pub(super) fn line(&self, time: Duration, ready: u64, devices: u32, rate: f64) -> String {
        format!(
            "{:4} s: {ready} of {devices} ready; {} connects, {} failed, {} disconnects; telemetry: {} acknowledged, {rate:.0} a second",
            time.as_secs(),
            self.connects.get(),
            self.failed.get(),
            self.disconnects.get(),
            self.acknowledged.get(),
        )
    }

    pub(super) fn add_to(&self, report: &mut Value) {
        for (name, count) in [
            ("connects", &self.connects),
            ("failed", &self.failed),
            ("disconnects", &self.disconnects),
            ("networkLosses", &self.network_losses),
            ("accepted", &self.accepted),
            ("acknowledged", &self.acknowledged),
            ("outboxFull", &self.outbox_full),
            ("dropped", &self.dropped),
            ("methods", &self.methods),
            ("c2d", &self.c2d),
        ] {
            report[name] = json!(count.get());
        }
        report["causes"] = json!(*self.causes.all());
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// How often each cause has been met.
#[derive(Default)]
pub(super) struct Causes(Mutex<BTreeMap<String, u64>>);

impl Causes {
    /// Whether this cause is met for the first time. The text may be the peer's: from the 16th on
    /// they are one.
    pub(super) fn add(&self, cause: String) -> bool {
        let mut all = self.all();
        let is_known = all.contains_key(&cause);
        let cause = match is_known || all.len() < MAX_CAUSES {
            true => cause,
            false => OTHERS.to_owned(),
        };
        let count = all.entry(cause).or_default();
        *count += 1;
        *count == 1
    }

    /// A line for each, the most frequent one first.
    pub(super) fn lines(&self) -> Vec<String> {
        let all = self.all();
        let mut all: Vec<_> = all.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        all.into_iter()
            .map(|(cause, count)| format!("  {count} × {cause}"))
            .collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_CAUSES: usize = 15;

const OTHERS: &str = "others";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_counted_and_bounded() {
        let causes = Causes::default();
        assert!(causes.add("refused".to_owned()));
        assert!(!causes.add("refused".to_owned()));
        for number in 0..100 {
            causes.add(number.to_string());
        }
        let lines = causes.lines();
        assert_eq!(lines.len(), MAX_CAUSES + 1);
        assert_eq!(lines[..2], ["  86 × others", "  2 × refused"]);
    }
}
