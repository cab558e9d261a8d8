//! The device crates as a static library, to see what they need and how large they are.
#![no_std]

#[cfg(not(any(feature = "application", feature = "qemu")))]
mod caller;
#[cfg(feature = "qemu")]
mod qemu;

/// As the shell in `rust/firmware` does it.
#[cfg(not(feature = "qemu"))]
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    #[cfg(feature = "application")]
    {
        let error = iothub_app::run();
        log::error!("{error}");
    }
    #[cfg(not(feature = "application"))]
    caller::run();
}

#[cfg(not(feature = "qemu"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
