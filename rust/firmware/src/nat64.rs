//! What `src/nat64.c` calls.

use core::slice;

/// # Safety
/// `count` addresses can be read at `records`, which is not null.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_nat64_tell(records: *const [u8; 16], count: usize) {
    // SAFETY: the caller's promise.
    let records = unsafe { slice::from_raw_parts(records, count) };
    // Nobody asks before the client has been started.
    let _ = iothub::tell_ipv4only(records);
}
