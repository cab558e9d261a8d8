//! The role `device`: the application on the simulated modem, as a process of its own.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
    time::{Duration, Instant},
};

use iothub_host::{Level, Options};

use crate::{
    DEVICE_ID, Error, HOSTNAME,
    arguments::DeviceArguments,
    setup::{lock, name_hub},
    stop,
};

/// An address of the hub in the simulated Internet, as public ones are: IPv4 only.
const HUB_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(13, 70, 74, 195));

pub(crate) fn run(arguments: &DeviceArguments) -> Result<ExitCode, Error> {
    end_with_parent();
    // Before anything else: who has started it may end it at any time.
    stop::catch(|| {})?;
    arguments.check()?;
    let _lock = lock(&arguments.data, "device")?;
    name_hub(&arguments.data)?;
    let mut options = Options::new(arguments.data.clone());
    let firmware = iothub_host::boot(&arguments.data, &options.firmware).map_err(Error::new)?;
    options.port = port(&firmware.body).unwrap_or(arguments.port);
    options.network = arguments.network;
    options.time_factor = arguments.time_factor;
    options.send_timeout = Duration::from_secs(arguments.send_timeout);
    options.hardware_id = Some(DEVICE_ID.to_owned());
    options.hosts = vec![(HOSTNAME.to_owned(), HUB_ADDRESS)];
    options.routes = vec![(HUB_ADDRESS, IpAddr::V4(Ipv4Addr::LOCALHOST))];
    options.log_level = Level::Debug;
    iothub_host::start(options).map_err(Error::new)?;

    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    std::thread::spawn(|| {
        while !stop::wait(Duration::MAX) {}
        power_off();
    });
    Err(Error::new(iothub_app::run()))
}

/// What an image of the demonstration can have otherwise: where it looks for the hub.
fn port(body: &[u8]) -> Option<u16> {
    let line = body.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line)
        .ok()?
        .strip_prefix("port=")?
        .parse()
        .ok()
}

/// Says good-bye to the hub, as a device does whose button is pressed long.
fn power_off() {
    let deadline = Instant::now() + Duration::from_secs(3);
    let _ = iothub::disconnect();
    while Instant::now() < deadline
        && !iothub::status().is_ok_and(|status| status.phase == iothub::Phase::Idle)
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::process::exit(0);
}

/// A killed demonstration leaves no processes behind.
pub(crate) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}
