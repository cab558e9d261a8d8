//! What a process may choose before the device starts.

use std::{fmt, net::IpAddr, path::PathBuf, process, sync::Arc, time::Duration};

use crate::{
    Board, BoardEvents, FlashOptions, Network, StartError,
    board::Bare,
    log::{self, Level, LogHook},
    nat64::Nat64Prefix,
    system::become_program,
};

/// Told of each change of the application's LED.
pub type LedHook = Box<dyn Fn(bool) + Send + Sync>;

/// Everything [`start`](crate::start) can be told; [`Options::new`] gives the defaults.
///
/// Where a field stands for an option of the SDK, its default is the one in
/// `rust/ncs-sys/host-include/Kconfig.sdk`; only `iothub`'s build script reads Kconfig, this crate
/// takes values, so that tests can have any of them.
#[non_exhaustive]
pub struct Options {
    /// The data folder: settings and the modem's credential store.
    pub data: PathBuf,
    /// `CONFIG_MQTT_HELPER_PORT`.
    pub port: u16,
    /// `CONFIG_MQTT_HELPER_SEC_TAG`.
    pub sec_tag: u32,
    /// `CONFIG_MQTT_HELPER_SECONDARY_SEC_TAG`; there -1 stands for `None`.
    pub secondary_sec_tag: Option<u32>,
    /// `CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC`. Here it also bounds a TCP connect and, counted anew,
    /// a TLS handshake.
    pub send_timeout: Duration,
    /// `CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE`: room for a packet without its payload, each way.
    pub rx_tx_buffer: usize,
    /// `CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN`: the largest payload that can be received.
    pub payload_buffer: usize,
    /// `CONFIG_MQTT_KEEPALIVE`: whole seconds, 0 for none.
    pub keep_alive: Duration,
    /// `CONFIG_MQTT_CLEAN_SESSION`.
    pub clean_session: bool,
    /// Names that are not to be asked of the system's resolver. A name may stand more than once;
    /// `*.example.net` stands for every name that ends so.
    pub hosts: Vec<(String, IpAddr)>,
    /// Where the simulated Internet carries an address: a public one of the hub to the loopback
    /// interface.
    pub routes: Vec<(IpAddr, IpAddr)>,
    /// What the simulated modem finds when it is switched on.
    pub network: Network,
    /// DNS64 and NAT64 of a network without IPv4; `None`: the network has neither.
    pub nat64: Option<Nat64Prefix>,
    /// Multiplies the delays of the simulated modem: 1.0 is as slow as a real one.
    pub time_factor: f64,
    /// What `iothub_platform_hardware_id` answers; `None`: -ENOTSUP.
    pub hardware_id: Option<String>,
    /// What the board measures; by default nothing.
    pub board: Arc<dyn Board>,
    /// By which the board tells what happens to it.
    pub board_events: BoardEvents,
    /// Records above this level are dropped.
    pub log_level: Level,
    /// Where log records go; by default a line each to standard output.
    pub log: LogHook,
    /// Called beside the log line when the application switches its LED.
    pub led: LedHook,
    /// What a reboot is.
    pub reboot: Reboot,
    /// `CONFIG_IOTHUB_WATCHDOG_S`: the longest work of a thread without rest.
    pub watchdog: Duration,
    /// The version of the image that a new device leaves the factory with, as in `1.2.3` or
    /// `1.2.3+4`.
    pub firmware: String,
    /// The flash of the outbox.
    pub flash: FlashOptions,
}

/// What `iothub_platform_reboot` does.
#[non_exhaustive]
pub enum Reboot {
    /// Executes the same program anew with the same arguments.
    Exec,
    /// Ends the process with this status, for a supervisor to start it again.
    Exit(i32),
    /// Calls this, then ends the process with status 0.
    Hook(Box<dyn Fn() + Send + Sync>),
}

