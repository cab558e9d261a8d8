//! `cargo run`: which address is what, and each message once it is at the hub.

use crate::support::program::Program;
use rustix::process::Signal;

#[test]
fn the_terminal_says_what_arrives() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = Program::start(|command| {
        command.args(["--mqtt", "0", "--http", "0", "--data"]);
        command.arg(folder.path());
    });
    program.waits_for("ready: MQTT over TLS on 127.0.0.1:");
    let ready = program.printed.last().expect("a line");
    assert!(
        ready.contains(", web page and REST on http://127.0.0.1:"),
        "{ready}"
    );
    // Device and hub print beside each other: either line may be first.
    let mut line = |text: &str| {
        let said = program.printed.iter().find(|line| line.contains(text));
        if let Some(line) = said.cloned() {
            return line;
        }
        program.waits_for(text);
        program.printed.last().expect("a line").clone()
    };
    let queued = line("telemetry 1 queued: ");
    let arrived = line("352656100367872: 1 arrived: ");
    let body = |line: &str| line.split_once(": {").map(|(_, body)| body.to_owned());
    // A line of the device's log has no room for all of it.
    let (arrived_body, queued_body) = (body(&arrived), body(&queued));
    let beginning = queued_body.as_deref().filter(|text| text.len() > 100);
    assert!(
        beginning
            .is_some_and(|beginning| arrived_body.is_some_and(|body| body.starts_with(beginning))),
        "{queued} {arrived}"
    );
    assert!(arrived.starts_with("hub "), "{arrived}");
    program.waits_for("352656100367872: 2 arrived: ");
    program.signal(Signal::INT);
    let (status, error) = program.ends();
    assert_eq!((status.code(), error.as_str()), (Some(0), ""));
}
