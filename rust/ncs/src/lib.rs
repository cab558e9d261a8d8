//! Safe wrappers over the C functions that `iothub` uses: one module per C header.
//!
//! | module | C | what it is |
//! |---|---|---|
//! | [`modem`] | `modem/nrf_modem_lib.h` | the modem library, its faults, its functional mode |
//! | [`at`] | `nrf_modem_at.h` | AT commands |
//! | [`lte`] | `modem/lte_lc.h` | registration |
//! | [`pdn`] | `modem/pdn.h`, or `modem/lte_lc.h` where that has taken it over | the packet data network |
//! | [`keys`] | `modem/modem_key_mgmt.h` | the credential store |
//! | [`jwt`] | `modem/modem_jwt.h` | tokens that the modem signs |
//! | [`attest`] | `modem/modem_attest_token.h` | the modem's proof of what it is |
//! | [`tls`] | the same | what TLS misses under a tag |
//! | [`mqtt`] | `net/mqtt_helper.h` | the connection |
//! | [`settings`] | `iothub_platform.h` | what survives a reboot |
//! | [`fota`] | `iothub_platform.h` | the slot that takes a new image |
//! | [`flash`] | `iothub_platform.h` | the partition of the outbox |
//! | [`platform`] | `iothub_platform.h` | clock, lock, wake, log, random |
//! | [`board`] | `iothub_board.h` | for the application: time of day, sensors, movement, location |
//!
//! # Which callback runs where, and what is valid how long
//! | callback | thread | its arguments | may it block? |
//! |---|---|---|---|
//! | [`mqtt::Callbacks::on_connack`], `on_puback`, `on_suback`, `on_pingresp`, `on_oversize` | mqtt_helper's | copies | it delays reception |
//! | [`mqtt::Callbacks::on_publish`] | mqtt_helper's, never from inside a call of ours | topic and payload until it returns | it delays reception |
//! | [`mqtt::Callbacks::on_disconnect`] | mqtt_helper's, **or the caller's** inside [`mqtt::publish`], [`mqtt::subscribe`] or [`mqtt::disconnect`] whose write failed, before that returns | copy | no, and it must not connect again |
//! | [`lte`] and [`pdn`] events | the system work queue, with the SDK's list lock held | copies | no, and no call of `pdn` |
//! | [`fota`] inputs | a thread of the download's | copies | no |
//! | [`board::Event`] | **any, an interrupt too** | copies | no |
//! | [`modem::Notice::Fault`] | **an interrupt** | copy | no, and no call of the modem |
//! | [`modem::Notice::FunctionalMode`] | whoever sets it | copy | no, and no call of the modem |
//!
//! Hence the rule of the driver: a callback copies its fact, wakes the driver and returns.
#![no_std]

pub mod abi;
pub mod at;
pub mod attest;
pub mod board;
mod errno;
pub mod flash;
pub mod fota;
pub mod jwt;
pub mod keys;
pub mod lte;
pub mod modem;
pub mod mqtt;
pub mod pdn;
pub mod platform;
pub mod settings;
mod text;
pub mod tls;

pub use errno::Errno;
pub use text::{Decimal, Plain};
