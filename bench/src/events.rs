//! The Event Hubs-compatible endpoint next to devices that send: how fast one consumer follows, how
//! late a message is there, and how long a backlog takes; beside it the emulator's own reader of
//! JSON lines under the same load.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::Pki;
use crate::rest::Rest;
use crate::scenario::{self, Fleet, percentile};
use crate::server::{Kind, Server};
use crate::{Failure, report};

/// Rounds of both readers in turn, then the backlog.
pub async fn run(
    folder: &Path,
    binary: &Path,
    pki: &Pki,
    fleet: &Fleet,
    (rounds, time): (usize, Duration),
) -> Result<(), Failure> {
    println!(
        "| reader | acknowledged/s | read/s | PUBACK to reader p50 | p99 | processor of the emulator for each |"
    );
    println!("|---|---|---|---|---|---|");
    for _ in 0..rounds {
        for reader in ["AMQP", "JSON lines", "none"] {
            follow(folder, binary, pki, fleet, reader, time).await?;
        }
    }
    let begin = Instant::now();
    let server = Server::start(Kind::Disk, folder, binary)?;
    fleet.register(&server, pki, 20).await?;
    let (_, mut devices) = fleet.storm(&server, 20).await?;
    let mut sent = 0;
    while sent < BACKLOG {
        let sample = scenario::steady(&server, &mut devices, 32, Duration::from_secs(3)).await?;
        sent += (sample.rate * 3.0) as u64;
    }
    let stored = begin.elapsed();
    drop(devices);
    let mut consumer = Consumer::open(&server, pki, "amqp.annotation.x-opt-offset > '-1'").await?;
    let begin = Instant::now();
    let mut read = 0;
    while read < BACKLOG.min(95_000) {
        let (count, _) = tokio::time::timeout(PATIENCE, consumer.next())
            .await
            .map_err(|_| {
                format!("nothing for {PATIENCE:?} after {read} messages of the backlog")
            })??;
        read += count;
    }
    let rate = read as f64 / begin.elapsed().as_secs_f64();
    println!(
        "\nBacklog: {read} messages in {:.1} s, {rate:.0}/s (stored in {:.0} s). Load after: {}",
        begin.elapsed().as_secs_f64(),
        stored.as_secs_f64(),
        report::load()
    );
    Ok(())
}

