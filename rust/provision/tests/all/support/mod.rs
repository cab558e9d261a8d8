//! What the tests share: a folder, the tool, and OpenSSL's command line.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod python;
pub mod stub;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

/// A verification code of the length of IoT Hub's.
pub const CODE: &str = "106A5SD242AF512B3498BD6098C4941E66R34H268DDB3288";

/// A folder of its own and the tool running in it.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iothub-provision"));
        command
            .current_dir(self.folder.path())
            .env_remove("IOTHUB_PROVISION_HOME")
            .env("NO_COLOR", "1")
            .args(arguments);
        command
    }

    pub fn tool(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the tool, which must succeed, and returns what it printed.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.tool(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the tool with `--json`, which must succeed, and returns the object.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        serde_json::from_str(&self.done(&all)).unwrap()
    }

    /// Runs the tool, which must fail with this status, and returns what it printed.
    pub fn fails(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.tool(arguments);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {}",
            text(&output)
        );
        text(&output)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs `openssl`, which must succeed.
    pub fn openssl(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl")
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            text(&output)
        );
        text(&output)
    }

    /// All files below the folder with their content.
    pub fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.folder.path(), &mut found);
        found.sort();
        found
    }
}

impl Bench {
    /// The files below the CA folder, which may come and go meanwhile.
    pub fn snapshot_names(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        names(&self.path("dev-certs"), &mut found);
        found
    }
}

fn names(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            names(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let content = std::fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
}

/// Standard output and error together.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Whether `openssl` is here; says so if it is not.
pub fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no openssl command on this machine");
    }
    found
}

/// A simulated modem that lives as long as this value, on a TCP port.
pub struct Simulated {
    pub running: iothub_provision::simulator::Running,
}

impl Bench {
    /// A modem with its store in the folder `modem-data`.
    pub fn modem(
        &self,
        change: impl FnOnce(&mut iothub_provision::simulator::Options),
    ) -> Simulated {
        use iothub_provision::simulator::{Style, Termination};
        self.modem_with(Style::AtHost, Termination::Cr, change)
    }

    pub fn modem_with(
        &self,
        style: iothub_provision::simulator::Style,
        termination: iothub_provision::simulator::Termination,
        change: impl FnOnce(&mut iothub_provision::simulator::Options),
    ) -> Simulated {
        self.modem_in(
            iothub_provision::simulator::Timing::Instant,
            style,
            termination,
            change,
        )
    }

    pub fn modem_in(
        &self,
        timing: iothub_provision::simulator::Timing,
        style: iothub_provision::simulator::Style,
        termination: iothub_provision::simulator::Termination,
        change: impl FnOnce(&mut iothub_provision::simulator::Options),
    ) -> Simulated {
        use iothub_provision::simulator::{Modem, Options, serve_tcp};
        let mut options = Options::new(self.path("modem-data"));
        change(&mut options);
        let modem = Modem::new(options).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let running = serve_tcp(modem, style, termination, timing, address).unwrap();
        Simulated { running }
    }

    /// The content of a credential in the modem's store.
    pub fn stored(&self, tag: u32, name: &str) -> Option<String> {
        std::fs::read_to_string(
            self.path(&format!("modem-data/modem/credentials/{tag}/{name}.pem")),
        )
        .ok()
    }
}

impl Simulated {
    pub fn port(&self) -> &str {
        self.running.port()
    }

    /// A port that leads to this modem and loses one byte: the first that follows on `text`.
    pub fn losing_after(&self, text: &str) -> Losing {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = format!("tcp:{}", listener.local_addr().unwrap());
        let target = self.port().trim_start_matches("tcp:").to_owned();
        let text = text.as_bytes().to_vec();
        let lost = Arc::new(AtomicBool::new(false));
        let has_lost = Arc::clone(&lost);
        std::thread::spawn(move || {
            let (mut tool, _) = listener.accept().unwrap();
            let mut modem = TcpStream::connect(target).unwrap();
            let (mut back, mut to_tool) = (modem.try_clone().unwrap(), tool.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back, &mut to_tool));
            let (mut seen, mut byte) = (Vec::new(), [0]);
            while let Ok(1) = tool.read(&mut byte) {
                if seen.ends_with(&text) && !has_lost.swap(true, Ordering::SeqCst) {
                    continue;
                }
                seen.push(byte[0]);
                modem.write_all(&byte).unwrap();
            }
            let _ = modem.shutdown(std::net::Shutdown::Both);
        });
        Losing { port, lost }
    }
}

/// A line that must have lost a byte when it is dropped.
pub struct Losing {
    pub port: String,
    lost: Arc<AtomicBool>,
}

impl Drop for Losing {
    fn drop(&mut self) {
        let is_as_meant = self.lost.load(Ordering::SeqCst) || std::thread::panicking();
        assert!(is_as_meant, "no byte was lost");
    }
}
