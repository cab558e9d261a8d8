//! Firmware updates: the updater beside the client, and the calls of C that it asks for.

use core::ffi::CStr;

use iothub_proto::{
    Errno, Event, Instant, RequestId,
    fota::{Command, Config, ImageVersion, Policy, RECORD_MAX, Reason, Updater},
};
use ncs::{
    Plain,
    fota::{self, End, Image, Slot, TransferEvents},
    settings,
};

use crate::kconfig;

/// Whether the build has firmware updates: `CONFIG_IOTHUB_FOTA`.
pub const FOTA: bool = kconfig::IOTHUB_FOTA;

/// What is done about firmware updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// The twin's object `firmware` is the application's business.
    Off,
    /// It is carried out; the application restarts the device at
    /// [`Done`](iothub_proto::fota::Event::Done).
    Application,
    /// It is carried out, with the restart.
    #[default]
    Automatic,
}

/// The record of the last update, for the next boot.
const RECORD: &CStr = c"iothub/fota/record";

/// Overrides `CONFIG_IOTHUB_FOTA_TRIAL_S`: a decimal number, 1 to 86400.
pub(crate) const TRIAL: &CStr = c"iothub/fota/trial_s";

/// Where neither Kconfig nor the platform knows.
const UNKNOWN: &str = "0.0.0";

/// Whether updates are carried out.
pub(crate) const fn is_wanted(firmware: Firmware) -> bool {
    FOTA && !matches!(firmware, Firmware::Off)
}

/// Reads what runs and what the last boot left, and calls `boot` with it, where updates are wanted.
/// Before the driver starts.
pub(crate) fn prepare(firmware: Firmware, boot: &dyn Fn(&Config<'_>)) {
    if !is_wanted(firmware) {
        return;
    }
    let mut running = Image::default();
    if let Err(errno) = running.read(Slot::Running) {
        refused("what runs cannot be read", errno);
    }
    let (version, by_text) = match (own_version(), running.version()) {
        ("", "") => (UNKNOWN, true),
        ("", signed) => (signed, false),
        (own, _) => (own, true),
    };
    let confirmed = running.confirmed();
    let mut record = [0; RECORD_MAX];
    let record = settings::read(RECORD, &mut record).unwrap_or_else(|errno| {
        refused("the record of the last update cannot be read", errno);
        None
    });
    let config = Config {
        version,
        by_text,
        confirmed,
        record: record.unwrap_or_default(),
        policy: Policy {
            reboot: firmware == Firmware::Automatic,
            progress_step: kconfig::IOTHUB_FOTA_PROGRESS_PERCENT as u8,
            attempts: kconfig::IOTHUB_FOTA_ATTEMPTS as u8,
            trial_s: trial_s().unwrap_or(kconfig::IOTHUB_FOTA_TRIAL_S as u32),
            retry_s: kconfig::IOTHUB_FOTA_RETRY_S as u16,
        },
    };
    log::info!(
        "firmware {version}{}",
        if confirmed {
            ""
        } else {
            ", on trial until it has reached the hub"
        }
    );
    boot(&config);
}

pub(crate) fn trial_s() -> Option<u32> {
    let mut buffer = [0; 16];
    let value = match settings::read(TRIAL, &mut buffer) {
        Ok(value) => value?,
        Err(errno) => {
            refused("the setting iothub/fota/trial_s cannot be read", errno);
            return None;
        }
    };
    let seconds = parse_trial(value);
    if seconds.is_none() {
        log::error!("the setting iothub/fota/trial_s is not 1 to 86400: it is ignored");
    }
    seconds
}

pub(crate) fn parse_trial(value: &[u8]) -> Option<u32> {
    let digits = value.trim_ascii_end();
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value, digit: &u8| value * 10 + u32::from(digit - b'0');
    let seconds = digits.iter().fold(0, add);
    (1..=86_400).contains(&seconds).then_some(seconds)
}

/// Empty: the one that the image is signed with.
fn own_version() -> &'static str {
    kconfig::IOTHUB_FOTA_VERSION
}

/// The updater.
pub(crate) struct Updates {
    updater: Updater,
    is_wanted: bool,
}

impl Updates {
    pub(crate) const fn new() -> Self {
        Self {
            updater: Updater::NEW,
            is_wanted: false,
        }
    }

    /// With what [`prepare`] has read. From then on updates are carried out.
    pub(crate) fn boot(&mut self, now: Instant, config: &Config<'_>) {
        self.is_wanted = true;
        self.updater.boot(now, config);
    }

