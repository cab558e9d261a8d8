//! Messages, and whose a sector is.

use super::priority::Priority;
use crate::telemetry::Qos;

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Telemetry at QoS 0.
    Qos0 = 1,
    /// Telemetry at QoS 1.
    Qos1 = 2,
}

impl Kind {
    pub(super) fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Qos0),
            2 => Some(Self::Qos1),
            _ => None,
        }
    }

    /// The quality of service.
    pub const fn qos(self) -> Qos {
        match self {
            Self::Qos0 => Qos::AtMostOnce,
            Self::Qos1 => Qos::AtLeastOnce,
        }
    }
}

/// A message as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// How it is sent.
    pub kind: Kind,
    /// Its number to the application.
    pub id: u32,
    /// When it was accepted, in seconds of [`Store::time_s`].
    pub time_s: u32,
    /// How long it is worth sending, in seconds; 0: for ever.
    pub ttl_s: u32,
    /// The end of its topic: the properties.
    pub topic: &'a [u8],
    /// Its body.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Whether its time to live is over.
    pub fn is_expired(&self, now_s: u32) -> bool {
        self.ttl_s != 0 && now_s.saturating_sub(self.time_s) >= self.ttl_s
    }
}

/// A message without topic and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// As in [`Message`].
    pub kind: Kind,
    /// As in [`Message`].
    pub id: u32,
    /// As in [`Message`].
    pub time_s: u32,
    /// As in [`Message`].
    pub ttl_s: u32,
    /// Bytes of the topic.
    pub topic: usize,
    /// Bytes of the body.
    pub payload: usize,
}

/// What a sector belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Normal = 0,
    High = 1,
    /// Of these the newest of each key counts.
    Values = 2,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Normal, Self::High, Self::Values];

    pub(super) fn from_wire(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl From<Priority> for Lane {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}
