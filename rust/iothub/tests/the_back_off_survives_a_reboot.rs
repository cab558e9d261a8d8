//! The counts of failed connects, a digit for each class, are kept in the settings, and the
//! back-off continues from there after a reboot. Written as sequential code, with `wait_for`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::{
    fs,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use iothub::{Disconnect, Event, EventQueue};

#[test]
fn the_back_off_survives_a_reboot() {
    let data = tempfile::tempdir().unwrap();
    let settings = data.path().join("settings/iothub");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("hostname"), "hub.example").unwrap();
    fs::write(settings.join("device_id"), "device").unwrap();
    fs::write(settings.join("attempts"), "51").unwrap();
    // A port where nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut options = iothub_host::Options::new(data.path());
    options.port = port;
    options.time_factor = 0.01;
    let hub = ("hub.example".into(), [127, 0, 0, 1].into());
    options.hosts.push(hub);
    iothub_host::start(options).unwrap();

    let mut events = EventQueue::new();
    iothub::start(&|_: Event<'_>| {}).unwrap();
    let failures = iothub::status().unwrap().failures;
    assert_eq!((failures.transient, failures.refused_by_hub), (5, 1));
    let nothing = events.wait_for(Duration::ZERO, |event| Some(*event));
    assert_eq!(nothing, None, "before connect");

    iothub::connect().unwrap();
    let end = events.wait_for(Duration::from_secs(60), |event| match event {
        Event::Disconnected { cause, retry_in } => Some((*cause, *retry_in)),
        _ => None,
    });
    let Some((Disconnect::ConnectFailed(_), Some(retry_in))) = end else {
        panic!("{end:?}")
    };
    // The window of a sixth failure is 200 to 600 s, that of a first one 1 to 3 s.
    assert!(retry_in >= Duration::from_secs(200), "{retry_in:?}");
    // Stored once the event has been told.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let kept = fs::read_to_string(settings.join("attempts")).unwrap();
        if kept != "51" {
            assert_eq!(kept, "610");
            break;
        }
        assert!(Instant::now() < deadline, "{kept}");
        thread::yield_now();
    }
}
