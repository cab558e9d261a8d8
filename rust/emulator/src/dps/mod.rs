//! The Device Provisioning Service: enrollments, and which device goes to which hub.

mod access;
pub(crate) mod assignment;
pub(crate) mod authenticate;
pub(crate) mod bulk;
mod check;
pub(crate) mod enrollments;
mod operations;
mod service;
pub(crate) mod webhook;

pub(crate) use access::{POLICIES, RESOURCE, policies};
pub(crate) use authenticate::{Request, authenticate};
pub(crate) use service::{Answer, Dps};
