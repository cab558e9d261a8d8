//! What C sees of the seam (`src/abi.c`, compiled by the host's compiler) is what Rust sees of it.

use iothub_host as _;

#[test]
fn c_and_rust_agree_on_the_seam() {
    match ncs::abi::check() {
        Ok(entries) => assert!(entries > 20, "{entries}"),
        Err(mismatch) => panic!("{mismatch}"),
    }
}
