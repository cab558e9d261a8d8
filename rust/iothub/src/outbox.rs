//! The outbox in flash beside the client's in RAM: what goes there, when it comes back, and when it
//! is released.
//!
//! Of each priority RAM holds what is sent next, and flash what follows. So the order is kept: a
//! new message goes to RAM only where flash has none that is not in RAM, and what is in RAM alone
//! goes to flash before it.
//!
//! The lock of the flash is held over calls of C, for milliseconds, or for as long as an erase
//! takes; the client's lock is taken inside of it, never the other way round, and no handler is
//! called with either.

use core::time::Duration;

use heapless::Vec;
use iothub_proto::{
    Capacity, Error, Instant, MessageId, Phase, RequestId, Telemetry,
    outbox::Keep,
    store::{self, CONTENT, Flash, Head, OVERHEAD, Priority, Store},
    twin,
};

use crate::{kconfig, state::Access};

/// Whether the build has the outbox in flash: `CONFIG_IOTHUB_OUTBOX_FLASH`.
pub const OUTBOX_FLASH: bool = kconfig::IOTHUB_OUTBOX_FLASH;

/// Sectors that are told apart; a partition with more has several taken together.
const SECTORS: usize = 64;
/// Stored messages of a priority that are in RAM at once: those in flight, and the next.
const LOADED: usize = 8;
/// Those, and what was in flight when it was stored.
const LOADED_MAX: usize = 16;
/// Messages that are released by one record while more follow. So many may arrive twice after a
/// power cut.
const RELEASE: u32 = 4;
const BUFFER: usize = kconfig::MESSAGE + OVERHEAD;

/// What the outbox in flash holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStatus {
    /// Depth, counters, wear.
    pub store: store::Status,
    /// Age of the oldest message, as far as the device was on.
    pub oldest: Option<Duration>,
    /// What was not sent or not stored, beside what [`store`](Self::store) counts.
    pub losses: Losses,
}

/// Messages that the outbox in flash has given up or refused since the boot, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Given up: their time to live was over, in RAM or in flash.
    pub expired: u32,
    /// Given up: larger than this build sends.
    pub too_large: u32,
    /// Refused when they were to be sent: there was no room, or the flash did not work.
    pub refused: u32,
    /// Reports that were accepted and given up: the hub refuses them, or this build cannot send
    /// what is stored.
    pub reports: u32,
}

impl core::fmt::Display for OutboxStatus {
    /// In a few lines.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let store::Status {
            depth,
            high,
            damaged,
            dropped,
            foreign,
            sectors,
            erases,
        } = self.store;
        let Losses {
            expired,
            too_large,
            refused,
            reports,
        } = self.losses;
        if sectors.1 == 0 {
            return f.write_str("the outbox in flash is off");
        }
        write!(f, "{depth} messages in flash, {high} of them alarms")?;
        if let Some(age) = self.oldest {
            write!(f, ", the oldest {} s old", age.as_secs())?;
        }
        let (used, all) = sectors;
        write!(f, "\n{used} of {all} sectors in use")?;
        let (least, most) = erases;
        write!(f, "\nerased {least} to {most} times each")?;
        write!(
            f,
            "\ndropped: for room {dropped}, expired {expired}, too large {too_large}, damaged {damaged}, \
             sectors of another device {foreign}, reports {reports}; refused for room {refused}"
        )
    }
}

/// Values of the application: keys are numbers below this.
pub const KEPT: u8 = 4;
/// Reports of which the newest counts: keys are numbers below this.
pub const REPORTS: u8 = 4;
/// One more key of the application, whose values have at most [`KEPT_SHORT_MAX`] bytes.
pub const KEPT_SHORT: u8 = KEPT + REPORTS;
/// See [`KEPT_SHORT`].
pub const KEPT_SHORT_MAX: usize = store::SHORT_MAX;
const _: () = assert!(KEPT_SHORT as u32 == store::SHORT);

const fn is_kept(key: u8) -> bool {
    key < KEPT || key == KEPT_SHORT
}

/// A report of which the newest counts, as the store has it under a key.
#[derive(Clone, Copy)]
struct Report {
    /// When the client is to have it.
    due: Option<Instant>,
    /// The client has it.
    request: Option<RequestId>,
    /// The hub has it: the store need not keep it.
    is_settled: bool,
}

