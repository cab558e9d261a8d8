//! The servers under load, as processes of their own, and what they cost.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mosquitto,
    FlashMq,
    Rumqttd,
    /// An older emulator, `--ephemeral`
    MemoryBefore,
    /// `--ephemeral`
    Memory,
    /// The older one, `--data-dir`
    DiskBefore,
    /// `--data-dir`
    Disk,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Mosquitto,
        Self::FlashMq,
        Self::Rumqttd,
        Self::MemoryBefore,
        Self::Memory,
        Self::DiskBefore,
        Self::Disk,
    ];

    /// Those that are here; what is not is said.
    pub fn present(before: bool) -> Vec<Self> {
        let mut all = Self::ALL.to_vec();
        all.retain(|kind| match kind {
            Self::MemoryBefore | Self::DiskBefore => before,
            Self::FlashMq => is_there("flashmq"),
            Self::Rumqttd => is_there("rumqttd"),
            Self::Mosquitto | Self::Memory | Self::Disk => true,
        });
        all
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::FlashMq => "FlashMQ",
            Self::Rumqttd => "rumqttd",
            Self::MemoryBefore => "the older emulator, in memory",
            Self::DiskBefore => "the older emulator, on disk",
            Self::Memory => "emulator, in memory",
            Self::Disk => "emulator, on disk",
        }
    }
}

/// Whether a program is in the path; if not, that is said.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("{program} is not in the path: without its rows");
    }
    found
}

/// A running server; dropped, it is killed.
pub struct Server {
    child: Child,
    pub mqtt: SocketAddr,
    /// REST; only the emulator has it.
    pub http: Option<SocketAddr>,
    /// The same and WebSocket over TLS.
    pub https: Option<SocketAddr>,
    /// Of the emulator as well.
    pub amqp: Option<SocketAddr>,
    pub ready_after: Duration,
    /// A folder that goes with it.
    data: Option<PathBuf>,
}

impl Server {
    /// Starts a server with the certificates in `folder`.
    pub fn start(kind: Kind, folder: &Path, emulator: &Path) -> Result<Self, Failure> {
        match kind {
            Kind::Mosquitto => Self::broker(kind, folder, "mosquitto", mosquitto),
            Kind::FlashMq => Self::broker(kind, folder, "flashmq", flashmq),
            Kind::Rumqttd => Self::broker(kind, folder, "rumqttd", rumqttd),
            Kind::MemoryBefore | Kind::Memory | Kind::DiskBefore | Kind::Disk => {
                Self::emulator(kind, folder, emulator)
            }
        }
    }

