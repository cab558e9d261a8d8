//! The command line.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use iothub_host::Network;

use crate::{
    DeviceCommand, Error, device_command::BUILT_PORT, fleet::FleetArguments, recorder::Minutes,
    world::Description,
};

/// Shows a Thingy:91 that talks to Azure IoT Hub, with neither a board nor an Azure account: a
/// development PKI is made, a local IoT Hub starts, a simulated device attaches to LTE, waits for
/// IPv6 and connects over mutual TLS.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo run                                 watch it, and open the web page that it names\n  \
        cargo run -- --network ipv6-only          the same behind DNS64 and NAT64\n  \
        cargo run -- --once                       check the whole way, step by step, and exit\n  \
        cargo run -- --once --fota                the same for firmware updates\n  \
        cargo run -- --once --outage              the same for a day without coverage\n  \
        cargo run -- --once --drive               the same for a drive through a tunnel\n  \
        cargo run -- --world world.json --speed 60\n                                            \
        a world of your own, an hour in a minute\n  \
        cargo run -- --once --json                the same for a script\n  \
        cargo run -- --once --device zephyr.exe   the same with the application built for native_sim\n  \
        cargo run -- --once --device 'tests/zephyr/qemu/device {}'\n                                            \
        the same with what a script starts\n  \
        cargo run -- device --data modem          the device alone, for a hub that runs already\n  \
        cargo run -- fleet --devices 10000        many devices at once"
)]
pub struct Arguments {
    /// Run the scripted scenario, check each step from the hub's side, and exit: 0 only if all
    /// passed.
    #[arg(long)]
    pub once: bool,

    /// With --once: the scenario of firmware updates instead: an update, a cut at half of it, a
    /// wrong image, a rollback, power cuts.
    #[arg(long, requires = "once")]
    pub fota: bool,

    /// With --once: the scenario of a day without coverage instead: the power is cut in the middle
    /// of it, and every reading arrives with its own time.
    #[arg(long, requires = "once", conflicts_with_all = ["device", "fota", "drive"])]
    pub outage: bool,

    /// With --once: print the result as one JSON object.
    #[arg(long, requires = "once")]
    pub json: bool,

    /// With --once: show the logs of hub and device too; with --json on standard error.
    #[arg(long, short, requires = "once")]
    pub verbose: bool,

    /// With --once: a drive through a tunnel instead: every sample arrives with the time when it
    /// was taken; the configuration by twin; a restart by method. A program for native_sim is told
    /// the world by a file; satellites need no assistance there, and it has no watchdog.
    #[arg(long, requires = "once", conflicts_with = "fota")]
    pub drive: bool,

    /// The world around the device, a JSON file with a route, weather, battery and tunnels: see
    /// docs/tracker.md [default: a drive that is made up].
    #[arg(long, value_name = "FILE", conflicts_with = "once")]
    pub world: Option<PathBuf>,

    /// How much faster than in truth the world goes on, from 0.01 to 1000.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed, conflicts_with = "once")]
    pub speed: f64,