/// Time before a report that the hub could not take is sent again.
const REPORT_RETRY: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing is stored: the program does not want it.
    Off,
    /// The flash cannot be used.
    Failed,
    Mounted,
}

pub(crate) struct FlashOutbox<F> {
    store: Store<F, SECTORS>,
    /// Sequences of what is stored and in RAM, oldest first.
    loaded: [Vec<u32, LOADED_MAX>; 2],
    /// What [`Store::time_s`] was at the boot.
    base_s: u32,
    down_since: Option<Instant>,
    mode: Mode,
    /// What comes goes to flash, and what is in RAM follows it.
    is_spilling: bool,
    losses: Losses,
    reports: [Report; REPORTS as usize],
    buffer: [u8; BUFFER],
}

impl<F: Flash> FlashOutbox<F> {
    pub(crate) const fn new(flash: F) -> Self {
        Self {
            store: Store::new(flash),
            loaded: [const { Vec::new() }; 2],
            base_s: 0,
            down_since: None,
            mode: Mode::Off,
            is_spilling: false,
            losses: Losses {
                expired: 0,
                too_large: 0,
                refused: 0,
                reports: 0,
            },
            reports: [Report {
                due: None,
                request: None,
                is_settled: false,
            }; REPORTS as usize],
            buffer: [0; BUFFER],
        }
    }

    /// Finds what is stored. What another device has stored is given up.
    pub(crate) fn mount<P: Access>(&mut self, platform: P, owner: u32) {
        self.loaded.iter_mut().for_each(Vec::clear);
        if let Err(error) = self.store.mount(owner) {
            self.mode = Mode::Failed;
            log::error!("no outbox in flash: {error}");
            return;
        }
        self.mode = Mode::Mounted;
        self.base_s = self.store.time_s().saturating_sub(uptime_s(platform.now()));
        let store::Status {
            depth,
            damaged,
            foreign,
            ..
        } = self.store.status();
        if depth > 0 {
            log::info!("{depth} messages of before are in the outbox");
        }
        if damaged > 0 {
            log::warn!("the outbox in flash: a record is damaged");
        }
        if foreign > 0 {
            log::warn!("the outbox in flash held messages of another device: they are dropped");
        }
        // Which of them there are is looked up once there is a connection: a boot reads each sector
        // once.
        for report in &mut self.reports {
            *report = Report {
                due: Some(platform.now()),
                request: None,
                is_settled: false,
            };
        }
        let newest = self.store.newest_id();
        platform.with(|state| {
            if let Some(client) = state.client()
                && newest > 0
            {
                client.continue_after(newest);
            }
        });
    }

    /// The device is another one from now on, if the owner is.
    pub(crate) fn change_owner<P: Access>(&mut self, platform: P, owner: u32) {
        if self.mode == Mode::Mounted && self.store.owner() != owner {
            self.mount(platform, owner);
        }
    }

    /// As [`iothub_proto::Client::send`], to RAM or to flash.
    pub(crate) fn send<P: Access>(
        &mut self,
        platform: P,
        id: Option<MessageId>,
        message: &Telemetry<'_>,
    ) -> Result<MessageId, Error> {
        let result = self.accept(platform, id, message);
        self.losses.refused += u32::from(result == Err(Error::Capacity(Capacity::Outbox)));
        result
    }

    fn accept<P: Access>(
        &mut self,
        platform: P,
        id: Option<MessageId>,
        message: &Telemetry<'_>,
    ) -> Result<MessageId, Error> {
        let keep = message.delivery.keep.unwrap_or(kconfig::KEEP);
        let priority = message.delivery.priority;
        let is_half_full =
            platform.with(|state| state.client().map(|client| client.is_half_full()));
        let is_half_full = is_half_full.ok_or(Error::NotReady)?;
        let has_backlog = self.is_spilling || is_half_full || self.store.unread(priority) > 0;
        match (self.mode, keep) {
            (Mode::Failed, Keep::Always) => return Err(Error::Capacity(Capacity::Outbox)),
            (Mode::Mounted, Keep::Always) => {}
            (Mode::Mounted, Keep::Spill) if has_backlog => {}
            _ => return self.send_in_ram(platform, id, message, keep),
        }
        if !self.spill(platform, priority) {
            return Err(Error::Capacity(Capacity::Outbox));
        }
        let now_s = self.now_s(platform.now());
        let content = self.buffer.get_mut(CONTENT..).unwrap_or_default();
        let head = platform.with(|state| {
            let client = state.client().ok_or(Error::NotReady)?;
            client.prepare(id, message, now_s, content)
        })?;
        self.append(platform, priority, &head)?;
        platform.with(|state| state.client().map(|client| client.accepted()));
        Ok(MessageId::new(head.id))
    }

