//! What the outbox in flash needs of the client: messages go there, come back from there, and are
//! looked for.

use super::requests::check_patch;
use super::{Client, Pending, commands};
use crate::error::{Capacity, Error};
use crate::event::Event;
use crate::id::{MessageId, RequestId};
use crate::outbox::{Flags, Kind, Record};
use crate::store::{self, Head, Priority};
use crate::telemetry::{Qos, Telemetry};
use crate::writer::{Writer, decimal_len};

impl<const OUTBOX: usize, const DPS: bool> Client<OUTBOX, DPS> {
    /// As [`Client::send`], but the message is for the caller to store: topic and body are written
    /// to `content`, and the client keeps nothing. [`Client::accepted`] is to follow once it is
    /// stored. `id`: the application's own number, as in [`Client::send_as`].
    ///
    /// # Errors
    /// As [`Client::send`]; [`Capacity::Message`] where `content` is too small.
    pub fn prepare(
        &mut self,
        id: Option<MessageId>,
        message: &Telemetry<'_>,
        now_s: u32,
        content: &mut [u8],
    ) -> Result<Head, Error> {
        let topic = self.check_message(message)?;
        let mut writer = Writer::new(content);
        message.write_properties(&mut writer);
        writer.bytes(message.payload);
        if writer.is_full() {
            return Err(Error::Capacity(Capacity::Message));
        }
        Ok(Head {
            kind: match message.qos {
                Qos::AtMostOnce => store::Kind::Qos0,
                Qos::AtLeastOnce => store::Kind::Qos1,
            },
            id: id.map_or_else(|| self.message_id().0, |id| id.0),
            time_s: now_s,
            ttl_s: message.delivery.ttl_s,
            topic,
            payload: message.payload.len(),
        })
    }

    /// A [prepared](Client::prepare) message is stored.
    pub fn accepted(&mut self) {
        self.counters.accepted = self.counters.accepted.wrapping_add(1);
    }

    /// Numbers of messages begin behind `last`, which an earlier boot has given.
    pub fn continue_after(&mut self, last: u32) {
        self.next_message = last.wrapping_add(1);
    }

    /// The message that was sent last is not worth sending any more from this uptime in seconds on:
    /// see [`Client::expire`].
    pub fn set_deadline(&mut self, deadline_s: u32) {
        self.outbox.set_last_sequence(deadline_s);
    }

    /// Gives up what is only in RAM, not in flight, and past its [deadline](Client::set_deadline).
    /// How many that were.
    pub fn expire(&mut self, uptime_s: u32) -> u32 {
        let (pending, mut count) = (self.pending, 0);
        while self.events.room() > 1 {
            let expired = self.outbox.find(&mut |record| {
                (1..=uptime_s).contains(&record.deadline_s())
                    && !record.in_flight()
                    && pending != Pending::Record(record.packet)
            });
            let Some(record) = expired else {
                break;
            };
            self.outbox.remove(&record);
            self.dropped(record.id);
            count += 1;
        }
        count
    }

    /// Checks a patch as [`Client::report`] does, without sending it.
    ///
    /// # Errors
    /// [`InvalidRequest::Patch`], [`Capacity::Message`].
    pub fn check_report(&self, patch: &[u8]) -> Result<(), Error> {
        check_patch(patch)?;
        self.check_size(
            commands::REPORT_TOPIC.len() + decimal_len(u32::MAX),
            patch.len(),
        )
    }

    /// As [`Client::report`], in place of a report with the same key that was not written yet.
    ///
    /// # Errors
    /// As [`Client::report`]; the earlier one is gone then, too.
    pub fn report_latest(&mut self, key: u8, patch: &[u8]) -> Result<RequestId, Error> {
        self.check_report(patch)?;
        let (pending, mark) = (self.pending, u32::from(key) + 1);
        let earlier = self.outbox.find(&mut |record| {
            record.kind == Kind::Report
                && record.sequence == mark
                && !record.in_flight()
                && pending != Pending::Record(record.packet)
        });
        if let Some(record) = earlier {
            self.outbox.remove(&record);
        }
        let id = self.report(patch, None)?;
        self.outbox.set_last_sequence(mark);
        Ok(id)
    }

    /// Whether less than half of the outbox is free.
    pub fn is_half_full(&self) -> bool {
        self.outbox.used() > OUTBOX / 2
    }

