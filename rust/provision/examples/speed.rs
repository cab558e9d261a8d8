//! How long a batch of device certificates takes, and how much `up` adds to the time that modem and
//! line need themselves: `cargo run --release -p iothub-provision --example speed`.

use std::time::{Duration, Instant};

use iothub_provision::Error;
use iothub_provision::modem::{Modem, Session, Trace};
use iothub_provision::pki::{Pki, Validity};
use iothub_provision::simulator::{self, Style, Termination, Timing, serve_pty};
use iothub_provision::up::{Options, Run};
use tempfile::TempDir;
use time::OffsetDateTime;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for count in [1000, 2000, 4000] {
        let took = batch(&TempDir::new()?, count)?;
        let each = took.as_secs_f64() * 1e3 / f64::from(count);
        println!("{count} device certificates, EC P-256: {took:.2?}, {each:.2} ms each");
    }
    let (took, modem) = up(&TempDir::new()?)?;
    let ratio = took.as_secs_f64() / modem.as_secs_f64();
    println!("up over a serial line at 115200 baud: {took:.2?}");
    println!("of which line and modem: {modem:.2?}, so {ratio:.2} times that");
    Ok(())
}

fn batch(folder: &TempDir, count: u32) -> Result<Duration, Error> {
    let now = OffsetDateTime::now_utc();
    let pki = Pki::development(folder.path(), now)?;
    let started = Instant::now();
    for number in 0..count {
        pki.device(&format!("device-{number}"), now)?;
    }
    Ok(started.elapsed())
}

fn up(folder: &TempDir) -> Result<(Duration, Duration), Error> {
    let now = OffsetDateTime::now_utc();
    let pki = Pki::development(folder.path().join("pki"), now)?;
    let modem = simulator::Modem::new(simulator::Options::new(folder.path().join("modem")))?;
    let timing = Timing::Real(1.0);
    let line = serve_pty(modem, Style::AtHost, Termination::Cr, timing)?;
    let authority = pki.authority("subca", None)?;
    let options = Options {
        id: "352656100367872".to_owned(),
        tag: 10,
        roots: iothub_provision::up::azure_roots()?,
        secondary_tag: 11,
        replace: false,
        validity: Validity::days(now, 3650)?,
    };
    let started = Instant::now();
    let mut modem = Modem::new(Session::open(line.port(), 115_200, Trace::off())?);
    let mut silent = |_: iothub_provision::up::Event<'_>| {};
    Run::new(&pki, &authority, &options, now, &mut silent).load(&mut modem)?;
    Ok((started.elapsed(), line.busy()))
}
