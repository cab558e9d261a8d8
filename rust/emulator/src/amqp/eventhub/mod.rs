//! The Event Hubs-compatible endpoint: what it tells of itself, and receivers of its partitions.

pub(super) mod event;
pub(super) mod filter;
pub(super) mod management;
pub(super) mod owners;
pub(super) mod receiver;
