//! The C API: the functions of Nordic's `azure_iot_hub.h` and `azure_iot_hub_dps.h`, served by
//! `iothub`; and of our own `iothub_outbox.h`.
//!
//! The conventions (ownership, NULL, threads, lifetimes, errno) are in this crate's `README.md`,
//! the headers in `include/` and, in the older form, in `legacy/`. Rust programs use the crate
//! `iothub` instead.
//!
//! | module | what it is |
//! |---|---|
//! | [`types`], [`hub`], [`dps`], [`legacy`], [`outbox`] | what cbindgen turns into the headers: types and functions under C's names |
//! | `engine` | states, waiting and events, whatever the form |
//! | `outgoing`, `requests` | from C to the client |
//! | `c_event` | from the client to C |
//! | [`layout`] | sizes and offsets, checked by the compiler |
//! | `buffer` | pointers to slices, the one place |
//! | `errno` | the one table from errors to negative errnos |
#![no_std]

#[cfg(test)]
use iothub_host as _;

mod buffer;
mod c_event;
pub mod dps;
mod engine;
mod errno;
pub mod hub;
pub mod layout;
pub mod legacy;
pub mod outbox;
mod outgoing;
mod requests;
pub mod types;
