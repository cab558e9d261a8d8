//! Certificates of strangers, as a device presents them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::chain(bytes));
