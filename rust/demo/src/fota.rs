//! The scenario of `--once --fota`: every step is judged by what the hub saw.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    Arguments, Bench, Check, Console, DEVICE_ID, DeviceCommand, DeviceOptions, Error, Report, said,
};

/// How long a step may take on a busy machine. A board tries three times, 35 s, before it gives a
/// server up.
const TIMEOUT: Duration = Duration::from_secs(150);

/// How long a new image of a device that is not ours may take to reach the hub, in seconds.
const TRIAL_S: u32 = 20;

/// Bytes of an image's body.
const BODY: usize = 48 * 1024;

/// Bytes of a request.
const FRAGMENT: u64 = 1024;

/// What runs out of the factory.
const FACTORY: &str = "0.1.0";

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
    let begun = Bench::begin(&mut check, "hub is up, and serves images", of, |_| Ok(()));
    let Some(mut bench) = begun else {
        return Ok(report);
    };
    let other = arguments.device_command()?;
    let runs = check("device reports what it runs", &mut || {
        if bench.setup().firmware().exists() {
            return Err(Error::new(format!(
                "a device has run in {} before, with updates of its own: name another folder with --data",
                bench.setup().data().display()
            )));
        }
        bench.provision()?;
        bench.setup().setting("iothub/fota/trial_s", "20")?;
        start(&mut bench, other.as_ref())?;
        says(&bench, "current", FACTORY, "")
    });
    if !runs {
        return Ok(report);
    }
    check("an update over HTTPS: tried, confirmed", &mut || {
        let size = image(&bench, "1.0.0")?;
        let mark = bench.device_lines().mark();
        let from = deploy(&bench, "1.0.0", "https")?["fwLocation"].take();
        says(&bench, "current", "1.0.0", "job-1.0.0")?;
        let lines = bench.device_lines();
        lines.find_after(mark, said::ON_TRIAL, TIMEOUT)?;
        let served = bench.rest().served("1.0.0")?;
        match (from["protocol"].as_str(), from["port"].as_u64()) {
            (Some("https"), Some(port)) if served >= size => Ok(format!(
                "{served} bytes from port {port} by https, tried, current 1.0.0"
            )),
            _ => Err(Error::new(format!("{served} bytes from {from}"))),
        }
    });
    check("cut at 50 %: goes on where it was", &mut || {
        resumes(&bench, "1.1.0")
    });
    check("wrong hash: error, and 1.1.0 runs on", &mut || {
        fails(&bench, "1.2.0", &json!({ "kind": "corrupt" }), &["sha256"])
    });
    check("404: error, and 1.1.0 runs on", &mut || {
        fails(
            &bench,
            "1.3.0",
            &json!({ "kind": "status", "status": 404 }),
            // The SDK's library tells no status.
            &["404", "the server refuses it"],
        )
    });
    check("never reaches the hub: rolled back", &mut || match other {
        None => rolls_back(&bench),
        Some(_) => rolls_back_without_a_hub(&mut bench),
    });
    check("power cuts: the old or the new, and it says", &mut || {
        (1..=8)
            .map(|seed| survives(&mut bench, other.as_ref(), seed))
            .collect::<Result<Vec<_>, _>>()
            .map(|found| found.join(", "))
    });
    check("clean end", &mut || bench.stop());
    Ok(report)
}

/// Starts the device and waits until it has reached the hub, with whatever image.
fn start(bench: &mut Bench, other: Option<&DeviceCommand>) -> Result<(), Error> {
    let lines = bench.start_device(&DeviceOptions {
        time_factor: 0.01,
        command: other.cloned(),
        trial_s: other.map(|_| TRIAL_S),
        ..DeviceOptions::default()
    })?;
    match lines.find_after(0, said::READY, TIMEOUT) {
        Err(_) if lines.are_all() => Err(bench.why_device_ended()),
        found => found.map(drop),
    }
}

/// Another device resolves names by this machine.
fn deploy(bench: &Bench, version: &str, protocol: &str) -> Result<Value, Error> {
    let host = (!bench.is_ours()).then_some("localhost");
    bench.rest().deploy_from(DEVICE_ID, version, protocol, host)
}

/// A good image of that version.
fn image(bench: &Bench, version: &str) -> Result<u64, Error> {
    let body: Vec<u8> = version.bytes().cycle().take(BODY).collect();
    bench.setup().image(version, &body)
}

/// Waits until the device reports this.
fn says(bench: &Bench, status: &str, version: &str, job: &str) -> Result<String, Error> {
    let what = format!("firmware {status}, {version}");
    bench.rest().until(&what, TIMEOUT, |rest| {
        let found = rest.firmware(DEVICE_ID)?;
        let right = found["fwUpdateStatus"] == status
            && found["currentFwVersion"] == version
            && found["jobId"].as_str().unwrap_or_default() == job;
        if right {
            Ok(Some(found.to_string()))
        } else {
            Err(Error::new(found))
        }
    })
}

