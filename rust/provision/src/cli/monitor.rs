//! `iothub-provision monitor`: the board's log, each line with the time at which it came.

use std::io::{IsTerminal as _, Write as _, stdout};

use anstyle::AnsiColor;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::cli::Common;
use crate::cli::output::{Report, style, uses_colour};
use crate::error::{Error, Kind};
use crate::modem::{LineReader, list_ports};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The serial port, or tcp:HOST:PORT; without it the first Nordic port
    #[arg(long, env = "IOTHUB_PROVISION_PORT")]
    port: Option<String>,
    /// The speed of the port
    #[arg(long, default_value_t = 115_200)]
    baud: u32,
    /// End after this many lines
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<Report, Error> {
    let port = match &arguments.port {
        Some(port) => port.clone(),
        None => first_port()?,
    };
    let mut reader = LineReader::open(&port, arguments.baud)?;
    let coloured = uses_colour(common.color, stdout().is_terminal());
    let mut seen = 0;
    while arguments.count.is_none_or(|count| seen < count) {
        let line = reader.next_line()?;
        if !line.is_empty() {
            seen += 1;
            show(&line, common.json, coloured)?;
        }
    }
    let mut report = Report::new();
    report.field("lines", seen);
    Ok(report)
}

fn first_port() -> Result<String, Error> {
    let likely = list_ports()?.into_iter().find(|port| port.likely);
    likely.map(|port| port.path).ok_or_else(|| {
        Error::new(Kind::Port, "no serial port of a Nordic board was found")
            .advise("plug it in and switch it on, or name the port with --port")
    })
}

fn show(line: &str, as_json: bool, coloured: bool) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    let clock = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
    let time = now.format(clock).unwrap_or_default();
    let text = if as_json {
        json!({"time": now.to_string(), "level": level(line).map(|(name, _)| name), "line": line})
            .to_string()
    } else {
        let style = style(
            level(line).map_or(AnsiColor::White, |(_, colour)| colour),
            coloured,
        );
        format!("{time}  {style}{line}{style:#}")
    };
    writeln!(stdout(), "{text}").map_err(|error| Error::new(Kind::File, error.to_string()))
}

/// Zephyr writes `<err>`, `<wrn>`, `<inf>` or `<dbg>` into each line.
fn level(line: &str) -> Option<(&'static str, AnsiColor)> {
    let levels = [
        ("err", AnsiColor::Red),
        ("wrn", AnsiColor::Yellow),
        ("inf", AnsiColor::Green),
        ("dbg", AnsiColor::Blue),
    ];
    levels
        .into_iter()
        .find(|(name, _)| line.contains(&format!("<{name}>")))
}
