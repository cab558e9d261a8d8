//! Half of `--data` is gone or holds something else: one error, which names the file and says what
//! to do with the options that this program has.

use std::{fs, net::TcpListener, path::Path, process::Command};

use crate::support::program::Program;
use rustix::process::Signal;

/// What is broken, how, and what the error names.
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

fn demo(data: &Path, mqtt: &str) -> Program {
    Program::start(|command| {
        command
            .args(["--http", "0", "--mqtt", mqtt, "--data"])
            .arg(data);
    })
}

/// The one error that it ends with.
fn error(mut program: Program) -> String {
    let (status, error) = program.ends();
    assert_eq!(status.code(), Some(1), "{error}");
    let said = program.printed.join("\n") + "\n" + &error;
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    error
}

#[test]
fn a_broken_data_folder_is_named_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole");
    let mut program = demo(&whole, "0");
    program.waits_for(iothub_demo::said::ATTACHING);
    program.signal(Signal::INT);
    assert_eq!(program.ends().0.code(), Some(0));

    let garbage = |path: &Path| fs::write(path, b"\xff\xfe garbage").expect("written");
    let remove = |path: &Path| fs::remove_file(path).expect("removed");
    let remove_all = |path: &Path| fs::remove_dir_all(path).expect("removed");
    let file_instead = |path: &Path| {
        remove_all(path);
        garbage(path);
    };
    let cases: [Case<'_>; 5] = [
        ("pki/subca/subca.key", &remove, "subca.key"),
        ("pki/rootca", &remove_all, "was not signed by rootca"),
        ("pki/rootca/rootca.pem", &garbage, "rootca.pem"),
        ("device/modem/identity.pem", &garbage, "identity.pem"),
        ("hub", &file_instead, "/hub"),
    ];
    for (place, breaks, named) in cases {
        let data = folder.path().join("broken");
        let copied = Command::new("cp").arg("-r").args([&whole, &data]).status();
        assert!(copied.expect("cp").success());
        breaks(&data.join(place));
        let error = error(demo(&data, "0"));
        assert!(error.contains(named), "{place}: {error}");
        for foreign in ["--home", "--name", "signing request", "--replace"] {
            assert!(!error.contains(foreign), "{place}: {error}");
        }
        assert!(error.contains("delete "), "{place}: {error}");
        fs::remove_dir_all(&data).expect("removed");
    }

    // What the device can do without is told, and does not end it.
    garbage(&whole.join("device/firmware/state"));
    let mut program = demo(&whole, "0");
    program.waits_for(iothub_demo::said::ATTACHING);
    program.signal(Signal::INT);
    let (status, error) = program.ends();
    let said = program.printed.join("\n") + "\n" + &error;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("firmware/state is damaged: "), "{said}");
}

#[test]
fn why_the_hub_does_not_start_is_said_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let error = error(demo(folder.path(), &port));
    assert!(error.contains(&port) && error.contains("in use"), "{error}");
}