    /// Copies the oldest message that is only in RAM to `content`, unless it is to be kept nowhere
    /// else. [`Client::spilled`] is to follow once it is stored. `None`: there is none of this
    /// priority.
    pub fn poll_spill(
        &mut self,
        priority: Priority,
        uptime_s: u32,
        now_s: u32,
        content: &mut [u8],
    ) -> Option<Head> {
        if let Some(earlier) = self.copied() {
            let flags = earlier.flags & !Flags::COPIED;
            self.outbox.set_flags(&earlier, flags);
        }
        let record = self
            .outbox
            .find(&mut |record| is_spilled(record, priority))?;
        let (topic, payload) = self.outbox.content(&record);
        let mut writer = Writer::new(content);
        writer.bytes(topic);
        writer.bytes(payload);
        if writer.is_full() {
            return None;
        }
        let flags = record.flags | Flags::COPIED;
        self.outbox.set_flags(&record, flags);
        Some(Head {
            kind: if record.kind == Kind::Qos0 {
                store::Kind::Qos0
            } else {
                store::Kind::Qos1
            },
            id: record.id,
            time_s: now_s,
            ttl_s: match record.deadline_s() {
                0 => 0,
                deadline => deadline.saturating_sub(uptime_s).max(1),
            },
            topic: record.topic_len(),
            payload: record.payload_len(),
        })
    }

    /// What [`Client::poll_spill`] has copied last is stored under this sequence. `true`: it is not
    /// in RAM any more, and is to be [loaded](Client::load) in its turn. `false`: it is in flight
    /// and stays, or it was sent meanwhile.
    pub fn spilled(&mut self, sequence: u32) -> bool {
        let Some(record) = self.copied() else {
            return false;
        };
        let stays = record.in_flight() || self.pending == Pending::Record(record.packet);
        if stays {
            self.outbox.set_stored(&record, sequence);
        } else {
            self.outbox.remove(&record);
        }
        !stays
    }

    fn copied(&self) -> Option<Record> {
        self.outbox
            .find(&mut |record| record.flags & Flags::COPIED != 0)
    }

    /// Takes a stored message into RAM, to be sent.
    ///
    /// # Errors
    /// [`Capacity::Outbox`] where there is no room now; [`Capacity::Message`] where it never fits,
    /// nor would the hub see it.
    pub fn load(
        &mut self,
        priority: Priority,
        sequence: u32,
        message: &store::Message<'_>,
    ) -> Result<(), Error> {
        let topic = self.identity.names().telemetry_topic_len() + message.topic.len();
        self.check_size(topic, message.payload.len())?;
        let kind = match message.kind {
            store::Kind::Qos0 => Kind::Qos0,
            store::Kind::Qos1 => Kind::Qos1,
        };
        let content =
            self.outbox
                .push(kind, message.id, message.topic.len(), message.payload.len())?;
        let mut writer = Writer::new(content);
        writer.bytes(message.topic);
        writer.bytes(message.payload);
        let mut flags = Flags::STORED;
        if priority == Priority::High {
            flags |= Flags::HIGH;
        }
        self.outbox.set_last_flags(flags);
        self.outbox.set_last_sequence(sequence);
        Ok(())
    }

    /// Whether a stored message is in RAM: if it was [loaded](Client::load) and is not there any
    /// more, it is sent or given up.
    pub fn holds(&self, priority: Priority, sequence: u32) -> bool {
        self.outbox
            .find(&mut |record| is_stored(record, priority, sequence))
            .is_some()
    }

    /// A stored message is given up: the copy in RAM goes as well, unless it is in flight. Counted,
    /// and told as far as there is room for events.
    pub fn give_up(&mut self, priority: Priority, sequence: u32, id: u32) {
        let pending = self.pending;
        let copy = self.outbox.find(&mut |record| {
            is_stored(record, priority, sequence)
                && !record.in_flight()
                && pending != Pending::Record(record.packet)
        });
        if let Some(record) = copy {
            self.outbox.remove(&record);
        }
        self.counters.dropped = self.counters.dropped.wrapping_add(1);
        if self.events.room() > 1 {
            self.events.push(Event::Dropped(MessageId(id)));
        }
    }
}

/// Telemetry of this priority that is in RAM alone and need not stay so.
fn is_spilled(record: &Record, priority: Priority) -> bool {
    matches!(record.kind, Kind::Qos0 | Kind::Qos1)
        && record.flags & (Flags::STORED | Flags::RAM_ONLY) == 0
        && record.is_high() == (priority == Priority::High)
}

fn is_stored(record: &Record, priority: Priority, sequence: u32) -> bool {
    record.flags & Flags::STORED != 0
        && record.is_high() == (priority == Priority::High)
        && record.sequence == sequence
}
