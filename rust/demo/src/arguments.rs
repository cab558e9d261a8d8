//! The command line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use iothub_host::Network;

use crate::{DeviceOptions, Error};

/// Shows a Thingy:91 that talks to Azure IoT Hub, with neither a board nor an Azure account: a development PKI is made,
/// a local IoT Hub starts, a simulated device attaches to LTE, waits for IPv6 and connects over mutual TLS.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo run                                 watch it, and open the web page that it names\n  \
        cargo run -- --network ipv6-only          the same behind DNS64 and NAT64\n  \
        cargo run -- --once                       check the whole way, step by step, and exit\n  \
        cargo run -- --once --fota                the same for firmware updates\n  \
        cargo run -- --once --json                the same for a script\n  \
        cargo run -- device --data modem          the device alone, for a hub that runs already"
)]
pub struct Arguments {
    /// Run the scripted scenario, check each step from the hub's side, and exit: 0 only if all passed.
    #[arg(long)]
    pub once: bool,

    /// With --once: the scenario of firmware updates instead: an update, a cut at half of it, a wrong image, a rollback,
    /// power cuts.
    #[arg(long, requires = "once")]
    pub fota: bool,

    /// With --once: print the result as one JSON object.
    #[arg(long, requires = "once")]
    pub json: bool,

    /// With --once: show the logs of hub and device too.
    #[arg(long, short, requires = "once")]
    pub verbose: bool,

    /// The network that the simulated modem finds (--once has its own).
    #[arg(
        long,
        value_name = "KIND",
        default_value = "dual-stack",
        value_parser = networks(),
        conflicts_with = "once"
    )]
    pub network: Network,

    /// Port of the web page and of REST, on the loopback interface; 0 takes any that is free [default: 8080, with
    /// --once 0].
    #[arg(long, value_name = "PORT")]
    pub http: Option<u16>,

    /// Port of MQTT over TLS, on the loopback interface; 0 takes any that is free [default: 8883, with --once 0].
    #[arg(long, value_name = "PORT")]
    pub mqtt: Option<u16>,

    /// Where certificates, the hub's database and the device's settings are kept [default: demo-data beside the
    /// program; with --once a temporary folder].
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,

    /// Device to start instead of the Linux one: the application as a Zephyr program for native_sim. Takes MQTT's port
    /// 8883, which such a program is built with.
    #[arg(long, value_name = "PROGRAM")]
    pub device: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// A part of it as a process of its own: the program starts itself with these.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    #[command(hide = true)]
    Hub(HubArguments),
    /// The device alone, for a hub that runs already: the application on a simulated modem, with the credentials that are
    /// in its folder. It logs until Ctrl-C.
    #[command(after_help = "Example, each line in a terminal of its own:\n  \
        iothub-emulator --hostname my-hub.azure-devices.net\n  \
        iothub-provision simulate-modem --data modem --tcp 127.0.0.1:9100\n  \
        iothub-provision up --emulator http://127.0.0.1:8080 --port tcp:127.0.0.1:9100\n  \
        cargo run -- device --data modem")]
    Device(DeviceArguments),
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
    /// The folder with the modem's credentials and the device's settings, as simulate-modem keeps it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Port of the hub's MQTT over TLS, on the loopback interface.
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub(crate) port: u16,
    /// The network that the simulated modem finds.
    #[arg(long, value_name = "KIND", default_value = "dual-stack", value_parser = networks())]
    pub(crate) network: Network,
    /// How much slower than in truth the network is, from 0 to 1000; 0.1 is ten times as fast.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = time_factor)]
    pub(crate) time_factor: f64,
    /// How long the modem tries to send, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) send_timeout: u64,
}

/// Every kind by its name, so that the help lists them.
fn networks() -> impl TypedValueParser<Value = Network> {
    PossibleValuesParser::new(Network::ALL.map(Network::name)).try_map(|name| name.parse())
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
        let Some(device) = &self.device else {
            return Ok(());
        };
        let shown = device.display();
        match std::fs::metadata(device) {
            Err(source) => Err(Error::new(format!(
                "--device {shown}: {source}; build the application for native_sim first and name its zephyr.exe"
            ))),
            Ok(found) if found.is_dir() => Err(Error::new(format!(
                "--device {shown}: this is a folder; name the program in it, zephyr.exe"
            ))),
            Ok(found) if found.permissions().mode() & 0o111 == 0 => Err(Error::new(format!(
                "--device {shown}: this file is no program: it may not be executed"
            ))),
            Ok(_) => Ok(()),
        }
    }

    /// The ports of MQTT and of HTTP.
    pub(crate) fn ports(&self) -> (u16, u16) {
        let otherwise = |port: u16| if self.once { 0 } else { port };
        let mqtt = if self.device.is_some() {
            8883
        } else {
            otherwise(8883)
        };
        (
            self.mqtt.unwrap_or(mqtt),
            self.http.unwrap_or_else(|| otherwise(8080)),
        )
    }
}

pub(crate) fn device_options(arguments: &Arguments) -> DeviceOptions {
    DeviceOptions {
        network: arguments.network,
        // The program is started in the device's folder.
        program: arguments
            .device
            .clone()
            .map(|path| std::path::absolute(&path).unwrap_or(path)),
        ..DeviceOptions::default()
    }
}
