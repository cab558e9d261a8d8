//! Configurations (automatic device management): desired properties for all devices or modules for which a condition holds.
//!
//! Microsoft, "Automatic device and module management using the Azure CLI", and "Configuration" of the IoT Hub REST API.

mod apply;
mod table;

pub(crate) use apply::Configurations;
pub(crate) use table::{Configuration, check_condition, delete, list, put, require};
