//! A timetable of faults as TOML.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::timetable(bytes));
