//! Firmware updates: the updater beside the client, and the driver's part in it.

use core::{
    ffi::CStr,
    sync::atomic::{AtomicBool, Ordering},
};

use iothub_proto::{
    Errno, Event, Instant,
    fota::{COMMAND_MAX, Command, Config, Policy, RECORD_MAX, Reason, Updater},
};
use ncs::{
    Plain,
    fota::{self, End, Image, Slot},
    platform::Mutex,
    settings,
};

use crate::{driver::with_client, kconfig, now};

/// Whether the build has firmware updates: `CONFIG_IOTHUB_FOTA`.
pub const FOTA: bool = kconfig::IOTHUB_FOTA;

/// What is done about firmware updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// The twin's object `firmware` is the application's business.
    Off,
    /// It is carried out; the application restarts the device at [`Done`](iothub_proto::fota::Event::Done).
    Application,
    /// It is carried out, with the restart.
    #[default]
    Automatic,
}

/// The record of the last update, for the next boot.
const RECORD: &CStr = c"iothub/fota/record";

/// Overrides `CONFIG_IOTHUB_FOTA_TRIAL_S`: a decimal number, 1 to 86400.
const TRIAL: &CStr = c"iothub/fota/trial_s";

/// Where neither Kconfig nor the platform knows.
const UNKNOWN: &str = "0.0.0";

static UPDATER: Mutex<Updater> = Mutex::new(Updater::NEW);
static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// Whether updates are carried out.
pub(crate) const fn is_wanted(firmware: Firmware) -> bool {
    FOTA && !matches!(firmware, Firmware::Off)
}

/// Reads what runs and what the last boot left. Before the driver starts.
pub(crate) fn prepare(firmware: Firmware) {
    if !is_wanted(firmware) {
        return;
    }
    let mut running = Image::default();
    if let Err(errno) = running.read(Slot::Running) {
        refused("what runs cannot be read", errno);
    }
    let version = match (own_version(), running.version()) {
        ("", "") => UNKNOWN,
        ("", signed) => signed,
        (own, _) => own,
    };
    let confirmed = running.confirmed();
    let mut record = [0; RECORD_MAX];
    let record = settings::read(RECORD, &mut record).unwrap_or_else(|errno| {
        refused("the record of the last update cannot be read", errno);
        None
    });
    let config = Config {
        version,
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
    UPDATER.with(|updater| updater.boot(now(), &config));
    IS_WANTED.store(true, Ordering::Release);
}

fn trial_s() -> Option<u32> {
    let mut digits = [0; 5];
    let digits = settings::read(TRIAL, &mut digits).ok()??;
    let seconds = digits.iter().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(value * 10 + u32::from(digit))
    })?;
    (1..=86_400).contains(&seconds).then_some(seconds)
}

/// Empty: the one that the image is signed with.
fn own_version() -> &'static str {
    kconfig::IOTHUB_FOTA_VERSION
}

/// Takes in what an event means for the firmware; `true`: it is nobody else's.
pub(crate) fn handle(event: &Event<'_>) -> bool {
    let Some(updater) = updater() else {
        return false;
    };
    let now = now();
    updater.with(|updater| {
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
    })
}

/// Facts, timers, events and commands, until there is nothing to do.
#[inline(never)]
pub(crate) fn turn(tell: impl Fn(iothub_proto::fota::Event)) {
    let Some(updater) = updater() else {
        return;
    };
    let facts = fota::facts();
    let mut downloaded = Image::default();
    // Comparable only where both are the signed ones.
    if facts.end == Some(End::Done) && own_version().is_empty() {
        let _ = downloaded.read(Slot::Downloaded);
    }
    let now = now();
    updater.with(|updater| {
        if let Some((offset, size)) = facts.progress {
            updater.handle_progress(now, offset, size);
        }
        if let Some(done) = facts.erase {
            updater.handle_erase(now, done);
        }
        match facts.end {
            Some(End::Done) => updater.handle_done(now, Some(downloaded.version())),
            Some(End::Failed { cause, status }) => {
                updater.handle_failed(now, Reason::from_cause(cause, status));
            }
            None => {}
        }
        updater.handle_timeout(now);
    });
    let mut buffer = [0; COMMAND_MAX];
    loop {
        while let Some(event) = updater.with(Updater::poll_event) {
            tell(event);
        }
        let Some(command) = updater.with(|updater| updater.poll_command(&mut buffer)) else {
            return;
        };
        let result = carry_out(updater, &command);
        updater.with(|updater| updater.complete(self::now(), result));
    }
}

/// When the next turn is due.
pub(crate) fn poll_timeout() -> Option<Instant> {
    updater()?.with(|updater| updater.poll_timeout())
}

fn updater() -> Option<&'static Mutex<Updater>> {
    (FOTA && IS_WANTED.load(Ordering::Acquire)).then_some(&UPDATER)
}

#[inline(never)]
fn carry_out(updater: &'static Mutex<Updater>, command: &Command<'_>) -> Result<(), Errno> {
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
        Command::Report(json) => {
            log::debug!("the firmware's state is reported: {} bytes", json.len());
            return with_client(|client, now| client.report(now, json, None))
                .map(|request| updater.with(|updater| updater.accepted(request)))
                .map_err(|error| {
                    log::debug!("the report is not accepted: {error}");
                    Errno(-1)
                });
        }
        Command::RequestTwin => {
            return with_client(|client, now| client.request_twin(now).map(drop))
                .map_err(|_| Errno(-1));
        }
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

/// A line of the log for each event.
pub(crate) fn describe(event: iothub_proto::fota::Event) {
    use iothub_proto::fota::Event;
    // The linker cannot know that there are none.
    if !FOTA {
        return;
    }
    match event {
        Event::Started => log::info!("a firmware update begins"),
        Event::Progress { offset, size } => log::debug!("firmware: {offset} of {size} bytes"),
        Event::ErasePending => {
            log::warn!("the slot cannot be erased yet: switch LTE off for a while");
        }
        Event::EraseDone => log::info!("the slot is erased"),
        Event::Done => log::info!("the new firmware is in place: a restart runs it"),
        Event::Cancelled => log::info!("the firmware update was taken back"),
        Event::Confirmed => log::info!("the new firmware has reached the hub, and stays"),
        // The updater itself says why.
        _ => {}
    }
}
