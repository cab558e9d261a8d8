//! A simulated nRF91 modem that speaks AT commands over a PTY or TCP, so that every flow can be
//! tried without a board.
//!
//! Three parts, each of which can be used alone: [`Face`] is the firmware between the line and
//! the modem (at_host, at_shell, serial modem) with its framing and its faults, [`Modem`]
//! carries out commands, [`Store`] keeps credentials in the folder that the device process
//! reads (`<data>/modem/credentials/<sec tag>/{ca,cert,key,psk,identity}.pem`).

mod attest;
mod face;
mod modem;
mod network;
mod parse;
mod secure;
mod serve;
mod store;

pub use face::{Face, Style, Termination};
pub use modem::{Answer, Final, Modem, Options};
pub use network::{Network, Notice};
pub use serve::{Running, Timing, serve_pty, serve_tcp};
pub use store::Store;
