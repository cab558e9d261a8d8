//! The query language: nothing that is asked ends the process.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::query(bytes));
