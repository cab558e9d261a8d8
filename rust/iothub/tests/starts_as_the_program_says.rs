//! What the builder says counts: the hub and the device id against those of the settings, a
//! connection that is not made again, a network that is the program's business, a second start that
//! is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::{
    fs,
    sync::{Condvar, Mutex},
    time::Duration,
};

use iothub::{Disconnect, Errno, Event, EventQueue, Options, StartError};

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

    let mut events = EventQueue::new();
    let options = Options::new(&|_: Event<'_>| {})
        .hub("hub.example", "device")
        .attach(false)
        .reconnect(false);
    options.start().unwrap();
    assert_eq!(options.start(), Err(StartError::AlreadyStarted));
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
