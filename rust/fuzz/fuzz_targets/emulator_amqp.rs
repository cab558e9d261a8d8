//! Frames of AMQP and the messages in them. Nothing panics, nothing grows beyond its frame, and
//! what was read is written as it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::amqp(bytes));
