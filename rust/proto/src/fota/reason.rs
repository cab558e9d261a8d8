//! Why an update came to nothing.

use core::fmt;

use super::wish::{Fault, Field};

/// Why an update came to nothing; what `reason` in the reported properties says.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The desired object is wrong.
    Wish(Field, Fault),
    /// The platform could not fetch it, or not keep it.
    Platform(Failure),
    /// The platform refused to mark it for the boot loader.
    NotApplied,
    /// What was downloaded is the version that runs, whatever the job called it.
    SameVersion,
}

/// What stopped the platform.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection to the host: its name, the network, or nobody listens.
    Connect,
    /// The TLS handshake failed: no root certificate under the security tags has signed it, or another name.
    Tls,
    /// The connection ended, or stood still.
    Transfer,
    /// The server's HTTP status; 0 where only a refusal is known.
    Http(u16),
    /// The image has another size than the job says.
    Size,
    /// The image has another SHA-256 than the job says.
    Hash,
    /// It is no image for this device, or a broken one.
    Image,
    /// It does not fit the slot.
    TooLarge,
    /// It could not be stored.
    Storage,
}

impl Failure {
    /// Whether the next attempt may go well.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Connect | Self::Tls | Self::Transfer => true,
            Self::Http(status) => status >= 500 || matches!(status, 408 | 429),
            Self::Size | Self::Hash | Self::Image | Self::TooLarge | Self::Storage => false,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::Tls => 2,
            Self::Transfer => 3,
            Self::Http(_) => 4,
            Self::Size => 5,
            Self::Hash => 6,
            Self::Image => 7,
            Self::TooLarge => 8,
            Self::Storage => 9,
        }
    }

    /// From the number that the platform gives it, and the HTTP status where that is one. An unknown one is
    /// [`Failure::Transfer`], which is tried again.
    pub const fn from_number(number: u32, status: u16) -> Self {
        match number {
            1 => Self::Connect,
            2 => Self::Tls,
            4 => Self::Http(status),
            5 => Self::Size,
            6 => Self::Hash,
            7 => Self::Image,
            8 => Self::TooLarge,
            9 => Self::Storage,
            _ => Self::Transfer,
        }
    }
}

const PLATFORM: u8 = 0x40;

impl Reason {
    pub(super) fn to_bytes(self) -> [u8; 3] {
        match self {
            Self::Wish(field, fault) => [field as u8, fault as u8, 0],
            Self::Platform(failure) => {
                let [low, high] = match failure {
                    Failure::Http(status) => status.to_le_bytes(),
                    _ => [0; 2],
                };
                [PLATFORM + failure.number(), low, high]
            }
            Self::NotApplied => [0x80, 0, 0],
            Self::SameVersion => [0x81, 0, 0],
        }
    }

    pub(super) fn from_bytes([kind, a, b]: [u8; 3]) -> Option<Self> {
        Some(match kind {
            0x80 => Self::NotApplied,
            0x81 => Self::SameVersion,
            0..PLATFORM => Self::Wish(Field::from_number(kind)?, Fault::from_number(a)?),
            _ => Self::Platform(Failure::from_number(
                u32::from(kind - PLATFORM),
                u16::from_le_bytes([a, b]),
            )),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wish(field, fault) => {
                f.write_str(field.name())?;
                f.write_str(" ")?;
                return fault.fmt(f);
            }
            Self::Platform(failure) => match failure {
                Failure::Connect => "no connection to the host",
                Failure::Tls => "TLS: the host is not trusted",
                Failure::Transfer => "the transfer broke off too often",
                // Where the platform's library does not hand on the status.
                Failure::Http(0) => "the server refuses it, or has no ranges",
                Failure::Http(status) => {
                    f.write_str("the server answers ")?;
                    return status.fmt(f);
                }
                Failure::Size => "the image has another size than size says",
                Failure::Hash => "the image has another hash than sha256 says",
                Failure::Image => "not an image for this device",
                Failure::TooLarge => "the image does not fit the slot",
                Failure::Storage => "the image could not be stored",
            },
            Self::NotApplied => "the image could not be marked for the boot loader",
            Self::SameVersion => "the image is the version that runs",
        })
    }
}
