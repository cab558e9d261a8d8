//! What a command says: lines for people, or one JSON object for programs.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::error::Error;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a command has to say when it ends.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<(Mark, String)>,
    json: serde_json::Map<String, Value>,
    failure: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Plain,
    Done,
    Same,
    Failed,
    Warning,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Text without a mark: a table, a file, lines to be copied.
    pub(crate) fn plain(&mut self, text: impl Into<String>) -> &mut Self {
        self.line(Mark::Plain, text)
    }

    /// Something was done or is as it should be.
    pub(crate) fn done(&mut self, text: impl Into<String>) -> &mut Self {
        self.line(Mark::Done, text)
    }

    /// Something was there already.
    pub(crate) fn same(&mut self, text: impl Into<String>) -> &mut Self {
        self.line(Mark::Same, text)
    }

    /// Something is not as it should be.
    pub(crate) fn failed(&mut self, text: impl Into<String>) -> &mut Self {
        self.line(Mark::Failed, text)
    }

    /// Something that deserves a look.
    pub(crate) fn warning(&mut self, text: impl Into<String>) -> &mut Self {
        self.line(Mark::Warning, text)
    }

    /// A field of the JSON object.
    pub(crate) fn field(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.json.insert(name.to_owned(), value.into());
        self
    }

    /// The report is shown, and the tool then fails with this.
    pub(crate) fn fail_with(&mut self, error: Error) -> &mut Self {
        self.failure = Some(error);
        self
    }

    fn line(&mut self, mark: Mark, text: impl Into<String>) -> &mut Self {
        self.lines.push((mark, text.into()));
        self
    }
}

/// Prints the outcome of a command and returns the exit status.
pub(crate) fn show(outcome: Result<Report, Error>, as_json: bool, colour: Colour) -> u8 {
    let (report, failure) = match outcome {
        Ok(mut report) => {
            let failure = report.failure.take();
            (report, failure)
        }
        Err(error) => (Report::new(), Some(error)),
    };
    if as_json {
        show_json(report, failure.as_ref());
    } else {
        show_text(&report, failure.as_ref(), colour);
    }
    failure.map_or(0, |error| error.kind().exit_status())
}

fn show_json(mut report: Report, failure: Option<&Error>) {
    report.field("ok", failure.is_none());
    if let Some(error) = failure {
        report.field(
            "error",
            json!({
                "kind": error.kind().name(),
                "status": error.kind().exit_status(),
                "message": error.message(),
                "advice": error.advice(),
            }),
        );
    }
    write_out(&format!("{}\n", Value::Object(report.json)));
}

fn show_text(report: &Report, failure: Option<&Error>, colour: Colour) {
    let coloured = uses_colour(colour, io::stdout().is_terminal());
    let text: String = report
        .lines
        .iter()
        .map(|(mark, text)| line(*mark, text, coloured))
        .collect();
    write_out(&text);
    if let Some(error) = failure {
        let style = style(
            AnsiColor::Red,
            uses_colour(colour, io::stderr().is_terminal()),
        );
        eprintln!("{style}error{style:#}: {error}");
    }
}

fn line(mark: Mark, text: &str, coloured: bool) -> String {
    let (sign, colour) = match mark {
        Mark::Plain => return format!("{text}\n"),
        Mark::Done => ("✓", AnsiColor::Green),
        Mark::Same => ("=", AnsiColor::Cyan),
        Mark::Failed => ("✗", AnsiColor::Red),
        Mark::Warning => ("!", AnsiColor::Yellow),
    };
    let style = style(colour, coloured);
    format!("{style}{sign}{style:#} {text}\n")
}

/// A bar on a terminal, nothing elsewhere.
pub(crate) fn progress(as_json: bool, length: usize) -> ProgressBar {
    if as_json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg} {elapsed}");
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Prints a step while the command still runs.
pub(crate) fn show_step(text: &str, changed: bool, colour: Colour) {
    let mark = if changed { Mark::Done } else { Mark::Same };
    let coloured = uses_colour(colour, io::stdout().is_terminal());
    write_out(&line(mark, text, coloured));
}

/// A reader that goes away (`| head`) ends the output, not the command.
fn write_out(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(crate) fn uses_colour(colour: Colour, terminal: bool) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
    }
}

pub(crate) fn style(colour: AnsiColor, coloured: bool) -> Style {
    if coloured {
        Style::new().fg_color(Some(colour.into()))
    } else {
        Style::new()
    }
}
