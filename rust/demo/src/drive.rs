//! The scenario of `--once --drive`: a vehicle goes through a tunnel, and the hub's side knows from
//! the world's file what the device should have measured when.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use iothub_host::Network;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Arguments, Bench, Check, Console, DEVICE_ID, DeviceCommand, DeviceOptions, Error, Lines,
    Report, Rest,
    bench::TakeStep,
    scenario::{TIMEOUT, connected, method, nothing_lost, stamps},
    world::{Description, World},
};

/// How much faster than in truth the world goes on.
const SPEED: f64 = 60.0;

/// Longer than a connect takes on a machine that is very busy.
const WATCHDOG: Duration = Duration::from_secs(20);

/// What the device says where the network goes.
const LOST: &str = crate::said::DISCONNECTED;

/// In seconds of the world: late enough that a slow machine is connected by then.
const TUNNEL: (u64, u64) = (2400, 3000);

/// Behind the tunnel: satellites are not seen, the network is there.
const ROOF: (u64, u64) = (3000, 4500);

pub(crate) fn run(
    arguments: &Arguments,
    temporary: Option<&Path>,
    console: &Console,
    tell: &mut dyn FnMut(&Check),
) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut check =
        |name, step: &mut dyn FnMut() -> Result<String, Error>| report.check(tell, name, step);

    let of = (arguments, temporary, console);
    let begun = Bench::begin(&mut check, "hub is up, device provisioned", of, |bench| {
        bench.provision().map(drop)
    });
    let Some(mut bench) = begun else {
        return Ok(report);
    };
    let other = arguments.device_command()?;
    let is_ours = other.is_none();
    let (mut lines, mut world) = (Lines::default(), None);
    let begun = check("a drive begins", &mut || {
        let (of, since) = begin(&mut bench, other.as_ref())?;
        lines = since;
        let minutes = of.drive().as_secs() / 60;
        world = Some(of);
        connected(&bench, &lines, 0)?;
        Ok(format!(
            "{minutes} minutes at {SPEED} times the speed, tunnel {TUNNEL:?} s"
        ))
    });
    if !begun && lines.are_all() {
        check("device runs", &mut || Err(bench.why_device_ended()));
        return Ok(report);
    }
    let Some(world) = world else {
        return Ok(report);
    };
    // The world that another device is told of has no back ends.
    if is_ours {
        check(
            "assistance data is asked for, and answered by C2D",
            &mut || assist(&bench, &world),
        );
    }
    check(
        "position and weather are the world's of that time",
        &mut || {
            bench.rest().until("a position", TIMEOUT, |rest| {
                let found = compare(rest, &bench, &world)?;
                Ok((found.positions > 0 && found.weather > 0).then(|| found.to_string()))
            })
        },
    );
    check("twin: cfg takes effect and is acknowledged", &mut || {
        let version = bench.rest().patch_desired(
            DEVICE_ID,
            &json!({ "cfg": { "actwt": 1, "loct": 60, "nod": ["fg"] } }),
        )?;
        configured(&bench, 200, 1, version)
    });
    check("twin: a bad field is named, the others taken", &mut || {
        let desired = json!({ "cfg": { "accath": 99, "mvt": 600 } });
        let version = bench.rest().patch_desired(DEVICE_ID, &desired)?;
        let found = configured(&bench, 400, 1, version)?;
        let cfg = reported(&bench.rest(), "cfg")?;
        match (cfg["mvt"] == 600, cfg["ad"].as_str()) {
            (true, Some(why)) if why.contains("accath is") => Ok(why.to_owned()),
            _ => Err(Error::new(found)),
        }
    });
    check("no network in the tunnel, and then again", &mut || {
        lines.find_after(0, LOST, TIMEOUT)?;
        let mark = lines.all().iter().position(|line| line.contains(LOST));
        connected(&bench, &lines, mark.unwrap_or(0))
    });
    if is_ours {
        check(
            "no satellites: cells and access points for a back end",
            &mut || {
                bench
                    .rest()
                    .until("a survey under the roof", TIMEOUT, |rest| {
                        surveyed(rest, &bench, &world)
                    })
            },
        );
    }
    check("no accepted message is lost", &mut || {
        nothing_lost(&bench, &lines)
    });
    check(
        "every sample has its own time, of the tunnel too",
        &mut || {
            bench
                .rest()
                .until("samples of the tunnel", TIMEOUT, |rest| {
                    let found = compare(rest, &bench, &world)?;
                    match found.in_tunnel >= 5 && found.counted(&lines) {
                        true => Ok(Some(found.to_string())),
                        false => Err(Error::new(found)),
                    }
                })
        },
    );
    check("twin: what the device is, and the newest", &mut || {
        bench
            .rest()
            .until("dev, bat, env, gnss and roam", TIMEOUT, |rest| {
                let twin = rest.twin(DEVICE_ID)?;
                let reported = &twin["properties"]["reported"];
                let missing = ["dev", "bat", "env", "gnss", "roam"]
                    .into_iter()
                    .find(|name| !reported[name]["ts"].is_u64());
                match missing {
                    None => Ok(Some(format!("{}", reported["dev"]["v"]))),
                    Some(name) => Err(Error::new(format!("no {name}"))),
                }
            })
    });
    check("the power is cut while samples wait", &mut || {
        let (found, since) = cut_power(&mut bench, other.as_ref())?;
        lines = since;
        Ok(found)
    });
    check("buffered: samples leave together", &mut || {
        let rest = bench.rest();
        let before = rest.telemetry(DEVICE_ID, bench.since())?;
        let before = before.last().and_then(|message| message["seq"].as_u64());
        rest.patch_desired(DEVICE_ID, &json!({ "cfg": { "upd": 8 } }))?;
        bench
            .rest()
            .until("a batch of three samples", TIMEOUT, |rest| {
                let messages = rest.telemetry(DEVICE_ID, before.unwrap_or(bench.since()))?;
                let readings =
                    |message: &Value| message["body"]["bat"].as_array().map_or(0, Vec::len);
                let most = messages
                    .iter()
                    .rev()
                    .take(20)
                    .map(readings)
                    .max()
                    .unwrap_or(0);
                Ok((most >= 3).then(|| format!("{most} readings of the battery in one message")))
            })
    });
    check("method diagnostics tells no secret", &mut || {
        let found = method(&bench, "diagnostics", json!(null), 200)?;
        let secret = ["KEY", "hostname", "azure", "sec_tag"]
            .into_iter()
            .find(|word| found.contains(word));
        // A modem that is played counts no seconds.
        let is_whole = found.contains("\"acknowledged\":")
            && (!is_ours || found.contains("\"radio\":{\"seconds\":"));
        match (secret, is_whole) {
            (None, true) => Ok(found),
            _ => Err(Error::new(found)),
        }
    });
    check("method reboot restarts it, and cfg is kept", &mut || {
        let (found, since) = restart(&mut bench, &lines, other.as_ref())?;
        lines = since;
        Ok(found)
    });
    if is_ours {
        faults(&mut check, &bench, &lines);
    }
    check("clean end", &mut || bench.stop());
    Ok(report)
}

