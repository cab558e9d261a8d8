//! AMQP 1.0: services send to devices, hear what became of it, and read telemetry as from Event
//! Hubs; devices do all that they do over MQTT, at the hub and at the provisioning service.
//!
//! A door to the hub like MQTT and REST. Each connection is a task; what it reads from the storage,
//! it reads beside those who write, page by page as its peer gives credit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dps::Dps;
use crate::hub::hubs::DEFAULT_CONSUMER_GROUP;
use crate::hub::service::Service;

mod access;
mod address;
mod codec;
pub(crate) mod connection;
mod eventhub;
mod feedback;
pub(crate) mod listener;
mod transport;

pub(crate) use codec::fuzz;

/// What all connections share.
pub(crate) struct Amqp {
    service: Arc<Service>,
    /// The provisioning service over it.
    dps: Arc<Dps>,
    /// Of all policies.
    key: String,
    /// Consumer groups of every hub, beside `$Default` and those that management makes.
    groups: Arc<[String]>,
    owners: eventhub::owners::Owners,
    readers: AtomicU64,
    /// Where the listener is.
    port: u16,
}

/// Without the key.
impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amqp").finish_non_exhaustive()
    }
}

impl Amqp {
    /// For services that sign with this key.
    pub(crate) fn new(
        (service, dps): (Arc<Service>, Arc<Dps>),
        key: String,
        groups: Arc<[String]>,
        port: u16,
    ) -> Self {
        Self {
            service,
            dps,
            key,
            groups,
            owners: eventhub::owners::Owners::default(),
            readers: AtomicU64::new(0),
            port,
        }
    }

    fn has_group(&self, hub: &str, name: &str) -> bool {
        let groups = self.groups.iter().map(String::as_str);
        let mut groups = groups.chain([DEFAULT_CONSUMER_GROUP]);
        groups.any(|group| group.eq_ignore_ascii_case(name))
            || self.service.hubs.has_consumer_group(hub, name)
    }

    fn next_reader(&self) -> u64 {
        self.readers.fetch_add(1, Ordering::Relaxed)
    }
}
