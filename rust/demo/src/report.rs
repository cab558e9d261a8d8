//! The result of the scenario.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{Error, stop};

/// One step that was checked.
#[derive(Debug)]
pub struct Check {
    name: &'static str,
    result: Result<String, Error>,
    took: Duration,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Report {
    checks: Vec<Check>,
}

impl Check {
    pub(crate) fn new(name: &'static str, result: Result<String, Error>, took: Duration) -> Self {
        Self { name, result, took }
    }

    /// Whether what was expected happened.
    pub fn passed(&self) -> bool {
        self.result.is_ok()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use anstyle::{AnsiColor, Color, Style};
        let style = |color| Style::new().bold().fg_color(Some(Color::Ansi(color)));
        let (style, mark) = match self.result {
            Ok(_) => (style(AnsiColor::Green), "ok  "),
            Err(_) => (style(AnsiColor::Red), "FAIL"),
        };
        let seconds = self.took.as_secs_f32();
        write!(
            f,
            "{style}{mark}{style:#} {:<46} {seconds:>5.1} s  ",
            self.name
        )?;
        match &self.result {
            Ok(found) => f.write_str(found),
            Err(error) => error.fmt(f),
        }
    }
}

impl Report {
    /// Takes a step, tells what came of it, and whether it passed. After Ctrl-C no step is taken
    /// any more, and what came of one that was under way says nothing.
    pub(crate) fn check(
        &mut self,
        tell: &mut dyn FnMut(&Check),
        name: &'static str,
        step: &mut dyn FnMut() -> Result<String, Error>,
    ) -> bool {
        if stop::wanted() {
            return false;
        }
        let started = Instant::now();
        let check = Check::new(name, step(), started.elapsed());
        if stop::wanted() {
            return false;
        }
        tell(&check);
        let passed = check.passed();
        self.checks.push(check);
        passed
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.checks.iter().filter(|check| check.passed()).count()
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.checks.len() - self.passed()
    }

    /// One JSON object: `passed`, `failed`, and `checks` with `name`, `passed`, `seconds` and
    /// `detail`.
    pub fn to_json(&self) -> String {
        let checks: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                let detail = match &check.result {
                    Ok(found) => found.clone(),
                    Err(error) => error.to_string(),
                };
                json!({
                    "name": check.name, "passed": check.passed(),
                    "seconds": check.took.as_secs_f32(), "detail": detail
                })
            })
            .collect();
        json!({ "passed": self.passed(), "failed": self.failed(), "checks": checks }).to_string()
    }
}
