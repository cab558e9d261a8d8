//! What the results of a subject come to, in one line, to be compared between machines.

extern crate alloc;

use alloc::format;
use alloc::string::String;

use super::expect::Put;

/// The number of results and a checksum over them (FNV-1a).
pub(crate) fn checksum(name: &str, subject: fn(Put<'_>)) -> String {
    let (mut count, mut hash) = (0, 0xcbf2_9ce4_8422_2325_u64);
    subject(&mut |result| {
        count += 1;
        for byte in result.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    });
    format!("vectors {name}: {count} results, {hash:016x}")
}