async fn follow(
    folder: &Path,
    binary: &Path,
    pki: &Pki,
    fleet: &Fleet,
    reader: &str,
    time: Duration,
) -> Result<(), Failure> {
    let server = Server::start(Kind::Disk, folder, binary)?;
    let address = server.http.ok_or("no http")?;
    fleet.register(&server, pki, 101).await?;
    let (_, mut devices) = fleet.storm(&server, 101).await?;
    let mut probe = devices.pop().ok_or("no device")?;
    let seen = Arc::new(AtomicU64::new(0));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let counted = Arc::clone(&seen);
    let task = match reader {
        "AMQP" => {
            let filter = "amqp.annotation.x-opt-offset > '@latest'";
            let mut consumer = Consumer::open(&server, pki, filter).await?;
            Some(tokio::spawn(async move {
                while let Ok((count, probes)) = consumer.next().await {
                    counted.fetch_add(count, Ordering::Relaxed);
                    for number in probes {
                        let _ = arrived.send((number, Instant::now()));
                    }
                }
            }))
        }
        "JSON lines" => {
            let mut rest = Rest::connect(address).await?;
            rest.follow("/admin/telemetry.jsonl?follow=true").await?;
            Some(tokio::spawn(async move {
                while let Ok(lines) = rest.lines().await {
                    counted.fetch_add(lines, Ordering::Relaxed);
                }
            }))
        }
        _ => None,
    };
    let end = Instant::now() + WARM_UP + time;
    let probing = async {
        let topic = format!("devices/{}/messages/events/", probe.id);
        let mut acknowledged = Vec::new();
        while Instant::now() < end {
            let number = acknowledged.len();
            let id = u16::try_from(number % 60_000 + 1)?;
            let body = format!("<probe {number}>");
            probe.publish(&topic, body.as_bytes(), id).await?;
            while probe.next().await?.0 != 0x40 {}
            acknowledged.push(Instant::now());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, Failure>(acknowledged)
    };
    let watch = async {
        tokio::time::sleep(WARM_UP).await;
        let before = seen.load(Ordering::Relaxed);
        tokio::time::sleep(time).await;
        seen.load(Ordering::Relaxed) - before
    };
    let cpu = server.cpu()?;
    let load = scenario::steady(&server, &mut devices, 8, time);
    let (sample, read, acknowledged) = tokio::join!(load, watch, probing);
    let (sample, acknowledged) = (sample?, acknowledged?);
    let cpu = server.cpu()? - cpu;
    if let Some(task) = task {
        task.abort();
    }
    let mut late = Vec::new();
    while let Ok((number, at)) = arrivals.try_recv() {
        if let Some(told) = acknowledged.get(number) {
            late.push(at.saturating_duration_since(*told));
        }
    }
    let shown = |part| match late.is_empty() {
        true => "–".to_owned(),
        false => {
            let at = percentile(&mut late.clone(), part);
            format!("{:.1} ms", at.as_secs_f64() * 1e3)
        }
    };
    let all = sample.rate * (time + WARM_UP).as_secs_f64();
    println!(
        "| {reader} | {:.0} | {:.0} | {} | {} | {:.0} µs |",
        sample.rate,
        read as f64 / time.as_secs_f64(),
        shown(50),
        shown(99),
        cpu.as_secs_f64() * 1e6 / all.max(1.0),
    );
    Ok(())
}

/// Receives from the four partitions of a hub.
struct Consumer {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
    start: usize,
    /// Transfers until now, of all links and of each.
    transfers: u32,
    of_link: [u32; PARTITIONS],
    granted: [u32; PARTITIONS],
}

impl Consumer {
    async fn open(server: &Server, pki: &Pki, filter: &str) -> Result<Self, Failure> {
        let mut rest = Rest::connect(server.http.ok_or("no http")?).await?;
        let text = rest.call("GET", "/admin/connection-string", "").await?;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let events = answer["eventHubConnectionString"].as_str();
        let key = events.and_then(|it| it.split_once("SharedAccessKey="));
        let key = key
            .and_then(|(_, rest)| rest.split_once(';'))
            .ok_or("no key")?
            .0;
        let mut consumer = Self::dial(server.amqp.ok_or("no AMQP")?, pki.device("reader")?).await?;
        let plain = format!("\0iothubowner\0{key}");
        let init = described(0x41, &list(&[symbol("PLAIN"), binary(plain.as_bytes())]));
        let mut out = b"AMQP\x03\x01\x00\x00".to_vec();
        out.extend(frame(1, &init));
        out.extend(b"AMQP\x00\x01\x00\x00");
        let names = [string("bench"), string(crate::HOST)];
        out.extend(frame(0, &described(0x10, &list(&names))));
        let window = [NULL.to_vec(), uint(0), uint(WINDOW), uint(WINDOW)];
        out.extend(frame(0, &described(0x11, &list(&window))));
        for number in 0..PARTITIONS {
            let address = format!(
                "iothub-ehub-{}/ConsumerGroups/$Default/Partitions/{number}",
                crate::HOST
            );
            let selector = [&[0, 0x44][..], &string(filter)].concat();
            let filters = map(&[symbol("apache.org:selector-filter:string"), selector]);
            let mut source = vec![string(&address)];
            source.extend((0..6).map(|_| NULL.to_vec()));
            source.push(filters);
            let attach = [
                string(&format!("link {number}")),
                uint(number as u32),
                vec![0x41],
                NULL.to_vec(),
                vec![0x50, 0],
                described(0x28, &list(&source)),
                described(0x29, &list(&[string("bench")])),
            ];
            out.extend(frame(0, &described(0x12, &list(&attach))));
            out.extend(consumer.credit(number));
        }
        consumer.stream.write_all(&out).await?;
        Ok(consumer)
    }

    async fn dial(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(crate::HOST)?;
        Ok(Self {
            stream: TlsConnector::from(config).connect(name, tcp).await?,
            buffer: Vec::new(),
            start: 0,
            transfers: 0,
            of_link: [0; PARTITIONS],
            granted: [0; PARTITIONS],
        })
    }

    fn credit(&mut self, link: usize) -> Vec<u8> {
        self.granted[link] = self.of_link[link] + CREDIT;
        let flow = [
            uint(self.transfers),
            uint(WINDOW),
            uint(0),
            uint(WINDOW),
            uint(link as u32),
            uint(self.of_link[link]),
            uint(CREDIT),
        ];
        frame(0, &described(0x13, &list(&flow)))
    }

    /// Waits for bytes; how many messages came with them, and the numbers of the probes among them.
    async fn next(&mut self) -> Result<(u64, Vec<usize>), Failure> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the emulator closed the connection".into());
        }
        let (mut count, mut probes) = (0, Vec::new());
        let mut answers = Vec::new();
        loop {
            let rest = &self.buffer[self.start..];
            if let Some(b"AMQP") = rest.get(..4) {
                if rest.len() < 8 {
                    break;
                }
                self.start += 8;
                continue;
            }
            let Some(size) = rest.get(..4) else { break };
            let size = u32::from_be_bytes(size.try_into()?) as usize;
            let Some(bytes) = rest.get(..size) else { break };
            match bytes.get(10) {
                Some(0x14) => {
                    let link = handle(bytes).ok_or("a transfer without a handle")?;
                    if let Some(number) = probe(bytes) {
                        probes.push(number);
                    }
                    self.start += size;
                    self.transfers += 1;
                    self.of_link[link] += 1;
                    count += 1;
                    if self.granted[link] - self.of_link[link] < CREDIT / 2 {
                        answers.extend(self.credit(link));
                    }
                }
                Some(0x16..=0x18) => {
                    return Err(format!("ended: {}", String::from_utf8_lossy(bytes)).into());
                }
                _ => self.start += size,
            }
        }
        self.stream.write_all(&answers).await?;
        Ok((count, probes))
    }
}

