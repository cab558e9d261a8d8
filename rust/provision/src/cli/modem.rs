//! `iothub-provision modem …`

mod creds;
mod doctor;

use std::path::PathBuf;

use time::OffsetDateTime;

use crate::cli::output::Report;
use crate::cli::{Common, table};
use crate::error::{Error, Kind};
use crate::modem::{Modem, Session, Trace, list_ports};
use crate::shell::Shell;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the serial ports, those of Nordic boards first
    Ports,
    /// Find out what is wrong between here and the modem
    Doctor(Line),
    /// Show who the modem is
    Info(Line),
    /// List, write, verify and delete credentials
    #[command(subcommand)]
    Creds(creds::Command),
    /// Have the modem make a key that never leaves it, and save its signing request
    Keygen(Keygen),
}

/// Where the modem is.
#[derive(Debug, clap::Args)]
pub(crate) struct Line {
    /// The serial port, or tcp:HOST:PORT; without it the first Nordic port that answers
    #[arg(long, env = "IOTHUB_PROVISION_PORT")]
    port: Option<String>,
    /// The speed of the port
    #[arg(long, default_value_t = 115_200)]
    baud: u32,
    /// Write a transcript, without secrets, to FILE; - is standard error
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Keygen {
    #[command(flatten)]
    line: Line,
    /// The security tag
    #[arg(long, default_value_t = 10)]
    tag: u32,
    /// The common name; the IMEI without it
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,
    /// Where the signing request goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Delete a key that is there already
    #[arg(long)]
    replace: bool,
}

impl Line {
    /// Opens the named port, or tries the likely ones.
    pub(crate) fn open(&self) -> Result<Modem, Error> {
        if let Some(port) = &self.port {
            return Session::open(port, self.baud, self.transcript()?).map(Modem::new);
        }
        let mut last = None;
        for found in list_ports()?.iter().filter(|found| found.likely) {
            match Session::open(&found.path, self.baud, self.transcript()?) {
                Ok(session) => return Ok(Modem::new(session)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::new(Kind::Port, "no serial port of a Nordic board was found")
                .advise("plug it in and switch it on, or name the port with --port")
        }))
    }

    fn transcript(&self) -> Result<Trace, Error> {
        match self.trace.as_deref() {
            None => Ok(Trace::off()),
            Some(path) if path.as_os_str() == "-" => Ok(Trace::to(std::io::stderr())),
            Some(path) => std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map(Trace::to)
                .map_err(|error| Error::file(path, "open", &error)),
        }
    }
}

pub(crate) fn run(_: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    match command {
        Command::Ports => ports(),
        Command::Doctor(line) => doctor::run(&line),
        Command::Info(line) => info(&line),
        Command::Creds(command) => creds::run(command, now),
        Command::Keygen(arguments) => keygen(&arguments),
    }
}

fn ports() -> Result<Report, Error> {
    let found = list_ports()?;
    let mut rows = vec![["PORT", "USB", "PRODUCT"].map(str::to_owned).to_vec()];
    rows.extend(
        found
            .iter()
            .map(|port| vec![port.path.clone(), port.usb.clone(), port.product.clone()]),
    );
    let mut report = Report::new();
    match found.is_empty() {
        true => report.warning("no serial port; a simulated one: iothub-provision simulate-modem"),
        false => report.plain(table(&rows)),
    };
    report.field("ports", serde_json::to_value(found).unwrap_or_default());
    Ok(report)
}

fn info(line: &Line) -> Result<Report, Error> {
    let mut modem = line.open()?;
    let mut report = Report::new();
    let framing = modem.session().framing().to_string();
    report
        .plain(format!("answers   {framing}"))
        .field("framing", framing);
    let asked = [
        ("imei", "IMEI", "AT+CGSN"),
        ("model", "model", "AT+CGMM"),
        ("firmware", "firmware", "AT+CGMR"),
        ("functionalMode", "mode", "AT+CFUN?"),
    ];
    for (field, label, command) in asked {
        let answer = modem.ask(command)?;
        let value = answer.strip_prefix("+CFUN: ").unwrap_or(&answer).to_owned();
        report
            .plain(format!("{label:<9} {value}"))
            .field(field, value);
    }
    Ok(report)
}

/// Tells what has happened on the line, whatever came of the command.
pub(crate) fn told<T>(
    modem: &mut Modem,
    report: &mut Report,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    let notices = modem.take_notices();
    let outcome = outcome.map_err(|error| {
        notices
            .iter()
            .fold(error, |error, notice| error.and(notice))
    });
    for notice in &notices {
        report.warning(notice.clone());
    }
    report.field("line", notices);
    outcome
}

fn keygen(arguments: &Keygen) -> Result<Report, Error> {
    crate::modem::check_tag(arguments.tag, false)?;
    if let Some(id) = &arguments.device_id {
        crate::pki::check_name(id)?;
        crate::modem::check_key_name(id)?;
    }
    crate::files::has_place(&arguments.out)?;
    crate::files::spares_keys(&arguments.out)?;
    let mut modem = arguments.line.open()?;
    let id = match &arguments.device_id {
        Some(id) => id.clone(),
        None => modem.imei()?,
    };
    let made = modem.offline(|modem| {
        if arguments.replace {
            modem.delete(arguments.tag, 2)?;
        }
        modem.generate_key(arguments.tag, &id)
    });
    let mut report = Report::new();
    let made = told(&mut modem, &mut report, made)?;
    crate::files::write_public(&arguments.out, &made.pem())?;
    report
        .done(format!(
            "{}  the key stays in the modem, tag {}",
            arguments.out.display(),
            arguments.tag
        ))
        .plain(format!(
            "Next: iothub-provision device create {} --csr {}",
            Shell::here().quoted(&id),
            Shell::here().quoted(&arguments.out.display().to_string())
        ))
        .field("csr", arguments.out.display().to_string())
        .field("deviceId", id);
    Ok(report)
}
