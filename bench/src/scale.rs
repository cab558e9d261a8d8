//! A large registry: what reading it costs, and what a device feels of it meanwhile.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::device::Device;
use crate::pki::Pki;
use crate::rest::Rest;
use crate::scenario::{name, percentile};
use crate::server::{Server, memory_of};
use crate::{Failure, HOST, report};

/// Imports `size` devices into a folder of their own, serves them, reads them in every way.
pub async fn run(folder: &Path, binary: &Path, pki: &Pki, size: usize) -> Result<(), Failure> {
    let data = folder.join("data");
    let _ = std::fs::remove_dir_all(&data);
    let document = folder.join("registry.json");
    write(&document, pki, size)?;
    let mut import = Command::new(binary);
    import
        .args(["import", "--hub", HOST, "--data-dir"])
        .arg(&data)
        .arg(&document);
    let (took, memory) = process(import)?;
    report::scale(size, "import", took, Some(memory));

    let mut export = Command::new(binary);
    export
        .args(["export", "--data-dir"])
        .arg(&data)
        .arg("--out")
        .arg(folder.join("exported.json"));
    let (took, memory) = process(export)?;
    report::scale(size, "export", took, Some(memory));

    let server = Server::on(folder, binary, &data)?;
    report::scale(size, "start", server.ready_after, Some(server.memory()?));
    let address = server.http.ok_or("no http")?;
    let mut rest = Rest::connect(address).await?;
    for (what, query, rows) in queries(size) {
        let mut times = Vec::new();
        for _ in 0..REPEAT {
            let begin = Instant::now();
            let answer = rest.query(&query, rows).await?;
            times.push(begin.elapsed());
            let found: Vec<Value> = serde_json::from_str(&answer)?;
            if found.len() != rows {
                return Err(format!("{query}: {} rows, not {rows}", found.len()).into());
            }
        }
        report::scale(size, what, percentile(&mut times, 50), None);
    }
    let mut times = Vec::new();
    for _ in 0..REPEAT {
        let begin = Instant::now();
        rest.call("GET", "/statistics/devices", "").await?;
        times.push(begin.elapsed());
    }
    report::scale(size, "statistics", percentile(&mut times, 50), None);
    let begin = Instant::now();
    for block in 0..10 {
        let entries: Vec<Value> = (0..100)
            .map(|number| json!({"id": format!("new{block}-{number}"), "authentication": {"type": "sas"}}))
            .collect();
        rest.call("POST", "/devices", &json!(entries).to_string())
            .await?;
    }
    report::scale(size, "1,000 devices in bulk", begin.elapsed(), None);

    for reader in [None].into_iter().chain(READERS.iter().map(Some)) {
        stall(&server, pki, size, reader).await?;
    }
    report::scale(
        size,
        "memory at the end",
        Duration::ZERO,
        Some(server.peak()?),
    );
    Ok(())
}

/// A device sends, message by message, while one kind of reader runs without a pause.
async fn stall(
    server: &Server,
    pki: &Pki,
    size: usize,
    reader: Option<&(&'static str, &'static str)>,
) -> Result<(), Failure> {
    let address = server.http.ok_or("no http")?;
    let device = name(size / 2);
    let config = pki.device(&device)?;
    let mut device = Device::connect(server.mqtt, config, &device).await?;
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut readers = JoinSet::new();
    if let Some((_, what)) = reader.copied() {
        for _ in 0..2 {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            readers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let mut rest = Rest::connect(address).await?;
                    match what.strip_prefix("GET ") {
                        Some(path) => {
                            rest.follow(path).await?;
                            while !stop.load(Ordering::Relaxed) && rest.lines().await.is_ok() {}
                        }
                        None if what == JOBS => job(&mut rest, &stop).await?,
                        None => drop(rest.query(what, 0).await?),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Failure>(())
            });
        }
    }
    let begin = Instant::now();
    let period = Duration::from_millis(10);
    let mut times = device
        .beat(period, Duration::ZERO, b"{\"n\":1}", begin, begin + STALL)
        .await?;
    stop.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    let what = reader.map_or("nobody reads", |(what, _)| what);
    let read = done.load(Ordering::Relaxed);
    report::stall(size, what, &mut times, read);
    Ok(())
}

/// A job that changes the twins of all devices, to its end or until `stop`.
async fn job(rest: &mut Rest, stop: &AtomicBool) -> Result<(), Failure> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = format!("/jobs/v2/bench{number}");
    let wanted = json!({"jobId": format!("bench{number}"), "type": "scheduleUpdateTwin", "queryCondition": "*",
        "updateTwin": {"tags": {"job": number}}});
    rest.call("PUT", &path, &wanted.to_string()).await?;
    loop {
        let job: Value = serde_json::from_str(&rest.call("GET", &path, "").await?)?;
        match job["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("queued" | "scheduled" | "running") => {}
            other => return Err(format!("job {number} is {other:?}").into()),
        }
        if stop.load(Ordering::Relaxed) {
            rest.call("POST", &format!("{path}/cancel"), "{}").await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn queries(size: usize) -> Vec<(&'static str, String, usize)> {
    let id = name(size / 3);
    vec![
        (
            "a page of 1,000",
            "SELECT * FROM devices".to_owned(),
            1000.min(size),
        ),
        (
            "query by id",
            format!("SELECT * FROM devices WHERE deviceId = '{id}'"),
            1,
        ),
        (
            "query by a tag, 100 results",
            "SELECT * FROM devices WHERE tags.site = 'site3'".to_owned(),
            100,
        ),
    ]
}

/// Devices with twins; every hundred of them share a site.
fn write(path: &Path, pki: &Pki, size: usize) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    let ca = json!([{"name": "bench", "certificate": pki.ca_pem, "isVerified": true}]);
    write!(out, "{{\"certificates\":{ca},\"devices\":[")?;
    for number in 0..size {
        let device = json!({
            "deviceId": name(number),
            "authentication": {"type": "certificateAuthority"},
            "tags": {"site": format!("site{}", number / 100), "row": number % 100},
            "properties": {
                "desired": {"interval": 60, "mode": "active"},
                "reported": {"firmware": "1.2.3", "battery": 3.7, "cell": {"id": number, "area": 7}},
            },
        });
        write!(out, "{}{device}", if number == 0 { "" } else { "," })?;
    }
    out.write_all(b"]}")?;
    Ok(out.flush()?)
}

/// Runs a command to its end: how long it took, and the most memory that it had, in KiB.
fn process(mut command: Command) -> Result<(Duration, u64), Failure> {
    let begin = Instant::now();
    let mut child: Child = command.stdout(Stdio::null()).spawn()?;
    let mut peak = 0;
    loop {
        if let Some(status) = child.try_wait()? {
            return match status.success() {
                true => Ok((begin.elapsed(), peak)),
                false => Err(format!("{command:?}: {status}").into()),
            };
        }
        peak = peak.max(memory_of(child.id(), "VmHWM:").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What reads, and how: a path, or a query.
const READERS: &[(&str, &str)] = &[
    ("pages of 1,000", "SELECT * FROM devices"),
    (
        "a query that looks at every row",
        "SELECT * FROM devices WHERE properties.reported.cell.id = -1",
    ),
    ("statistics", "GET /statistics/devices"),
    ("exports", "GET /admin/export"),
    ("jobs over all twins", JOBS),
];
const JOBS: &str = "jobs";

const REPEAT: usize = 9;
const STALL: Duration = Duration::from_secs(8);