    /// The network that the simulated modem finds (--once has its own).
    #[arg(
        long,
        value_name = "KIND",
        default_value = "dual-stack",
        value_parser = networks(),
        conflicts_with = "once"
    )]
    pub network: Network,

    /// Port of the web page and of REST, on the loopback interface; 0 takes any that is free
    /// [default: 8080, with --once 0].
    #[arg(long, value_name = "PORT")]
    pub http: Option<u16>,

    /// Port of MQTT over TLS, on the loopback interface; 0 takes any that is free [default: 8883,
    /// with --once 0].
    #[arg(long, value_name = "PORT")]
    pub mqtt: Option<u16>,

    /// Where certificates, the hub's database and the device's settings are kept [default:
    /// demo-data beside the program; with --once a temporary folder].
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,

    /// Device to start instead of the Linux one: the application as a Zephyr program for
    /// native_sim, or a command with arguments such as a script or QEMU, whose output is read as
    /// the device's log.
    ///
    /// MQTT's port is then 8883, which such an image is built with, or where that is taken any that
    /// is free. With --fota the device brings its boot loader along, and starts again by itself
    /// when it restarts: tests/zephyr/fota/device does that for native_sim.
    ///
    /// A program for native_sim gets its options as arguments: --credentials, --hostname,
    /// --device-id, --network, --port where it is another than 8883, with --fota --fota-trial, with
    /// --drive, --world or --speed --world (a file with the state of now: src/sim_world.h); a command
    /// gets them in place of the word {}. Both find the same in their environment:
    /// IOTHUB_CREDENTIALS (a folder with ca.pem, cert.pem and key.pem), IOTHUB_DATA (a folder of
    /// its own), IOTHUB_HOSTNAME, IOTHUB_PORT, IOTHUB_DEVICE_ID, IOTHUB_NETWORK, IOTHUB_FOTA_TRIAL
    /// (seconds), IOTHUB_WORLD.
    #[arg(long, value_name = "PROGRAM|COMMAND")]
    pub device: Option<String>,

    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// A part of it as a process of its own: the program starts itself with these.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    #[command(hide = true)]
    Hub(HubArguments),
    /// The device alone, for a hub that runs already: the application on a simulated modem, with
    /// the credentials that are in its folder. It logs until Ctrl-C.
    #[command(after_help = "Example, each line in a terminal of its own:\n  \
        iothub-emulator --hostname my-hub.azure-devices.net\n  \
        iothub-provision simulate-modem --data modem --tcp 127.0.0.1:9100\n  \
        iothub-provision up --emulator http://127.0.0.1:8080 --port tcp:127.0.0.1:9100\n  \
        cargo run -- device --data modem\n\n\
        A second hub of that emulator, and whichever its provisioning service assigns:\n  \
        cargo run -- device --data modem --hub second-hub.azure-devices.net\n  \
        cargo run -- device --data modem --id-scope 0ne00000001")]
    Device(DeviceArguments),
    /// Many devices in one process, each with the firmware's own core, a certificate and a world of
    /// its own, against a hub of its own, a running emulator or any hub. Says what they do until
    /// Ctrl-C, and what one of them costs.
    #[command(after_help = "Examples:\n  \
        cargo run --release -- fleet --devices 10000             with a hub of its own; page on port 8080\n  \
        cargo run --release -- fleet --devices 1000 --faulty 20  200 lose their network now and then\n  \
        cargo run -- fleet --for 60 --json                       a hundred for a minute, for a script\n  \
        cargo run -- fleet --emulator http://127.0.0.1:8080      with an emulator that runs already\n  \
        cargo run -- fleet --connection-string-file hub.txt --roots DigiCertGlobalRootG2.pem")]
    Fleet(FleetArguments),
}

#[derive(Args, Debug)]
pub(crate) struct HubArguments {
    #[arg(long)]
    pub(crate) data: PathBuf,
    #[arg(long)]
    pub(crate) mqtt: u16,
    #[arg(long)]
    pub(crate) http: u16,
}

