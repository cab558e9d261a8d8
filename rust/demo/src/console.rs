//! The terminal: whose line it is, in colour where there is a terminal.

use std::fmt;

use anstyle::{AnsiColor, Color, Style};

/// Where the lines of the processes go.
#[derive(Clone)]
pub struct Console(Option<Stream>);

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Error,
}

impl Console {
    /// Standard output.
    pub fn standard() -> Self {
        Self(Some(Stream::Output))
    }

    /// Standard error.
    pub fn error() -> Self {
        Self(Some(Stream::Error))
    }

    /// Nowhere.
    pub fn silent() -> Self {
        Self(None)
    }

    /// A line of a process.
    pub(crate) fn line(&self, name: &str, line: &str) {
        let style = color(name);
        self.print(format_args!(
            "{style}{name:<6} │{style:#} {}",
            printable(line)
        ));
    }

    /// A line of our own.
    pub(crate) fn note(&self, text: &str) {
        let style = Style::new().dimmed();
        self.print(format_args!("{style}{text}{style:#}"));
    }

    /// What there is to know at the start.
    pub(crate) fn banner(&self, rows: &[(&str, String)]) {
        let style = Style::new().bold();
        self.print(format_args!(""));
        for (name, text) in rows {
            self.print(format_args!("  {style}{name:<10}{style:#} {text}"));
        }
        self.print(format_args!(""));
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        match self.0 {
            Some(Stream::Output) => anstream::println!("{line}"),
            Some(Stream::Error) => anstream::eprintln!("{line}"),
            None => {}
        }
    }
}

fn color(name: &str) -> Style {
    let color = match name {
        "device" => AnsiColor::Cyan,
        "modem" => AnsiColor::Yellow,
        _ => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// What came over the network must not steer the terminal.
fn printable(line: &str) -> String {
    line.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}
