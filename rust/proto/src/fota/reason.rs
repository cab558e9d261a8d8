//! Why an update came to nothing, and how the last one ended.

use core::fmt;

use super::field::{Fault, Field, NAMES};
use super::line;
use crate::writer::Writer;

/// Why an update came to nothing; what `reason` in the reported properties says. One number, as it
/// is stored: an HTTP status, one of these constants, or a field of the desired object with what is
/// wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason(u16);

impl Reason {
    pub(super) const NONE: Self = Self(0);
    /// No connection to the host: its name, the network, or nobody listens.
    pub const CONNECT: Self = Self(1);
    /// The TLS handshake failed: no root certificate under the security tags has signed it, or
    /// another name.
    pub const TLS: Self = Self(2);
    /// The connection ended, or stood still.
    pub const TRANSFER: Self = Self(3);
    /// The server refuses it, by a status that is not known.
    pub const REFUSED: Self = Self(4);
    /// The image has another size than the job says.
    pub const SIZE: Self = Self(5);
    /// The image has another SHA-256 than the job says.
    pub const HASH: Self = Self(6);
    /// It is no image for this device, or a broken one.
    pub const IMAGE: Self = Self(7);
    /// It does not fit the slot.
    pub const TOO_LARGE: Self = Self(8);
    /// It could not be stored.
    pub const STORAGE: Self = Self(9);
    /// The platform refused to mark it for the boot loader.
    pub const NOT_APPLIED: Self = Self(10);
    /// What was downloaded is the version that runs, whatever the job called it.
    pub const SAME_VERSION: Self = Self(11);
    /// The new image did not stay.
    pub const ROLLED_BACK: Self = Self(12);
    /// The image is older than what runs, or ran: it is tried all the same.
    pub const OLDER: Self = Self(14);

    /// The server's HTTP status.
    pub const fn http(status: u16) -> Self {
        match status {
            100..=999 => Self(status),
            _ => Self::REFUSED,
        }
    }

    /// The desired object is wrong.
    pub const fn invalid(field: Field, fault: Fault) -> Self {
        Self(INVALID + ((field as u16) << 4) + fault as u16)
    }

    /// From the number that the platform gives the cause, and the HTTP status where that is one. An
    /// unknown one is [`Reason::TRANSFER`], which is tried again.
    pub const fn from_cause(cause: u32, status: u16) -> Self {
        match cause {
            4 => Self::http(status),
            1..=9 => Self(cause as u16),
            _ => Self::TRANSFER,
        }
    }

    /// Whether the desired object is wrong, rather than that it could not be carried out.
    pub const fn is_invalid(self) -> bool {
        self.0 >= INVALID
    }

    /// Whether it is this fault of the desired object.
    pub(super) const fn is(self, fault: Fault) -> bool {
        self.is_invalid() && self.0 & 15 == fault as u16
    }

    /// How often it is worth an attempt: once where the next one cannot go well.
    pub(super) const fn attempts(self) -> u8 {
        match self.0 {
            1..=3 | 408 | 429 | 500..=999 => u8::MAX,
            // The server may be busy, or have no such image: for half a minute it is worth it.
            4 => 4,
            _ => 1,
        }
    }

    /// Says it in the log, with what follows from it: an error, or a warning where that is another
    /// try in so many seconds.
    #[inline(never)]
    pub(super) fn log(self, then: &'static str, seconds: u32) {
        let level = match seconds {
            0 => log::Level::Error,
            _ => log::Level::Warn,
        };
        log::log!(level, "firmware: {}", Line(self, then, seconds));
    }

    pub(super) fn write(self, writer: &mut Writer<'_>) {
        let number = usize::from(self.0);
        if self.is_invalid() {
            let name = line(NAMES, number >> 4 & 15);
            writer.texts(&[name, " ", line(FAULTS, number & 15)]);
        } else if self.0 < 100 {
            writer.text(line(TEXTS, number));
        } else {
            writer.text("the server answers ");
            writer.number(self.0.into());
        }
    }
}

/// None of them is longer in words.
const TEXT_MAX: usize = 64;

/// From here on: 16 numbers for each field.
const INVALID: u16 = 0x400;

/// A line for each of the constants.
const TEXTS: &str = "
no connection to the host
TLS: the host is not trusted
the transfer broke off
the server refuses it, or has no ranges
the image has another size than size says
the image has another hash than sha256 says
not an image for this device
the image does not fit the slot
the image could not be stored
the image could not be marked for the boot loader
the image is the version that runs
the new image did not reach the hub, or was refused at boot

the image is older than the one before it";

/// A line for each [`Fault`].
const FAULTS: &str = "is missing
is of the wrong type
is empty
is too long
has a value that is not allowed";

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; TEXT_MAX];
        let mut writer = Writer::new(&mut buffer);
        self.write(&mut writer);
        f.write_str(writer.into_str().unwrap_or_default())
    }
}

/// Without core's padding and numbers.
struct Line(Reason, &'static str, u32);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reason, then, seconds) = *self;
        let mut buffer = [0; TEXT_MAX + 40];
        let mut writer = Writer::new(&mut buffer);
        reason.write(&mut writer);
        writer.texts(&["; ", then]);
        if seconds > 0 {
            writer.number(seconds.into());
            writer.text(" s");
        }
        f.write_str(writer.into_str().unwrap_or_default())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the last job ended: a number, as it is stored. 0 where there was none, or where it is under
/// way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome(pub(super) u16);

impl Outcome {
    pub(super) const NOTHING: Self = Self(0);
    pub(super) const ROLLED_BACK: Self = Self::failed(Reason::ROLLED_BACK);
    /// What was wanted runs.
    pub(super) const CURRENT: Self = Self(13);

    pub(super) const fn failed(reason: Reason) -> Self {
        Self(reason.0)
    }

    /// Why what was wanted does not run.
    pub(super) fn reason(self) -> Option<Reason> {
        (self != Self::NOTHING && self != Self::CURRENT).then_some(Reason(self.0))
    }

    /// Whether a job was tried, so that the same one is not begun again.
    pub(super) fn was_attempted(self) -> bool {
        self != Self::NOTHING && !Reason(self.0).is_invalid()
    }
}