    fn broker(
        kind: Kind,
        folder: &Path,
        program: &str,
        configuration: fn(&Path, u16) -> String,
    ) -> Result<Self, Failure> {
        let mqtt = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let path = folder.join(format!("{program}.conf"));
        std::fs::write(&path, configuration(folder, mqtt.port()))?;
        let begin = Instant::now();
        let mut command = Command::new(program);
        command.arg(if kind == Kind::FlashMq {
            "--config-file"
        } else {
            "-c"
        });
        let child = command
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            mqtt,
            http: None,
            https: None,
            amqp: None,
            ready_after: Duration::ZERO,
            data: None,
        };
        let deadline = begin + Duration::from_secs(10);
        while TcpStream::connect(mqtt).is_err() {
            if Instant::now() > deadline || server.child.try_wait()?.is_some() {
                return Err(format!("{program} does not listen").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.ready_after = begin.elapsed();
        Ok(server)
    }

    /// Starts an emulator on a data folder that is there, and that stays.
    pub fn on(folder: &Path, binary: &Path, data: &Path) -> Result<Self, Failure> {
        Self::spawn(folder, binary, Some(data))
    }

    fn emulator(kind: Kind, folder: &Path, binary: &Path) -> Result<Self, Failure> {
        let is_disk = matches!(kind, Kind::Disk | Kind::DiskBefore);
        let data = is_disk.then(|| folder.join("data"));
        if let Some(data) = &data {
            let _ = std::fs::remove_dir_all(data);
        }
        let mut server = Self::spawn(folder, binary, data.as_deref())?;
        server.data = data;
        Ok(server)
    }

    fn spawn(folder: &Path, binary: &Path, data: Option<&Path>) -> Result<Self, Failure> {
        let mut command = Command::new(binary);
        let any = "127.0.0.1:0";
        let listen = ["--mqtt", any, "--http", any, "--https", any];
        command
            .args(listen)
            .args(["--amqp", any, "--quiet"])
            .args(["--hostname", crate::HOST])
            .arg("--cert")
            .arg(folder.join("server.pem"))
            .arg("--key")
            .arg(folder.join("server-key.pem"));
        match data {
            Some(data) => command.arg("--data-dir").arg(data),
            None => command.arg("--ephemeral"),
        };
        let begin = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no stdout")?;
        BufReader::new(out).read_line(&mut line)?;
        let ready_after = begin.elapsed();
        let field = |name: &str| {
            let found = line.split_whitespace().find_map(|it| it.strip_prefix(name));
            found.map(|it| it.trim_end_matches('/').to_owned())
        };
        let mqtt = field("mqtt=").ok_or("the emulator did not start")?;
        let http = field("http=http://").ok_or("no http")?;
        Ok(Self {
            child,
            mqtt: mqtt.parse()?,
            http: Some(http.parse()?),
            https: field("https=https://").map(|it| it.parse()).transpose()?,
            amqp: field("amqp=").map(|it| it.parse()).transpose()?,
            ready_after,
            data: None,
        })
    }

    /// Processor time since the start: user and system.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = text.rsplit_once(')').ok_or("/proc/…/stat")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = 0;
        for _ in 0..2 {
            ticks += fields.next().ok_or("/proc/…/stat")?.parse::<u64>()?;
        }
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> Result<u64, Failure> {
        memory_of(self.child.id(), "VmRSS:")
    }

    /// The most resident memory that it had, in KiB.
    pub fn peak(&self) -> Result<u64, Failure> {
        memory_of(self.child.id(), "VmHWM:")
    }
}

fn mosquitto(folder: &Path, port: u16) -> String {
    let shown = folder.display();
    format!(
        "user root\nlistener {port} 127.0.0.1\ncafile {shown}/ca.pem\ncertfile {shown}/server.pem\n\
         keyfile {shown}/server-key.pem\nrequire_certificate true\nuse_identity_as_username true\n\
         tls_version tlsv1.2\nallow_anonymous false\npersistence false\nset_tcp_nodelay true\n\
         max_queued_messages 0\nmax_inflight_messages 0\nlog_type error\n"
    )
}

fn flashmq(folder: &Path, port: u16) -> String {
    let shown = folder.display();
    format!(
        "log_level error\nallow_anonymous true\nlisten {{\n  protocol mqtt\n  port {port}\n  inet_protocol ip4\n  \
         inet4_bind_address 127.0.0.1\n  tcp_nodelay true\n  fullchain {shown}/server.pem\n  privkey {shown}/server-key.pem\n  \
         client_verification_ca_file {shown}/ca.pem\n}}\n"
    )
}

fn rumqttd(folder: &Path, port: u16) -> String {
    let shown = folder.display();
    format!(
        "id = 0\n[router]\nid = 0\nmax_connections = 10010\nmax_outgoing_packet_count = 200\n\
         max_segment_size = 104857600\nmax_segment_count = 10\n[v4.1]\nname = \"tls\"\nlisten = \"127.0.0.1:{port}\"\n\
         next_connection_delay_ms = 0\n[v4.1.tls]\ncapath = \"{shown}/ca.pem\"\ncertpath = \"{shown}/server.pem\"\n\
         keypath = \"{shown}/server-key.pem\"\n[v4.1.connections]\nconnection_timeout_ms = 60000\n\
         max_payload_size = 262144\nmax_inflight_count = 100\ndynamic_filters = true\n"
    )
}

/// A line of `/proc/…/status` in KiB.
pub fn memory_of(process: u32, field: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or(field)?.parse()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(data) = &self.data {
            let _ = std::fs::remove_dir_all(data);
        }
    }
}
