//! AT commands: `nrf_modem_at.h`, by way of `iothub_platform.h`, since its functions are variadic.

use core::{
    ffi::{CStr, c_int},
    fmt,
};

use crate::{Decimal, Errno, Plain};

/// Why a command gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `ERROR`: the modem does not know the command, or not now.
    Refused,
    /// `+CME ERROR`, with its number (3GPP TS 27.007, 9.2, and Nordic's AT reference).
    Cme(u16),
    /// `+CMS ERROR`, with its number.
    Cms(u16),
    /// The command did not reach the modem: it is not initialised, it has stopped, or there is
    /// none.
    Errno(Errno),
    /// The answer is not text.
    NotText,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the modem says ERROR"),
            Self::Cme(number) => refused(f, "CME", *number),
            Self::Cms(number) => refused(f, "CMS", *number),
            Self::Errno(errno) => errno.fmt(f),
            Self::NotText => f.write_str("the modem's answer is not text"),
        }
    }
}

fn refused(f: &mut fmt::Formatter<'_>, kind: &str, number: u16) -> fmt::Result {
    let (kind, number) = (Plain(kind), Decimal::from(u32::from(number)));
    write!(f, "the modem says +{kind} ERROR: {number}")
}

/// Sends one command, without the CR at its end, and returns the first line of the answer, out of
/// `buffer`, which has to hold all of it with `OK`. Blocks until the modem has answered; most
/// commands take milliseconds.
///
/// # Errors
/// What the modem or the library says. (NCS, `nrf_modem_at_cmd`.)
pub fn command<'b>(command: &CStr, buffer: &'b mut [u8]) -> Result<&'b str, Error> {
    // SAFETY: the command ends in a 0 byte; pointer and length are those of one slice.
    check(unsafe {
        ncs_sys::iothub_platform_at(command.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    })?;
    first_line(buffer).ok_or(Error::NotText)
}

/// What a function that sends a command returned.
pub(crate) fn check(result: c_int) -> Result<(), Error> {
    let number = (result & 0xffff) as u16;
    match (crate::errno::check(result), result >> 16) {
        (Ok(()), _) => Ok(()),
        (Err(errno), ..=-1) => Err(Error::Errno(errno)),
        (_, 2) => Err(Error::Cme(number)),
        (_, 3) => Err(Error::Cms(number)),
        _ => Err(Error::Refused),
    }
}

fn first_line(answer: &[u8]) -> Option<&str> {
    let line = answer
        .split(|byte| matches!(byte, b'\r' | b'\n' | 0))
        .next()
        .unwrap_or_default();
    core::str::from_utf8(line).ok()
}

#[cfg(test)]
mod tests {
    use super::{Error, check, first_line};

    #[test]
    fn a_refusal_is_read_from_the_number() {
        assert_eq!(check(0), Ok(()));
        assert_eq!(check(1 << 16), Err(Error::Refused));
        assert_eq!(check(2 << 16 | 513), Err(Error::Cme(513)));
        assert_eq!(check(3 << 16 | 7), Err(Error::Cms(7)));
        assert!(matches!(check(-22), Err(Error::Errno(errno)) if errno.get() == -22));
    }

    #[test]
    fn the_answer_is_its_first_line() {
        assert_eq!(
            first_line(b"mfw_nrf9160_1.3.6\r\nOK\r\n\0\0"),
            Some("mfw_nrf9160_1.3.6")
        );
        assert_eq!(first_line(b"\0left over"), Some(""));
        assert_eq!(first_line(b"\xff\r\nOK\r\n"), None);
    }
}
