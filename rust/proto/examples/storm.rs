//! Many devices lose one hub at once and come back: time to full recovery, peak rate of connects
//! and wasted connects, for our reconnect policy and those of other clients.
//!
//! `cargo run --release --example storm -p iothub-proto -- [--svg FILE] [DEVICES…]`
//!
//! # The model of the hub
//! All connections end at time 0. The hub admits 100 connects a second, the limit of one S1 unit: a
//! bucket of 100 tokens, filled by one each 10 ms. Among what is due in a step those that are
//! admitted are drawn by lot; the others are refused at once, as with CONNACK 3 or a closed
//! connection. A connect takes no time, so that the numbers are those of the policies alone. Each
//! policy is told the number of failures in a row and a random number. Of three runs the slowest is
//! shown. What wastes a thousand connects a device, or takes ten times as long as the hub needs, is
//! given up as "not".
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example")]

use std::time::Duration;

use iothub_proto::reconnect::{Class, Policy};

const ADMITTED_PER_SECOND: u64 = 100;
/// A connect is admitted each step.
const STEP_MS: u64 = 1000 / ADMITTED_PER_SECOND;
const STEPS_PER_SECOND: u64 = 1000 / STEP_MS;
/// What a second of quiet leaves over.
const BURST: u64 = ADMITTED_PER_SECOND;
/// What takes ten times as long as the hub needs is given up, …
const GIVE_UP_AFTER: u64 = 10;
/// … and what wastes a thousand connects a device.
const WASTE: u64 = 1000;
/// Steps of the ring: longer than the longest wait.
const RING: usize = 65_536;

struct Candidate {
    name: &'static str,
    /// Milliseconds to wait after this many failures in a row; 0 right after the loss.
    delay: fn(u32, &mut Random) -> u64,
}

const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "iothub (1 s to 600 s)",
        delay: |failures, random| {
            let delay = Policy::new().delay(failures + 1, Class::Transient, random.next());
            u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
        },
    },
    Candidate {
        name: "Embedded C (1 s to 100 s, + 0 to 5 s)",
        delay: |failures, random| (1000 << failures.min(20)).min(100_000) + random.below(5000),
    },
    Candidate {
        name: "C SDK (at once, 1 s to 30 s, + 0 to 5 %)",
        delay: |failures, random| match failures {
            0 => 0,
            failures => {
                let delay = (1000 << (failures - 1).min(20)).min(30_000);
                delay + random.below(delay / 20 + 1)
            }
        },
    },
    Candidate {
        name: "Node (100 ms to 10 s)",
        delay: |failures, random| node(failures, 100, 100, 10_000, random),
    },
    Candidate {
        name: "Node, throttled (10 s to 60 s)",
        delay: |failures, random| node(failures, 5000, 10_000, 60_000, random),
    },
    Candidate {
        name: "Python (10 ms, then 10 s)",
        delay: |failures, _| if failures == 0 { 10 } else { 10_000 },
    },
    Candidate {
        name: "azure-iot-sdk (1 s to 60 s, ± 20 %)",
        delay: |failures, random| {
            let base = (1000 << failures.min(20)).min(60_000);
            base * 8 / 10 + random.below(base * 4 / 10)
        },
    },
    Candidate {
        name: "none (every 1 s)",
        delay: |_, _| 1000,
    },
];

/// F(x) = min(Cmin + (2^(x-1) - 1) · rand(C(1 - Jd), C(1 + Ju)), Cmax) with Jd 0.5 and Ju 0.25.
fn node(failures: u32, c: u64, min: u64, max: u64, random: &mut Random) -> u64 {
    let spread = c / 2 + random.below(c * 3 / 4);
    let factor = (1u64 << failures.min(20)) - 1;
    (min + factor * spread).min(max)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            u64::from(self.next()) % bound
        }
    }
}

struct Outcome {
    recovered: Option<Duration>,
    peak: u64,
    wasted: u64,
}

