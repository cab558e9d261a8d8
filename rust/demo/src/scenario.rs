//! The scenario of `--once`: every step is judged by what the hub saw.

use std::{collections::BTreeSet, path::Path, time::Duration};

use iothub_host::Network;
use serde_json::{Value, json};

use crate::{
    Arguments, Bench, Check, Console, DEVICE_ID, DeviceOptions, Error, HOSTNAME, Lines, Report,
};

/// How long a step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(
    arguments: &Arguments,
    temporary: Option<&Path>,
    console: &Console,
    tell: &mut dyn FnMut(&Check),
) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut check =
        |name, step: &mut dyn FnMut() -> Result<String, Error>| report.check(tell, name, step);

    let mut started = None;
    let up = check("hub is up", &mut || {
        let bench = Bench::start(arguments, temporary, console.clone())?;
        let address = bench.hub_address();
        started = Some(bench);
        Ok(format!("{HOSTNAME} at {address}"))
    });
    let Some(mut bench) = started.filter(|_| up) else {
        return Ok(report);
    };

    check("provisioned over AT", &mut || provisioned(&mut bench));
    let mut lines = Lines::default();
    check("device attaches on an IPv6-only network", &mut || {
        // The rest of the network's kinds have tests of their own.
        let options = DeviceOptions {
            network: Network::Ipv6Only,
            time_factor: 0.1,
            program: arguments.device.clone(),
            ..DeviceOptions::default()
        };
        lines = bench.start_device(&options)?;
        lines.find_after(0, "network up: IPv6 only", PATIENCE)?;
        // A native_sim program uses the machine's own network, which has no NAT64.
        let peer = if arguments.device.is_some() {
            "over IP"
        } else {
            "behind a NAT64"
        };
        let peer = lines.find_after(0, peer, PATIENCE)?;
        Ok(peer
            .split_once("over IPv6 ")
            .map_or(peer.clone(), |(_, rest)| rest.to_owned()))
    });
    check("connected, X.509 verified both ways", &mut || {
        connected(&bench, &lines, 1)
    });
    check("telemetry arrives with all its properties", &mut || {
        telemetry(&bench)
    });
    check("twin: desired interval takes effect", &mut || {
        interval(&bench)
    });
    check("twin: a bad value is answered with 400", &mut || {
        bad_value(&bench)
    });
    check("method led is answered 200", &mut || {
        method(&bench, "led", json!(1), 200)
    });
    check("an unknown method is answered 404", &mut || {
        method(&bench, "reboot", json!(null), 404)
    });
    check("cloud-to-device message is delivered", &mut || {
        cloud_to_device(&bench, &lines)
    });
    check("hub killed and started again: device is back", &mut || {
        let mark = lines.mark();
        bench.kill_hub()?;
        lines.find_after(mark, "next attempt in", PATIENCE)?;
        // What is accepted now waits in the outbox.
        lines.find_after(lines.mark(), "telemetry ", PATIENCE)?;
        bench.restart_hub()?;
        connected(&bench, &lines, 1)?;
        method(&bench, "led", json!(0), 200)
    });
    check("no accepted message is lost", &mut || {
        nothing_lost(&bench, &lines)
    });
    check("disabled in the registry: dropped and refused", &mut || {
        disabled(&bench)
    });
    check("clean end", &mut || {
        bench
            .stop()
            .map(|()| "both processes ended with status 0".to_owned())
    });
    Ok(report)
}

/// The key stays in the modem, and the hub knows the device.
fn provisioned(bench: &mut Bench) -> Result<String, Error> {
    let steps = bench.provision()?;
    let store = bench.setup().credentials();
    for name in ["key.pem", "cert.pem", "ca.pem"] {
        if !store.join(name).exists() {
            return Err(Error::new(format!("the modem has no {name}")));
        }
    }
    let outside = bench.setup().device_key();
    if outside.exists() {
        return Err(Error::new(format!(
            "{} is outside of the modem",
            outside.display()
        )));
    }
    if bench.rest().device(DEVICE_ID)?["status"] != "enabled" {
        return Err(Error::new("the hub does not know the device"));
    }
    let verified = steps
        .iter()
        .filter(|step| step.what.ends_with("verified by SHA-256"))
        .count();
    if verified == 2 {
        Ok(
            "key made in the modem; chain and root written, verified by SHA-256; registered"
                .to_owned(),
        )
    } else {
        Err(Error::new(format!("{verified} of 2 credentials verified")))
    }
}

/// The hub's events of one kind for our device, in order.
fn events(bench: &Bench, kind: &str) -> Result<Vec<Value>, Error> {
    let events = bench.rest().events(0)?;
    Ok(events
        .into_iter()
        .filter(|event| event["event"] == kind && event["deviceId"] == DEVICE_ID)
        .collect())
}

fn connected(bench: &Bench, lines: &Lines, times: usize) -> Result<String, Error> {
    let event = bench.rest().until("connected", PATIENCE, |_| {
        Ok(events(bench, "connected")?.into_iter().nth(times - 1))
    })?;
    lines.find_after(0, "ready: every subscription is granted", PATIENCE)?;
    bench.rest().until("subscribed", PATIENCE, |_| {
        Ok(events(bench, "subscribed")?.pop())
    })?;
    let reason = event["reason"].as_str().unwrap_or_default();
    if reason.to_ascii_lowercase().contains("x.509") || reason.to_ascii_lowercase().contains("x509")
    {
        Ok(reason.to_owned())
    } else {
        Err(Error::new(format!(
            "the hub does not say that X.509 was used: {event}"
        )))
    }
}

