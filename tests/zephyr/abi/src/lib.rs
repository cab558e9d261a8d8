//! Compares the tables of `src/abi.c` and `ncs::abi`, as `rust/firmware` does at boot in a debug
//! build, and panics as it does where they are not the same.
#![no_std]

use zephyr::printkln;

unsafe extern "C" {
    safe fn be_different();
}

/// Called by the `main` of zephyr-lang-rust.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    compare();
    be_different();
    compare();
}

fn compare() {
    match ncs::abi::check() {
        Ok(entries) => printkln!("C and Rust agree on {entries} sizes and offsets"),
        Err(mismatch) => panic!("{mismatch}"),
    }
}
