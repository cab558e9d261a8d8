//! People who do not behave: what devices and other people feel of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::pki::Pki;
use crate::rest::Rest;
use crate::scenario::{Fleet, percentile};
use crate::server::{Kind, Server};
use crate::{Failure, report};

/// Every kind, each against a server of its own.
pub async fn run(folder: &Path, binary: &Path, pki: &Pki, fleet: &Fleet) -> Result<(), Failure> {
    slow_readers(folder, binary, pki, fleet).await?;
    for crowd in [Crowd::Streams, Crowd::Bodies, Crowd::Silent] {
        shut_out(folder, binary, pki, fleet, crowd).await?;
    }
    Ok(())
}

/// Twenty readers of everything who take 16 KiB a second, while eight devices send 60 KB each time.
async fn slow_readers(
    folder: &Path,
    binary: &Path,
    pki: &Pki,
    fleet: &Fleet,
) -> Result<(), Failure> {
    let server = Server::start(Kind::Disk, folder, binary)?;
    let address = server.http.ok_or("no http")?;
    fleet.register(&server, pki, 8).await?;
    let (_, devices) = fleet.storm(&server, 8).await?;
    let mut readers = JoinSet::new();
    for _ in 0..20 {
        readers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            let request = format!(
                "GET /admin/telemetry.jsonl?follow=true HTTP/1.1\r\nHost: {address}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await?;
            let mut some = vec![0; 16 * 1024];
            while stream.read(&mut some).await? > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, Failure>(())
        });
    }
    let payload = vec![b'x'; 60_000];
    let begin = Instant::now();
    let mut sending = JoinSet::new();
    for mut device in devices {
        let payload = payload.clone();
        sending.spawn(async move { device.pump(1, &payload, begin, begin + TIME).await });
    }
    let mut times = Vec::new();
    while let Some(done) = sending.join_next().await {
        times.append(&mut done??);
    }
    let memory = server.peak()?;
    readers.shutdown().await;
    report::stress(
        "20 slow readers: a message's PUBACK",
        &mut times,
        Some(memory),
    );
    Ok(())
}

/// What 2,100 connections do.
#[derive(Clone, Copy)]
enum Crowd {
    /// Read events as they come.
    Streams,
    /// Begin a body and never end it.
    Bodies,
    /// Say nothing.
    Silent,
}

impl Crowd {
    fn name(self) -> &'static str {
        match self {
            Self::Streams => "2,100 open streams",
            Self::Bodies => "2,100 bodies without an end",
            Self::Silent => "2,100 silent connections",
        }
    }

    fn says(self, address: SocketAddr) -> String {
        match self {
            Self::Streams => format!("GET /admin/events HTTP/1.1\r\nHost: {address}\r\n\r\n"),
            Self::Bodies => {
                format!(
                    "PUT /devices/x HTTP/1.1\r\nHost: {address}\r\nContent-Length: 900\r\n\r\n{{"
                )
            }
            Self::Silent => String::new(),
        }
    }
}

/// How long another request and a device's connect take while a crowd holds its connections.
async fn shut_out(
    folder: &Path,
    binary: &Path,
    pki: &Pki,
    fleet: &Fleet,
    crowd: Crowd,
) -> Result<(), Failure> {
    let server = Server::start(Kind::Disk, folder, binary)?;
    let address = server.http.ok_or("no http")?;
    fleet.register(&server, pki, PROBES).await?;
    let mut held = Vec::new();
    for _ in 0..2100 {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(crowd.says(address).as_bytes()).await?;
        held.push(stream);
    }
    let mut asked = Vec::new();
    for _ in 0..PROBES {
        let begin = Instant::now();
        let answered = tokio::time::timeout(TIMEOUT, async {
            let mut rest = Rest::connect(address).await?;
            rest.call("GET", "/statistics/devices", "").await
        });
        match answered.await {
            Ok(Ok(_)) => asked.push(begin.elapsed()),
            // Refused or given up, both count as the whole wait.
            _ => asked.push(TIMEOUT),
        }
    }
    let begin = Instant::now();
    let (_, devices) = fleet.storm(&server, PROBES).await?;
    let mut connected = vec![begin.elapsed() / u32::try_from(devices.len().max(1))?];
    report::stress(&format!("{}: a request", crowd.name()), &mut asked, None);
    report::stress(
        &format!("{}: a device's connect", crowd.name()),
        &mut connected,
        Some(server.peak()?),
    );
    let slowest = percentile(&mut asked, 100);
    if slowest >= TIMEOUT {
        println!("| | at least one request was not answered within {TIMEOUT:?} | | | |");
    }
    Ok(())
}

const TIME: Duration = Duration::from_secs(15);
const PROBES: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(60);
