//! Log records of the device: from the Rust side by `iothub_platform_log`, and this crate's own.

use std::{
    fmt,
    io::{self, Write as _},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

/// How important a record is; the numbers are those of the `log` crate and of
/// `iothub_platform_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is odd, and the device goes on.
    Warn,
    /// What a user wants to see.
    Info,
    /// What a developer wants to see.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The level of that number; what is out of range counts as the nearest.
    pub(crate) fn from_number(number: u32) -> Self {
        match number {
            0 | 1 => Self::Error,
            2 => Self::Warn,
            3 => Self::Info,
            4 => Self::Debug,
            _ => Self::Trace,
        }
    }

    /// Zephyr's three letters.
    fn letters(self) -> &'static str {
        match self {
            Self::Error => "err",
            Self::Warn => "wrn",
            Self::Info => "inf",
            Self::Debug | Self::Trace => "dbg",
        }
    }
}

/// One log record. Its `Display` is one line in Zephyr's style, without the line end:
/// `[00:00:04.396] <inf> iothub: connected`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Time since boot.
    pub uptime: Duration,
    /// How important it is.
    pub level: Level,
    /// Who says it: the module's name.
    pub target: &'a str,
    /// What is said.
    pub message: &'a str,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.uptime.as_secs();
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let ms = self.uptime.subsec_millis();
        let (level, target) = (self.level.letters(), self.target);
        write!(
            f,
            "[{hours:02}:{minutes:02}:{rest:02}.{ms:03}] <{level}> {target}: "
        )?;
        for character in self.message.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Receives every record that passes [`Options::log_level`](crate::Options::log_level), on the
/// thread that logs.
pub type LogHook = Box<dyn Fn(&Record<'_>) + Send + Sync>;

/// The default hook: a line on standard output.
pub(crate) fn to_stdout() -> LogHook {
    Box::new(|record| {
        // A console that is gone is no reason to stop the device.
        let _ = writeln!(io::stdout().lock(), "{record}");
    })
}

struct Logger {
    level: Level,
    hook: LogHook,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// What was said before there was a hook, as by a boot loader: a few records.
static EARLY: Mutex<Vec<(Level, String, String)>> = Mutex::new(Vec::new());

/// Sets level and hook, once.
pub(crate) fn install(level: Level, hook: LogHook) {
    let _ = LOGGER.set(Logger { level, hook });
    for (level, target, message) in std::mem::take(&mut *early()) {
        write(level, &target, format_args!("{message}"));
    }
}

fn early() -> MutexGuard<'static, Vec<(Level, String, String)>> {
    EARLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs one record.
pub(crate) fn write(level: Level, target: &str, message: fmt::Arguments<'_>) {
    let Some(logger) = LOGGER.get() else {
        let mut early = early();
        if early.len() < EARLY_MAX {
            early.push((level, target.to_owned(), message.to_string()));
        }
        return;
    };
    if level <= logger.level {
        let message = message.to_string();
        (logger.hook)(&Record {
            uptime: crate::edge::uptime(),
            level,
            target,
            message: &message,
        });
    }
}

const EARLY_MAX: usize = 16;

macro_rules! error {
    ($target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Error, $target, format_args!($($message)+))
    };
}
macro_rules! warning {
    ($target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, $target, format_args!($($message)+))
    };
}
macro_rules! info {
    ($target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Info, $target, format_args!($($message)+))
    };
}
macro_rules! debug {
    ($target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, $target, format_args!($($message)+))
    };
}
pub(crate) use {debug, error, info, warning};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_in_zephyrs_style() {
        let uptime = Duration::from_millis(3_723_004);
        let record = Record {
            uptime,
            level: Level::Warn,
            target: "iothub",
            message: "two\nlines",
        };
        assert_eq!(
            record.to_string(),
            r"[01:02:03.004] <wrn> iothub: two\nlines"
        );
    }
}
