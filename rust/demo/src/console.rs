//! The terminal: whose line it is, in colour where there is a terminal.

use std::sync::Arc;

use anstyle::{AnsiColor, Color, Style};

/// Where the lines of the processes go.
#[derive(Clone)]
pub struct Console(Option<Arc<()>>);

impl Console {
    /// Standard output.
    pub fn standard() -> Self {
        Self(Some(Arc::new(())))
    }

    /// Nowhere.
    pub fn silent() -> Self {
        Self(None)
    }

    /// A line of a process.
    pub(crate) fn line(&self, name: &str, line: &str) {
        if self.0.is_some() {
            let style = color(name);
            anstream::println!("{style}{name:<6} │{style:#} {}", printable(line));
        }
    }

    /// A line of our own.
    pub(crate) fn note(&self, text: &str) {
        if self.0.is_some() {
            let style = Style::new().dimmed();
            anstream::println!("{style}{text}{style:#}");
        }
    }

    /// What there is to know at the start.
    pub(crate) fn banner(&self, rows: &[(&str, String)]) {
        if self.0.is_some() {
            let style = Style::new().bold();
            anstream::println!();
            for (name, text) in rows {
                anstream::println!("  {style}{name:<10}{style:#} {text}");
            }
            anstream::println!();
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
