//! Which goes first.

/// Which of the two queues a message is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Telemetry. Gives way where the store is full.
    #[default]
    Normal = 0,
    /// Alarms: sent before everything that is [`Normal`](Self::Normal).
    High = 1,
}

impl Priority {
    /// Both, the higher one first.
    pub const ALL: [Self; 2] = [Self::High, Self::Normal];
}
