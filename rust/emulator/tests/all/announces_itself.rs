//! What the program prints when it serves, and what it says of connection strings afterwards.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_iothub-emulator");

/// A running program, and the lines that it begins with.
struct Running {
    child: Child,
    lines: Vec<String>,
}

impl Running {
    fn start(folder: &Path, arguments: &[&str], lines: usize) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--quiet", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--amqp", "127.0.0.1:0", "--hub", "second.localhost"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = out.lines().take(lines).map(|line| line.unwrap()).collect();
        Self { child, lines }
    }

    /// What stands behind a label.
    fn labelled(&self, label: &str) -> &str {
        let line = self.lines.iter().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("{label}: {:?}", self.lines))
            .trim()
    }

    fn word(&self, name: &str) -> &str {
        let mut words = self.lines[0].split_whitespace();
        words.find_map(|word| word.strip_prefix(name)).unwrap()
    }

    /// What the program prints of this one; the error is its standard error.
    fn connection_string(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let http = self.word("http=http://").trim_end_matches('/');
        let output = Command::new(PROGRAM)
            .args(["connection-string", "--http", http])
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        match output.status.success() {
            true => Ok(text(output.stdout).trim_end().to_owned()),
            false => Err(text(output.stderr)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_lines_after_ready_are_labelled_and_say_what_clients_need() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(
        here.join("seed.toml"),
        "[[devices]]\ndeviceId = \"key\"\nauthentication = { type = \"sas\" }\n\
         [[devices]]\ndeviceId = \"a:b\"\nauthentication = { type = \"certificateAuthority\" }\n",
    )
    .unwrap();
    let https = ["--https", "127.0.0.1:0", "--seed", "seed.toml"];
    let running = Running::start(here, &https, 5);
    assert!(running.lines[0].starts_with("ready mqtt="));
    assert_eq!(running.labelled("page"), running.word("http="));
    let ca = here.join(running.labelled("CA to trust"));
    assert!(
        std::fs::read_to_string(ca)
            .unwrap()
            .contains("CERTIFICATE-----")
    );

    let service = running.labelled("connection string");
    let asked = |arguments: &[&str]| running.connection_string(here, arguments);
    assert_eq!(asked(&[]).unwrap(), service);
    let events = asked(&["--event-hub"]).unwrap();
    assert_eq!(running.labelled("event hub"), events);
    assert!(events.starts_with("Endpoint=sb://localhost:"), "{events}");
    let port = running.word("https=https://127.0.0.1:");
    let host = format!("HostName=localhost:{};", port.trim_end_matches('/'));
    assert_eq!(
        asked(&["--rest"]).unwrap(),
        service.replace("HostName=localhost;", &host)
    );
    let second = asked(&["--hub", "second.localhost"]).unwrap();
    assert_eq!(second, service.replace("localhost;", "second.localhost;"));

    let device = asked(&["--device", "key"]).unwrap();
    assert!(device.starts_with("HostName=localhost;DeviceId=key;SharedAccessKey="));
    assert!(device.len() > 80, "{device}");
    assert_eq!(
        asked(&["--device", "a:b"]).unwrap(),
        "HostName=localhost;DeviceId=a:b;x509=true"
    );
    let unknown = asked(&["--device", "nobody"]).unwrap_err();
    assert!(unknown.contains("nobody"), "{unknown}");
    let elsewhere = asked(&["--hub", "third.localhost"]).unwrap_err();
    assert!(elsewhere.contains("third.localhost"), "{elsewhere}");
}

#[test]
fn a_token_is_made_once_and_keys_are_not_printed_then() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let token = ["--ephemeral", "--token-file", "keys/token", "--make-token"];
    let running = Running::start(here, &token, 4);
    let made = std::fs::read_to_string(here.join("keys/token")).unwrap();
    assert_eq!(made.trim().len(), 64, "{made}");
    assert!(running.labelled("CA to trust").starts_with("http://"));
    assert!(
        running
            .labelled("connection string")
            .contains("--token-file")
    );
    assert!(!running.lines.join("\n").contains("SharedAccessKey="));

    let refused = running.connection_string(here, &[]).unwrap_err();
    assert!(refused.contains("token"), "{refused}");
    let known = running.connection_string(here, &["--token-file", "keys/token"]);
    assert!(known.unwrap().contains("SharedAccessKey="));
    drop(running);
    let again = Running::start(here, &token, 1);
    assert_eq!(
        std::fs::read_to_string(here.join("keys/token")).unwrap(),
        made
    );
    drop(again);

    // Without a file there is nowhere to put it.
    let output = Command::new(PROGRAM).arg("--make-token").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Nobody else reads the token.
#[cfg(unix)]
#[test]
fn a_made_token_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let token = ["--ephemeral", "--token-file", "token", "--make-token"];
    let _running = Running::start(folder.path(), &token, 1);
    let made = std::fs::metadata(folder.path().join("token")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
}
