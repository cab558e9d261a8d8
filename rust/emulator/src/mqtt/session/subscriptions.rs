//! What the device listens to.

use std::sync::atomic::Ordering;

use super::Session;
use crate::code::Refusal;
use crate::faults::Point;
use crate::journal::Event;
use crate::mqtt::topic::Feature;
use crate::mqtt::wire::write;

impl Session {
    pub(super) async fn subscribe(
        &mut self,
        packet_id: u16,
        filters: &[(String, u8)],
    ) -> Result<(), Refusal> {
        let mut granted = Vec::new();
        let mut names = Vec::new();
        let max = self.service.settings.max_subscriptions;
        for (filter, qos) in filters {
            let qos = (*qos).min(1);
            let feature = self.subscriptions.add(&self.device_id, filter, qos, max)?;
            names.push(feature.name());
            granted.push(qos);
        }
        self.publish_subscriptions();
        self.save_subscriptions().await?;
        self.record(Event::info("subscribed", names.join(", ")));
        self.answer(Point::Suback, write::suback(packet_id, &granted));
        self.deliver().await
    }

    pub(super) async fn unsubscribe(
        &mut self,
        packet_id: u16,
        filters: &[String],
    ) -> Result<(), Refusal> {
        for filter in filters {
            self.subscriptions.remove(filter);
        }
        self.publish_subscriptions();
        self.save_subscriptions().await?;
        self.link.writer.push(&write::unsuback(packet_id));
        Ok(())
    }

    pub(super) async fn save_subscriptions(&self) -> Result<(), Refusal> {
        if self.clean {
            return Ok(());
        }
        let text = self.subscriptions.to_text();
        let (hub, id) = (self.hub.clone(), self.device_id.clone());
        let save = self.service.store.run(move |c| {
            c.execute(
                "INSERT OR REPLACE INTO sessions (hub, device, features) VALUES (?1, ?2, ?3)",
                [hub, id, text],
            )?;
            Ok(())
        });
        save.await
    }

    pub(super) fn publish_subscriptions(&self) {
        let has = |feature| !self.reduced && self.subscriptions.qos(feature).is_some();
        self.handle
            .methods
            .store(has(Feature::Methods), Ordering::Release);
        self.handle
            .desired
            .store(has(Feature::DesiredChanges), Ordering::Release);
        self.service.connections.announce();
    }
}
