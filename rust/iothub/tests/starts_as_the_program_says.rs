//! What the builder says counts: the hub and the device id against those of the settings, a
//! connection that is not made again, a network that is the program's business, a second start that
//! is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::{
    fs,
    sync::{Condvar, Mutex},
    time::Duration,
};

use iothub::{
    Capacity, ConfigError, DeviceIdentity, Disconnect, Errno, Error, Event, EventQueue,
    InvalidRequest, Options, Phase, StartError, Telemetry,
};

#[test]
fn starts_as_the_program_says() {
    let data = tempfile::tempdir().unwrap();
    let settings = data.path().join("settings/iothub");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("hostname"), "elsewhere.example").unwrap();
    fs::write(settings.join("device_id"), "another").unwrap();
    let mut host = iothub_host::Options::new(data.path());
    host.time_factor = 0.01;
    host.hosts
        .push(("hub.example".into(), [127, 0, 0, 1].into()));
    iothub_host::start(host).unwrap();
    attach();

    nothing_is_ready();
    let mut events = EventQueue::new();
    let options = Options::new(&|_: Event<'_>| {})
        .hub("hub.example", "device")
        .attach(false)
        .reconnect(false);
    options.start().unwrap();
    assert_eq!(options.start(), Err(StartError::AlreadyStarted));
    assert_eq!(iothub::status().unwrap().phase, Phase::Idle);
    let full = Err(Error::Capacity(Capacity::Message));
    assert_eq!(
        iothub::report_latest(255, b"{}"),
        full,
        "there is no such key"
    );
    let patch = Err(Error::InvalidRequest(InvalidRequest::Patch));
    assert_eq!(iothub::report_latest(0, b"[]"), patch);
    assert_eq!(iothub::report(b"[]", None).map(drop), patch);
    assert_eq!(iothub::request_twin().map(drop), Err(Error::NotReady));
    let no_dps = Err(Error::InvalidRequest(InvalidRequest::NoProvisioning));
    assert_eq!(iothub::reprovision(), no_dps);
    let mut buffer = [0; 8];
    assert_eq!(iothub::kept(1, &mut buffer), b"");
    match iothub::OUTBOX_FLASH {
        true => {
            assert_eq!(iothub::keep(1, b"value"), Ok(()));
            assert_eq!(iothub::kept(1, &mut buffer), b"value");
            assert_eq!(iothub::kept(2, &mut buffer), b"");
        }
        false => assert_eq!(iothub::keep(1, b"value"), Err(Error::NotReady)),
    }
    let first = iothub::send(&Telemetry::new(b"1")).unwrap();
    let second = iothub::send(&Telemetry::new(b"2")).unwrap();
    assert_ne!(first, second);
    assert_eq!(iothub::status().unwrap().counters.accepted, 2);
    iothub::connect().unwrap();
    let end = events.wait_for(Duration::from_secs(60), |event| match event {
        Event::Network(event) => panic!("{event:?}: the network is not the driver's business"),
        Event::Disconnected { cause, retry_in } => Some((*cause, *retry_in)),
        _ => None,
    });
    // Only hub.example has an address here; there are no certificates for TLS.
    let refused = Disconnect::ConnectFailed(Errno(-111));
    assert_eq!(end, Some((refused, None)));
}

/// Before the start there is no client.
fn nothing_is_ready() {
    let not_ready = Err(Error::NotReady);
    assert_eq!(iothub::connect(), not_ready);
    assert_eq!(iothub::disconnect(), not_ready);
    assert_eq!(iothub::reprovision(), not_ready);
    assert_eq!(iothub::send(&Telemetry::new(b"1")).map(drop), not_ready);
    assert_eq!(iothub::report(b"{}", None).map(drop), not_ready);
    assert_eq!(iothub::request_twin().map(drop), not_ready);
    assert_eq!(iothub::tell_ipv4only(&[]), not_ready);
    assert_eq!(iothub::status().map(drop), not_ready);
    assert_eq!(iothub::keep(1, b"value"), not_ready);
    assert!(!iothub::in_handler());
    let identity = DeviceIdentity::Configured;
    assert_eq!(iothub::reconfigure(&identity), Err(ConfigError::Started));
}

static IS_UP: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

/// What a program does that looks after the network by itself.
fn attach() {
    ncs::modem::init().unwrap();
    ncs::pdn::register(|event| {
        if matches!(event, ncs::pdn::Event::Activated(_)) {
            *IS_UP.lock().unwrap() = true;
            CHANGED.notify_all();
        }
    })
    .unwrap();
    ncs::lte::connect_async(|_| {}).unwrap();
    let deadline = Duration::from_secs(60);
    let is_down = |is_up: &mut bool| !*is_up;
    let (is_up, _) = CHANGED
        .wait_timeout_while(IS_UP.lock().unwrap(), deadline, is_down)
        .unwrap();
    assert!(*is_up, "no network");
}
