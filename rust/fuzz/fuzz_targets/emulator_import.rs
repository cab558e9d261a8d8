//! A document of the whole state, taken in and written again: no panic, and an own export is never
//! refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::import(bytes));
