//! A snapshot for shells and pages.

use core::time::Duration;

use crate::error::Disconnect;
use crate::reconnect::Failures;

/// The phase of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Not started, or disconnected for good.
    #[default]
    Idle,
    /// Waiting for the network.
    Network,
    /// Waiting for the end of the back-off.
    Backoff,
    /// A connection to DPS is being opened or is open.
    Provisioning,
    /// A connection to the hub is being opened.
    Connecting,
    /// CONNACK has come, SUBACK has not.
    Connected,
    /// All subscriptions are granted.
    Ready,
    /// A connection is being closed.
    Closing,
}

/// A snapshot of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The phase of the client.
    pub phase: Phase,
    /// Why the last connection ended.
    pub last_disconnect: Option<Disconnect>,
    /// Failed connects in a row, by class.
    pub failures: Failures,
    /// Counters since the client was made.
    pub counters: Counters,
    /// Time from the last measured message to its PUBACK.
    pub round_trip: Option<Duration>,
    /// Bytes in use in the outbox.
    pub outbox_used: usize,
}

/// Counted since the client was made; they wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connects attempted.
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
    /// Events lost because they were not drained.
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