    fn send_in_ram<P: Access>(
        &mut self,
        platform: P,
        id: Option<MessageId>,
        message: &Telemetry<'_>,
        keep: Keep,
    ) -> Result<MessageId, Error> {
        let ttl_s = message.delivery.ttl_s;
        let mut message = *message;
        // Kconfig's choice as well is the message's from here on.
        message.delivery.keep = Some(keep);
        platform.with(|state| {
            let now_s = uptime_s(platform.now());
            let client = state.client().ok_or(Error::NotReady)?;
            let id = match id {
                Some(id) => client.send_as(id, &message).map(|()| id),
                None => client.send(&message),
            }?;
            if ttl_s > 0 {
                client.set_deadline(now_s.saturating_add(ttl_s));
            }
            Ok(id)
        })
    }

    /// Everything that is only in RAM is stored, as far as there is room: before a restart, and
    /// where the power goes.
    pub(crate) fn flush<P: Access>(&mut self, platform: P) {
        if self.mode == Mode::Mounted {
            for priority in Priority::ALL {
                self.spill(platform, priority);
            }
        }
    }

    /// What the driver does for the outbox in each of its passes. Returns when there is something
    /// to do again.
    pub(crate) fn run<P: Access>(&mut self, platform: P) -> Option<Instant> {
        if self.mode != Mode::Mounted {
            return None;
        }
        let now = platform.now();
        let (is_up, is_half_full) = platform.with(|state| {
            let client = state.client()?;
            let expired = client.expire(uptime_s(now));
            self.losses.expired += expired;
            let phase = client.status().phase;
            let is_up = matches!(phase, Phase::Connected | Phase::Ready);
            Some((is_up, client.is_half_full()))
        })?;
        self.release(platform, is_up);
        let spill_at = if is_up {
            self.down_since = None;
            None
        } else {
            Some(*self.down_since.get_or_insert(now) + kconfig::SPILL_AFTER)
        };
        self.is_spilling = spill_at.is_some_and(|due| due <= now);
        if self.is_spilling || is_half_full && self.all_loaded() {
            self.flush(platform);
        }
        let reports = self.run_reports(platform, now, is_up);
        let has_loaded = is_up && self.load(platform);
        if has_loaded || self.store.prepare() {
            return Some(now);
        }
        let spill_at = spill_at.filter(|due| *due > now);
        [spill_at, reports].into_iter().flatten().min()
    }

    /// Hands over the reports that are due. Returns when there is something to do again.
    fn run_reports<P: Access>(
        &mut self,
        platform: P,
        now: Instant,
        is_up: bool,
    ) -> Option<Instant> {
        let mut has_some = false;
        for (key, report) in (KEPT..).zip(&mut self.reports) {
            if report.is_settled {
                // One that stays is sent again after a restart.
                let _ = self.store.put(key.into(), 0, &mut self.buffer);
                report.is_settled = false;
            }
            if is_up && report.due.is_some_and(|due| due <= now) {
                report.due = None;
                let patch = self.store.get(key.into(), &mut self.buffer);
                if patch.is_empty() {
                    continue;
                }
                let accepted = platform.with(|state| {
                    let client = state.client().ok_or(Error::NotReady)?;
                    client.report_latest(key, patch)
                });
                match accepted {
                    Ok(request) => {
                        report.request = Some(request);
                        has_some = true;
                    }
                    // Damaged, or larger than this build sends.
                    Err(Error::InvalidRequest(_) | Error::Capacity(Capacity::Message)) => {
                        log::warn!("a stored report cannot be sent: it is dropped");
                        self.losses.reports += 1;
                        report.is_settled = true;
                    }
                    Err(_) => report.due = Some(now + REPORT_RETRY),
                }
            }
        }
        if has_some {
            return Some(now);
        }
        let due = self.reports.iter().filter_map(|report| report.due);
        due.filter(|due| *due > now).min()
    }

