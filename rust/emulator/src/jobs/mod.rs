//! Jobs: what is to be done with many devices, now or later, and goes on after the end of the
//! process.
//!
//! Microsoft, "Schedule jobs on multiple devices" and "Import and export IoT Hub device identities
//! in bulk".

mod runner;
mod schedule;
mod table;
mod transfer;

pub(crate) use runner::Jobs;
pub(crate) use schedule::check as check_schedule;
pub(crate) use table::{Job, list, outcomes, require};
pub(crate) use transfer::check as check_transfer;
