//! Which cloud-to-device messages the device has not acknowledged.

use std::collections::VecDeque;

/// Cloud-to-device messages on their way, oldest first.
#[derive(Default)]
pub(super) struct Mailbox {
    next_packet_id: u16,
    pub flying: VecDeque<Flying>,
}

pub(super) struct Flying {
    pub packet_id: u16,
    pub seq: i64,
    pub message_id: String,
}

impl Mailbox {
    /// The packet id of a message; `true` if it is flying already.
    pub(super) fn packet_id(&mut self, seq: i64, message_id: &str) -> (u16, bool) {
        if let Some(known) = self.flying.iter().find(|flying| flying.seq == seq) {
            return (known.packet_id, true);
        }
        // At most MAX_FLYING are taken, so that a free one comes soon.
        self.next_packet_id = self.next_packet_id.checked_add(1).unwrap_or(1);
        self.flying.push_back(Flying {
            packet_id: self.next_packet_id,
            seq,
            message_id: message_id.to_owned(),
        });
        (self.next_packet_id, false)
    }
}

/// Cloud-to-device messages without their PUBACK.
pub(super) const MAX_FLYING: usize = 16;
