//! A snapshot for shells and pages.

use core::time::Duration;

use crate::error::Disconnect;

/// Where the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not started, or ended.
    #[default]
    Idle,
    /// Waiting for the network.
    Network,
    /// Waiting out the back-off.
    Backoff,
    /// A connection to DPS is being opened or is open.
    Provisioning,
    /// A connection to the hub is being opened.
    Connecting,
    /// CONNACK came, SUBACK has not.
    Connected,
    /// Everything flows.
    Ready,
    /// A connection is being ended.
    Closing,
}

/// A copy of what is worth knowing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Where the client is.
    pub phase: Phase,
    /// Why the last connection ended.
    pub last_disconnect: Option<Disconnect>,
    /// Failed connects in a row.
    pub attempts: u32,
    /// What happened since the client was made.
    pub counters: Counters,
    /// From the last message measured to its PUBACK.
    pub round_trip: Option<Duration>,
    /// Bytes in use in the outbox.
    pub outbox_used: usize,
}

/// Counted since the client was made; they wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connects tried.
    pub connects: u32,
    /// Connects that reached a CONNACK of 0.
    pub connected: u32,
    /// Messages that `send` accepted.
    pub accepted: u32,
    /// Publishes written, of every kind.
    pub published: u32,
    /// Messages acknowledged.
    pub acknowledged: u32,
    /// Publishes written again after a reconnect.
    pub resent: u32,
    /// Messages dropped.
    pub dropped: u32,
    /// Bytes of topics and payloads written.
    pub bytes_sent: u32,
    /// Bytes of topics and payloads received.
    pub bytes_received: u32,
    /// Messages larger than the payload buffer.
    pub oversize: u32,
    /// Events lost because nobody drained them.
    pub events_lost: u32,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            connects: 0,
            connected: 0,
            accepted: 0,
            published: 0,
            acknowledged: 0,
            resent: 0,
            dropped: 0,
            bytes_sent: 0,
            bytes_received: 0,
            oversize: 0,
            events_lost: 0,
        }
    }
}
