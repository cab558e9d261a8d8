//! The scenario of `--once`: every step is judged by what the hub saw.

use std::{collections::BTreeSet, path::Path, time::Duration};

use iothub_host::Network;
use serde_json::{Value, json};

use crate::{
    Arguments, Bench, Check, Console, DEVICE_ID, DeviceOptions, Error, Lines, Report,
    rest::sequence,
};

/// How long a step may take on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

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
    let begun = Bench::begin(&mut check, "hub is up", of, |_| Ok(()));
    let Some(mut bench) = begun else {
        return Ok(report);
    };

    let other = arguments.device_command()?;
    let is_ours = other.is_none();
    check("provisioned over AT", &mut || {
        let found = provisioned(&mut bench)?;
        // The simulated modem is not in another device.
        Ok(match is_ours {
            true => found,
            false => format!("the simulated modem, whose files the device gets: {found}"),
        })
    });
    // Another device may have a modem that is only played, and the network of this machine behind
    // it.
    let attaches = match is_ours {
        true => "device attaches on an IPv6-only network",
        false => "device attaches to a network",
    };
    let mut lines = Lines::default();
    let attached = check(attaches, &mut || {
        // The rest of the network's kinds have tests of their own.
        lines = bench.start_device(&DeviceOptions {
            network: Network::Ipv6Only,
            time_factor: 0.1,
            command: other.clone(),
            ..DeviceOptions::default()
        })?;
        match is_ours {
            true => behind_nat64(&lines),
            false => some_network(&lines),
        }
    });
    if !attached && lines.are_all() {
        check("device runs", &mut || Err(bench.why_device_ended()));
        return Ok(report);
    }
    check("connected, its X.509 certificate accepted", &mut || {
        connected(&bench, &lines, 0)
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
        method(&bench, "open-the-door", json!(null), 404)
    });
    check("cloud-to-device message is delivered", &mut || {
        cloud_to_device(&bench, &lines)
    });
    check("hub killed and started again: device is back", &mut || {
        let mark = lines.mark();
        bench.kill_hub()?;
        lines.find_after(mark, crate::said::RETRY, TIMEOUT)?;
        // What is accepted now waits in the outbox.
        lines.find_after(lines.mark(), crate::said::QUEUED, TIMEOUT)?;
        bench.restart_hub()?;
        connected(&bench, &lines, mark)?;
        method(&bench, "led", json!(0), 200)
    });
    check("no accepted message is lost", &mut || {
        nothing_lost(&bench, &lines)
    });
    check("disabled in the registry: dropped and refused", &mut || {
        disabled(&bench)
    });
    check("clean end", &mut || bench.stop());
    Ok(report)
}

/// What the simulated modem has attached to, and by which address the hub was then reached.
fn behind_nat64(lines: &Lines) -> Result<String, Error> {
    lines.find_after(0, "network up: IPv6 only", TIMEOUT)?;
    let line = lines.find_after(0, OVER_IP, TIMEOUT)?;
    line.split_once("over IPv6 to ")
        .filter(|(_, peer)| peer.contains(crate::said::BEHIND_NAT64))
        .map(|(_, peer)| format!("to {peer}"))
        .ok_or_else(|| Error::new(format!("not by IPv6 through a NAT64: {line}")))
}

/// The same as a device says it that is not ours: no more than its words.
fn some_network(lines: &Lines) -> Result<String, Error> {
    let words = |text| {
        let line = lines.find_after(0, text, TIMEOUT)?;
        Ok::<_, Error>(
            line.find(text)
                .map_or(line.clone(), |at| line[at..].to_owned()),
        )
    };
    let (network, peer) = (words(crate::said::NETWORK_UP)?, words(OVER_IP)?);
    Ok(shown(&network, &peer))
}

/// A modem that is played, as native_sim's, says one network and the sockets have another: then
/// none was shown.
fn shown(network: &str, peer: &str) -> String {
    let is_played = network.contains("IPv6 only") && peer.starts_with("over IPv4");
    let so = match is_played {
        true => ": the hub was not reached over that network, which is played",
        false => "",
    };
    format!("its modem says \"{network}\", then \"{peer}\"{so}")
}

/// How the device's line begins that names the hub's address.
const OVER_IP: &str = "over IPv";

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
    if verified != 2 {
        return Err(Error::new(format!("{verified} of 2 credentials verified")));
    }
    // In a folder that was used before, the key and more is there already.
    let key = steps.first().map_or("", |step| step.what.as_str());
    let key = key.split_once(": ").map_or(key, |(_, what)| what);
    Ok(format!(
        "{key}; chain and root verified by SHA-256; the hub knows the device"
    ))
}

/// The hub's events of one kind for our device behind sequence number `since`, in order.
fn events(bench: &Bench, kind: &str, since: u64) -> Result<Vec<Value>, Error> {
    let events = bench.rest().events(since)?;
    Ok(events
        .into_iter()
        .filter(|event| event["event"] == kind && event["deviceId"] == DEVICE_ID)
        .collect())
}

/// The hub's log begins anew with each start of the hub; the device's is looked at from `mark` on.
pub(crate) fn connected(bench: &Bench, lines: &Lines, mark: usize) -> Result<String, Error> {
    lines.find_after(mark, crate::said::READY, TIMEOUT)?;
    let event = bench.rest().until("connected", TIMEOUT, |_| {
        Ok(events(bench, "connected", 0)?.pop())
    })?;
    bench.rest().until("subscribed", TIMEOUT, |_| {
        Ok(events(bench, "subscribed", 0)?.pop())
    })?;
    let reason = event["reason"].as_str().unwrap_or_default();
    match reason.starts_with("X.509, ") {
        true => Ok(reason.to_owned()),
        false => Err(Error::new(format!(
            "the hub does not say that X.509 was used: {event}"
        ))),
    }
}

