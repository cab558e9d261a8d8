//! A process for a test: what is one a process (the client, the modem) is then its own.

use std::{any::type_name_of_val, env, process::Command};

/// Runs the body of a file's one test, which is named as its file, in a process of its own: this
/// program again.
///
/// # Panics
/// It fails there, or no such test was found; what it has printed is in the message.
pub(crate) fn alone<F: Fn()>(body: F) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    let path = type_name_of_val(&body);
    let file = path.split("::").nth(1).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args([&format!("{file}::{file}"), "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}: {said}",
        output.status
    );
}

/// Set in the process of a single test.
const ALONE: &str = "IOTHUB_TEST_ALONE";
