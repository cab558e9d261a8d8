//! `iothub-emulator az`: what it prints, run by a shell, and what it runs itself.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

/// Stands for the Azure CLI: writes down how it was called, and knows the cloud after it was
/// registered.
const AZ: &str = r#"#!/bin/sh
echo "$AZURE_CONFIG_DIR|$REQUESTS_CA_BUNDLE|$IDENTITY_ENDPOINT|$IDENTITY_HEADER|$*" >>"$CALLS"
mkdir -p "$AZURE_CONFIG_DIR"
case "$*" in
"cloud register"*) [ ! -e "$AZURE_CONFIG_DIR/known" ] || exit 1; touch "$AZURE_CONFIG_DIR/known" ;;
"login"*) [ -z "$FAILS" ] || { echo "no such endpoint" >&2; exit 1; } ;;
esac
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("it's ").tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        let az = folder.path().join("bin/az");
        std::fs::write(&az, AZ).unwrap();
        std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir_all(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data/server-ca.pem"), "PEM").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap();
        command
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("CALLS", self.path("calls"))
            .env("FAILS", "")
            .current_dir(self.folder.path());
        command
    }

    fn emulator(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_iothub-emulator"));
        command.args(["az", "--data-dir", "data"]).args(arguments);
        command.output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = std::fs::remove_file(self.path("calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// The calls that set everything up, the cloud being new or not.
    fn expected(&self, cloud: &[&str], secret: &str, more: &str) -> Vec<String> {
        let data = std::fs::canonicalize(self.path("data")).unwrap();
        let before = format!(
            "{0}/azure-cli|{0}/server-ca.pem|https://localhost:8444/metadata/identity/oauth2/token|{secret}|",
            data.display()
        );
        let arguments = "--name iothub-emulator --endpoint-resource-manager https://localhost:8444";
        let mut calls: Vec<String> = cloud
            .iter()
            .map(|verb| format!("{before}cloud {verb} {arguments}{more}"))
            .collect();
        calls.push(format!("{before}cloud set --name iothub-emulator{more}"));
        calls.push(format!("{before}login --identity{more}"));
        calls
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_shell_runs_what_is_printed_twice_and_undoes_it() {
    let place = Place::new();
    let printed = place.emulator(&[]);
    assert!(printed.status.success(), "{}", said(&printed));
    assert_eq!(place.calls(), Vec::<String>::new());
    let script = String::from_utf8(printed.stdout).unwrap();
    let shell = |script: &str| {
        let done = place.command("sh").args(["-ec", script]).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    shell(&script);
    assert_eq!(place.calls(), place.expected(&["register"], "none", ""));
    shell(&script);
    assert_eq!(
        place.calls(),
        place.expected(&["register", "update"], "none", "")
    );
    let undo = String::from_utf8(place.emulator(&["--undo"]).stdout).unwrap();
    assert!(place.path("data/azure-cli").exists());
    let left = shell(&format!("{script}{undo}\nenv"));
    for name in [
        "AZURE_CONFIG_DIR",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "IDENTITY_",
    ] {
        assert!(!left.lines().any(|line| line.starts_with(name)), "{left}");
    }
    assert!(!place.path("data/azure-cli").exists());
}

#[test]
fn the_token_is_not_printed() {
    let place = Place::new();
    std::fs::write(place.path("token"), "secret\n").unwrap();
    let printed = place.emulator(&["--token-file", "token"]);
    let script = String::from_utf8(printed.stdout).unwrap();
    assert!(!script.contains("secret"), "{script}");
    let done = place.command("sh").args(["-ec", &script]).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(place.calls(), place.expected(&["register"], "secret", ""));
}

#[test]
fn it_runs_the_commands_itself() {
    let place = Place::new();
    std::fs::write(place.path("token"), "secret\n").unwrap();
    let arguments = ["--apply", "--token-file", "token"];
    let done = place.emulator(&arguments);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(
        place.calls(),
        place.expected(&["register"], "secret", " --output none")
    );
    let printed = String::from_utf8(done.stdout).unwrap();
    assert!(printed.contains("export AZURE_CONFIG_DIR=") && !printed.contains("az login"));
    assert!(!printed.contains("secret"), "{printed}");
    assert!(place.emulator(&arguments).status.success());
    let calls = place.expected(&["register", "update"], "secret", " --output none");
    assert_eq!(place.calls(), calls);
    let undone = place.emulator(&["--apply", "--undo"]);
    assert!(undone.status.success() && !place.path("data/azure-cli").exists());
    assert!(place.path("data/server-ca.pem").exists());
}

#[test]
fn what_is_missing_is_told() {
    let place = Place::new();
    let failed = place
        .command(env!("CARGO_BIN_EXE_iothub-emulator"))
        .args(["az", "--data-dir", "data", "--apply"])
        .env("FAILS", "yes")
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        said(&failed).contains("az login --identity: no such endpoint"),
        "{}",
        said(&failed)
    );
    std::fs::remove_file(place.path("data/server-ca.pem")).unwrap();
    let failed = place.emulator(&[]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        said(&failed).contains("server-ca.pem is missing: start the emulator"),
        "{}",
        said(&failed)
    );
}
