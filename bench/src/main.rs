//! Load on the emulator and on mosquitto, side by side: see `bench/README.md`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

mod device;
mod events;
mod pki;
mod report;
mod rest;
mod scale;
mod scenario;
mod server;
mod stress;
mod websocket;

use pki::Pki;
use scenario::{Fleet, Sample, Samples};
use server::{Kind, Server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The name in the servers' certificate.
const HOST: &str = "hub.localhost";

#[derive(Parser)]
struct Arguments {
    /// The emulator's binary (built with --release)
    #[arg(long)]
    emulator: PathBuf,
    /// An older one, beside it
    #[arg(long)]
    before: Option<PathBuf>,
    /// How often each scenario runs; the middle one counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each scenario
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Connections of the sweep; none leaves it out
    #[arg(long, value_delimiter = ',')]
    sweep: Vec<usize>,
    /// Only scenarios whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Where the curve goes
    #[arg(long)]
    svg: Option<PathBuf>,
    /// In place of all that: registries of so many devices, read in every way
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["sweep", "only", "svg", "stress"])]
    scale: Vec<usize>,
    /// In place of all that: slow readers and crowds of connections
    #[arg(long, conflicts_with_all = ["sweep", "only", "svg"])]
    stress: bool,
    /// In place of all that: a consumer of the Event Hubs-compatible endpoint next to devices that
    /// send
    #[arg(long, conflicts_with_all = ["sweep", "only", "svg", "stress", "scale"])]
    events: bool,
    /// In place of all that: MQTT over WebSocket beside plain TLS
    #[arg(long, conflicts_with_all = ["sweep", "only", "svg", "stress", "scale", "events"])]
    websocket: bool,
    /// Measures although the machine has other work; ratios are then no ratios
    #[arg(long)]
    busy: bool,
}

impl Arguments {
    /// The emulator that is meant.
    fn binary(&self, kind: Kind) -> &Path {
        match kind {
            Kind::MemoryBefore | Kind::DiskBefore => self.before.as_ref().unwrap_or(&self.emulator),
            _ => &self.emulator,
        }
    }
}

/// A load of more is other people's work.
const QUIET: f64 = 0.7;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let load: f64 = report::load().parse().unwrap_or(0.0);
    if load > QUIET && !arguments.busy {
        let why = format!(
            "the machine has other work (load {load}): a single-threaded broker suffers more from it than the \
             emulator, and ratios would flatter; wait until it is below {QUIET}, or measure all the same with --busy"
        );
        return Err(why.into());
    }
    println!("Load before: {load}\n");
    let folder = tempfile::tempdir()?;
    let pki = Pki::new(folder.path())?;
    if !arguments.scale.is_empty() {
        report::scale_head();
        for &size in &arguments.scale {
            scale::run(folder.path(), &arguments.emulator, &pki, size).await?;
        }
        return Ok(());
    }
    if arguments.stress {
        let fleet = Fleet::new(&pki, 20)?;
        report::stress_head();
        return stress::run(folder.path(), &arguments.emulator, &pki, &fleet).await;
    }
    if arguments.events {
        let fleet = Fleet::new(&pki, 101)?;
        let time = Duration::from_secs_f64(arguments.seconds);
        let how = (arguments.rounds, time);
        return events::run(folder.path(), &arguments.emulator, &pki, &fleet, how).await;
    }
    if arguments.websocket {
        let fleet = Fleet::new(&pki, 100)?;
        let time = Duration::from_secs_f64(arguments.seconds);
        let how = (arguments.rounds, time);
        return websocket::run(folder.path(), &arguments.emulator, &pki, &fleet, how).await;
    }
    let most = arguments.sweep.iter().copied().max().unwrap_or(0).max(1000);
    let fleet = Fleet::new(&pki, most)?;
    let mut samples = Samples::new();
    let kinds = Kind::present(arguments.before.is_some());
    for round in 0..arguments.rounds {
        for &kind in &kinds {
            eprintln!("round {}, {}", round + 1, kind.name());
            run(&arguments, folder.path(), &pki, &fleet, kind, &mut samples).await?;
        }
    }
    report::table(&samples);
    if arguments.sweep.is_empty() {
        return Ok(());
    }
    let mut curve = Vec::new();
    for &size in &arguments.sweep {
        for &kind in &kinds {
            let mut all = Vec::new();
            for _ in 0..arguments.rounds {
                all.push(sweep(&arguments, folder.path(), &pki, &fleet, kind, size).await?);
            }
            eprintln!("{size} connections, {}", kind.name());
            curve.push((size, kind, report::middle(&all)));
        }
    }
    report::sweep(&curve);
    if let Some(path) = &arguments.svg {
        std::fs::write(path, report::svg(&curve))?;
    }
    Ok(())
}

async fn run(
    arguments: &Arguments,
    folder: &Path,
    pki: &Pki,
    fleet: &Fleet,
    kind: Kind,
    samples: &mut Samples,
) -> Result<(), Failure> {
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut note = |name: &'static str, sample: Sample| {
        samples.entry((name, kind.name())).or_default().push(sample);
    };
    let wanted = |name: &str| name.contains(&arguments.only);
    for name in report::SCENARIOS.iter().map(|(name, _)| *name) {
        if !wanted(name) {
            continue;
        }
        let server = Server::start(kind, folder, arguments.binary(kind))?;
        let size = match name {
            "storm" | "beat" => 1000,
            "steady, 1 device" => 1,
            _ => 100,
        };
        fleet.register(&server, pki, size).await?;
        let (storm, mut devices) = fleet.storm(&server, size).await?;
        let sample = match name {
            "ready" => Sample {
                p50: server.ready_after,
                ..Sample::default()
            },
            "storm" => storm,
            "steady" => scenario::steady(&server, &mut devices, 8, time).await?,
            "steady, 1 device" => scenario::steady(&server, &mut devices, 16, time).await?,
            "beat" => scenario::beat(&server, &mut devices, time * 2).await?,
            "fan-in" => scenario::fan_in(&server, &mut devices, 8, time).await?,
            "twins" => scenario::twins(&server, &mut devices, time).await?,
            _ => scenario::methods(&server, &mut devices, time).await?,
        };
        note(name, sample);
    }
    Ok(())
}

async fn sweep(
    arguments: &Arguments,
    folder: &Path,
    pki: &Pki,
    fleet: &Fleet,
    kind: Kind,
    size: usize,
) -> Result<Sample, Failure> {
    let time = Duration::from_secs_f64(arguments.seconds);
    let server = Server::start(kind, folder, arguments.binary(kind))?;
    fleet.register(&server, pki, size).await?;
    let (storm, mut devices) = fleet.storm(&server, size).await?;
    let mut sample = scenario::steady(&server, &mut devices, 1, time).await?;
    sample.memory = storm.memory;
    Ok(sample)
}
