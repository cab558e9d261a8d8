//! Requests to the emulator's REST side, over a storage in memory: the service is never at fault
//! (500).
#![no_main]

use std::sync::{Mutex, PoisonError};

use iothub_emulator::fuzzing::Rest;

/// The hub, and how many requests it has had; a new one now and then, so that it stays small.
static HUB: Mutex<Option<(Rest, u32)>> = Mutex::new(None);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut hub = HUB.lock().unwrap_or_else(PoisonError::into_inner);
    let (rest, requests) = match hub.take() {
        Some((rest, requests)) if requests < 2000 => (rest, requests + 1),
        _ => (Rest::new().expect("a hub in memory"), 0),
    };
    rest.request(bytes);
    *hub = Some((rest, requests));
});
