//! How cloud-to-device messages end.

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The device acknowledged it.
    Success,
    /// The message's time to live ran out.
    Expired,
    /// It was handed out too often.
    DeliveryCountExceeded,
    /// The device turned it down.
    Rejected,
    /// The service threw the queue away.
    Purged,
}

impl Outcome {
    /// Azure's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Expired => "Expired",
            Self::DeliveryCountExceeded => "DeliveryCountExceeded",
            Self::Rejected => "Rejected",
            Self::Purged => "Purged",
        }
    }
}
