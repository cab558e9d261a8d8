//! The door for devices: MQTT 3.1.1 over TLS, to the hub and to the provisioning service.

pub(crate) mod link;
pub(crate) mod listener;
pub(crate) mod provisioning;
pub(crate) mod session;
pub(crate) mod topic;
pub(crate) mod username;
pub(crate) mod wire;