fn telemetry(bench: &Bench) -> Result<String, Error> {
    let message = bench.rest().until("telemetry", TIMEOUT, |rest| {
        Ok(rest.telemetry(DEVICE_ID, bench.since())?.into_iter().next())
    })?;
    let body = &message["body"];
    let system = &message["systemProperties"];
    let stamps = stamps(&message);
    let complete = stamps.iter().all(|stamp| *stamp > 1_234_567_890_123)
        && !stamps.is_empty()
        && system["contentType"] == "application/json"
        && system["contentEncoding"] == "utf-8"
        && system["creationTimeUtc"].is_string()
        && message["properties"].get("batch").is_some();
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
    let since = rest.last_telemetry(DEVICE_ID)?;
    let times = rest.until("two more messages", TIMEOUT, |rest| {
        let times: BTreeSet<_> = rest
            .telemetry(DEVICE_ID, since)?
            .iter()
            .filter_map(|message| battery_stamps(message).first().copied())
            .collect();
        Ok((times.len() >= 2).then(|| times.into_iter().collect::<Vec<_>>()))
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
        TIMEOUT,
        |rest| {
            let twin = rest.twin(DEVICE_ID)?;
            let found = &twin["properties"]["reported"]["telemetryInterval"];
            let right = found["ac"] == code && found["value"] == value && found["av"] == version;
            Ok(right.then(|| found.to_string()))
        },
    )
}

pub(crate) fn method(
    bench: &Bench,
    name: &str,
    payload: Value,
    status: u64,
) -> Result<String, Error> {
    // Right after a connect the subscription may be under way: the hub then says that the device is
    // not online.
    bench
        .rest()
        .until(&format!("method {name}"), TIMEOUT, |rest| {
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
    lines.find_after(mark, text, TIMEOUT)?;
    bench.rest().until("the queue is empty", TIMEOUT, |rest| {
        let device = rest.device(DEVICE_ID)?;
        Ok((device["cloudToDeviceMessageCount"] == 0).then_some(()))
    })?;
    Ok(format!("\"{text}\", acknowledged"))
}

/// Every telemetry message that the device's `send` accepted before now is at the hub.
pub(crate) fn nothing_lost(bench: &Bench, lines: &Lines) -> Result<String, Error> {
    let accepted: BTreeSet<u64> = lines
        .all()
        .iter()
        .filter_map(|line| timestamp(line))
        .collect();
    if accepted.is_empty() {
        return Err(Error::new("the device has accepted nothing"));
    }
    bench.rest().until("all telemetry", TIMEOUT, |rest| {
        let arrived: BTreeSet<u64> = rest
            .telemetry(DEVICE_ID, bench.since())?
            .iter()
            .filter_map(|message| stamps(message).into_iter().min())
            .collect();
        let missing: Vec<_> = accepted.difference(&arrived).collect();
        if missing.is_empty() {
            let count = accepted.len();
            Ok(Some(format!("{count} accepted, all {count} arrived")))
        } else {
            Err(Error::new(format!("missing: {missing:?}")))
        }
    })
}

/// The earliest reading of a line such as `… telemetry 3 queued: 2 readings from 1796025600123:
/// {"bat":…`.
pub fn timestamp(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(crate::said::QUEUED)?;
    let (_, rest) = rest.split_once("readings from ")?;
    rest.split_once(':')?.0.parse().ok()
}

/// When each reading of a message was taken.
pub fn stamps(message: &Value) -> Vec<u64> {
    let kinds = message["body"]
        .as_object()
        .into_iter()
        .flat_map(|kinds| kinds.values());
    let readings = kinds.filter_map(Value::as_array).flatten();
    readings
        .filter_map(|reading| reading["ts"].as_u64())
        .collect()
}

/// When the battery was read, which is with every sample.
fn battery_stamps(message: &Value) -> Vec<u64> {
    let readings = message["body"]["bat"].as_array().into_iter().flatten();
    readings
        .filter_map(|reading| reading["ts"].as_u64())
        .collect()
}

fn disabled(bench: &Bench) -> Result<String, Error> {
    let rest = bench.rest();
    let since = rest.events(0)?.last().map_or(0, sequence);
    rest.set_status(DEVICE_ID, "disabled")?;
    let first = |what: &str, kind: &str| {
        let found = rest.until(what, TIMEOUT, |_| {
            Ok(events(bench, kind, since)?.into_iter().next())
        })?;
        Ok::<_, Error>(found["reason"].as_str().unwrap_or_default().to_owned())
    };
    let (dropped, refused) = (first("dropped", "closed")?, first("refused", "refused")?);
    match [&dropped, &refused]
        .iter()
        .all(|why| why.contains("disabled"))
    {
        true => Ok(format!("closed: {dropped}; refused: {refused}")),
        false => Err(Error::new(format!(
            "other reasons: closed: {dropped}; refused: {refused}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_network_that_was_not_gone_over_is_named() {
        let (ipv6, both) = ("network up: IPv6 only", "network up: IPv4 and IPv6");
        assert!(shown(ipv6, "over IPv4 to 127.0.0.1").contains("not reached over that network"));
        for (network, peer) in [
            (ipv6, "over IPv6 to 64:ff9b::1"),
            (both, "over IPv4 to 127.0.0.1"),
        ] {
            assert!(
                !shown(network, peer).contains("not reached"),
                "{network}, {peer}"
            );
        }
    }
}
