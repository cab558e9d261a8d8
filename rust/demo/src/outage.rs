//! The scenario of `--once --outage`: a day without coverage, at speed, with a power cut in the
//! middle of it.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use iothub_host::Network;
use serde_json::Value;

use crate::{
    Arguments, Bench, Check, Console, DEVICE_ID, DeviceOptions, Error, Report, Rest,
    recorder::{DAY, time_of},
};

/// How long a step may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// 512 KiB: a day of these readings takes half of it.
const SECTORS: u32 = 128;

/// A device without an outbox of an earlier run.
fn fresh(bench: &mut Bench) -> Result<(), Error> {
    if bench.setup().device_data().join("flash").exists() {
        return Err(Error::new(format!(
            "a device has run in {} before, and its outbox is there: name another folder with --data",
            bench.setup().data().display()
        )));
    }
    bench.provision().map(drop)
}

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
    let begun = Bench::begin(&mut check, "hub is up, device provisioned", of, fresh);
    let Some(mut bench) = begun else {
        return Ok(report);
    };
    let mut next = 0;
    let cut = check("no cell in reach; the power is cut", &mut || {
        let lines = bench.start_device(&recorder(Network::NoCell, 0..DAY))?;
        lines.find_after(0, &format!("recorded {}", DAY / 2), TIMEOUT)?;
        let device = bench.device().ok_or_else(|| Error::new("no device"))?;
        device.kill()?;
        // Its output is all there once it is closed.
        let _ = lines.reason();
        let recorded = lines
            .all()
            .iter()
            .filter_map(|line| line.strip_prefix("recorded ")?.parse::<u32>().ok())
            .max();
        next = recorded.map_or(0, |last| last + 1);
        Ok(format!("after {next} readings"))
    });
    if !cut {
        return Ok(report);
    }
    check("the rest of the day, still without a cell", &mut || {
        let lines = bench.start_device(&recorder(Network::NoCell, next..DAY))?;
        let line = lines.find_after(0, "outbox: ", TIMEOUT)?;
        let device = bench.device().ok_or_else(|| Error::new("no device"))?;
        device.kill()?;
        match next < DAY {
            true => Ok(line.trim_start_matches("outbox: ").to_owned()),
            false => Err(Error::new("the day was over before the power was cut")),
        }
    });
    check("coverage is back: the whole day arrives", &mut || {
        let begin = Instant::now();
        bench.start_device(&recorder(Network::DualStack, DAY..DAY))?;
        let arrived = bench.rest().until("all readings", TIMEOUT, |rest| {
            let arrived = readings(rest, bench.since())?;
            let minutes: BTreeSet<_> = arrived.iter().map(|(minute, _)| *minute).collect();
            match minutes.len() == DAY as usize {
                true => Ok(Some(arrived)),
                false => Err(Error::new(format!("{} of {DAY}", minutes.len()))),
            }
        })?;
        let twice = arrived.len() - DAY as usize;
        Ok(format!(
            "{DAY} readings {:.1} s after its start, {twice} of them twice",
            begin.elapsed().as_secs_f64()
        ))
    });
    check("each with its own time, in order", &mut || {
        let arrived = readings(&bench.rest(), bench.since())?;
        if let Some((minute, time)) = arrived
            .iter()
            .find(|(minute, time)| *time != time_of(*minute))
        {
            return Err(Error::new(format!("minute {minute} was made at {time}")));
        }
        let mut newest = None;
        for (minute, _) in &arrived {
            match newest {
                Some(before) if *minute > before + 1 => {
                    return Err(Error::new(format!("{minute} comes after {before}")));
                }
                _ => newest = newest.max(Some(*minute)),
            }
        }
        Ok(format!("{} to {}", time_of(0), time_of(DAY - 1)))
    });
    check("the outbox is empty", &mut || {
        let lines = bench.device_lines();
        lines.find_after(0, crate::said::OUTBOX_EMPTY, TIMEOUT)
    });
    check("clean end", &mut || bench.stop());
    Ok(report)
}

fn recorder(network: Network, record: std::ops::Range<u32>) -> DeviceOptions {
    DeviceOptions {
        network,
        time_factor: 0.1,
        record: Some(record),
        flash_sectors: SECTORS,
        ..DeviceOptions::default()
    }
}

/// What has arrived, in its order: the minute, and when the message says that it was made.
fn readings(rest: &Rest, since: u64) -> Result<Vec<(u32, String)>, Error> {
    let read = |message: &Value| {
        let minute = u32::try_from(message["body"]["minute"].as_u64()?).ok()?;
        let time = message["systemProperties"]["creationTimeUtc"].as_str()?;
        Some((minute, time.to_owned()))
    };
    let messages = rest.telemetry(DEVICE_ID, since)?;
    Ok(messages.iter().filter_map(read).collect())
}
