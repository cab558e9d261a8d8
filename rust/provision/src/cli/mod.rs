//! The command line.

mod ca;
mod device;
mod examples;
mod export;
mod hub;
mod manual;
mod modem;
mod monitor;
mod nrfcloud;
mod output;
mod passphrase;
mod server;
mod simulate;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use time::OffsetDateTime;

use crate::cli::output::{Colour, Report};
use crate::error::{Error, Kind};
use crate::files;
use crate::pki::{DAYS, KeyAlgorithm, Pki, Subject};

/// Certificates for Azure IoT Hub devices, and getting them into an nRF91 modem
#[derive(Debug, Parser)]
#[command(name = "iothub-provision", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// The folder of certificates and keys
    #[arg(long, global = true, value_name = "DIR", default_value = "dev-certs")]
    #[arg(env = "IOTHUB_PROVISION_HOME", help_heading = EVERYWHERE, hide_env_values = true)]
    pub(crate) home: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// When to use colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(help_heading = EVERYWHERE, hide_possible_values = true)]
    pub(crate) color: Colour,
}

impl Common {
    pub(crate) fn pki(&self) -> Pki {
        Pki::at(&self.home)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, list, renew and pass on certification authorities
    #[command(subcommand)]
    Ca(ca::Command),
    /// Make, check and list device certificates
    #[command(subcommand)]
    Device(device::Command),
    /// Make a server certificate, for a hub on this machine
    Server(server::Arguments),
    /// Talk to an nRF91 modem over its AT commands
    #[command(subcommand)]
    Modem(modem::Command),
    /// Register CAs and devices with IoT Hub, or with the local emulator
    #[command(subcommand)]
    Hub(hub::Command),
    /// Everything in one command: CA, key in the modem, certificate, roots, registration
    Up(up::Arguments),
    /// Tokens and bulk onboarding for nRF Cloud
    #[command(subcommand)]
    Nrfcloud(nrfcloud::Command),
    /// Show the log of the board, with the time of each line
    Monitor(monitor::Arguments),
    /// Print the completion for a shell
    Completion(manual::Completion),
    /// Write the manual pages
    Man(manual::Man),
    /// Be a modem, on a pseudo terminal or a TCP port, to try things without a board
    SimulateModem(simulate::Arguments),
}

/// Runs the tool with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&definition().get_matches());
    let cli = cli.unwrap_or_else(|error| error.exit());
    let common = cli.common.clone();
    files::sweep(&common.home);
    let outcome = run(cli, OffsetDateTime::now_utc());
    files::sync_folder(&common.home);
    ExitCode::from(output::show(outcome, common.json, common.color))
}

fn run(cli: Cli, now: OffsetDateTime) -> Result<Report, Error> {
    let common = &cli.common;
    match cli.command {
        Command::Ca(command) => ca::run(common, command, now),
        Command::Device(command) => device::run(common, command, now),
        Command::Server(arguments) => server::run(common, &arguments, now),
        Command::Modem(command) => modem::run(common, command, now),
        Command::Hub(command) => hub::run(common, command, now),
        Command::Up(arguments) => up::run(common, &arguments, now),
        Command::Nrfcloud(command) => nrfcloud::run(common, command, now),
        Command::Monitor(arguments) => monitor::run(common, &arguments),
        Command::Completion(arguments) => Ok(manual::completion(&arguments)),
        Command::Man(arguments) => manual::man(&arguments),
        Command::SimulateModem(arguments) => simulate::run(arguments),
    }
}

/// What is chosen for every certificate that is made.
#[derive(Debug, clap::Args)]
pub(crate) struct Making {
    /// The kind of key
    #[arg(long, value_enum, default_value_t)]
    pub(crate) algorithm: KeyAlgorithm,
    /// How many days it is valid; never longer than its issuer
    #[arg(long, default_value_t = DAYS)]
    pub(crate) days: u32,
    /// What stands before the common name, for example '/C=NO/O=Company'
    #[arg(long, value_name = "PREFIX")]
    subject_prefix: Option<String>,
    /// The organisational unit
    #[arg(long, value_name = "OU")]
    unit: Option<String>,
}

impl Making {
    pub(crate) fn subject(&self, common_name: &str) -> Result<Subject, Error> {
        Subject::new(
            self.subject_prefix.as_deref(),
            self.unit.as_deref(),
            common_name,
        )
    }
}

/// The definition of the command line, for completion and manual.
pub fn definition() -> clap::Command {
    examples::add(Cli::command())
}

/// A table with two spaces between its columns; the first row is its head.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::Usage, message)
}

/// What stands at the end of every help, after the options of the command itself.
const EVERYWHERE: &str = "With every command";

const AFTER_HELP: &str = "\
Examples:
  iothub-provision up                             an unpacked board, made ready in one go
  iothub-provision ca create                      a root and an intermediate in dev-certs/
  iothub-provision device create 352656100367872  a key and a certificate for that device id
  iothub-provision device verify 352656100367872  what IoT Hub will check
  iothub-provision server hub --host localhost    a certificate for a hub on this machine

Exit status:
  0  done                          10  no serial port, or it cannot be opened
  1  a fault of the tool           11  the modem does not answer
  2  wrong command line            12  the modem answered with an error
  3  file missing or unwritable    13  the modem does not hold what was written
  4  file holds something else     14  half done; the message says how to finish
  5  there already (--replace)     20  server cannot be reached
  6  certificates do not fit       21  server refused the credentials
  7  passphrase missing or wrong   22  server answered with an error
                                  130  ended by Ctrl-C

Private keys are never printed and never stand on a command line.";
