//! A folder with nothing but the credentials that were written over AT is enough for the device
//! alone.

use std::{fs, process::Command};

use crate::support::World;

#[test]
fn the_device_alone_connects() {
    let world = World::new();
    let folder = world.folder.path().join("modem");
    let credentials = folder.join("modem/credentials/10");
    fs::create_dir_all(&credentials).expect("a folder");
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        let from = world.bench.setup().credentials().join(name);
        fs::copy(from, credentials.join(name)).expect("copied");
    }
    let mut device = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
        .args(["device", "--time-factor", "0.01", "--port"])
        .arg(world.bench.hub_address().port().to_string())
        .arg("--data")
        .arg(&folder)
        .spawn()
        .expect("it starts");
    world.telemetry_arrives();
    device.kill().expect("killed");
    device.wait().expect("gone");
}
