//! The driver as a value: it takes inputs in, tells of events and executes commands, by the drain
//! rule of `iothub-proto`. Clock, lock, C and the application's handler are behind [`Platform`], so
//! that a test drives it without any of them.

use iothub_proto::{
    Capacity, Command, Errno, Error, Event, Instant, MessageId, Phase, Telemetry, fota,
    network::Peer, store,
};

use crate::{
    describe,
    fota::Updates,
    handler::{Message, Notice},
    identity::Attempts,
    inbox::Input,
    kconfig,
    outbox::{FlashOutbox, REPORTS},
    reminder::Reminder,
    retry::Step,
    state::Access,
};

/// The world as the driver sees it.
pub(crate) trait Platform: Access {
    /// Whether there are updates: a build without does not link them.
    const UPDATES: bool;

    /// Whether there is the outbox in flash: a build without does not link it.
    const OUTBOX: bool;

    /// Whether the modem is told when nothing is on its way.
    const RELEASE: bool;

    /// Its flash.
    type Flash: store::Flash;

    /// The right to call the handler, until it is dropped.
    type HandlerGuard;

    /// As [`with`](Access::with), with the updater; never one inside the other.
    fn with_updates<R>(self, f: impl FnOnce(&mut Updates) -> R) -> R;

    /// Calls `f` under the lock of the flash, in which [`with`](Access::with) may be called; never
    /// one inside the other.
    fn with_outbox<R>(self, f: impl FnOnce(&mut FlashOutbox<Self::Flash>) -> R) -> R;

    /// Waits until no other thread is in the handler; the thread that is may enter again.
    fn lock_handler(self) -> Self::HandlerGuard;

    /// The oldest input that has arrived.
    fn next_input(self) -> Option<Input>;

