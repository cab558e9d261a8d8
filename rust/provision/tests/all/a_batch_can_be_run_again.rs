//! A batch makes only what is missing, reports each device, and goes on after a failure if told.

use crate::support::Bench;

#[test]
fn a_batch_can_be_run_again() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write("devices.csv", "deviceId,note\nd1,x\nbad id,\nd2,\n");
    let said = bench.fails(2, &["device", "batch", "devices.csv"]);
    assert!(said.contains("✗ line 3: bad id:"), "{said}");
    assert!(!bench.path("dev-certs/devices/d2.pem").exists());

    let said = bench.fails(2, &["device", "batch", "devices.csv", "--keep-going"]);
    assert!(said.contains("1 made, 1 there already, 1 failed"), "{said}");

    bench.write("devices.csv", "deviceId\nd1\nd2\nd3\n");
    let said = bench.json(&["device", "batch", "devices.csv"]);
    assert_eq!((&said["made"], &said["same"]), (&1.into(), &2.into()));
    bench.done(&["device", "verify", "d3"]);
}

#[test]
fn a_device_that_stands_twice_stops_it_before_the_first() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write("devices.csv", "deviceId\nd1\nd1\n");
    let said = bench.fails(4, &["device", "batch", "devices.csv"]);
    assert!(
        said.contains("line 3: the device id d1 stands there twice"),
        "{said}"
    );
    assert!(!bench.path("dev-certs/devices").exists());
}
