//! `up` shows each step as it happens, and says what is done when a later one fails or somebody
//! ends it; a finished board has nothing to do.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::support::Bench;
use crate::support::stub::Stub;
use iothub_provision::simulator::{Style, Termination, Timing};

const KEY: &str = "✓ tag 10: the modem has made a key";

#[test]
fn a_later_step_that_fails_leaves_the_earlier_ones_told() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    let hub = Stub::start(|asked| match asked.path.split('?').next().unwrap() {
        "/admin" => (200, r#"{"hubs":["h"],"idScope":"0ne1"}"#.to_owned()),
        _ => (503, r#"{"Message":"busy"}"#.to_owned()),
    });
    let up = ["up", "--port", modem.port(), "--emulator", &hub.url];
    let said = bench.fails(22, &up);
    assert!(
        said.contains("✓ CA dev-certs/subca/subca.pem\n") && said.contains(KEY),
        "{said}"
    );
    assert!(said.contains("steps were done and stay"), "{said}");
    assert!(said.contains("error: ") && said.contains("busy"), "{said}");

    let output = bench.tool(&[&up[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(22));
    let again: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["ok"], false);
    assert_eq!(again["changed"], false);
    assert_eq!(again["steps"].as_array().unwrap().len(), 5);
    let said = bench.fails(22, &up);
    assert!(
        said.contains("Nothing was changed.") && !said.contains('✓'),
        "{said}"
    );
}

#[test]
fn ctrl_c_ends_it_between_two_steps_and_puts_the_modem_back() {
    let bench = Bench::new();
    let online = |options: &mut iothub_provision::simulator::Options| options.functional_mode = 1;
    let modem = bench.modem_in(Timing::Real(1.0), Style::AtHost, Termination::Cr, online);
    let mut child = bench
        .command(&["up", "--port", modem.port()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(KEY) {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended before");
    }
    let id = child.id().to_string();
    let told = Command::new("kill").args(["-INT", &id]).status();
    assert!(told.unwrap().success());
    let (mut rest, mut error) = (String::new(), String::new());
    said.read_to_string(&mut rest).unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}{error}");
    assert!(rest.contains("steps were done and stay"), "{rest}");
    assert!(
        error.contains("ended by Ctrl-C") && !rest.contains("For prj.conf"),
        "{rest}{error}"
    );
    let info = bench.json(&["modem", "info", "--port", modem.port()]);
    assert_eq!(info["functionalMode"], "1");
    let finished = bench.json(&["up", "--port", modem.port()]);
    assert_eq!(finished["changed"], true);
    assert_eq!(finished["steps"][1]["changed"], false);
}

#[test]
fn a_finished_board_has_nothing_to_do() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    let hub = Stub::emulator("hub.localhost", None);
    let up = ["up", "--port", modem.port(), "--emulator", &hub.url];
    let dry = [&up[..], &["--dry-run"]].concat();
    bench.done(&["ca", "create"]);
    let said = bench.done(&dry);
    assert!(
        said.contains("✓ AT%KEYGEN") && !said.contains("nothing to do"),
        "{said}"
    );
    bench.done(&up);
    let before = bench.snapshot();
    let said = bench.done(&dry);
    assert!(
        said.contains("nothing to do") && !said.contains('✓'),
        "{said}"
    );
    assert_eq!(bench.json(&dry)["changed"], false);
    assert!(before == bench.snapshot());
    let empty = Stub::emulator("hub.localhost", None);
    let other = [
        "up",
        "--port",
        modem.port(),
        "--emulator",
        &empty.url,
        "--dry-run",
    ];
    let said = bench.done(&other);
    assert!(
        said.contains("✓ the hub knows the device") && !said.contains("nothing to do"),
        "{said}"
    );
}

#[test]
fn a_device_that_was_never_there_has_no_year_1() {
    let bench = Bench::new();
    let device = r#"[{"deviceId":"d1","status":"enabled","connectionState":"Disconnected",
        "lastActivityTime":"0001-01-01T00:00:00Z","authentication":{"type":"sas"}}]"#;
    let hub = Stub::start(move |_| (200, device.to_owned()));
    let said = bench.done(&["hub", "device", "list", "--emulator", &hub.url]);
    assert!(said.contains("never") && !said.contains("0001"), "{said}");
}
