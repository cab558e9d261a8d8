//! What the device listens to.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Session;
use crate::code::{ErrorCode, Refusal};
use crate::faults::Point;
use crate::journal::Event;
use crate::mqtt::topic::Feature;
use crate::mqtt::wire::write;

/// The filters of a session, as the device wrote them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Subscriptions {
    filters: BTreeMap<String, (Feature, u8)>,
}

impl Subscriptions {
    /// Adds a filter; more than `max` different ones are too many.
    fn add(
        &mut self,
        device_id: &str,
        filter: &str,
        qos: u8,
        max: usize,
    ) -> Result<Feature, Refusal> {
        let feature = Feature::parse(Some(device_id), filter)?;
        if self.filters.len() >= max && !self.filters.contains_key(filter) {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                format!("filter '{filter}' is one too many: a device may have {max} subscriptions"),
            ));
        }
        self.filters.insert(filter.to_owned(), (feature, qos));
        Ok(feature)
    }

    /// The granted quality of service: the best of the filters that cover a feature.
    pub(super) fn qos(&self, feature: Feature) -> Option<u8> {
        let fits = self.filters.values().filter(|(it, _)| *it == feature);
        fits.map(|(_, qos)| *qos).max()
    }

    /// Reads what [`Subscriptions::to_text`] wrote.
    pub(super) fn from_text(device_id: &str, text: &str) -> Self {
        let stored: BTreeMap<String, u8> = serde_json::from_str(text).unwrap_or_default();
        let mut subscriptions = Self::default();
        for (filter, qos) in stored {
            // What was stored was accepted once; the limit may have changed since.
            let _ = subscriptions.add(device_id, &filter, qos, usize::MAX);
        }
        subscriptions
    }

    fn to_text(&self) -> String {
        let filters = self.filters.iter();
        let stored: BTreeMap<&str, u8> =
            filters.map(|(it, (_, qos))| (it.as_str(), *qos)).collect();
        serde_json::to_string(&stored).unwrap_or_default()
    }
}

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
            self.subscriptions.filters.remove(filter);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixth_filter_is_one_too_many() {
        let mut all = Subscriptions::default();
        let mut add = |filter: &str| all.add("d", filter, 1, 5);
        for filter in [
            "devices/d/messages/devicebound/#",
            "devices/+/messages/devicebound/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
            "$iothub/methods/POST/#",
        ] {
            add(filter).unwrap();
        }
        add("$iothub/methods/POST/#").unwrap();
        let mut four = Subscriptions::default();
        let filters = ["$iothub/twin/res/#", "$iothub/methods/POST/#"];
        assert!(four.add("d", filters[0], 0, 1).is_ok());
        let refusal = four.add("d", filters[1], 0, 1).unwrap_err();
        assert!(refusal.reason.contains("one too many"), "{refusal}");
        assert_eq!(Subscriptions::from_text("d", &all.to_text()), all);
    }
}
