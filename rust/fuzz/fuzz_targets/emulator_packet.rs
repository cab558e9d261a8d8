//! What a device sends to the emulator: packets, user names, tokens, topics, property bags, twin
//! patches. Nothing panics; a patch is either a version more or no change.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iothub_emulator::fuzzing::packets(bytes));