/// A watchdog and a core dump, as a build for a board has them.
fn faults(check: &mut TakeStep<'_>, bench: &Bench, lines: &Lines) {
    check(
        "a thread hangs: the watchdog bites, and the twin says so",
        &mut || {
            let expected = json!({ "reason": "watchdog", "thread": "main" });
            end_by_fault(bench, lines, "hang", &expected)
        },
    );
    check("a panic is told after the restart", &mut || {
        let expected = json!({ "reason": "panic", "thread": "main" });
        end_by_fault(bench, lines, "panic", &expected)
    });
    check("its core dump comes in pieces", &mut || coredump(bench));
}

/// Without the data no satellites are found in this world.
fn assist(bench: &Bench, world: &World) -> Result<String, Error> {
    let rest = bench.rest();
    let asked = rest.until("requests for assistance data", TIMEOUT, |rest| {
        let messages = rest.telemetry(DEVICE_ID, bench.since())?;
        let of = |name: &str| {
            let mut messages = messages.iter();
            let found = messages.find(|message| message["properties"][name] == "get");
            found.map(|message| message["body"].clone())
        };
        Ok(of("agnss").zip(of("pgps")))
    })?;
    let before = compare(&rest, bench, world)?.positions;
    if before > 0 || asked.0["types"][0] != 1 || asked.1["n"] != 42 {
        return Err(Error::new(format!("{before} positions before, {asked:?}")));
    }
    // The version of nRF Cloud's format, one element of the UTC parameters.
    let mut data = vec![1, 1, 1, 0];
    data.extend([0; 14]);
    rest.send_c2d_with(DEVICE_ID, Some(("agnss", "result")), &data)?;
    Ok(format!(
        "{} and {}, {} bytes sent",
        asked.0,
        asked.1,
        data.len()
    ))
}