    /// Updates are carried out. If not, nothing else here is to be called but
    /// [`Updates::handle_event`].
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Takes in what an event means for the firmware; `true`: it is nobody else's.
    pub(crate) fn handle_event(&mut self, now: Instant, event: &Event<'_>) -> bool {
        if !self.is_wanted {
            return false;
        }
        let updater = &mut self.updater;
        match event {
            Event::Ready => updater.handle_ready(now),
            Event::Twin(twin) => updater.handle_twin(now, twin),
            Event::Desired(desired) => updater.handle_desired(now, desired),
            Event::Reported { request, .. } => {
                return updater.handle_reported(now, *request, Ok(()));
            }
            Event::ReportFailed { request, reason } => {
                return updater.handle_reported(now, *request, Err(*reason));
            }
            _ => {}
        }
        false
    }

    /// What the transfer has told, and the time.
    pub(crate) fn handle_inputs(&mut self, now: Instant, events: &TransferEvents) {
        let updater = &mut self.updater;
        if let Some((number, build)) = events.version {
            updater.handle_version(now, ImageVersion::new(number, build));
        }
        if let Some((offset, size)) = events.progress {
            updater.handle_progress(now, offset, size);
        }
        if let Some(done) = events.erase {
            updater.handle_erase(now, done);
        }
        match events.end {
            Some(End::Done) => updater.handle_done(now),
            Some(End::Failed { cause, status }) => {
                updater.handle_failed(now, Reason::from_cause(cause, status));
            }
            None => {}
        }
        updater.handle_timeout(now);
    }

    pub(crate) fn poll_event(&mut self) -> Option<iothub_proto::fota::Event> {
        self.updater.poll_event()
    }

    pub(crate) fn poll_command<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Command<'b>> {
        self.updater.poll_command(buffer)
    }

    pub(crate) fn complete(&mut self, now: Instant, result: Result<(), Errno>) {
        self.updater.complete(now, result);
    }

    /// The client has taken the report in hand.
    pub(crate) fn accepted(&mut self, request: RequestId) {
        self.updater.accepted(request);
    }

    /// When there is something to do without an input.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.updater.poll_timeout()
    }
}

/// Executes a command by calling C.
#[inline(never)]
pub(crate) fn execute(command: &Command<'_>) -> Result<(), Errno> {
    let result = match command {
        Command::Store([]) => settings::delete(RECORD),
        Command::Store(record) => settings::write(RECORD, record),
        Command::Start(source) => {
            log::info!(
                "fetching {}://{}/{}",
                if source.tls() { "https" } else { "http" },
                source.host().to_str().unwrap_or_default(),
                without_signature(source.path())
            );
            let (sec_tags, count) = source.sec_tags();
            fota::start(&fota::Source {
                host: source.host(),
                path: source.path(),
                tls: source.tls(),
                port: source.port(),
                sec_tags: sec_tags.get(..count).unwrap_or_default(),
                fragment: source.fragment(),
                size: source.size(),
                sha256: source.sha256(),
                identity: source.identity,
            })
        }
        Command::Cancel => fota::cancel(),
        Command::Apply => fota::apply(),
        Command::Confirm => fota::confirm(),
        Command::Reboot => {
            log::info!("restarting for the firmware");
            ncs::platform::reboot();
            Ok(())
        }
        // The client's.
        Command::Report(_) | Command::RequestTwin => Ok(()),
    };
    result.map_err(|errno| {
        refused("it cannot be carried out", errno);
        Errno(errno.get())
    })
}

/// A path up to its query, which may be a signature, and so a key.
fn without_signature(path: &CStr) -> &str {
    let path = path.to_bytes();
    let end = path.iter().position(|&byte| byte == b'?');
    let shown = path.get(..end.unwrap_or(path.len()));
    core::str::from_utf8(shown.unwrap_or_default()).unwrap_or_default()
}

#[inline(never)]
fn refused(what: &'static str, errno: ncs::Errno) {
    log::warn!("firmware: {}: {errno}", Plain(what));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seconds_of_a_day_are_a_trial() {
        assert_eq!(parse_trial(b"1"), Some(1));
        assert_eq!(parse_trial(b"86400\n"), Some(86_400));
        for damaged in [
            &b""[..],
            b"0",
            b"86401",
            b"-1",
            b"1x",
            b"\xff",
            b"1234567890123",
        ] {
            assert_eq!(parse_trial(damaged), None, "{damaged:?}");
        }
    }
}