    /// The hub has answered a report, or not.
    pub(crate) fn handle_report(
        &mut self,
        now: Instant,
        request: RequestId,
        result: Result<(), twin::Failure>,
    ) {
        for report in &mut self.reports {
            if report.request == Some(request) {
                report.request = None;
                // A newer one is stored and not sent.
                if report.due.is_some() {
                    continue;
                }
                match result {
                    Ok(()) => report.is_settled = true,
                    Err(twin::Failure::Status(400..=428 | 430..=499)) => {
                        self.losses.reports += 1;
                        report.is_settled = true;
                    }
                    Err(_) => report.due = Some(now + REPORT_RETRY),
                }
            }
        }
    }

    /// Stores a report in place of the one with the same key, to be sent; to RAM alone where there
    /// is no store.
    pub(crate) fn report_latest<P: Access>(
        &mut self,
        platform: P,
        key: u8,
        patch: &[u8],
    ) -> Result<(), Error> {
        let is_off = self.mode != Mode::Mounted;
        platform.with(|state| {
            let client = state.client().ok_or(Error::NotReady)?;
            if is_off {
                return client.report_latest(key, patch).map(drop);
            }
            client.check_report(patch)
        })?;
        if is_off {
            return Ok(());
        }
        self.put(platform, KEPT.saturating_add(key), patch)?;
        if let Some(report) = self.reports.get_mut(usize::from(key)) {
            report.due = Some(platform.now());
            report.is_settled = false;
        }
        Ok(())
    }

    /// Keeps a value of the application.
    pub(crate) fn keep<P: Access>(
        &mut self,
        platform: P,
        key: u8,
        value: &[u8],
    ) -> Result<(), Error> {
        if self.mode != Mode::Mounted {
            return Err(Error::NotReady);
        }
        if !is_kept(key) {
            return Err(Error::Capacity(Capacity::Message));
        }
        self.put(platform, key, value)
    }

    fn put<P: Access>(&mut self, platform: P, key: u8, value: &[u8]) -> Result<(), Error> {
        loop {
            let place = self.buffer.get_mut(CONTENT..CONTENT + value.len());
            let place = place.ok_or(Error::Capacity(Capacity::Message))?;
            place.copy_from_slice(value);
            match self.store.put(key.into(), value.len(), &mut self.buffer) {
                Ok(()) => return Ok(()),
                Err(error) => self.make_room(platform, Priority::Normal, error)?,
            }
        }
    }

