//! The tracker's configuration: whatever a twin holds, after whatever it held before, what counts
//! is within its ranges, is read as it was stored, and has an answer that the hub's copy is
//! recognised by.
#![no_main]

use iothub_host as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| iothub_app::fuzz_configuration(data));
