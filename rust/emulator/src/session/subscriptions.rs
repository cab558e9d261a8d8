//! What the device listens to.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Session;
use crate::code::Refusal;
use crate::faults::Point;
use crate::journal::Event;
use crate::topic::Feature;
use crate::wire::write;

impl Session {
    pub(super) async fn subscribe(
        &mut self,
        packet_id: u16,
        filters: &[(String, u8)],
    ) -> Result<(), Refusal> {
        let mut granted = Vec::new();
        for (filter, qos) in filters {
            let feature = Feature::parse(Some(&self.device_id), filter)?;
            self.features.insert(feature, (*qos).min(1));
            granted.push((*qos).min(1));
        }
        self.publish_features();
        self.save_features().await?;
        let names: Vec<&str> = filters
            .iter()
            .filter_map(|(filter, _)| Feature::parse(Some(&self.device_id), filter).ok())
            .map(Feature::name)
            .collect();
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
            if let Ok(feature) = Feature::parse(Some(&self.device_id), filter) {
                self.features.remove(&feature);
            }
        }
        self.publish_features();
        self.save_features().await?;
        self.link.writer.push(&write::unsuback(packet_id));
        Ok(())
    }

    pub(super) async fn save_features(&self) -> Result<(), Refusal> {
        if self.clean {
            return Ok(());
        }
        let features: BTreeMap<&str, u8> = self
            .features
            .iter()
            .map(|(it, qos)| (it.name(), *qos))
            .collect();
        let text = serde_json::to_string(&features).unwrap_or_default();
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

    pub(super) fn publish_features(&self) {
        let has = |feature| self.features.contains_key(&feature);
        self.handle
            .methods
            .store(has(Feature::Methods), Ordering::Release);
        self.handle
            .desired
            .store(has(Feature::DesiredChanges), Ordering::Release);
        self.service.connections.announce();
    }
}
