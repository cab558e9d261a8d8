//! The emulator as a process of its own, which can be killed and weighed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::amqp::Client;

pub struct Process {
    child: Child,
    pub mqtt: SocketAddr,
    pub http: SocketAddr,
    /// Where services speak AMQP.
    pub amqp: Option<SocketAddr>,
}

impl Process {
    /// With more arguments, the last of which is followed by the folder.
    pub fn start(more: &[&str], folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
            .args([
                "--hostname",
                super::HUB,
                "--mqtt",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--quiet",
            ])
            .args(more)
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let field = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
                .unwrap()
        };
        let mqtt = field("mqtt=").parse().unwrap();
        let http = field("http=http://").trim_end_matches('/').parse().unwrap();
        let amqp = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("amqp="));
        let amqp = amqp.map(|text| text.parse().unwrap());
        Self {
            child,
            mqtt,
            http,
            amqp,
        }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().split_whitespace().next();
        number.unwrap().parse().unwrap()
    }

    pub async fn call(&self, method: &str, path: &str, body: &str) -> String {
        let (status, text) = super::http(self.http, method, path, &[], body.as_bytes()).await;
        assert!(status < 300, "{method} {path}: {status} {text}");
        text
    }

    /// A service that has put its token.
    pub async fn service(&self, server_ca: &str) -> Client {
        let answer = self.call("GET", "/admin/connection-string", "").await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let text = answer["connectionString"].as_str().unwrap();
        let key = text.split_once("SharedAccessKey=").unwrap().1;
        let token = super::token(super::HUB, key, 3600, Some("service"));
        Client::open(self.amqp.unwrap(), server_ca, &token).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
