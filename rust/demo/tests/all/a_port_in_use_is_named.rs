//! The error at the terminal names the port.

use std::{net::TcpListener, process::Command};

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
        .args(["--mqtt", &port, "--http", "0", "--data"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains(&port) && error.contains("in use"), "{error}");
}
