//! IPv6 goes away on an IPv6-only network: the link is down and the program goes on; when the
//! network is back, so is the device, and what was accepted meanwhile arrives.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, OnceLock, PoisonError, mpsc},
};

use crate::support::{TIMEOUT, World};
use iothub::{Disconnect, Event, Telemetry};
use iothub_demo::{DEVICE_ID, HOSTNAME};
use iothub_host::{Loss, Network, Options};

#[derive(Debug, PartialEq)]
enum Seen {
    Ready,
    Disconnected(Disconnect),
}

static SEEN: OnceLock<Mutex<mpsc::Sender<Seen>>> = OnceLock::new();

fn on_event(event: Event<'_>) {
    let seen = match event {
        Event::Ready => Seen::Ready,
        Event::Disconnected { cause, .. } => Seen::Disconnected(cause),
        _ => return,
    };
    if let Some(sender) = SEEN.get() {
        let sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
        // The test may be over.
        let _ = sender.send(seen);
    }
}

#[test]
fn loss_of_the_network_is_survived() {
    crate::support::alone(run);
}

fn run() {
    let world = World::new();
    let (sender, seen) = mpsc::channel();
    SEEN.set(Mutex::new(sender)).expect("set once");
    let next = || seen.recv_timeout(TIMEOUT).expect("an event");

    let mut options = Options::new(world.bench.setup().device_data());
    options.port = world.bench.hub_address().port();
    options.network = Network::Ipv6Only;
    options.time_factor = 0.01;
    options.hardware_id = Some(DEVICE_ID.to_owned());
    options.hosts = vec![(HOSTNAME.to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST))];
    iothub_host::start(options).expect("the modem");
    iothub::start(&on_event).expect("the client");
    iothub::connect().expect("a request to connect");
    assert_eq!(next(), Seen::Ready);

    let modem = iothub_host::modem().expect("started");
    modem.lose(Loss::Ipv6Down).expect("lost");
    // The event, the end of the socket and a write of the moment race.
    let lost = next();
    assert!(
        matches!(
            lost,
            Seen::Disconnected(
                Disconnect::NetworkLost | Disconnect::Closed(_) | Disconnect::WriteFailed(_)
            )
        ),
        "{lost:?}"
    );
    iothub::send(&Telemetry::json(br#"{"offline":true}"#)).expect("accepted");

    modem.attach(Network::Ipv6Only).expect("back");
    assert_eq!(next(), Seen::Ready);
    world
        .bench
        .rest()
        .until("what was accepted offline", TIMEOUT, |rest| {
            let found = rest.telemetry(DEVICE_ID, 0)?;
            Ok(found
                .iter()
                .any(|message| message["body"]["offline"] == true)
                .then_some(()))
        })
        .expect("it arrives");
}
