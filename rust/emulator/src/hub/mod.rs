//! The hub that every protocol is a door to: devices, twins, methods, and messages both ways.

pub(crate) mod authenticate;
pub(crate) mod c2d;
pub(crate) mod connections;
pub(crate) mod events;
pub(crate) mod feedback;
pub(crate) mod files;
pub(crate) mod hubs;
pub(crate) mod listing;
pub(crate) mod locked_records;
pub(crate) mod orders;
pub(crate) mod partitions;
pub(crate) mod query;
pub(crate) mod registry;
pub(crate) mod ring;
pub(crate) mod service;
pub(crate) mod telemetry;
pub(crate) mod twin;