    /// What was kept last under a key, as much of it as `buffer` has room for.
    pub(crate) fn kept<'b>(&mut self, key: u8, buffer: &'b mut [u8]) -> &'b [u8] {
        if self.mode != Mode::Mounted || !is_kept(key) {
            return &[];
        }
        let value = self.store.get(key.into(), &mut self.buffer);
        let len = value.len().min(buffer.len());
        let (place, value) = (buffer.get_mut(..len), value.get(..len));
        let place = place.unwrap_or_default();
        place.copy_from_slice(value.unwrap_or_default());
        place
    }

    pub(crate) fn status<P: Access>(&mut self, platform: P) -> OutboxStatus {
        let now_s = self.now_s(platform.now());
        let oldest = self.store.oldest_s();
        OutboxStatus {
            store: self.store.status(),
            oldest: oldest
                .map(|time_s| Duration::from_secs(u64::from(now_s.saturating_sub(time_s)))),
            losses: self.losses,
        }
    }

    fn all_loaded(&self) -> bool {
        Priority::ALL
            .iter()
            .all(|priority| self.store.unread(*priority) == 0)
    }

    /// What has left RAM was sent, or given up.
    fn release<P: Access>(&mut self, platform: P, is_up: bool) {
        let now_s = self.now_s(platform.now());
        for priority in Priority::ALL {
            let Some(loaded) = self.loaded.get_mut(priority as usize) else {
                continue;
            };
            platform.with(|state| {
                if let Some(client) = state.client() {
                    loaded.retain(|sequence| client.holds(priority, *sequence));
                }
            });
            let next = self.store.next_unread(priority);
            let until = loaded.first().copied().unwrap_or(next);
            let is_idle = loaded.is_empty() && self.store.unread(priority) == 0;
            if is_idle || !is_up || until.saturating_sub(self.store.released(priority)) >= RELEASE {
                self.store.release(priority, until, now_s);
            }
        }
    }

    /// Stores what is only in RAM, oldest first; `false`: not all of it, for want of room.
    fn spill<P: Access>(&mut self, platform: P, priority: Priority) -> bool {
        loop {
            let (now, now_s) = (platform.now(), self.now_s(platform.now()));
            let content = self.buffer.get_mut(CONTENT..).unwrap_or_default();
            let head = platform.with(|state| {
                let client = state.client()?;
                client.poll_spill(priority, uptime_s(now), now_s, content)
            });
            let Some(head) = head else {
                return true;
            };
            let is_full = |loaded: &Vec<_, LOADED_MAX>| loaded.is_full();
            if self.loaded.get(priority as usize).is_none_or(is_full) {
                return false;
            }
            let Ok(sequence) = self.append(platform, priority, &head) else {
                return false;
            };
            let to_be_read = platform.with(|state| {
                let client = state.client()?;
                Some(client.spilled(sequence))
            });
            if to_be_read == Some(false)
                && let Some(loaded) = self.loaded.get_mut(priority as usize)
                && loaded.push(sequence).is_ok()
            {
                self.store.skip(priority, sequence + 1);
            }
        }
    }

    /// Appends what stands in the buffer; the oldest gives way where that is the policy.
    fn append<P: Access>(
        &mut self,
        platform: P,
        priority: Priority,
        head: &Head,
    ) -> Result<u32, Error> {
        loop {
            match self.store.append_in_place(priority, head, &mut self.buffer) {
                Ok(sequence) => return Ok(sequence),
                Err(error) => self.make_room(platform, priority, error)?,
            }
        }
    }

    /// Gives up the oldest, where that is the policy.
    fn make_room<P: Access>(
        &mut self,
        platform: P,
        priority: Priority,
        error: store::Error,
    ) -> Result<(), Error> {
        if error == store::Error::TooLarge {
            return Err(Error::Capacity(Capacity::Message));
        }
        let mut tell = |priority, id, sequence| {
            platform.with(|state| {
                if let Some(client) = state.client() {
                    client.give_up(priority, sequence, id);
                }
            });
        };
        if kconfig::IOTHUB_OUTBOX_DROP_OLDEST && self.store.drop_oldest(priority, &mut tell) {
            return Ok(());
        }
        Err(Error::Capacity(Capacity::Outbox))
    }

    /// Takes stored messages into RAM; whether there were any.
    fn load<P: Access>(&mut self, platform: P) -> bool {
        let now_s = self.now_s(platform.now());
        let mut has_loaded = false;
        for priority in Priority::ALL {
            while let Some(loaded) = self.loaded.get_mut(priority as usize) {
                if loaded.len() >= LOADED {
                    break;
                }
                let Some((sequence, message)) = self.store.read_next(priority, &mut self.buffer)
                else {
                    break;
                };
                let result = platform.with(|state| {
                    let client = state.client()?;
                    if message.is_expired(now_s) {
                        self.losses.expired += 1;
                        client.give_up(priority, sequence, message.id);
                        return None;
                    }
                    // Alarms have what telemetry leaves free.
                    if priority == Priority::Normal && client.is_half_full() {
                        return Some(Err(Error::Capacity(Capacity::Outbox)));
                    }
                    let loaded = client.load(priority, sequence, &message);
                    if loaded.is_err_and(|error| error != Error::Capacity(Capacity::Outbox)) {
                        self.losses.too_large += 1;
                        client.give_up(priority, sequence, message.id);
                        return None;
                    }
                    Some(loaded)
                });
                match result {
                    Some(Ok(())) => {
                        // There is room for it: see above.
                        let _ = loaded.push(sequence);
                        has_loaded = true;
                    }
                    Some(Err(_)) => {
                        self.store.read_again(priority, sequence);
                        break;
                    }
                    None => has_loaded = true,
                }
            }
        }
        has_loaded
    }

    /// Seconds that the device was on, over boots, as far as anything was written.
    fn now_s(&self, now: Instant) -> u32 {
        self.base_s.saturating_add(uptime_s(now))
    }
}

fn uptime_s(now: Instant) -> u32 {
    let uptime = now.saturating_duration_since(Instant::from_millis(0));
    u32::try_from(uptime.as_secs()).unwrap_or(u32::MAX)
}
