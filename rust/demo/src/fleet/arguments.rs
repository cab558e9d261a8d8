//! The command line of `fleet`.

use std::path::PathBuf;

use clap::{Args, value_parser};

/// Of `fleet`.
#[derive(Args, Debug)]
pub(crate) struct FleetArguments {
    /// How many devices.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(super) devices: u32,

    /// How many of them begin to connect in a second.
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(super) rate: u32,

    /// Seconds between two messages of a device, until its twin has a telemetryInterval.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u64).range(1..=86_400))]
    pub(super) interval: u64,

    /// How many percent of the devices lose their network now and then: without a good-bye, for 5
    /// to 65 seconds, about every two minutes.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u32).range(0..=100))]
    pub(super) faulty: u32,

    /// Ends so many seconds after the first device was started [default: at Ctrl-C].
    #[arg(long = "for", value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=31_536_000))]
    pub(super) duration: Option<u64>,

    /// What the devices' ids begin with; a number follows. Those that the hub does not know are
    /// registered, and stay so.
    #[arg(long, value_name = "TEXT", default_value = "fleet-", value_parser = prefix)]
    pub(super) prefix: String,

    /// The REST address of an emulator that runs already [default: a hub of its own is started].
    #[arg(long, value_name = "URL", group = "other", conflicts_with_all = ["http", "mqtt"])]
    pub(super) emulator: Option<String>,

    /// A file with the connection string of any hub, which registers the devices. The hub must have
    /// the root CA of --data; see iothub-provision ca.
    #[arg(long, value_name = "FILE", group = "other", requires = "roots", conflicts_with_all = ["http", "mqtt"])]
    pub(super) connection_string_file: Option<PathBuf>,

    /// The roots that the hub's certificate is verified by, PEM; of an emulator that has made its
    /// own they are asked for.
    #[arg(long, value_name = "FILE", requires = "other")]
    pub(super) roots: Option<PathBuf>,

    /// Port of the own hub's web page and REST, on the loopback interface; 0 takes any that is
    /// free.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(super) http: u16,

    /// Port of the own hub's MQTT over TLS, on the loopback interface; 0 takes any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub(super) mqtt: u16,

    /// Where the CA of the devices and the own hub's database are kept [default: fleet-data beside
    /// the program].
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: Option<PathBuf>,

    /// Prints the report as one JSON object; progress goes to standard error.
    #[arg(long)]
    pub(super) json: bool,
}

impl FleetArguments {
    /// The ids of all devices.
    pub(super) fn ids(&self) -> Vec<String> {
        let all = 1..=self.devices;
        all.map(|number| format!("{}{number:05}", self.prefix))
            .collect()
    }

    /// Whether the device of that number loses its network now and then. They are spread evenly.
    pub(super) fn is_faulty(&self, number: u32) -> bool {
        number % 100 * 37 % 100 < self.faulty
    }
}

/// Letters, digits and what else an id may contain, with room for the number.
fn prefix(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-:.+%_#*?!(),=@$'".contains(c);
    match text.len() <= 100 && text.chars().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err("up to 100 letters, digits and -:.+%_#*?!(),=@$'".to_owned()),
    }
}

/// A line of progress: standard output is the report's where that is JSON.
pub(super) fn say(json: bool, text: &str) {
    if json {
        anstream::eprintln!("{text}");
    } else {
        anstream::println!("{text}");
    }
}