impl Options {
    /// The defaults, over this data folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 8883,
            sec_tag: 10,
            secondary_sec_tag: None,
            send_timeout: Duration::from_secs(60),
            rx_tx_buffer: 1024,
            payload_buffer: 4096,
            keep_alive: Duration::from_secs(60),
            clean_session: false,
            hosts: Vec::new(),
            routes: Vec::new(),
            network: Network::DualStack,
            nat64: Some(Nat64Prefix::TELSTRA),
            time_factor: 1.0,
            hardware_id: None,
            board: Arc::new(Bare),
            board_events: BoardEvents::default(),
            log_level: Level::Info,
            log: log::to_stdout(),
            led: Box::new(|_| {}),
            reboot: Reboot::Exec,
            watchdog: Duration::from_secs(300),
            firmware: "0.1.0".into(),
            flash: FlashOptions::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        let wrong = |name, reason| Err(StartError::Option { name, reason });
        if !(self.time_factor.is_finite() && (0.0..=1000.0).contains(&self.time_factor)) {
            return wrong("time_factor", "a number from 0 to 1000 is expected");
        }
        if self.send_timeout.is_zero() {
            return wrong("send_timeout", "a write without any time cannot succeed");
        }
        if self.keep_alive.subsec_nanos() != 0 || self.keep_alive.as_secs() > u16::MAX.into() {
            return wrong("keep_alive", "MQTT counts it in whole seconds, up to 65535");
        }
        if self.rx_tx_buffer < 16 || self.payload_buffer == 0 {
            return wrong("rx_tx_buffer or payload_buffer", "no packet fits into it");
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("data", &self.data)
            .field("port", &self.port)
            .field("sec_tag", &self.sec_tag)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

impl Reboot {
    pub(crate) fn reboot(&self) -> ! {
        match self {
            Self::Exec => execute_again(),
            Self::Exit(status) => process::exit(*status),
            Self::Hook(hook) => {
                hook();
                process::exit(0)
            }
        }
    }
}

fn execute_again() -> ! {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let mut again = process::Command::new(&program);
    let error = become_program(again.args(std::env::args_os().skip(1)));
    log::error!(
        "host",
        "{} could not be executed anew: {error}",
        program.display()
    );
    process::exit(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// `config NAME` and its `default`.
    fn kconfig() -> BTreeMap<&'static str, &'static str> {
        let text = include_str!("../../ncs-sys/host-include/Kconfig.sdk");
        let mut name = "";
        let mut defaults = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if let Some(config) = line.strip_prefix("config ") {
                name = config;
            } else if let Some(value) = line.strip_prefix("default ") {
                assert_eq!(defaults.insert(name, value), None, "{name}");
            }
        }
        defaults
    }

    #[test]
    fn the_defaults_are_those_of_kconfig() {
        let options = Options::new("data");
        let secondary = options.secondary_sec_tag.map_or(-1, i64::from);
        let defaults = [
            ("MQTT_HELPER_PORT", options.port.to_string()),
            ("MQTT_HELPER_SEC_TAG", options.sec_tag.to_string()),
            ("MQTT_HELPER_SECONDARY_SEC_TAG", secondary.to_string()),
            (
                "MQTT_HELPER_SEND_TIMEOUT_SEC",
                options.send_timeout.as_secs().to_string(),
            ),
            (
                "MQTT_HELPER_RX_TX_BUFFER_SIZE",
                options.rx_tx_buffer.to_string(),
            ),
            (
                "MQTT_HELPER_PAYLOAD_BUFFER_LEN",
                options.payload_buffer.to_string(),
            ),
            ("MQTT_KEEPALIVE", options.keep_alive.as_secs().to_string()),
            (
                "MQTT_CLEAN_SESSION",
                if options.clean_session { "y" } else { "n" }.into(),
            ),
        ];
        let mut kconfig = kconfig();
        // Off on a board until they are asked for; Linux has them.
        for name in [
            "IOTHUB_ASSISTANCE",
            "IOTHUB_FAULT_COMMAND",
            "IOTHUB_FOTA",
            "IOTHUB_OUTBOX_FLASH",
            "IOTHUB_SURVEY",
        ] {
            assert_eq!(kconfig.remove(name), Some("y"), "{name}");
        }
        assert_eq!(kconfig.len(), defaults.len());
        for (name, value) in defaults {
            assert_eq!(kconfig.get(name), Some(&value.as_str()), "{name}");
        }
    }

    #[test]
    fn values_that_cannot_be_are_refused_by_name() {
        let refused = |change: fn(&mut Options)| {
            let mut options = Options::new("data");
            change(&mut options);
            options.check().map_err(|error| error.to_string())
        };
        let named = |result: Result<(), String>, name: &str| {
            assert!(result.unwrap_err().starts_with(&format!("option {name}: ")));
        };
        assert_eq!(refused(|_| {}), Ok(()));
        named(
            refused(|options| options.time_factor = f64::NAN),
            "time_factor",
        );
        named(
            refused(|options| options.send_timeout = Duration::ZERO),
            "send_timeout",
        );
        named(
            refused(|options| options.keep_alive = Duration::from_millis(1500)),
            "keep_alive",
        );
        named(
            refused(|options| options.keep_alive = Duration::from_secs(65_536)),
            "keep_alive",
        );
        named(
            refused(|options| options.payload_buffer = 0),
            "rx_tx_buffer or payload_buffer",
        );
    }
}
