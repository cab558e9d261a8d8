//! Tables and the curve.

use std::fmt::Write as _;
use std::time::Duration;

use crate::scenario::{Sample, Samples, percentile};
use crate::server::Kind;

/// Names, and what they are.
pub const SCENARIOS: &[(&str, &str)] = &[
    ("ready", "from start to ready"),
    ("storm", "1,000 devices connect, 64 at a time"),
    ("steady", "100 devices, 8 messages in flight each"),
    ("steady, 1 device", "1 device, 16 messages in flight"),
    ("beat", "1,000 devices, a message a second each"),
    ("fan-in", "100 devices, one reader of everything"),
    ("twins", "100 devices, reported properties one by one"),
    ("methods", "one caller, call by call"),
];

/// Of each figure the middle one.
pub fn middle(samples: &[Sample]) -> Sample {
    fn of<T: PartialOrd + Copy>(mut all: Vec<T>) -> Option<T> {
        all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        all.get(all.len() / 2).copied()
    }
    let pick = |part: fn(&Sample) -> Duration| of(samples.iter().map(part).collect());
    let number = |part: fn(&Sample) -> f64| of(samples.iter().map(part).collect());
    Sample {
        rate: number(|it| it.rate).unwrap_or_default(),
        p50: pick(|it| it.p50).unwrap_or_default(),
        p99: pick(|it| it.p99).unwrap_or_default(),
        cpu: pick(|it| it.cpu).unwrap_or_default(),
        memory: number(|it| it.memory).unwrap_or_default(),
    }
}

pub fn table(samples: &Samples) {
    println!(
        "| scenario | server | per second | ratio | p50 ms | p99 ms | CPU µs each | ratio | KiB a connection |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for (name, _) in SCENARIOS {
        let of = |kind: Kind| samples.get(&(*name, kind.name())).map(|all| middle(all));
        let base = of(Kind::Mosquitto);
        for kind in Kind::ALL {
            let Some(sample) = of(kind) else { continue };
            println!("{}", line(name, kind, &sample, base.as_ref()));
        }
    }
}

/// A row of a large registry; memory in KiB.
pub fn scale(size: usize, what: &str, took: Duration, memory: Option<u64>) {
    let took = match took.is_zero() {
        true => String::new(),
        false => format!("{:.1}", millis(took)),
    };
    let memory = memory.map_or_else(String::new, |it| format!("{}", it / 1024));
    println!("| {size} | {what} | {took} | {memory} |");
}

pub fn scale_head() {
    println!("| devices | what | ms | MiB |\n|--:|---|--:|--:|");
}

/// What a device felt while somebody read.
pub fn stall(size: usize, what: &str, times: &mut [Duration], read: u64) {
    let mut at = |part| millis(percentile(times, part));
    let (p50, p99, most) = (at(50), at(99), at(100));
    println!(
        "| {size} | PUBACK while: {what} ({read} read) | p50 {p50:.1}, p99 {p99:.1}, most {most:.1} | |"
    );
}

/// What was felt beside people who do not behave; memory in KiB.
pub fn stress(what: &str, times: &mut [Duration], memory: Option<u64>) {
    let mut at = |part| millis(percentile(times, part));
    let (p50, p99, most) = (at(50), at(99), at(100));
    let memory = memory.map_or_else(String::new, |it| format!("{}", it / 1024));
    println!("| {what} | {p50:.1} | {p99:.1} | {most:.1} | {memory} |");
}

pub fn stress_head() {
    println!("| what | p50 ms | p99 ms | most ms | memory MiB |\n|---|--:|--:|--:|--:|");
}

