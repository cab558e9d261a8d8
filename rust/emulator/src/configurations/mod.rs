//! Configurations (automatic device management): desired properties for all devices or modules for
//! which a condition holds.
//!
//! IoT Edge's deployments are configurations too: they are about the modules of a device.
//!
//! Microsoft, "Automatic device and module management using the Azure CLI", and "Configuration" of
//! the IoT Hub REST API.

mod apply;
mod deployment;
mod table;

pub(crate) use apply::Configurations;
pub(crate) use deployment::{apply as deploy, check as check_modules};
pub(crate) use table::{Configuration, check_condition, delete, list, put, require};
