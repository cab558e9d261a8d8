//! The demonstration and its scripted scenario; also the bench of the end-to-end tests.
//!
//! The program re-executes itself as `hub` and as `device`, so that each is a process that can be
//! killed.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod console;
mod device;
mod device_command;
mod drive;
mod error;
mod fleet;
mod fota;
mod hub;
mod outage;
mod process;
mod provisioning;
mod recorder;
mod report;
mod rest;
pub mod said;
mod scenario;
mod setup;
mod stop;
mod world;

use std::{process::ExitCode, time::Duration};

pub use arguments::Arguments;
pub use bench::{Bench, DeviceOptions};
pub use console::Console;
pub use device_command::DeviceCommand;
pub use error::Error;
pub use process::{Lines, Process};
pub use report::{Check, Report};
pub use rest::Rest;
pub use scenario::{stamps, timestamp};
pub use setup::{DEVICE_ID, HOSTNAME, Setup};

use arguments::Role;
use tempfile::TempDir;

/// Runs what the command line asks for.
///
/// # Errors
/// What went wrong, with what to do about it.
pub fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    match arguments.role {
        Some(Role::Hub(of)) => hub::run(&of),
        Some(Role::Device(of)) => device::run(&of),
        Some(Role::Fleet(of)) => fleet::run(&of),
        None => {
            arguments.check()?;
            if arguments.once {
                once(&arguments)
            } else {
                show(&arguments)
            }
        }
    }
}

/// Shows it all until Ctrl-C.
fn show(arguments: &Arguments) -> Result<ExitCode, Error> {
    let console = Console::standard();
    let said = console.clone();
    stop::catch(move || said.note("stopping"))?;
    let mut bench = match Bench::start(arguments, None, console.clone()) {
        Err(_) if stop::wanted() => return Ok(ExitCode::SUCCESS),
        started => started?,
    };
    match set_up(arguments, &mut bench, &console) {
        Err(error) if !stop::wanted() => return Err(error),
        _ => {}
    }
    while !stop::wait(LOOK) {
        if let Some(error) = bench.ended() {
            return Err(error);
        }
    }
    bench.interrupt()?;
    Ok(ExitCode::SUCCESS)
}

/// Everything between the hub's start and the device's.
fn set_up(arguments: &Arguments, bench: &mut Bench, console: &Console) -> Result<(), Error> {
    stop::check()?;
    bench.provision()?;
    console.banner(&[
        (
            "IoT Hub",
            format!("{HOSTNAME}, MQTT over TLS on {}", bench.hub_address()),
        ),
        ("Web page", format!("http://{}/", bench.http_address())),
        (
            "Device",
            format!("{DEVICE_ID} on a network that is {}", arguments.network),
        ),
        ("Data", bench.setup().data().display().to_string()),
        ("", "Ctrl-C ends everything.".to_owned()),
    ]);
    prefer_short_interval(&bench.rest(), arguments.speed)?;
    stop::check()?;
    show_telemetry(bench, console);
    bench.start_device(&DeviceOptions::of(arguments)?).map(drop)
}

/// A line for each message that arrives, in the form of the hub's own. It ends with the hub.
fn show_telemetry(bench: &Bench, console: &Console) {
    let (rest, since, console) = (bench.rest(), bench.since(), console.clone());
    std::thread::spawn(move || {
        let mut count = 0_u64;
        // Why it ends is said by who has ended.
        let _ = rest.follow_telemetry(DEVICE_ID, since, |message| {
            count += 1;
            let time = message["enqueuedTimeUtc"]
                .as_str()
                .and_then(|time| time.get(11..23));
            let (time, body) = (time.unwrap_or_default(), &message["body"]);
            console.line(
                "hub",
                &format!("{time} telemetry  {DEVICE_ID}: {count} arrived: {body}"),
            );
        });
    });
}

/// What a shell expects of a program that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// How often to look whether hub and device are there.
const LOOK: Duration = Duration::from_millis(500);

/// A message every 20 s is right for a battery and slow to watch, and 5 s are minutes of a world that
/// goes on faster. A twin that already asks for an interval keeps it.
fn prefer_short_interval(rest: &Rest, speed: f64) -> Result<(), Error> {
    let seconds = if speed > 5.0 { 1 } else { 5 };
    let twin = rest.twin(DEVICE_ID)?;
    if twin["properties"]["desired"]["telemetryInterval"].is_null() {
        rest.patch_desired(
            DEVICE_ID,
            &serde_json::json!({ "telemetryInterval": seconds }),
        )?;
    }
    Ok(())
}

/// Runs the scenario and says what was found.
fn once(arguments: &Arguments) -> Result<ExitCode, Error> {
    let console = match (arguments.verbose, arguments.json) {
        (false, _) => Console::silent(),
        (true, false) => Console::standard(),
        (true, true) => Console::error(),
    };
    stop::catch(|| {})?;
    let folder = temporary_folder(arguments)?;
    let data = folder.as_ref().map(|folder| folder.path().to_owned());
    let run = match (arguments.fota, arguments.drive, arguments.outage) {
        (true, ..) => fota::run,
        (_, true, _) => drive::run,
        (.., true) => outage::run,
        (false, false, false) => scenario::run,
    };
    let report = run(
        arguments,
        data.as_deref(),
        &console,
        &mut |check: &Check| {
            if !arguments.json {
                anstream::println!("{check}");
            }
        },
    );
    // Hub and device have ended with the scenario, and write no more: no key stays behind.
    drop(folder);
    if stop::wanted() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let report = report?;
    if arguments.json {
        anstream::println!("{}", report.to_json());
    } else {
        anstream::println!("\n{} passed, {} failed", report.passed(), report.failed());
    }
    Ok(if report.failed() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn temporary_folder(arguments: &Arguments) -> Result<Option<TempDir>, Error> {
    arguments
        .data
        .is_none()
        .then(|| TempDir::with_prefix("iothub-"))
        .transpose()
        .map_err(|source| Error::io("a temporary folder cannot be made", source))
}