#[derive(Args, Debug)]
pub(crate) struct DeviceArguments {
    /// The folder with the modem's credentials and the device's settings, as simulate-modem keeps
    /// it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// The hub's host name, which the folder keeps as the setting iothub/hostname: any
    /// NAME.azure-devices.net that the emulator has [default: as the folder says, else
    /// my-hub.azure-devices.net].
    #[arg(long, value_name = "NAME", conflicts_with = "id_scope")]
    pub(crate) hub: Option<String>,
    /// Let the emulator's provisioning service assign the hub: its ID scope, which the folder keeps
    /// as the setting iothub/dps/id_scope.
    #[arg(long, value_name = "SCOPE")]
    pub(crate) id_scope: Option<String>,
    /// Port of the hub's MQTT over TLS, on the loopback interface: every *.azure-devices.net and
    /// *.azure-devices-provisioning.net is found there.
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub(crate) port: u16,
    /// The network that the simulated modem finds.
    #[arg(long, value_name = "KIND", default_value = "dual-stack", value_parser = networks())]
    pub(crate) network: Network,
    /// How much slower than in truth the network is, from 0 to 1000; 0.1 is ten times as fast.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = time_factor)]
    pub(crate) time_factor: f64,
    /// The world around the device, as of --world of the demonstration [default: a drive of its
    /// own].
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// How much faster than in truth the world goes on.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// When the world began, in milliseconds since 1970 [default: now].
    #[arg(long, value_name = "MS", hide = true)]
    pub(crate) world_began: Option<i64>,
    /// How long the modem tries to send, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) send_timeout: u64,
    /// Instead of the application: readings of these minutes, as in 0..1440.
    #[arg(long, value_name = "FIRST..END", hide = true, value_parser = minutes)]
    pub(crate) record: Option<Minutes>,
    /// So many sectors of 4 KiB are the outbox in flash.
    #[arg(long, value_name = "SECTORS", default_value_t = 16, hide = true)]
    pub(crate) flash_sectors: u32,
    /// The longest work of a thread without rest, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, hide = true)]
    pub(crate) watchdog: u64,
}

fn minutes(text: &str) -> Result<Minutes, String> {
    let parse = |number: &str| number.parse().map_err(|error| format!("{error}"));
    match text.split_once("..") {
        Some((first, end)) => Ok(parse(first)?..parse(end)?),
        None => Err("two numbers with .. between them are expected".to_owned()),
    }
}

/// Every kind by its name, so that the help lists them.
fn networks() -> impl TypedValueParser<Value = Network> {
    PossibleValuesParser::new(Network::ALL.map(Network::name)).try_map(|name| name.parse())
}

/// A world that stands still never gets through its tunnel.
fn speed(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match (0.01..=1000.0).contains(&factor) {
        true => Ok(factor),
        false => Err("a number from 0.01 to 1000 is expected".to_owned()),
    }
}

fn time_factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match (0.0..=1000.0).contains(&factor) {
        true => Ok(factor),
        false => Err("a number from 0 to 1000 is expected".to_owned()),
    }
}

impl DeviceArguments {
    /// Whether the folder is a device's, before anything is written into it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let shown = self.data.display();
        let why = match (self.data.is_dir(), self.data.join("modem").is_dir()) {
            (true, true) => return Ok(()),
            (true, false) => "no modem has its store in this folder (modem/)",
            (false, _) => "there is no such folder",
        };
        Err(Error::new(format!(
            "--data {shown}: {why}; name one that iothub-provision simulate-modem --data has made and iothub-provision \
             up has filled: see iothub-demo device --help"
        )))
    }
}

impl Arguments {
    /// Whether the folder and the program that are named can be used, before anything starts.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(data) = &self.data {
            let shown = data.display();
            if data.exists() && !data.is_dir() {
                return Err(Error::new(format!(
                    "--data {shown}: this is a file; name a folder, which is made if it is not there"
                )));
            }
            std::fs::create_dir_all(data).map_err(|source| {
                Error::new(format!(
                    "--data {shown}: the folder cannot be made: {source}; name one where you may write"
                ))
            })?;
        }
        if let Some(world) = &self.world {
            Description::read(world, 0)?;
        }
        self.device_command().map(drop)
    }

    /// The device to start instead of our own.
    pub(crate) fn device_command(&self) -> Result<Option<DeviceCommand>, Error> {
        self.device.as_deref().map(DeviceCommand::parse).transpose()
    }

    /// The ports of MQTT and of HTTP.
    pub(crate) fn ports(&self) -> (u16, u16) {
        let otherwise = |port: u16| if self.once { 0 } else { port };
        let mqtt = || match &self.device {
            // An image of before `--port` has no other one.
            Some(_) if is_free(BUILT_PORT) => BUILT_PORT,
            Some(_) => 0,
            None => otherwise(BUILT_PORT),
        };
        (
            self.mqtt.unwrap_or_else(mqtt),
            self.http.unwrap_or_else(|| otherwise(8080)),
        )
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