fn telemetry(bench: &Bench) -> Result<String, Error> {
    let message = bench.rest().until("telemetry", PATIENCE, |rest| {
        Ok(rest.telemetry(DEVICE_ID, bench.since())?.into_iter().next())
    })?;
    let body = &message["body"];
    let system = &message["systemProperties"];
    let complete = body["temperature"].is_number()
        && body["timestamp"].is_u64()
        && system["contentType"] == "application/json"
        && system["contentEncoding"] == "utf-8"
        && message["properties"]["temperatureAlert"] == "false";
    if complete {
        Ok(body.to_string())
    } else {
        Err(Error::new(format!("incomplete: {message}")))
    }
}

fn interval(bench: &Bench) -> Result<String, Error> {
    let rest = bench.rest();
    for seconds in [5, 1] {
        let version = rest.patch_desired(DEVICE_ID, &json!({ "telemetryInterval": seconds }))?;
        acknowledged(bench, 200, seconds, version)?;
    }
    // By the device's own clock, so that a busy machine does not matter.
    let since = rest
        .telemetry(DEVICE_ID, 0)?
        .last()
        .and_then(|last| last["seq"].as_u64())
        .unwrap_or(0);
    let times = rest.until("two more messages", PATIENCE, |rest| {
        let times: Vec<_> = rest
            .telemetry(DEVICE_ID, since)?
            .iter()
            .filter_map(|message| message["body"]["timestamp"].as_u64())
            .collect();
        Ok((times.len() >= 2).then_some(times))
    })?;
    let gaps: Vec<_> = times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    if gaps.iter().all(|gap| (900..5000).contains(gap)) {
        Ok(format!(
            "5 s, then 1 s, each acknowledged; messages {gaps:?} ms apart"
        ))
    } else {
        Err(Error::new(format!("messages are {gaps:?} ms apart")))
    }
}

fn bad_value(bench: &Bench) -> Result<String, Error> {
    let version = bench
        .rest()
        .patch_desired(DEVICE_ID, &json!({ "telemetryInterval": "soon" }))?;
    acknowledged(bench, 400, 1, version)
}

/// Waits for `{"value":…,"ac":…,"av":…}` in the reported properties.
fn acknowledged(bench: &Bench, code: u64, value: u64, version: u64) -> Result<String, Error> {
    bench.rest().until(
        &format!("acknowledgement of version {version}"),
        PATIENCE,
        |rest| {
            let twin = rest.twin(DEVICE_ID)?;
            let found = &twin["properties"]["reported"]["telemetryInterval"];
            let right = found["ac"] == code && found["value"] == value && found["av"] == version;
            Ok(right.then(|| found.to_string()))
        },
    )
}

fn method(bench: &Bench, name: &str, payload: Value, status: u64) -> Result<String, Error> {
    // Right after a connect the subscription may be under way: the hub then says that the device is not online.
    bench
        .rest()
        .until(&format!("method {name}"), PATIENCE, |rest| {
            let (http, answer) = rest.method(DEVICE_ID, name, &payload)?;
            if http != 200 {
                return Ok(None);
            }
            if answer["status"] == status {
                Ok(Some(answer.to_string()))
            } else {
                Err(Error::new(format!("answered with {answer}")))
            }
        })
}

fn cloud_to_device(bench: &Bench, lines: &Lines) -> Result<String, Error> {
    let text = "hello from the cloud";
    let mark = lines.mark();
    bench.rest().send_c2d(DEVICE_ID, text)?;
    lines.find_after(mark, text, PATIENCE)?;
    bench.rest().until("the queue is empty", PATIENCE, |rest| {
        let device = rest.device(DEVICE_ID)?;
        Ok((device["cloudToDeviceMessageCount"] == 0).then_some(()))
    })?;
    Ok(format!("\"{text}\", acknowledged"))
}

/// Every telemetry message that the device's `send` accepted before now is at the hub.
fn nothing_lost(bench: &Bench, lines: &Lines) -> Result<String, Error> {
    let accepted: BTreeSet<u64> = lines
        .all()
        .iter()
        .filter_map(|line| timestamp(line))
        .collect();
    if accepted.is_empty() {
        return Err(Error::new("the device has accepted nothing"));
    }
    bench.rest().until("all telemetry", PATIENCE, |rest| {
        let arrived: BTreeSet<u64> = rest
            .telemetry(DEVICE_ID, 0)?
            .iter()
            .filter_map(|message| message["body"]["timestamp"].as_u64())
            .collect();
        let missing: Vec<_> = accepted.difference(&arrived).collect();
        if missing.is_empty() {
            Ok(Some(format!(
                "{} accepted, {} arrived",
                accepted.len(),
                arrived.len()
            )))
        } else {
            Err(Error::new(format!("missing: {missing:?}")))
        }
    })
}

/// Of a line such as `… telemetry 3: {"temperature":22.1,"timestamp":4396}`.
fn timestamp(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("telemetry ")?;
    let (_, rest) = rest.split_once(r#""timestamp":"#)?;
    rest.trim_end_matches('}').parse().ok()
}

fn disabled(bench: &Bench) -> Result<String, Error> {
    let rest = bench.rest();
    rest.set_status(DEVICE_ID, "disabled")?;
    let closed = rest.until("dropped", PATIENCE, |_| Ok(events(bench, "closed")?.pop()))?;
    let refused = rest.until("refused", PATIENCE, |_| Ok(events(bench, "refused")?.pop()))?;
    let reason = |event: &Value| event["reason"].as_str().unwrap_or_default().to_owned();
    let why = reason(&refused);
    if why.contains("disabled") && !reason(&closed).is_empty() {
        Ok(why)
    } else {
        Err(Error::new(format!("no reason: {closed} {refused}")))
    }
}