/// Time goes in steps of 10 ms. What is due in a step lies in one place of a ring, as the numbers
/// of failures of those devices.
fn storm(devices: u64, candidate: &Candidate, seed: u64) -> Outcome {
    let mut random = Random(seed);
    let mut ring: Vec<Vec<u32>> = vec![Vec::new(); RING];
    let put = |ring: &mut Vec<Vec<u32>>, step: u64, failures: u32, random: &mut Random| {
        let wait = ((candidate.delay)(failures, random) / STEP_MS).max(u64::from(failures > 0));
        let at = (step + wait.min(RING as u64 - 1)) % RING as u64;
        ring[at as usize].push(failures);
    };
    for _ in 0..devices {
        put(&mut ring, 0, 0, &mut random);
    }
    let (mut left, mut wasted, mut step) = (devices, 0, 0);
    let (mut rate, mut peak) = (0, 0);
    let mut tokens = BURST;
    while left > 0 && step < GIVE_UP_AFTER * devices + 6000 && wasted < WASTE * devices {
        if step % STEPS_PER_SECOND == 0 {
            rate = 0;
        }
        let mut due = std::mem::take(&mut ring[(step % RING as u64) as usize]);
        rate += due.len() as u64;
        peak = peak.max(rate);
        tokens = (tokens + 1).min(BURST);
        while tokens > 0 && !due.is_empty() {
            due.swap_remove(random.below(due.len() as u64) as usize);
            left -= 1;
            tokens -= 1;
        }
        for failures in due {
            wasted += 1;
            put(&mut ring, step, failures + 1, &mut random);
        }
        step += 1;
    }
    Outcome {
        recovered: (left == 0).then(|| Duration::from_millis(step * STEP_MS)),
        peak,
        wasted,
    }
}

/// The worst of three, since a straggler is a matter of luck.
fn worst(devices: u64, candidate: &Candidate) -> Outcome {
    [0x5EED_0001, 0x5EED_0002, 0x5EED_0003]
        .map(|seed| storm(devices, candidate, seed))
        .into_iter()
        .max_by_key(|outcome| outcome.recovered.unwrap_or(Duration::MAX))
        .expect("three")
}

fn main() {
    let mut svg = None;
    let mut sizes = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--svg" => svg = arguments.next(),
            size => sizes.push(size.parse().expect("a number of devices")),
        }
    }
    if sizes.is_empty() {
        sizes = vec![1000, 10_000, 100_000, 1_000_000];
    }
    let mut points = Vec::new();
    println!(
        "| devices | policy | recovered after | × the hub's limit | peak connects/s | wasted connects a device |"
    );
    println!("|--:|---|--:|--:|--:|--:|");
    for devices in sizes {
        let limit = devices as f64 / ADMITTED_PER_SECOND as f64;
        for candidate in CANDIDATES {
            let outcome = worst(devices, candidate);
            let wasted = outcome.wasted as f64 / devices as f64;
            let (after, factor) = match outcome.recovered {
                Some(time) => {
                    let factor = time.as_secs_f64() / limit;
                    points.push((devices, candidate.name, factor, wasted));
                    (
                        format!("{:.0} s", time.as_secs_f64()),
                        format!("{factor:.2}"),
                    )
                }
                None => ("not".into(), "–".into()),
            };
            println!(
                "| {devices} | {} | {after} | {factor} | {} | {wasted:.1} |",
                candidate.name, outcome.peak
            );
        }
    }
    if let Some(path) = svg {
        std::fs::write(&path, plot(&points)).expect("the SVG is written");
    }
}

/// Recovery against waste, both logarithmic, for the largest number of devices.
fn plot(points: &[(u64, &str, f64, f64)]) -> String {
    let most = points.iter().map(|point| point.0).max().unwrap_or(0);
    let points: Vec<_> = points.iter().filter(|point| point.0 == most).collect();
    let span = |value: fn(&(u64, &str, f64, f64)) -> f64| {
        let values = || points.iter().map(|point| value(point).max(0.01).log10());
        let low = values().fold(f64::MAX, f64::min) - 0.1;
        let high = values().fold(f64::MIN, f64::max) + 0.1;
        (low, high)
    };
    let ((left, right), (low, high)) = (span(|point| point.3), span(|point| point.2));
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 420\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"720\" height=\"420\" fill=\"white\"/>\n\
         <path d=\"M60 20V370H700\" fill=\"none\" stroke=\"black\"/>\n",
    );
    svg += &format!(
        "<text x=\"380\" y=\"405\" text-anchor=\"middle\">wasted connects a device (logarithmic), {most} devices</text>\n\
         <text x=\"20\" y=\"195\" text-anchor=\"middle\" transform=\"rotate(-90 20 195)\">recovery, × the hub's limit</text>\n"
    );
    for (_, name, factor, wasted) in points {
        let x = 60.0 + 560.0 * (wasted.max(0.01).log10() - left) / (right - left);
        let y = 370.0 - 340.0 * (factor.max(0.01).log10() - low) / (high - low);
        let fill = if name.starts_with("iothub") {
            "crimson"
        } else {
            "steelblue"
        };
        let (anchor, shift) = if x > 400.0 {
            ("end", -8.0)
        } else {
            ("start", 8.0)
        };
        svg += &format!(
            "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"5\" fill=\"{fill}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{name}: {factor:.2}, {wasted:.1}</text>\n",
            x + shift,
            y - 6.0
        );
    }
    svg + "</svg>\n"
}
