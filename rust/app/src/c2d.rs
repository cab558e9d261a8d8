//! Cloud-to-device messages: to the log.

use iothub::C2d;

/// Longest part of a message to log, in bytes.
const SHOWN: usize = 80;

pub(crate) fn on_message(message: &C2d<'_>) {
    let shown = message.payload.get(..SHOWN).unwrap_or(message.payload);
    match core::str::from_utf8(shown) {
        Ok(text) => log::info!("message from the cloud: {text}"),
        Err(_) => log::info!("message from the cloud: {} bytes", message.payload.len()),
    }
}
