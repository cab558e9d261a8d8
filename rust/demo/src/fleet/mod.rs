//! `fleet`: many devices in one process, each with the firmware's own core (`iothub-proto`), a
//! certificate and a world of its own, to look at or to load a back end with.

mod arguments;
mod counts;
mod device;
mod identity;
mod link;
mod process;
mod target;
mod world;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    runtime::Runtime,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

pub(crate) use arguments::FleetArguments;

use crate::{Error, INTERRUPTED, stop};
use arguments::say;
use counts::Counts;
use process::{PerDevice, Usage};
use target::{Hub, Target};

/// What all devices share.
struct Shared {
    target: Target,
    counts: Counts,
    /// How many may be in a TLS handshake at once.
    handshakes: Semaphore,
    begin: Instant,
    json: bool,
}

impl Shared {
    fn now(&self) -> iothub_proto::Instant {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        // 0 is no moment to the core.
        iothub_proto::Instant::from_millis(millis.saturating_add(1))
    }

    /// Counts why a device is not connected; the first of a kind is told at once.
    fn note(&self, id: &str, cause: String) {
        if self.counts.causes.add(cause.clone()) {
            say(self.json, &format!("{id}: {cause}"));
        }
    }
}

/// Until Ctrl-C or as long as was asked for; then the report.
pub(crate) fn run(arguments: &FleetArguments) -> Result<ExitCode, Error> {
    stop::catch(|| {})?;
    process::allow_sockets(arguments.devices)?;
    let (mut hub, ids) = match register(arguments) {
        Err(_) if stop::wanted() => {
            anstream::eprintln!("interrupted before the first device was started");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        registered => registered?,
    };
    let runtime =
        Runtime::new().map_err(|source| Error::io("the runtime cannot be started", source))?;
    let before = Usage::now();
    let shared = Arc::new(Shared {
        target: hub.target()?,
        counts: Counts::default(),
        handshakes: Semaphore::new(HANDSHAKES),
        begin: Instant::now(),
        json: arguments.json,
    });
    let (end, ended) = watch::channel(false);
    let mut devices = JoinSet::new();
    let interval = Duration::from_secs(arguments.interval);
    let towns = world::Towns::new();
    for (number, id) in (0u32..).zip(ids) {
        if stop::wanted() {
            break;
        }
        let identity = hub.identity(&id, &shared.target.trust)?;
        let start = Duration::from_secs(1) * number / arguments.rate;
        let is_faulty = arguments.is_faulty(number);
        let world = world::World::new(number, is_faulty, interval, towns.clone());
        let device = device::Device::new(id, identity, world, Arc::clone(&shared))?;
        devices.spawn_on(device.run(start, ended.clone()), runtime.handle());
    }

    let watched = watch(arguments, &shared, &mut hub, before)?;
    say(arguments.json, "disconnecting");
    // Nobody listens where all have ended.
    let _ = end.send(true);
    shared.handshakes.close();
    let (mut crashed, mut left) = (0, 0);
    runtime.block_on(async {
        let all = async {
            while let Some(device) = devices.join_next().await {
                crashed += u64::from(device.is_err());
            }
        };
        if timeout(DISCONNECT_TIMEOUT, all).await.is_err() {
            left = devices.len();
        }
    });
    runtime.shutdown_background();
    if left > 0 {
        say(
            arguments.json,
            &format!("{left} devices could not disconnect in time"),
        );
    }
    hub.stop()?;
    report(arguments, &shared.counts, &watched);
    Ok(verdict(&shared.counts, crashed))
}

/// The hub, with all devices registered.
fn register(arguments: &FleetArguments) -> Result<(Hub, Vec<String>), Error> {
    let hub = Hub::open(arguments)?;
    let ids = arguments.ids();
    say(
        arguments.json,
        &format!("registering {} devices with {}", ids.len(), hub.name()),
    );
    hub.register(&ids, |count| {
        say(arguments.json, &format!("{count} registered"));
    })?;
    stop::check()?;
    Ok((hub, ids))
}

/// What was seen while the fleet ran.
struct Watched {
    time: Duration,
    ready: u64,
    all_ready_after: Option<Duration>,
    /// Acknowledged messages in a second, once all devices were ready.
    rate: f64,
    per_device: PerDevice,
}

/// Tells how it goes, until it is to end.
fn watch(
    arguments: &FleetArguments,
    shared: &Shared,
    hub: &mut Hub,
    before: Usage,
) -> Result<Watched, Error> {
    let counts = &shared.counts;
    let duration = arguments.duration.map(Duration::from_secs);
    let mut full = None;
    let mut told = (Duration::ZERO, 0);
    loop {
        let is_over = stop::wait(TICK);
        let time = shared.begin.elapsed();
        let acknowledged = counts.acknowledged.get();
        if full.is_none() && counts.ready.get() == u64::from(arguments.devices) {
            full = Some((time, acknowledged, Usage::now()));
            let text = format!("all devices are ready after {:.1} s", time.as_secs_f64());
            say(arguments.json, &text);
        }
        if is_over || duration.is_some_and(|duration| time >= duration) {
            // What connecting costs is not what being connected does.
            let (from, sent, idle) = full.unwrap_or((Duration::ZERO, 0, before));
            let steady = time.saturating_sub(from);
            return Ok(Watched {
                time,
                ready: counts.ready.get(),
                all_ready_after: full.map(|(time, ..)| time),
                rate: per_second(acknowledged.saturating_sub(sent), steady),
                per_device: PerDevice::of(&Usage::now(), &before, &idle, steady, arguments.devices),
            });
        }
        let pause = if full.is_some() { CALM } else { PROGRESS };
        if time >= told.0 + pause {
            let rate = per_second(acknowledged.saturating_sub(told.1), time - told.0);
            say(
                arguments.json,
                &counts.line(time, counts.ready.get(), arguments.devices, rate),
            );
            told = (time, acknowledged);
        }
        hub.check()?;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}

fn report(arguments: &FleetArguments, counts: &Counts, watched: &Watched) {
    if arguments.json {
        let mut report = json!({
            "devices": arguments.devices,
            "seconds": watched.time.as_secs_f64(),
            "ready": watched.ready,
            "allReadyAfterSeconds": watched.all_ready_after.map(|time| time.as_secs_f64()),
            "acknowledgedPerSecond": watched.rate,
        });
        counts.add_to(&mut report);
        watched.per_device.add_to(&mut report);
        anstream::println!("{report}");
        return;
    }
    anstream::println!(
        "{}",
        counts.line(watched.time, watched.ready, arguments.devices, watched.rate)
    );
    anstream::println!("each device: {}", watched.per_device);
    let causes = counts.causes.lines();
    if !causes.is_empty() {
        anstream::println!("not connected because:");
        for cause in causes {
            anstream::println!("{cause}");
        }
    }
}

fn verdict(counts: &Counts, crashed: u64) -> ExitCode {
    let dropped = counts.dropped.get();
    let error = if crashed > 0 {
        format!("{crashed} devices have crashed")
    } else if dropped > 0 {
        format!("{dropped} accepted messages were given up")
    } else if counts.connects.get() == 0 && counts.failed.get() > 0 {
        "no device could connect".to_owned()
    } else {
        return ExitCode::SUCCESS;
    };
    anstream::eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// Handshakes cost processor time: more at once would make each of them late.
const HANDSHAKES: usize = 64;

/// How often to look.
const TICK: Duration = Duration::from_millis(100);

/// Between two lines of progress when all devices have been ready.
const CALM: Duration = Duration::from_secs(10);

/// Between two lines of progress before.
const PROGRESS: Duration = Duration::from_secs(2);

/// How long all devices together may take to disconnect.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(20);
