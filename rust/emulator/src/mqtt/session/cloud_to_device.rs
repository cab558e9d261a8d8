//! Cloud-to-device messages on their way to the device.

use super::Session;
use super::mailbox::MAX_FLYING;
use crate::code::{ErrorCode, Refusal};
use crate::hub::c2d;
use crate::journal::Event;
use crate::mqtt::topic::Feature;
use crate::mqtt::wire::write;

impl Session {
    /// Hands out waiting cloud-to-device messages, as many as may fly at once.
    pub(super) async fn deliver(&mut self) -> Result<(), Refusal> {
        let Some(qos) = self.subscriptions.qos(Feature::CloudToDevice) else {
            return Ok(());
        };
        let room = MAX_FLYING.saturating_sub(self.mailbox.flying.len());
        let (hub, id, number) = (self.hub.clone(), self.device_id.clone(), self.handle.number);
        let (policy, now) = (self.service.settings.c2d, self.service.clock.now());
        let locked = self.service.store.run(move |c| {
            let locked = c2d::lock(c, &hub, &id, number, room, policy, now)?;
            if qos == 0 {
                for message in &locked {
                    c2d::settle(c, &hub, &id, message.seq, c2d::Outcome::Success, now)?;
                }
            }
            Ok(locked)
        });
        for message in locked.await? {
            let topic = message.topic(&self.device_id);
            let packet = if qos == 0 {
                write::publish(&topic, &message.body, None, false)
            } else {
                let (packet_id, again) = self.mailbox.packet_id(message.seq, &message.message_id);
                write::publish(
                    &topic,
                    &message.body,
                    Some(packet_id),
                    again || message.again,
                )
            };
            self.note_activity();
            self.record(Event::info(
                "c2d",
                format!("message '{}' handed out", message.message_id),
            ));
            self.link.writer.push(&packet);
        }
        Ok(())
    }

    /// PUBACK.
    pub(super) async fn acknowledged(&mut self, packet_id: u16) -> Result<(), Refusal> {
        let flying = &mut self.mailbox.flying;
        if !flying.iter().any(|one| one.packet_id == packet_id) {
            let reason = format!("PUBACK {packet_id} for a message that is not on its way");
            let refusal = Refusal::new(ErrorCode::InvalidOperation, reason);
            self.record(Event::refusal("c2d", &refusal));
            return Ok(());
        }
        let first = match flying.pop_front() {
            Some(first) if first.packet_id == packet_id => first,
            first => {
                let first = first.map_or(0, |first| first.packet_id);
                return Err(Refusal::new(
                    ErrorCode::InvalidOperation,
                    format!("PUBACK {packet_id} out of order: {first} comes first [MQTT-4.6.0-2]"),
                ));
            }
        };
        let (hub, id, now) = (
            self.hub.clone(),
            self.device_id.clone(),
            self.service.clock.now(),
        );
        let completed = self
            .service
            .store
            .run(move |c| c2d::settle(c, &hub, &id, first.seq, c2d::Outcome::Success, now));
        if completed.await? {
            let done = format!("message '{}' acknowledged", first.message_id);
            self.record(Event::info("c2d", done));
        } else {
            let refusal = Refusal::new(
                ErrorCode::DeviceMessageLockLost,
                format!("PUBACK {packet_id} came after the message had gone"),
            );
            self.record(Event::refusal("c2d", &refusal));
        }
        self.deliver().await
    }
}
