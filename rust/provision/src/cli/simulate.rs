//! `iothub-provision simulate-modem`

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::output::Report;
use crate::error::{Error, Kind};
use crate::platform;
use crate::simulator::{Modem, Network, Options, Style, Termination, Timing, serve_pty, serve_tcp};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// The data folder of the device process, whose credential store is used
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Listen on this TCP address instead of opening a pseudo terminal
    #[arg(long, value_name = "HOST:PORT")]
    tcp: Option<SocketAddr>,
    /// Make a symbolic link to the pseudo terminal, for tools that look for /dev/ttyACM*
    #[arg(long, value_name = "PATH", conflicts_with = "tcp")]
    link: Option<PathBuf>,
    /// Which firmware answers
    #[arg(long, value_enum, default_value_t)]
    style: Style,
    /// What ends a command
    #[arg(long, value_enum, default_value_t)]
    termination: Termination,
    /// The IMEI
    #[arg(long, default_value = "352656100367872")]
    imei: String,
    /// The modem firmware: older than 1.3.2 lists no hashes, from 2.0.2 certificates are checked
    #[arg(long, default_value = "mfw_nrf9160_1.3.5")]
    firmware: String,
    /// What the network gives after CFUN=1
    #[arg(long, value_enum, default_value_t)]
    network: Network,
    /// The functional mode it starts in
    #[arg(long, default_value_t = 0, value_name = "MODE")]
    cfun: u8,
    /// How many bytes of credentials fit
    #[arg(long, default_value_t = 65536, value_name = "BYTES")]
    capacity: usize,
    /// Refuse to write over a credential, with 519
    #[arg(long)]
    refuse_overwrite: bool,
    /// Lose byte number N on the way to the modem, as an old USB bridge does; can be repeated
    #[arg(long, value_name = "N")]
    lose_byte: Vec<u64>,
    /// Take the time that the real line and modem take, multiplied by FACTOR
    #[arg(long, value_name = "FACTOR")]
    real_time: Option<f64>,
}

pub(crate) fn run(arguments: Arguments) -> Result<Report, Error> {
    let options = Options {
        imei: arguments.imei,
        firmware: arguments.firmware,
        network: arguments.network,
        functional_mode: arguments.cfun,
        capacity: arguments.capacity,
        refuses_overwrite: arguments.refuse_overwrite,
        lost_bytes: arguments.lose_byte,
        ..Options::new(arguments.data)
    };
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&end)).map_err(|error| {
            Error::new(Kind::Internal, format!("no signal can be caught: {error}"))
        })?;
    }
    let modem = Modem::new(options)?;
    let timing = arguments.real_time.map_or(Timing::Instant, Timing::Real);
    let (style, termination) = (arguments.style, arguments.termination);
    let running = match arguments.tcp {
        Some(address) => serve_tcp(modem, style, termination, timing, address)?,
        None => serve_pty(modem, style, termination, timing)?,
    };
    if let Some(link) = &arguments.link {
        if link.is_symlink() {
            let _ = std::fs::remove_file(link);
        }
        platform::link(Path::new(running.port()), link)
            .map_err(|error| Error::file(link, "make the link", &error))?;
    }
    let mut out = std::io::stdout();
    let _ = writeln!(out, "ready port={}", running.port()).and_then(|()| out.flush());
    while !end.load(Ordering::SeqCst) {
        std::thread::park_timeout(TICK);
    }
    drop(running);
    if let Some(link) = &arguments.link {
        let _ = std::fs::remove_file(link);
    }
    Ok(Report::new())
}

/// How often it is looked whether a signal has come: a way that every system has.
const TICK: Duration = Duration::from_millis(100);

const HELP: &str = "\
Examples:
  iothub-provision simulate-modem --data device-data
  iothub-provision simulate-modem --data device-data --tcp 127.0.0.1:0 --style at-shell
  iothub-provision simulate-modem --data device-data --firmware mfw_nrf9160_1.3.1

It prints `ready port=PORT` and runs until Ctrl-C. Give PORT to any AT terminal, or to
iothub-provision modem --port PORT.";
