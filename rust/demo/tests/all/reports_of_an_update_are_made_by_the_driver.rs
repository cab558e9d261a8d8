//! No report and no event of an update comes from the thread that downloads. The device runs in
//! this process, so that its log tells the threads.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError, mpsc},
    thread::{self, ThreadId},
};

use crate::support::{TIMEOUT, World};
use iothub_demo::{DEVICE_ID, HOSTNAME};
use iothub_host::Network;

type Line = (ThreadId, Option<String>, String);

struct Logger(Mutex<Option<mpsc::Sender<Line>>>);

static LOGGER: Logger = Logger(Mutex::new(None));

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let thread = thread::current();
        let name = thread.name().map(str::to_owned);
        let line = (thread.id(), name, record.args().to_string());
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // The test may have ended.
            let _ = sender.send(line);
        }
    }

    fn flush(&self) {}
}

#[test]
fn reports_of_an_update_are_made_by_the_driver() {
    crate::support::alone(run);
}

fn run() {
    let (sender, lines) = mpsc::channel();
    *LOGGER.0.lock().expect("new") = Some(sender);
    log::set_logger(&LOGGER).expect("the first");
    log::set_max_level(log::LevelFilter::Debug);

    let world = World::new();
    let setup = world.bench.setup();
    let hub = IpAddr::V4(Ipv4Addr::new(13, 70, 74, 195));
    let mut options = iothub_host::Options::new(setup.device_data());
    options.port = world.bench.hub_address().port();
    options.network = Network::Ipv4Only;
    options.time_factor = 0.01;
    options.hardware_id = Some(DEVICE_ID.to_owned());
    options.hosts = vec![(HOSTNAME.to_owned(), hub)];
    options.routes = vec![(hub, IpAddr::V4(Ipv4Addr::LOCALHOST))];
    iothub_host::start(options).expect("the modem starts");
    iothub::Options::new(&|_: iothub::Event<'_>| {})
        .firmware(iothub::Firmware::Application)
        .start()
        .expect("the driver starts");
    iothub::connect().expect("connecting");

    let until = |text: &str| {
        let mut seen = Vec::new();
        loop {
            let line = lines.recv_timeout(TIMEOUT);
            let line = line.unwrap_or_else(|_| panic!("no line with {text:?} but {seen:#?}"));
            let found = line.2.contains(text);
            seen.push(line);
            if found {
                return seen;
            }
        }
    };
    let driver = until(iothub_demo::said::CONNECTING)
        .pop()
        .expect("a line")
        .0;
    until("ready: every subscription");
    setup.image("1.0.0", &[7; 40_000]).expect("an image");
    let rest = world.bench.rest();
    rest.deploy(DEVICE_ID, "1.0.0", "http").expect("deployed");
    let seen = until("the new firmware is in place");

    let of = |text: &str| {
        seen.iter()
            .filter(|line| line.2.contains(text))
            .collect::<Vec<_>>()
    };
    let reports = of("the firmware's state is reported");
    // How many there are depends on how soon the hub answers.
    assert!(!reports.is_empty(), "{seen:#?}");
    let progress = of(" of 40552 bytes");
    assert!(!progress.is_empty(), "{seen:#?}");
    for (thread, name, text) in reports.into_iter().chain(progress) {
        assert_eq!(*thread, driver, "{name:?}: {text}");
        assert_ne!(name.as_deref(), Some("fota"), "{text}");
    }
}
