//! The blocks of docs/provisioning.md, each section from top to bottom in an empty folder: every
//! command does what stands there, and prints what stands below it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use crate::support::stub::Stub;
use crate::support::{Bench, Simulated, text};
use iothub_provision::pki::Pki;
use time::OffsetDateTime;

/// A command, and what is printed below it.
struct Line {
    command: String,
    prints: String,
}

/// The commands of this section's blocks, without those that need another tool.
fn section(page: &str, title: &str) -> Vec<Line> {
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let blocks = section.split("```\n").skip(1).step_by(2);
    let mut found: Vec<Line> = Vec::new();
    for block in blocks.filter(|block| !block.contains("$(az ")) {
        for line in block.replace("\\\n", " ").lines() {
            match line.strip_prefix("$ ") {
                Some(command) => found.push(Line {
                    command: command.to_owned(),
                    prints: String::new(),
                }),
                None => found.last_mut().unwrap().prints += &format!("{line}\n"),
            }
        }
    }
    found.retain(|line| !line.command.starts_with("west "));
    found
}

/// Sizes, dates and numbers differ from run to run.
fn without_numbers(text: &str) -> String {
    let mut shown = String::new();
    for c in text.trim_end().chars() {
        match c.is_ascii_digit() {
            true if shown.ends_with('0') => {}
            true => shown.push('0'),
            false => shown.push(c),
        }
    }
    shown
}

fn follow(bench: &Bench, page: &str, title: &str) {
    let server_ca = Pki::development(bench.path("of-the-emulator"), OffsetDateTime::now_utc())
        .and_then(|pki| pki.authority_certificate("rootca"))
        .unwrap();
    let hub = Stub::emulator("my-hub.azure-devices.net", Some(&server_ca.pem()));
    let mut modem: Option<Simulated> = None;
    let lines = section(page, title);
    assert!(!lines.is_empty(), "{title}");
    for Line { command, prints } in lines {
        if command.contains("simulate-modem") {
            modem = Some(bench.modem(|_| {}));
            continue;
        }
        if command.starts_with("iothub-emulator ") {
            continue;
        }
        let port = modem.as_ref().map_or("", Simulated::port);
        let here = command
            .replace("tcp:127.0.0.1:9100", port)
            .replace("http://127.0.0.1:8080", &hub.url);
        let tool = Path::new(env!("CARGO_BIN_EXE_iothub-provision"));
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-c", &here])
            .current_dir(bench.path(""))
            .env_remove("IOTHUB_PROVISION_HOME")
            .env("NO_COLOR", "1")
            .env(
                "PATH",
                format!("{}:{path}", tool.parent().unwrap().display()),
            )
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}\n{}", text(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        // The emulator of this test has a CA of another name.
        let said = said.replace(
            "CN=Development Root CA, verified",
            "CN=iothub-emulator server CA, verified",
        );
        let said = said.replace(
            "# tag 10: CN=Development Root CA",
            "# tag 10: CN=iothub-emulator server CA",
        );
        if !prints.is_empty() {
            assert_eq!(
                without_numbers(&said),
                without_numbers(&prints),
                "{command}"
            );
        }
    }
}

#[test]
fn the_guide_can_be_followed() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/provisioning.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sections: [&[&str]; 4] = [
        &["All in one command"],
        &["Step by step", "Credentials inside the image"],
        &["Three companies, three folders"],
        &["Without a board"],
    ];
    for titles in sections {
        let bench = Bench::new();
        for title in titles {
            follow(&bench, &page, title);
        }
    }
}
