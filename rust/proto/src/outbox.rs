//! What was accepted and is not yet known to have arrived.

/// What to do with a new message when the outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Answer with [`Error::Capacity`](crate::Error::Capacity).
    #[default]
    Reject,
    /// Drop the oldest telemetry; each drop is counted and is an [`Event::Dropped`](crate::Event::Dropped).
    /// Reports and answers are never dropped for room.
    DropOldest,
}
