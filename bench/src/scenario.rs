//! What is done to a server, and what is measured.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Failure;
use crate::device::{self, Device};
use crate::pki::Pki;
use crate::rest::Rest;
use crate::server::Server;

/// What a scenario found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Connects, messages or round trips in a second.
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Processor time of the server for each.
    pub cpu: Duration,
    /// Resident memory for each connection, in KiB.
    pub memory: f64,
}

/// Devices with their certificates; made once, since it takes longer than some scenarios.
pub struct Fleet {
    configs: Vec<Arc<ClientConfig>>,
}

impl Fleet {
    pub fn new(pki: &Pki, size: usize) -> Result<Self, Failure> {
        let configs = (0..size).map(|index| pki.device(&name(index)));
        Ok(Self {
            configs: configs.collect::<Result<_, _>>()?,
        })
    }

    /// Registers the CA and the devices with an emulator.
    pub async fn register(&self, server: &Server, pki: &Pki, size: usize) -> Result<(), Failure> {
        let Some(address) = server.http else {
            return Ok(());
        };
        let mut rest = Rest::connect(address).await?;
        let document = serde_json::json!({"name": "bench", "certificate": pki.ca_pem}).to_string();
        rest.call("POST", "/admin/certificates", &document).await?;
        let mut tasks = JoinSet::new();
        for part in 0..WORKERS {
            tasks.spawn(async move {
                let mut rest = Rest::connect(address).await?;
                for index in (part..size).step_by(WORKERS) {
                    let path = format!("/devices/{}", name(index));
                    rest.call("PUT", &path, DEVICE).await?;
                }
                Ok::<_, Failure>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Connects `size` devices as fast as the server lets them in; they stay connected.
    pub async fn storm(
        &self,
        server: &Server,
        size: usize,
    ) -> Result<(Sample, Vec<Device>), Failure> {
        let (memory, cpu, begin) = (server.memory()?, server.cpu()?, Instant::now());
        let gate = Arc::new(Semaphore::new(WORKERS));
        let mut tasks = JoinSet::new();
        for (index, config) in self.configs.iter().take(size).enumerate() {
            let (gate, config, address) = (Arc::clone(&gate), Arc::clone(config), server.mqtt);
            tasks.spawn(async move {
                let _turn = gate.acquire_owned().await?;
                let begin = Instant::now();
                let device = Device::connect(address, config, &name(index)).await?;
                Ok::<_, Failure>((begin.elapsed(), device))
            });
        }
        let (mut times, mut devices) = (Vec::new(), Vec::new());
        while let Some(done) = tasks.join_next().await {
            let (time, device) = done??;
            times.push(time);
            devices.push(device);
        }
        let elapsed = begin.elapsed();
        let cpu = server.cpu()? - cpu;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let grown = server.memory()?.saturating_sub(memory);
        let mut sample = sample(times, elapsed, cpu);
        sample.memory = grown as f64 / size as f64;
        Ok((sample, devices))
    }
}

/// Each device keeps `window` messages with QoS 1 in flight.
pub async fn steady(
    server: &Server,
    devices: &mut Vec<Device>,
    window: u16,
    time: Duration,
) -> Result<Sample, Failure> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    for mut device in devices.drain(..) {
        tasks.spawn(async move {
            let times = device.pump(window, PAYLOAD, begin, end).await?;
            Ok::<_, Failure>((times, device))
        });
    }
    collect(server, devices, tasks, (begin, end)).await
}

/// Each device sends a message a second.
pub async fn beat(
    server: &Server,
    devices: &mut Vec<Device>,
    time: Duration,
) -> Result<Sample, Failure> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let period = Duration::from_secs(1);
    let count = devices.len() as u32;
    let mut tasks = JoinSet::new();
    for (index, mut device) in devices.drain(..).enumerate() {
        let offset = period * index as u32 / count;
        tasks.spawn(async move {
            let times = device.beat(period, offset, PAYLOAD, begin, end).await?;
            Ok::<_, Failure>((times, device))
        });
    }
    collect(server, devices, tasks, (begin, end)).await
}

/// As [`steady`], with one reader of everything; the rate is what it gets.
pub async fn fan_in(
    server: &Server,
    devices: &mut Vec<Device>,
    window: u16,
    time: Duration,
) -> Result<Sample, Failure> {
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    let reader = if let Some(address) = server.http {
        let mut rest = Rest::connect(address).await?;
        let path = "/admin/telemetry.jsonl?follow=true";
        rest.follow(path).await?;
        tokio::spawn(async move {
            while let Ok(lines) = rest.lines().await {
                counted.fetch_add(lines, Ordering::Relaxed);
            }
        })
    } else {
        let mut reader = devices.pop().ok_or("no device")?;
        reader.subscribe("devices/+/messages/events/#", 0).await?;
        tokio::spawn(async move {
            while reader.next().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let load = steady(server, devices, window, time);
    let watch = async {
        tokio::time::sleep(WARM_UP).await;
        let before = seen.load(Ordering::Relaxed);
        tokio::time::sleep(time).await;
        seen.load(Ordering::Relaxed) - before
    };
    let (sample, read) = tokio::join!(load, watch);
    reader.abort();
    let mut sample = sample?;
    sample.rate = read as f64 / time.as_secs_f64();
    Ok(sample)
}

/// Each device changes its twin, one request after the other. With mosquitto: it gets back what it
/// publishes.
pub async fn twins(
    server: &Server,
    devices: &mut Vec<Device>,
    time: Duration,
) -> Result<Sample, Failure> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let echo = server.http.is_none();
    let mut tasks = JoinSet::new();
    for mut device in devices.drain(..) {
        tasks.spawn(async move {
            let own = format!("echo/{}", device.id);
            let filter = if echo { &own } else { "$iothub/twin/res/#" };
            device.subscribe(filter, 0).await?;
            let mut times = Vec::new();
            for count in 0u64.. {
                let at = Instant::now();
                if at >= end {
                    break;
                }
                let body = format!("{{\"count\":{count}}}");
                let topic = match echo {
                    true => own.clone(),
                    false => {
                        format!("$iothub/twin/PATCH/properties/reported/?$rid={count}")
                    }
                };
                device.publish(&topic, body.as_bytes(), 0).await?;
                let (_, answer) = device.next().await?;
                if !echo && !device::topic(&answer).starts_with("$iothub/twin/res/204/") {
                    return Err(device::topic(&answer).into());
                }
                if at >= begin {
                    times.push(at.elapsed());
                }
            }
            Ok::<_, Failure>((times, device))
        });
    }
    collect(server, devices, tasks, (begin, end)).await
}

/// Calls a method of one device, one call after the other. With mosquitto: another client asks.
pub async fn methods(
    server: &Server,
    devices: &mut Vec<Device>,
    time: Duration,
) -> Result<Sample, Failure> {
    let mut device = devices.pop().ok_or("no device")?;
    let id = device.id.clone();
    let emulator = server.http;
    let filter = match emulator {
        Some(_) => "$iothub/methods/POST/#".to_owned(),
        None => format!("ask/{id}"),
    };
    device.subscribe(&filter, 0).await?;
    let answering = tokio::spawn(async move {
        while let Ok((_, body)) = device.next().await {
            let topic = match device::topic(&body).split_once("$rid=") {
                Some((_, rid)) => format!("$iothub/methods/res/200/?$rid={rid}"),
                None => "answer".to_owned(),
            };
            if device.publish(&topic, b"{}", 0).await.is_err() {
                return;
            }
        }
    });
    let mut asker = devices.pop().ok_or("no device")?;
    let mut rest = match emulator {
        Some(address) => Some(Rest::connect(address).await?),
        None => {
            asker.subscribe("answer", 0).await?;
            None
        }
    };
    let path = format!("/twins/{id}/methods");
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let calls = async {
        let mut times = Vec::new();
        loop {
            let at = Instant::now();
            if at >= end {
                return Ok::<_, Failure>(times);
            }
            match &mut rest {
                Some(rest) => {
                    let call = r#"{"methodName":"m","payload":{}}"#;
                    rest.call("POST", &path, call).await?;
                }
                None => {
                    asker.publish(&format!("ask/{id}"), b"{}", 0).await?;
                    asker.next().await?;
                }
            }
            if at >= begin {
                times.push(at.elapsed());
            }
        }
    };
    let (times, cpu) = tokio::join!(calls, cpu_between(server, begin, end));
    answering.abort();
    Ok(sample(times?, time, cpu?))
}

async fn cpu_between(server: &Server, begin: Instant, end: Instant) -> Result<Duration, Failure> {
    tokio::time::sleep_until(begin.into()).await;
    let before = server.cpu()?;
    tokio::time::sleep_until(end.into()).await;
    Ok(server.cpu()? - before)
}

type Run = Result<(Vec<Duration>, Device), Failure>;

/// Waits for all devices, and puts them back.
async fn collect(
    server: &Server,
    devices: &mut Vec<Device>,
    mut tasks: JoinSet<Run>,
    (begin, end): (Instant, Instant),
) -> Result<Sample, Failure> {
    let gather = async {
        let mut times = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (mut some, device) = done??;
            times.append(&mut some);
            devices.push(device);
        }
        Ok::<_, Failure>(times)
    };
    let (times, cpu) = tokio::join!(gather, cpu_between(server, begin, end));
    Ok(sample(times?, end - begin, cpu?))
}

/// Of sorted times the one that `part` of a hundred stay below.
pub fn percentile(times: &mut [Duration], part: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * part / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

fn sample(mut times: Vec<Duration>, elapsed: Duration, cpu: Duration) -> Sample {
    Sample {
        rate: times.len() as f64 / elapsed.as_secs_f64(),
        p50: percentile(&mut times, 50),
        p99: percentile(&mut times, 99),
        cpu: cpu.checked_div(times.len() as u32).unwrap_or_default(),
        memory: 0.0,
    }
}

/// Scenarios by name, for the report.
pub type Samples = HashMap<(&'static str, &'static str), Vec<Sample>>;

/// The id of a device.
pub fn name(index: usize) -> String {
    format!("bench{index:05}")
}

const WORKERS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(700);
const DEVICE: &str = r#"{"authentication":{"type":"certificateAuthority"}}"#;
const PAYLOAD: &[u8] = br#"{"temperature":21.5,"humidity":48,"battery":3.91,"n":1}"#;
