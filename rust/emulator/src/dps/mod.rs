//! The Device Provisioning Service: enrollments, and which device goes to which hub.

pub(crate) mod assignment;
pub(crate) mod authenticate;
pub(crate) mod bulk;
pub(crate) mod enrollments;
mod operations;
mod policies;
mod service;
pub(crate) mod webhook;

pub(crate) use authenticate::{Request, authenticate};
pub(crate) use service::{Answer, Dps};
