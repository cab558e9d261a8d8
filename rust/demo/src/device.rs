//! The role `device`: the application on the simulated modem, as a process of its own.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use iothub_host::{Level, Options};

use crate::{
    DEVICE_ID, Error, HOSTNAME,
    arguments::DeviceArguments,
    recorder,
    setup::{HUB_SETTING, erase_setting, has_setting, lock, write_setting},
    stop,
    world::{Description, Player, World, unix_ms},
};

/// An address of the hub in the simulated Internet, as public ones are: IPv4 only.
const HUB_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(13, 70, 74, 195));

pub(crate) fn run(arguments: &DeviceArguments) -> Result<ExitCode, Error> {
    end_with_parent();
    // Before anything else: who has started it may end it at any time.
    stop::catch(|| {})?;
    arguments.check()?;
    let _lock = lock(&arguments.data, "device")?;
    configure(arguments)?;
    let mut options = Options::new(arguments.data.clone());
    let firmware = iothub_host::boot(&arguments.data, &options.firmware).map_err(Error::new)?;
    options.port = port(&firmware.body).unwrap_or(arguments.port);
    options.network = arguments.network;
    options.time_factor = arguments.time_factor;
    options.send_timeout = Duration::from_secs(arguments.send_timeout);
    options.hardware_id = Some(DEVICE_ID.to_owned());
    options.hosts = NAMES.map(|name| (name.to_owned(), HUB_ADDRESS)).to_vec();
    options.routes = vec![(HUB_ADDRESS, IpAddr::V4(Ipv4Addr::LOCALHOST))];
    options.log_level = Level::Debug;
    options.flash.sectors = arguments.flash_sectors;
    options.watchdog = Duration::from_secs(arguments.watchdog);
    let began_ms = arguments.world_began.unwrap_or_else(unix_ms);
    let description = match &arguments.world {
        Some(path) => Description::read(path, began_ms)?,
        None => Description::new(began_ms),
    };
    let player = Player::new(World::new(description), arguments.speed, began_ms);
    options.board_events = player.events();
    options.board = Arc::new(player.clone());
    iothub_host::start(options).map_err(Error::new)?;

    player.play(arguments.network);
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    std::thread::spawn(|| {
        while !stop::wait(Duration::MAX) {}
        power_off();
    });
    if let Some(minutes) = &arguments.record {
        return recorder::run(minutes.clone());
    }
    Err(Error::new(iothub_app::run()))
}

/// Whatever hub or provisioning service of Azure the device looks for, it finds the local one.
const NAMES: [&str; 2] = ["*.azure-devices.net", "*.azure-devices-provisioning.net"];

/// Which hub it is to be: as the options say, else as the settings do, else the demonstration's.
fn configure(arguments: &DeviceArguments) -> Result<(), Error> {
    let (data, scope) = (&arguments.data, "iothub/dps/id_scope");
    match (&arguments.hub, &arguments.id_scope) {
        (Some(hub), _) => {
            erase_setting(data, scope)?;
            write_setting(data, HUB_SETTING, hub)
        }
        (None, Some(id_scope)) => write_setting(data, scope, id_scope),
        (None, None) if has_setting(data, HUB_SETTING) || has_setting(data, scope) => Ok(()),
        (None, None) => write_setting(data, HUB_SETTING, HOSTNAME),
    }
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
