//! The C API with what a program in C does not bring: panic, logger and critical section, on the
//! functions of `src/c_api.c`.
#![no_std]

use core::panic::Location;

use iothub_capi_core as _;
use ncs::{Decimal, Plain};

mod c {
    unsafe extern "C" {
        pub(super) fn iothub_c_api_panic() -> !;
        pub(super) fn iothub_c_api_lock() -> u32;
        pub(super) fn iothub_c_api_unlock(state: u32);
    }
}

struct Interrupts;
critical_section::set_impl!(Interrupts);

// SAFETY: interrupts are off, on every core, from `acquire` to the `release` that undoes it.
unsafe impl critical_section::Impl for Interrupts {
    unsafe fn acquire() -> critical_section::RawRestoreState {
        // SAFETY: takes no arguments.
        unsafe { c::iothub_c_api_lock() }
    }

    unsafe fn release(state: critical_section::RawRestoreState) {
        // SAFETY: the state is that of the matching lock.
        unsafe { c::iothub_c_api_unlock(state) }
    }
}

/// Called once by `src/c_api.c`, before the application.
#[unsafe(no_mangle)]
extern "C" fn iothub_c_api_start() {
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
}

#[panic_handler]
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    give_up(panic.location())
}

/// Not with the message, for which alone core's formatting of numbers and texts would be linked: of
/// its own, so that nothing else of the `PanicInfo` is in use.
#[cold]
#[inline(never)]
fn give_up(place: Option<&Location<'_>>) -> ! {
    if let Some(place) = place {
        let (file, line) = (Plain(place.file()), Decimal::from(place.line()));
        log::error!("panic in {file}, line {line}");
    }
    // SAFETY: takes no arguments.
    unsafe { c::iothub_c_api_panic() }
}
