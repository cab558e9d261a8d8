//! The header `Range` of a request for an image.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::range(bytes));
