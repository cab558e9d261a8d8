//! Safe wrappers over the C functions that `iothub` uses: one module per C header.
//!
//! | module | C | what it is |
//! |---|---|---|
//! | [`modem`] | `modem/nrf_modem_lib.h` | the modem library |
//! | [`lte`] | `modem/lte_lc.h` | registration |
//! | [`pdn`] | `modem/pdn.h`, or `modem/lte_lc.h` where that has taken it over | the packet data network |
//! | [`keys`] | `modem/modem_key_mgmt.h` | the credential store |
//! | [`mqtt`] | `net/mqtt_helper.h` | the connection |
//! | [`settings`] | `iothub_platform.h` | what survives a reboot |
//! | [`platform`] | `iothub_platform.h` | clock, lock, wake, log, random |
//!
//! # Which callback runs where, and what is valid how long
//! | callback | thread | its arguments | may it block? |
//! |---|---|---|---|
//! | [`mqtt::Callbacks::on_connack`], `on_puback`, `on_suback`, `on_pingresp`, `on_oversize` | mqtt_helper's | copies | it delays reception |
//! | [`mqtt::Callbacks::on_publish`] | mqtt_helper's, never from inside a call of ours | topic and payload until it returns | it delays reception |
//! | [`mqtt::Callbacks::on_disconnect`] | mqtt_helper's, **or the caller's** inside [`mqtt::publish`], [`mqtt::subscribe`] or [`mqtt::disconnect`] whose write failed, before that returns | copy | no, and it must not connect again |
//! | [`lte`] and [`pdn`] events | the system work queue, with the SDK's list lock held | copies | no, and no call of `pdn` |
//!
//! Hence the rule of the driver: a callback copies its fact, wakes the driver and returns.
#![no_std]

pub mod abi;
mod errno;
pub mod keys;
pub mod lte;
pub mod modem;
pub mod mqtt;
pub mod pdn;
pub mod platform;
pub mod settings;
mod text;

pub use errno::Errno;
pub use text::{Decimal, Plain};
