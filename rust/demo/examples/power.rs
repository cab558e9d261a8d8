//! `cargo run -p iothub-demo --example power`: seconds of radio, bytes and charge of a day, for
//! three patterns of traffic in the simulated network: docs/power.md.

use std::time::Duration;

use iothub_host::Radio;

const DAY: u64 = 86_400;

/// What goes over the air at once.
struct Burst {
    every_s: u64,
    /// Pieces that are written, each a TLS record.
    sent: Vec<u64>,
    received: Vec<u64>,
}

struct Pattern {
    name: &'static str,
    bursts: Vec<Burst>,
    /// Pings where nothing was written for so long.
    keep_alive_s: u64,
}

/// Documents of one sample, as the application writes them.
const SAMPLE: &str = concat!(
    r#"{"v":{"lng":153.0250351,"lat":-27.4699301,"acc":4.2,"alt":28.2,"spd":7.5,"hdg":203.77},"ts":1796081711271},"#,
    r#"{"v":{"temp":20.122,"hum":67.516,"atmp":100.988,"gas":83758,"light":0},"ts":1796081708270},"#,
    r#"{"v":3980,"ts":1796081708270},"#
);

/// Topic with its properties, and MQTT's own.
const HEADER: u64 = 160;
const PUBACK: u64 = 4;
const PING: u64 = 2;

/// The largest document: `CONFIG_IOTHUB_MESSAGE_SIZE` less what is beside it.
const DOCUMENT: u64 = 768;

/// Samples that are kept, and leave together.
fn buffered(name: &'static str, sample_s: u64, update_s: u64) -> Pattern {
    let bytes = update_s.max(sample_s) / sample_s * SAMPLE.len() as u64;
    let messages = bytes.div_ceil(DOCUMENT);
    let sent = (0..messages).flat_map(|_| [HEADER, bytes / messages]);
    Pattern {
        name,
        bursts: vec![Burst {
            every_s: update_s.max(sample_s),
            sent: sent.collect(),
            received: vec![PUBACK; usize::try_from(messages).unwrap_or(0)],
        }],
        keep_alive_s: 1177,
    }
}

fn main() {
    let patterns = [
        buffered("iothub: a sample each 120 s, cfg.upd 1080", 120, 1080),
        buffered("iothub: a sample each 120 s, sent at once", 120, 0),
        buffered("asset tracker v2: cfg.actwt 300, its default", 300, 0),
        Pattern {
            name: "azure_iot_hub sample: each 20 s, its default",
            // 74 bytes, header and payload apart.
            bursts: vec![Burst {
                every_s: 20,
                sent: vec![50, 24],
                received: vec![PUBACK],
            }],
            keep_alive_s: 1767,
        },
    ];
    println!(
        "{:<46} {:>7} {:>8} {:>9} {:>9} {:>8} {:>8}",
        "a day", "wakes", "radio s", "sent", "received", "mAh min", "mAh max"
    );
    for pattern in patterns {
        let usage = day(&pattern);
        let connected = usage.connected.as_secs_f64();
        let asleep = (DAY as f64 - connected) * PSM_MA / 3600.0;
        let least = f64::from(usage.connections) * WAKE_J / VOLTS / 3.6 + asleep;
        let most = connected * UPLINK_MA / 3600.0 + asleep;
        println!(
            "{:<46} {:>7} {:>8.0} {:>9} {:>9} {:>8.2} {:>8.1}",
            pattern.name, usage.connections, connected, usage.sent, usage.received, least, most
        );
    }
}

/// nRF9160 Product Specification, modem current consumption, Cat-M1, B13: the PSM floor, the energy
/// of a TAU event with the UICC, and the average of an uplink at 0 dBm. Its profiler measures at
/// 3.7 V.
const PSM_MA: f64 = 0.0027;
const WAKE_J: f64 = 0.105;
const UPLINK_MA: f64 = 45.0;
const VOLTS: f64 = 3.7;

fn day(pattern: &Pattern) -> iothub_host::RadioUsage {
    let mut radio = Radio::new(Radio::INACTIVITY);
    let mut written = 0;
    for second in 0..DAY {
        let now = Duration::from_secs(second);
        for burst in &pattern.bursts {
            if second % burst.every_s == 0 {
                burst
                    .sent
                    .iter()
                    .for_each(|sent| radio.carry(now, *sent, 0));
                burst
                    .received
                    .iter()
                    .for_each(|received| radio.carry(now, 0, *received));
                written = second;
            }
        }
        if second - written >= pattern.keep_alive_s {
            radio.carry(now, PING, 0);
            radio.carry(now, 0, PING);
            written = second;
        }
    }
    radio.usage(Duration::from_secs(DAY))
}
