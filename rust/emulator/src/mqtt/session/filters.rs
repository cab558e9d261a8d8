//! The filters of a session.

use std::collections::BTreeMap;

use crate::code::{ErrorCode, Refusal};
use crate::mqtt::topic::Feature;

/// The filters of a session, as the device wrote them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Subscriptions {
    filters: BTreeMap<String, (Feature, u8)>,
}

impl Subscriptions {
    /// Adds a filter; more than `max` different ones are too many.
    pub(super) fn add(
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

    pub(super) fn remove(&mut self, filter: &str) {
        self.filters.remove(filter);
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

    /// As it is stored.
    pub(super) fn to_text(&self) -> String {
        let filters = self.filters.iter();
        let stored: BTreeMap<&str, u8> =
            filters.map(|(it, (_, qos))| (it.as_str(), *qos)).collect();
        serde_json::to_string(&stored).unwrap_or_default()
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