    /// Calls the application's handler.
    fn notify(self, notice: Notice<'_>);

    /// Makes the call of C, which may block for tens of seconds; the peer after a connect.
    fn execute(self, command: &Command<'_>) -> (Result<(), Errno>, Option<Peer>);

    /// As [`execute`](Self::execute), for the modem.
    fn execute_step(self, step: Step) -> Result<(), Errno>;

    /// Tells the modem that nothing is on its way.
    fn release(self);

    /// What a transfer has told since it was asked last.
    fn update_inputs(self) -> ncs::fota::TransferEvents;

    /// As [`execute`](Self::execute), for an update.
    fn execute_update(self, command: &fota::Command<'_>) -> Result<(), Errno>;

    /// Stores the failed connects, for the next boot.
    fn store_attempts(self, attempts: &Attempts);
}

/// The driver: the platform, and what one pass leaves to the next.
pub(crate) struct Driver<P> {
    platform: P,
    reminder: Reminder,
    stored: Attempts,
    /// Something was on its way since the modem was told that nothing is.
    was_busy: bool,
}

impl<P: Platform> Driver<P> {
    /// With the failed connects that are stored.
    pub(crate) fn new(platform: P, stored: Attempts) -> Self {
        Self {
            platform,
            reminder: Reminder::default(),
            stored,
            was_busy: false,
        }
    }

    /// One pass: inputs, timers, events and commands, until there is nothing to do. Returns when
    /// the next one is due, if no input comes before.
    pub(crate) fn run_once(&mut self, buffer: &mut [u8]) -> Option<Instant> {
        let platform = self.platform;
        let came = handle_inputs(platform);
        platform.with(|state| state.client.handle_timeout(platform.now()));
        tell_events(platform);
        let went = drain(platform, buffer);
        let outbox = if P::OUTBOX {
            platform.with_outbox(|outbox| outbox.run(platform))
        } else {
            None
        };
        let updates = run_updates(platform);
        if P::RELEASE {
            self.release(came || went);
        }
        let (deadline, status) =
            platform.with(|state| (state.client.poll_timeout(), state.client.status()));
        if self.stored.update(&status.failures) {
            platform.store_attempts(&self.stored);
        }
        let remind = self.reminder.handle_phase(status.phase, platform.now());
        let recovery = recover(platform, status.phase != Phase::Idle);
        [deadline, remind, recovery, updates, outbox]
            .into_iter()
            .flatten()
            .min()
    }

    /// Once after each exchange, when its last answer is there.
    fn release(&mut self, is_busy: bool) {
        let is_quiet = self.platform.with(|state| state.client.is_quiet());
        self.was_busy |= is_busy || !is_quiet;
        if is_quiet && self.was_busy {
            self.was_busy = false;
            self.platform.release();
        }
    }
}

/// The drain rule: take a command, let go of the lock, execute it, complete it; until there is
/// none. Inputs that came meanwhile go first, and events before commands. Returns whether there was
/// a command, where that matters.
fn drain<P: Platform>(platform: P, buffer: &mut [u8]) -> bool {
    let mut any = false;
    while let Some((id, command)) =
        platform.with(|state| state.client.poll_command(platform.now(), buffer))
    {
        tell_events(platform);
        let (result, peer) = match command {
            Command::Attach if !may_attach(platform) => (Ok(()), None),
            _ => platform.execute(&command),
        };
        platform.with(|state| {
            let client = &mut state.client;
            client.complete(platform.now(), id, result);
            if let Some(peer) = peer {
                client.handle_peer(peer);
            }
        });
        tell_events(platform);
        handle_inputs(platform);
        any = P::RELEASE;
    }
    any
}

/// A message where it arrives, on mqtt_helper's thread, since its payload is gone afterwards. What
/// came before it goes first, so that the handler is told in the order of the wire.
pub(crate) fn handle_publish<P: Platform>(platform: P, topic: &[u8], payload: Option<&[u8]>) {
    let _guard = platform.lock_handler();
    handle_inputs(platform);
    tell_events(platform);
    let event = platform.with(|state| {
        let client = state.client()?;
        client.handle_message(platform.now(), topic, payload)
    });
    if let Some(event) = event {
        let payload = payload.unwrap_or_default();
        tell(
            platform,
            Notice::Event(event, Some(Message { topic, payload })),
        );
    }
}

/// Whether the modem and the network are the driver's business.
pub(crate) fn may_attach<P: Platform>(platform: P) -> bool {
    kconfig::MAY_ATTACH && platform.with(|state| state.attach)
}

/// Returns whether there was an input, where that matters.
fn handle_inputs<P: Platform>(platform: P) -> bool {
    let _guard = platform.lock_handler();
    let mut any = false;
    while let Some(input) = platform.next_input() {
        describe::input(input);
        platform.with(|state| state.handle_input(platform.now(), input));
        if input == Input::Pingresp {
            tell(platform, Notice::Pingresp);
        }
        tell_events(platform);
        any = P::RELEASE;
    }
    any
}

fn tell_events<P: Platform>(platform: P) {
    let _guard = platform.lock_handler();
    while let Some(event) = platform.with(|state| state.client.poll_event()) {
        tell(platform, Notice::Event(event, None));
    }
}

/// To the log, to the updater, and to the application unless it is the updater's alone.
fn tell<P: Platform>(platform: P, notice: Notice<'_>) {
    let _guard = platform.lock_handler();
    if let Notice::Event(event, _) = &notice {
        describe::event(event);
        if P::OUTBOX
            && let Some((request, result)) = match *event {
                Event::Reported { request, .. } => Some((request, Ok(()))),
                Event::ReportFailed { request, reason } => Some((request, Err(reason))),
                _ => None,
            }
        {
            let now = platform.now();
            platform.with_outbox(|outbox| outbox.handle_report(now, request, result));
        }
        if P::UPDATES
            && platform.with_updates(|updates| updates.handle_event(platform.now(), event))
        {
            return;
        }
    }
    platform.notify(notice);
}

/// Does what is due for the modem; `attached`: LTE is on, as far as we are concerned. Returns when
/// the next step is due.
fn recover<P: Platform>(platform: P, attached: bool) -> Option<Instant> {
    if !kconfig::MAY_ATTACH {
        return None;
    }
    loop {
        let (step, due) = platform.with(|state| state.recovery.next())?;
        if platform.now() < due {
            return Some(due);
        }
        let result = match step {
            Step::SwitchOn if !attached => Ok(()),
            step => platform.execute_step(step),
        };
        platform.with(|state| state.recovery.complete(step, platform.now(), result));
    }
}

/// Inputs, timers, events and commands of updates, until there is nothing to do. Returns when there
/// is something again: now, where the client has got something to do.
#[inline(never)]
fn run_updates<P: Platform>(platform: P) -> Option<Instant> {
    if !P::UPDATES || !platform.with_updates(|updates| updates.is_wanted()) {
        return None;
    }
    let inputs = platform.update_inputs();
    platform.with_updates(|updates| updates.handle_inputs(platform.now(), &inputs));
    let mut requested = false;
    let mut buffer = [0; fota::COMMAND_MAX];
    loop {
        while let Some(event) = platform.with_updates(Updates::poll_event) {
            tell(platform, Notice::Event(Event::Firmware(event), None));
        }
        let Some(command) = platform.with_updates(|updates| updates.poll_command(&mut buffer))
        else {
            return if requested {
                Some(platform.now())
            } else {
                platform.with_updates(|updates| updates.poll_timeout())
            };
        };
        let accepted = match command {
            fota::Command::Report(json) => {
                log::debug!("the firmware's state is reported: {} bytes", json.len());
                platform.with(|state| state.client.report(json, None).map(Some))
            }
            fota::Command::RequestTwin => {
                platform.with(|state| state.client.request_twin().map(|_| None))
            }
            _ => Ok(None),
        };
        let result = match command {
            fota::Command::Report(_) | fota::Command::RequestTwin => {
                requested = true;
                accepted.map(drop).map_err(not_accepted)
            }
            fota::Command::Reboot => {
                flush(platform);
                platform.execute_update(&command)
            }
            _ => platform.execute_update(&command),
        };
        platform.with_updates(|updates| {
            if let Ok(Some(request)) = accepted {
                updates.accepted(request);
            }
            updates.complete(platform.now(), result);
        });
    }
}

/// Stores what is only in RAM, before a restart.
pub(crate) fn flush<P: Platform>(platform: P) {
    if P::OUTBOX {
        platform.with_outbox(|outbox| outbox.flush(platform));
    }
}

/// A message of the application, to RAM or to flash.
pub(crate) fn send<P: Platform>(
    platform: P,
    id: Option<MessageId>,
    message: &Telemetry<'_>,
) -> Result<MessageId, Error> {
    if P::OUTBOX {
        return platform.with_outbox(|outbox| outbox.send(platform, id, message));
    }
    platform.with(|state| {
        let client = state.client().ok_or(Error::NotReady)?;
        match id {
            Some(id) => client.send_as(id, message).map(|()| id),
            None => client.send(message),
        }
    })
}

/// A report in place of the one with the same key, to flash where there is an outbox in it.
pub(crate) fn report_latest<P: Platform>(platform: P, key: u8, patch: &[u8]) -> Result<(), Error> {
    if key >= REPORTS {
        return Err(Error::Capacity(Capacity::Message));
    }
    if P::OUTBOX {
        return platform.with_outbox(|outbox| outbox.report_latest(platform, key, patch));
    }
    platform.with(|state| {
        let client = state.client().ok_or(Error::NotReady)?;
        client.report_latest(key, patch).map(drop)
    })
}

/// The updater asks whether, not why.
fn not_accepted(error: Error) -> Errno {
    log::debug!("firmware: the client does not accept it: {error}");
    Errno(-1)
}

#[cfg(test)]
mod tests;