fn resumes(bench: &Bench, version: &str) -> Result<String, Error> {
    let size = image(bench, version)?;
    let rest = bench.rest();
    rest.firmware_fault(&json!({ "kind": "cut", "at": size / 2 }))?;
    deploy(bench, version, "http")?;
    says(bench, "current", version, &format!("job-{version}"))?;
    let cut = format!("{version}.bin: cut at byte {}", size / 2);
    let events = rest.events(0)?;
    if !events.iter().any(|event| event["reason"] == cut.as_str()) {
        return Err(Error::new("the image server has cut nothing"));
    }
    let again = rest.served(version)?.saturating_sub(size);
    if again <= FRAGMENT {
        Ok(format!(
            "cut at byte {} of {size}; {again} bytes were sent twice",
            size / 2
        ))
    } else {
        Err(Error::new(format!(
            "{again} bytes were sent twice, more than a fragment of {FRAGMENT}"
        )))
    }
}

fn fails(bench: &Bench, version: &str, fault: &Value, reasons: &[&str]) -> Result<String, Error> {
    image(bench, version)?;
    let rest = bench.rest();
    rest.firmware_fault(fault)?;
    deploy(bench, version, "https")?;
    let found = says(bench, "error", "1.1.0", &format!("job-{version}"))?;
    rest.firmware_fault(&Value::Null)?;
    if reasons.iter().any(|reason| found.contains(reason)) {
        let reason = rest.firmware(DEVICE_ID)?["reason"].take();
        Ok(reason.as_str().unwrap_or_default().to_owned())
    } else {
        Err(Error::new(format!("no reason: {found}")))
    }
}

fn rolls_back(bench: &Bench) -> Result<String, Error> {
    bench.setup().setting("iothub/fota/trial_s", "2")?;
    let mark = bench.device_lines().mark();
    // Nobody listens there.
    bench.setup().image("2.0.0", b"port=1\n")?;
    deploy(bench, "2.0.0", "https")?;
    let found = says(bench, "rolledback", "1.1.0", "job-2.0.0");
    bench.setup().setting("iothub/fota/trial_s", "60")?;
    found?;
    let lines = bench.device_lines();
    lines.find_after(mark, "firmware 2.0.0, on trial", TIMEOUT)?;
    Ok("2.0.0 was tried; 1.1.0 runs".to_owned())
}

/// What another device does with an image is its own business: there is no hub while it is on
/// trial.
fn rolls_back_without_a_hub(bench: &mut Bench) -> Result<String, Error> {
    let mark = bench.device_lines().mark();
    image(bench, "2.0.0")?;
    deploy(bench, "2.0.0", "https")?;
    let lines = bench.device_lines();
    lines.find_after(mark, "restarting for the firmware", TIMEOUT)?;
    bench.kill_hub()?;
    let tried = lines.find_after(mark, "firmware 2.0.0, on trial", TIMEOUT);
    let mark = lines.mark();
    let back = tried.and_then(|_| lines.find_after(mark, "firmware 1.1.0", TIMEOUT));
    bench.restart_hub()?;
    back?;
    says(bench, "rolledback", "1.1.0", "job-2.0.0")?;
    Ok(format!("2.0.0 was tried for {TRIAL_S} s; 1.1.0 runs"))
}

/// The device is killed at a moment that the seed gives, and started again.
fn survives(bench: &mut Bench, other: Option<&DeviceCommand>, seed: u64) -> Result<String, Error> {
    let rest = bench.rest();
    let old = rest.firmware(DEVICE_ID)?["currentFwVersion"].take();
    let old = old.as_str().unwrap_or_default().to_owned();
    let version = format!("3.{seed}.0");
    let job = format!("job-{version}");
    let size = image(bench, &version)?;
    let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mark = bench.device_lines().mark();
    deploy(bench, &version, "http")?;
    let moment = match random >> 62 {
        0 | 1 => {
            let bytes = (random >> 16) % size;
            rest.until("bytes", TIMEOUT, |rest| {
                Ok((rest.served(&version)? >= bytes).then_some(()))
            })?;
            format!("at {bytes}")
        }
        _ => {
            let moments = [
                "the new firmware is in place",
                "restarting for the firmware",
                said::ON_TRIAL,
                said::READY,
            ];
            let at = (random >> 32) as usize % moments.len();
            let text = moments.get(at).copied().unwrap_or_default();
            bench.device_lines().find_after(mark, text, TIMEOUT)?;
            format!("at \"{text}\"")
        }
    };
    if let Some(device) = bench.device() {
        device.kill()?;
    }
    start(bench, other)?;
    let found = rest.until("the old or the new image", TIMEOUT, |rest| {
        let found = rest.firmware(DEVICE_ID)?;
        let right = match (
            found["fwUpdateStatus"].as_str(),
            found["currentFwVersion"].as_str(),
        ) {
            (Some("current"), Some(runs)) => runs == version,
            (Some("rolledback"), Some(runs)) => runs == old,
            _ => false,
        };
        if right && found["jobId"] == job.as_str() {
            Ok(Some(
                found["fwUpdateStatus"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            ))
        } else {
            Err(Error::new(found))
        }
    })?;
    Ok(format!("{moment}: {found}"))
}