/// The newest survey under the roof, once there is one; it is of the place where the device was.
fn surveyed(rest: &Rest, bench: &Bench, world: &World) -> Result<Option<String>, Error> {
    let messages = rest.telemetry(DEVICE_ID, bench.since())?;
    for message in messages.iter().rev() {
        let body = &message["body"];
        let Some(stamp) = body["lte"]["ts"].as_u64() else {
            continue;
        };
        let at = since(world, stamp)?;
        if !(ROOF.0..ROOF.1).contains(&at.as_secs()) {
            continue;
        }
        let is_there = (0..12).any(|tens| {
            let survey = world.survey(at.saturating_sub(Duration::from_secs(tens * 10)));
            survey
                .camped
                .is_some_and(|(cell, _)| body["lte"]["cell"] == cell.id)
        });
        let is_whole = !body["lte"]["nmr"][0].is_null() && !body["wifi"]["aps"][1].is_null();
        let is_named = message["properties"].get("ground-fix").is_some();
        return match is_there && is_whole && is_named {
            true => Ok(Some(body.to_string())),
            false => Err(Error::new(message)),
        };
    }
    Ok(None)
}

/// Brings a fault about, and waits until the device has told of it.
fn end_by_fault(
    bench: &Bench,
    lines: &Lines,
    kind: &str,
    expected: &Value,
) -> Result<String, Error> {
    let mark = lines.mark();
    method(bench, "fault", json!(kind), 202)?;
    connected(bench, lines, mark)?;
    bench
        .rest()
        .until("the fault in the twin", TIMEOUT, |rest| {
            let health = reported(rest, "health")?;
            let fault = &health["v"]["fault"];
            let is_same = ["reason", "thread"]
                .into_iter()
                .all(|name| fault[name] == expected[name]);
            match is_same {
                true => Ok(Some(health["v"].to_string())),
                false => Err(Error::new(health)),
            }
        })
}

/// Fetches it whole.
fn coredump(bench: &Bench) -> Result<String, Error> {
    let mut dump = Vec::new();
    let mut pieces = 0;
    loop {
        let text = method(bench, "coredump", json!({ "offset": dump.len() }), 200)?;
        let answer: Value = serde_json::from_str(&text).map_err(Error::new)?;
        let answer = &answer["payload"];
        let piece = answer["data"].as_str().unwrap_or_default();
        let piece = BASE64.decode(piece).map_err(Error::new)?;
        if piece.is_empty() {
            break;
        }
        pieces += 1;
        dump.extend(piece);
        if answer["size"].as_u64() == u64::try_from(dump.len()).ok() {
            break;
        }
    }
    let dump = String::from_utf8_lossy(&dump);
    let is_whole = dump.starts_with("reason 4\nthread main\n") && dump.contains("comm watchdog");
    method(bench, "coredump", json!({ "erase": true }), 200)?;
    method(bench, "coredump", json!({}), 404)?;
    match is_whole && pieces > 1 {
        true => Ok(format!("{} bytes in {pieces}", dump.len())),
        false => Err(Error::new(format!("{pieces} pieces: {dump}"))),
    }
}