/// What else runs on this machine.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn line(name: &str, kind: Kind, sample: &Sample, base: Option<&Sample>) -> String {
    let ratio = |mine: f64, theirs: fn(&Sample) -> f64| match base.map(theirs) {
        Some(theirs) if theirs > 0.0 && mine > 0.0 => format!("{:.2}", mine / theirs),
        _ => String::new(),
    };
    let figure = |value: f64, digits: usize| match value > 0.0 {
        true => format!("{value:.digits$}"),
        false => String::new(),
    };
    let cpu = |it: &Sample| it.cpu.as_secs_f64() * 1e6;
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        kind.name(),
        figure(sample.rate, 0),
        ratio(sample.rate, |it| it.rate),
        figure(millis(sample.p50), 2),
        figure(millis(sample.p99), 2),
        figure(cpu(sample), 1),
        ratio(cpu(sample), |it| it.cpu.as_secs_f64() * 1e6),
        figure(sample.memory, 1),
    )
}

pub fn sweep(curve: &[(usize, Kind, Sample)]) {
    println!(
        "\n| connections | server | messages/s | ratio | p50 ms | p99 ms | CPU µs each | KiB a connection |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|--:|");
    for (size, kind, sample) in curve {
        let base = curve
            .iter()
            .find(|(other, kind, _)| other == size && *kind == Kind::Mosquitto);
        let ratio = base.map_or(0.0, |(_, _, base)| sample.rate / base.rate);
        println!(
            "| {size} | {} | {:.0} | {ratio:.2} | {:.2} | {:.2} | {:.1} | {:.1} |",
            kind.name(),
            sample.rate,
            millis(sample.p50),
            millis(sample.p99),
            sample.cpu.as_secs_f64() * 1e6,
            sample.memory,
        );
    }
}

/// Messages a second over connections; both axes have powers of ten.
pub fn svg(curve: &[(usize, Kind, Sample)]) -> String {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 380.0;
    const LEFT: f64 = 70.0;
    const BOTTOM: f64 = 330.0;
    let highest = curve.iter().map(|it| it.2.rate).fold(1.0, f64::max) * 1.15;
    let most = curve.iter().map(|it| it.0).max().unwrap_or(10) as f64;
    let least = curve.iter().map(|it| it.0).min().unwrap_or(1) as f64;
    let x = |size: f64| {
        let part = (size / least).log10() / (most / least).log10().max(1e-9);
        LEFT + part * (WIDTH - LEFT - 170.0)
    };
    let y = |rate: f64| BOTTOM - rate / highest * (BOTTOM - 30.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"15\">messages a second with QoS 1 over TLS, one in flight a connection</text>\n"
    );
    let step = 10f64.powf(highest.log10().floor()) / 2.0;
    let mut rate = 0.0;
    while rate <= highest {
        let at = y(rate);
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {at:.0}H{:.0}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.0}\" text-anchor=\"end\">{rate:.0}</text>",
            WIDTH - 170.0,
            LEFT - 8.0,
            at + 4.0
        );
        rate += step;
    }
    let mut sizes: Vec<usize> = curve.iter().map(|it| it.0).collect();
    sizes.dedup();
    for size in sizes {
        let at = x(size as f64);
        let _ = writeln!(
            text,
            "<text x=\"{at:.0}\" y=\"{}\" text-anchor=\"middle\">{size}</text>",
            BOTTOM + 20.0
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">connections</text>",
        (LEFT + WIDTH - 170.0) / 2.0,
        BOTTOM + 42.0
    );
    let mut kinds = Kind::ALL.to_vec();
    kinds.retain(|kind| curve.iter().any(|it| it.1 == *kind));
    for (row, (kind, colour)) in kinds.into_iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = curve
            .iter()
            .filter(|it| it.1 == kind)
            .map(|it| format!("{:.1},{:.1}", x(it.0 as f64), y(it.2.rate)))
            .collect();
        let at = 60 + 22 * row;
        let _ = writeln!(
            text,
            "<g fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"><polyline points=\"{}\"/>\
             <path d=\"M566 {at}h20\"/></g><text x=\"592\" y=\"{}\">{}</text>",
            points.join(" "),
            at + 4,
            kind.name()
        );
    }
    text.push_str("</svg>\n");
    text
}

const COLOURS: [&str; 7] = [
    "#666", "#0063b1", "#c2410c", "#15803d", "#7e22ce", "#b45309", "#0f766e",
];

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
