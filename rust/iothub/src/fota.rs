//! Firmware updates: the updater beside the client, and the driver's part in it.

use core::{cell::Cell, ffi::CStr, time::Duration};

use critical_section::with;
use iothub_proto::{
    Errno, Event, Instant,
    fota::{COMMAND_MAX, Command, Config, Failure, RECORD_MAX, Updater},
};
use ncs::{
    fota::{self, Fact, Slot as Image},
    platform::{Mutex, Slot, Waiter},
    settings,
};
use static_cell::StaticCell;

use crate::{driver::with_client, kconfig, now, seconds};

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

static UPDATER: Slot<&'static Mutex<Updater>> = Slot::new();
static FACTS: critical_section::Mutex<Cell<Facts>> =
    critical_section::Mutex::new(Cell::new(Facts {
        progress: None,
        erase: None,
        end: None,
    }));

/// What the transfer has told since the last turn: of the progress only the last counts.
#[derive(Clone, Copy, Default)]
struct Facts {
    progress: Option<(u32, u32)>,
    erase: Option<bool>,
    end: Option<Fact>,
}

/// Whether updates are carried out.
pub(crate) const fn is_wanted(firmware: Firmware) -> bool {
    FOTA && !matches!(firmware, Firmware::Off)
}

/// Reads what runs and what the last boot left. Before the driver starts.
pub(crate) fn prepare(firmware: Firmware) {
    static CELL: StaticCell<Mutex<Updater>> = StaticCell::new();

    if !is_wanted(firmware) {
        return;
    }
    let running = fota::image(Image::Running)
        .inspect_err(|errno| log::warn!("the running image cannot be read: {errno}"))
        .ok();
    let signed = running.as_ref().map(|image| image.version());
    let mut record = [0; RECORD_MAX];
    let record = settings::read(RECORD, &mut record).unwrap_or_else(|errno| {
        log::error!("the record of the last update cannot be read: {errno}");
        None
    });
    let updater = Updater::new(
        now(),
        &Config {
            confirmed: running.as_ref().is_none_or(|image| image.confirmed()),
            record: record.unwrap_or_default(),
            reboot: firmware == Firmware::Automatic,
            trial: trial(),
            progress_step: u8::try_from(kconfig::IOTHUB_FOTA_PROGRESS_PERCENT).unwrap_or(0),
            retry: seconds(kconfig::IOTHUB_FOTA_RETRY_S),
            attempts: u8::try_from(kconfig::IOTHUB_FOTA_ATTEMPTS).unwrap_or(u8::MAX),
            ..Config::new(own_version().or(signed).unwrap_or(UNKNOWN))
        },
    );
    log::info!(
        "firmware {}{}",
        own_version().or(signed).unwrap_or(UNKNOWN),
        match &running {
            Some(image) if !image.confirmed() => ", on trial until it has reached the hub",
            _ => "",
        }
    );
    if let Some(updater) = CELL.try_init(Mutex::new(updater)) {
        UPDATER.set(updater);
    }
}

fn trial() -> Duration {
    let mut digits = [0; 8];
    let setting = settings::read(TRIAL, &mut digits).unwrap_or_default();
    let seconds = setting
        .and_then(|digits| core::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .filter(|seconds| (1..=86_400).contains(seconds));
    self::seconds(seconds.unwrap_or(kconfig::IOTHUB_FOTA_TRIAL_S))
}

fn own_version() -> Option<&'static str> {
    Some(kconfig::IOTHUB_FOTA_VERSION).filter(|version| !version.is_empty())
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
pub(crate) fn turn(tell: impl Fn(iothub_proto::fota::Event)) {
    let Some(updater) = updater() else {
        return;
    };
    let facts = with(|cs| FACTS.borrow(cs).take());
    let downloaded = match facts.end {
        // Comparable only where both are the signed ones.
        Some(Fact::Done) if own_version().is_none() => fota::image(Image::Downloaded).ok(),
        _ => None,
    };
    updater.with(|updater| {
        if let Some((offset, size)) = facts.progress {
            updater.handle_progress(now(), offset, size);
        }
        if let Some(done) = facts.erase {
            updater.handle_erase(now(), done);
        }
        match facts.end {
            Some(Fact::Done) => {
                updater.handle_done(now(), downloaded.as_ref().map(|image| image.version()));
            }
            Some(Fact::Failed { cause, status }) => {
                updater.handle_failed(now(), Failure::from_number(cause, status));
            }
            Some(_) => updater.handle_stopped(now()),
            None => {}
        }
        updater.handle_timeout(now());
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
        updater.with(|updater| updater.complete(now(), result));
    }
}

/// When the next turn is due.
pub(crate) fn poll_timeout() -> Option<Instant> {
    updater()?.with(|updater| updater.poll_timeout())
}

fn updater() -> Option<&'static Mutex<Updater>> {
    if FOTA { UPDATER.get() } else { None }
}

fn carry_out(updater: &'static Mutex<Updater>, command: &Command<'_>) -> Result<(), Errno> {
    let result = match command {
        Command::Store([]) => settings::delete(RECORD),
        Command::Store(record) => settings::write(RECORD, record),
        Command::Start(source) => {
            log::info!(
                "fetching {}://{}/{}",
                if source.tls { "https" } else { "http" },
                source.host.to_str().unwrap_or_default(),
                source.path.to_str().unwrap_or_default()
            );
            fota::start(
                &fota::Source {
                    host: source.host,
                    path: source.path,
                    tls: source.tls,
                    port: source.port,
                    sec_tags: &source.sec_tags,
                    fragment: source.fragment,
                    size: source.size,
                    sha256: source.sha256.as_ref(),
                    identity: source.identity,
                },
                on_fact,
            )
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
                    log::warn!("the firmware's state cannot be reported: {error}");
                    Errno(-1)
                });
        }
        Command::RequestTwin => {
            return with_client(|client, now| client.request_twin(now).map(drop))
                .map_err(|_| Errno(-1));
        }
    };
    result.map_err(|errno| {
        log::warn!("firmware: {errno}");
        Errno(errno.get())
    })
}

/// On a thread of the platform's: takes no lock and does not wait.
fn on_fact(fact: Fact) {
    with(|cs| {
        let cell = FACTS.borrow(cs);
        let mut facts = cell.get();
        match fact {
            Fact::Progress { offset, size } => facts.progress = Some((offset, size)),
            Fact::Erase { done } => facts.erase = Some(done),
            end => facts.end = Some(end),
        }
        cell.set(facts);
    });
    Waiter::Driver.wake();
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
        Event::Failed(reason) => log::error!("firmware update failed: {reason}"),
        Event::Cancelled => log::info!("the firmware update was taken back"),
        Event::Confirmed => log::info!("the new firmware has reached the hub, and stays"),
        Event::RolledBack => log::error!("the new firmware was taken back: the old one runs"),
        _ => {}
    }
}
