//! What the program says when it cannot start, and with which exit status.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::Path;
use std::process::Command;

/// Exit status and what stands on stderr.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
        .args(["--quiet", "--mqtt", "127.0.0.1:0"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), told)
}

#[test]
fn wrong_arguments_are_2_and_what_is_missing_is_1() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("file", "text"), ("empty", "\n"), ("bad.toml", "[[devices")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let here = ["--ephemeral", "--http", "127.0.0.1:0"];
    for (arguments, status, words) in [
        (
            &["--set", "foo=1"][..],
            2,
            &["--set", "'foo'", "c2dLockSeconds"][..],
        ),
        (&["--set", "foo"], 2, &["--set", "NAME=VALUE"]),
        (
            &["--set", "c2dLockSeconds=abc"],
            2,
            &["--set", "c2dLockSeconds=abc", "from 1 to 86400"],
        ),
        (
            &["--https", "0.0.0.0:0"],
            2,
            &["0.0.0.0:0", "--token-file", "127.0.0.1"],
        ),
        (
            &["--https", "0.0.0.0:0", "--token-file", "empty"],
            2,
            &["--token-file empty", "no token in it"],
        ),
        (&["--mqtt-port", "1"], 2, &["--mqtt-port"]),
        (
            &["--seed", "nofile"],
            1,
            &["--seed nofile: ", "name a file"],
        ),
        (&["--seed", "bad.toml"], 1, &["--seed bad.toml: "]),
        (
            &["--faults", "nofile"],
            1,
            &["--faults nofile: ", "name a file"],
        ),
        (&["--faults", "bad.toml"], 1, &["--faults bad.toml: "]),
        (
            &["--token-file", "nofile"],
            1,
            &["--token-file nofile: ", "name a file"],
        ),
        (
            &["--cert", "nofile", "--key", "file"],
            1,
            &["--cert nofile: ", "name a file"],
        ),
        (
            &["--cert", "file", "--key", "file"],
            1,
            &["--cert file", "--key file"],
        ),
        (
            &["--firmware", "file"],
            1,
            &["--firmware file: ", "name a folder"],
        ),
    ] {
        let (code, told) = run(folder.path(), &[&here[..], arguments].concat());
        assert_eq!(code, status, "{arguments:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{arguments:?}: {told}");
        }
        assert!(!told.contains("os error"), "{arguments:?}: {told}");
    }
    let (code, told) = run(folder.path(), &["--ephemeral", "--http", "0.0.0.0:0"]);
    assert!(code == 2 && told.contains("--token-file"), "{code}: {told}");

    for (at, why) in [("file", "it is a file"), ("file/below", "file is a file")] {
        let (code, told) = run(folder.path(), &["--http", "127.0.0.1:0", "--data-dir", at]);
        let wanted = format!("--data-dir {at}: {why}");
        assert!(
            code == 1 && told.contains(&wanted) && told.contains("name a folder"),
            "{code}: {told}"
        );
    }
}