fn begin(bench: &mut Bench, other: Option<&DeviceCommand>) -> Result<(World, Lines), Error> {
    let path = bench.setup().data().join("world.json");
    // Without assistance data satellites are not found, where any can come.
    let cold = if other.is_some() { 0 } else { 86_400 };
    let text = json!({
        "seed": 7, "drive_s": 5400, "cold_s": cold,
        "tunnels_s": [[TUNNEL.0, TUNNEL.1]], "roofs_s": [[ROOF.0, ROOF.1]],
    });
    fs::write(&path, text.to_string()).map_err(|source| Error::path(&path, source))?;
    let began_ms = bench.begin_world();
    let world = World::new(Description::read(&path, began_ms)?);
    let lines = start(bench, other)?;
    Ok((world, lines))
}

fn start(bench: &mut Bench, other: Option<&DeviceCommand>) -> Result<Lines, Error> {
    bench.start_device(&DeviceOptions {
        network: Network::DualStack,
        time_factor: 0.01,
        world: Some(bench.setup().data().join("world.json")),
        speed: SPEED,
        watchdog: WATCHDOG,
        command: other.cloned(),
        ..DeviceOptions::default()
    })
}

/// While samples wait for an hour; they arrive after the start, each with its own time.
fn cut_power(bench: &mut Bench, other: Option<&DeviceCommand>) -> Result<(String, Lines), Error> {
    let rest = bench.rest();
    rest.patch_desired(DEVICE_ID, &json!({ "cfg": { "upd": 3600 } }))?;
    rest.until("an acknowledgement", TIMEOUT, |rest| {
        Ok((reported(rest, "cfg")?["upd"] == 3600).then_some(()))
    })?;
    let since = bench.since();
    let samples = |rest: &Rest| -> Result<BTreeSet<u64>, Error> {
        let messages = rest.telemetry(DEVICE_ID, since)?;
        let readings = messages.iter().flat_map(|message| of_kind(message, "bat"));
        Ok(readings
            .filter_map(|reading| reading["ts"].as_u64())
            .collect())
    };
    let before = samples(&rest)?;
    let (waiting, cut) = rest.until("samples that wait", TIMEOUT, |rest| {
        let (_, answer) = rest.method(DEVICE_ID, "diagnostics", &Value::Null)?;
        let waiting = answer["payload"]["readingsWaiting"].as_u64().unwrap_or(0);
        let now = answer["payload"]["time"].as_str().unwrap_or_default();
        // Three samples: environment and battery, and the position of the first ones.
        Ok((waiting >= 9).then(|| (waiting, now.to_owned())))
    })?;
    let cut = OffsetDateTime::parse(&cut, &Rfc3339).map_err(Error::new)?;
    let cut = u64::try_from(cut.unix_timestamp_nanos() / 1_000_000).map_err(Error::new)?;
    let lines = start(bench, other)?;
    lines.find_after(0, "readings of before wait", TIMEOUT)?;
    let arrived = rest.until("samples of before the cut", TIMEOUT, |rest| {
        let now = samples(rest)?;
        let kept = now.difference(&before).filter(|stamp| **stamp <= cut);
        let kept = kept.count();
        Ok((kept >= 2).then_some(kept))
    })?;
    Ok((
        format!("{waiting} readings waited; {arrived} samples of them arrive after the start"),
        lines,
    ))
}

/// By method; with the configuration that is stored.
fn restart(
    bench: &mut Bench,
    lines: &Lines,
    other: Option<&DeviceCommand>,
) -> Result<(String, Lines), Error> {
    let mark = lines.mark();
    method(bench, "reboot", json!(null), 202)?;
    lines.find_after(mark, crate::said::RESTARTING, TIMEOUT)?;
    let (mut lines, mut mark) = (lines.clone(), mark);
    // A program for native_sim ends where a board restarts.
    if let Some(DeviceCommand::Program(_)) = other {
        let device = bench.device().ok_or_else(|| Error::new("no device"))?;
        device.wait(TIMEOUT)?;
        (lines, mark) = (start(bench, other)?, 0);
    }
    let line = lines.find_after(mark, "active: a sample every 1 s, sent every 8 s", TIMEOUT)?;
    connected(bench, &lines, mark)?;
    Ok((line, lines))
}