/// Of a transfer: the first item of its list, whose size and number of items take one byte each or
/// four.
fn handle(frame: &[u8]) -> Option<usize> {
    let items = match frame.get(11)? {
        0xc0 => 14,
        0xd0 => 20,
        _ => return None,
    };
    let handle = match frame.get(items..)? {
        [0x43, ..] => 0,
        [0x52, handle, ..] => usize::from(*handle),
        [0x70, 0, 0, 0, handle, ..] => usize::from(*handle),
        _ => return None,
    };
    (handle < PARTITIONS).then_some(handle)
}

fn probe(bytes: &[u8]) -> Option<usize> {
    let tail = &bytes[bytes.len().saturating_sub(24)..];
    let at = tail.windows(7).position(|it| it == b"<probe ")?;
    let text = std::str::from_utf8(&tail[at + 7..]).ok()?;
    text.strip_suffix('>')?.parse().ok()
}

const NULL: &[u8] = &[0x40];

fn uint(number: u32) -> Vec<u8> {
    [&[0x70][..], &number.to_be_bytes()].concat()
}

fn wide(code: u8, bytes: &[u8]) -> Vec<u8> {
    [&[code][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn string(text: &str) -> Vec<u8> {
    wide(0xb1, text.as_bytes())
}

fn symbol(text: &str) -> Vec<u8> {
    wide(0xb3, text.as_bytes())
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    wide(0xb0, bytes)
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    compound(0xd0, items)
}

fn map(items: &[Vec<u8>]) -> Vec<u8> {
    compound(0xd1, items)
}

fn compound(code: u8, items: &[Vec<u8>]) -> Vec<u8> {
    let count = (items.len() as u32).to_be_bytes();
    wide(code, &[&count[..], &items.concat()].concat())
}

fn described(code: u8, value: &[u8]) -> Vec<u8> {
    [&[0, 0x53, code][..], value].concat()
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32 + 8).to_be_bytes();
    [&size[..], &[2, kind, 0, 0], body].concat()
}

const PARTITIONS: usize = 4;
const CREDIT: u32 = 2000;
const WINDOW: u32 = 1_000_000_000;
const BACKLOG: u64 = 100_000;
const WARM_UP: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(10);
