//! Counters over all starts of the device, kept beside the outbox in flash: a power cut takes the
//! last minutes of them.

use core::{fmt::Write, time::Duration};

use iothub::{Error, Instant, KEPT_SHORT, KEPT_SHORT_MAX, Status};
use ncs::board;

use crate::{client, kept};

/// What is counted. They stay at their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    starts: u32,
    /// Starts for which the power was not cut.
    resets: u32,
    /// Starts after a fault.
    faults: u32,
    uptime_s: u32,
    connected: u32,
    radio_s: u32,
    radio_connections: u32,
    sent: u64,
    received: u64,
}

impl Numbers {
    pub(crate) const NONE: Self = Self {
        starts: 0,
        resets: 0,
        faults: 0,
        uptime_s: 0,
        connected: 0,
        radio_s: 0,
        radio_connections: 0,
        sent: 0,
        received: 0,
    };

    /// With what has been counted since the start.
    pub(crate) fn and_since(self, now: Instant, status: &Status) -> Self {
        let seconds = u32::try_from(now.as_millis() / 1000).unwrap_or(u32::MAX);
        let (radio_s, radio_connections) =
            board::radio().map_or((0, 0), |radio| (radio.seconds, radio.connections));
        let counters = &status.counters;
        Self {
            uptime_s: self.uptime_s.saturating_add(seconds),
            connected: self.connected.saturating_add(counters.connected),
            radio_s: self.radio_s.saturating_add(radio_s),
            radio_connections: self.radio_connections.saturating_add(radio_connections),
            sent: self.sent.saturating_add(counters.bytes_sent.into()),
            received: self.received.saturating_add(counters.bytes_received.into()),
            ..self
        }
    }

    /// As a member of an object, with the comma before it.
    pub(crate) fn write(&self, out: &mut dyn Write) -> core::fmt::Result {
        write!(
            out,
            ",\"total\":{{\"starts\":{},\"resets\":{},\"faults\":{},\"uptime\":{},\"connected\":{},\"bytesSent\":{},\
             \"bytesReceived\":{},\"radio\":{{\"seconds\":{},\"connections\":{}}}}}",
            self.starts,
            self.resets,
            self.faults,
            self.uptime_s,
            self.connected,
            self.sent,
            self.received,
            self.radio_s,
            self.radio_connections
        )
    }

    fn to_bytes(self) -> [u8; BYTES] {
        let words = [
            self.starts,
            self.resets,
            self.faults,
            self.uptime_s,
            self.connected,
            self.radio_s,
            self.radio_connections,
            self.sent as u32,
            (self.sent >> 32) as u32,
            self.received as u32,
            (self.received >> 32) as u32,
        ];
        let mut bytes = [0; BYTES];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// What an older build has not counted is 0.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = [0; BYTES / 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [
            starts,
            resets,
            faults,
            uptime_s,
            connected,
            radio_s,
            radio_connections,
            ..,
        ] = words;
        let [.., sent, sent_high, received, received_high] = words.map(u64::from);
        Self {
            starts,
            resets,
            faults,
            uptime_s,
            connected,
            radio_s,
            radio_connections,
            sent: sent_high << 32 | sent,
            received: received_high << 32 | received,
        }
    }
}

const BYTES: usize = 44;
const _: () = assert!(BYTES <= KEPT_SHORT_MAX);

/// The counters, and when they were kept.
pub(crate) struct Totals {
    before: Numbers,
    kept: Numbers,
    kept_at: Option<Instant>,
}

/// Between two writes.
const INTERVAL: Duration = Duration::from_secs(600);
/// The same, where there is something to be kept at once.
const INTERVAL_MIN: Duration = Duration::from_secs(60);

impl Totals {
    pub(crate) const fn new() -> Self {
        Self {
            before: Numbers::NONE,
            kept: Numbers::NONE,
            kept_at: None,
        }
    }

    /// What was counted up to this start, and the start.
    pub(crate) fn before(&self) -> Numbers {
        self.before
    }

    /// Counts the start.
    pub(crate) fn begin(&mut self) {
        if kept::IS_ON {
            self.begin_with(|buffer| iothub::kept(KEPT_SHORT, buffer).len());
        }
    }

    pub(crate) fn begin_with(&mut self, read: impl Fn(&mut [u8]) -> usize) {
        let mut buffer = [0; KEPT_SHORT_MAX];
        let len = read(&mut buffer);
        let before = Numbers::from_bytes(buffer.get(..len).unwrap_or_default());
        let was_reset = board::reset_cause().is_ok_and(|cause| cause != 0 && cause & POWER == 0);
        let has_failed = board::last_fault(&mut [0; 24]).is_ok();
        self.kept = before;
        self.before = Numbers {
            starts: before.starts.saturating_add(1),
            resets: before.resets.saturating_add(was_reset.into()),
            faults: before.faults.saturating_add(has_failed.into()),
            ..before
        };
    }

    /// Keeps them: the start and what a connection adds soon, else every ten minutes; before a
    /// restart at once.
    pub(crate) fn update(&mut self, now: Instant, urgency: Urgency) {
        if kept::IS_ON
            && let Err(error) =
                self.update_with(now, urgency, |bytes| iothub::keep(KEPT_SHORT, bytes))
        {
            log::debug!("the counters cannot be kept in flash: {error}");
        }
    }

    pub(crate) fn update_with(
        &mut self,
        now: Instant,
        urgency: Urgency,
        keep: impl Fn(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Ok(status) = client::status() else {
            return Ok(());
        };
        let numbers = self.before.and_since(now, &status);
        let is_soon = urgency == Urgency::Soon || numbers.connected != self.kept.connected;
        let wait = match (urgency, is_soon) {
            (Urgency::Now, _) => Duration::ZERO,
            (_, true) => INTERVAL_MIN,
            _ => INTERVAL,
        };
        if self.kept_at.is_some_and(|at| now < at + wait) {
            return Ok(());
        }
        self.kept_at = Some(now);
        keep(&numbers.to_bytes())?;
        self.kept = numbers;
        Ok(())
    }
}

/// Keeps them before a restart that the driver makes, on its thread: the loop may not come by any
/// more.
pub(crate) fn keep_before_restart(before: Numbers) {
    if kept::IS_ON
        && let Err(error) =
            keep_before_restart_with(before, |bytes| iothub::keep(KEPT_SHORT, bytes))
    {
        log::debug!("the counters cannot be kept in flash: {error}");
    }
}

pub(crate) fn keep_before_restart_with(
    before: Numbers,
    keep: impl Fn(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    match client::status() {
        // The loop has read what was kept, and counted the start.
        Ok(status) if before.starts > 0 => {
            keep(&before.and_since(client::now(), &status).to_bytes())
        }
        _ => Ok(()),
    }
}

/// How soon they are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    None,
    /// The power may go.
    Soon,
    /// The device restarts.
    Now,
}

/// Zephyr's `RESET_BROWNOUT` and `RESET_POR`.
const POWER: u32 = 1 << 2 | 1 << 3;