fn reported(rest: &Rest, name: &str) -> Result<Value, Error> {
    Ok(rest.twin(DEVICE_ID)?["properties"]["reported"][name].take())
}

/// Waits for the answer, in Plug and Play's form and in nRF Asset Tracker's.
fn configured(bench: &Bench, code: u64, wait: u64, version: u64) -> Result<String, Error> {
    bench.rest().until("an acknowledgement", TIMEOUT, |rest| {
        let cfg = reported(rest, "cfg")?;
        let is_right = cfg["ac"] == code
            && cfg["av"] == version
            && cfg["actwt"] == wait
            && cfg["value"]["actwt"] == wait;
        Ok(is_right.then(|| cfg["value"].to_string()))
    })
}

/// What has arrived, compared with the world.
#[derive(Default)]
struct Found {
    positions: usize,
    weather: usize,
    /// Readings with a time in the tunnel.
    in_tunnel: usize,
    /// All readings, and all messages.
    readings: usize,
}

impl Found {
    /// Whether as many readings are here as the device says that it has accepted.
    fn counted(&self, lines: &Lines) -> bool {
        let count = |line: &String| -> Option<usize> {
            let (_, rest) = line.split_once(crate::said::QUEUED)?;
            rest.split_once(" readings")?.0.parse().ok()
        };
        self.readings >= lines.all().iter().filter_map(count).sum()
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            positions,
            weather,
            in_tunnel,
            readings,
        } = self;
        write!(
            f,
            "{readings} readings; {positions} positions and {weather} of the weather fit their time; {in_tunnel} in the tunnel"
        )
    }
}

fn compare(rest: &Rest, bench: &Bench, world: &World) -> Result<Found, Error> {
    let mut found = Found::default();
    let tunnel = |since: Duration| (TUNNEL.0..TUNNEL.1).contains(&since.as_secs());
    for message in rest.telemetry(DEVICE_ID, bench.since())? {
        let all = stamps(&message);
        found.readings += all.len();
        for stamp in all {
            found.in_tunnel += usize::from(tunnel(since(world, stamp)?));
        }
        for reading in of_kind(&message, "gnss") {
            let at = since(world, reading["ts"].as_u64().unwrap_or(0))?;
            let (lat, lng) = (reading["v"]["lat"].as_f64(), reading["v"]["lng"].as_f64());
            let place = lat.zip(lng).ok_or_else(|| Error::new(reading))?;
            let metres = world.metres(at, place);
            if metres > METRES {
                return Err(Error::new(format!(
                    "{metres:.0} m from where it was: {reading}"
                )));
            }
            found.positions += 1;
        }
        for reading in of_kind(&message, "env") {
            let at = since(world, reading["ts"].as_u64().unwrap_or(0))?;
            let temperature = reading["v"]["temp"]
                .as_f64()
                .ok_or_else(|| Error::new(reading))?;
            let off = (temperature - world.at(at).temperature).abs();
            if off > DEGREES {
                return Err(Error::new(format!(
                    "{off:.2} °C from what it was: {reading}"
                )));
            }
            found.weather += 1;
        }
    }
    Ok(found)
}

/// The world's time passes between reading a sensor and reading the clock: half a minute of it on a
/// machine that is very busy.
const METRES: f64 = 500.0;
const DEGREES: f64 = 0.25;

fn of_kind<'m>(message: &'m Value, kind: &str) -> impl Iterator<Item = &'m Value> {
    message["body"][kind].as_array().into_iter().flatten()
}

fn since(world: &World, stamp: u64) -> Result<Duration, Error> {
    let start = u64::try_from(world.start_ms()).unwrap_or(0);
    let since = stamp.checked_sub(start).map(Duration::from_millis);
    since.ok_or_else(|| Error::new(format!("{stamp} is before the world began")))
}
