//! The shell around the application on Zephyr: entry point and logger. A panic goes to `k_panic`,
//! by the `zephyr` crate. [`shell`] is there for `src/shell.c`, [`nat64`] for `src/nat64.c`.
#![no_std]

mod nat64;
mod shell;

use zephyr as _;

/// Called by the `main` of zephyr-lang-rust.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    // A panic here is a build that would read the wrong bytes later.
    #[cfg(debug_assertions)]
    match ncs::abi::check() {
        Ok(entries) => log::debug!("C and Rust agree on {entries} sizes and offsets"),
        Err(mismatch) => panic!("{mismatch}"),
    }
    log::error!("{}", iothub_app::run());
}
