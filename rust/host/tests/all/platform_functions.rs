//! The platform functions as C sees them: clock, wait and wake, lock, thread, settings, log, LED,
//! identity.

use std::{
    ffi::{c_char, c_int},
    fs,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use crate::support::device::{self, errno};
use iothub_host::StartError;
use ncs_sys as sys;

const DRIVER: u32 = sys::IOTHUB_WAITER_DRIVER;
const APPLICATION: u32 = sys::IOTHUB_WAITER_APPLICATION;
const FOREVER: i64 = i64::MAX;

static LED: Mutex<Vec<bool>> = Mutex::new(Vec::new());
static STARTED: AtomicU32 = AtomicU32::new(0);

fn uptime_ms() -> i64 {
    // SAFETY: no arguments.
    unsafe { sys::iothub_platform_uptime_ms() }
}

fn wait(waiter: u32, deadline_ms: i64) {
    // SAFETY: no pointers.
    unsafe { sys::iothub_platform_wait(waiter, deadline_ms) }
}

fn wake(waiter: u32) {
    // SAFETY: no pointers.
    unsafe { sys::iothub_platform_wake(waiter) }
}

fn set(key: &std::ffi::CStr, value: &[u8]) -> c_int {
    // SAFETY: the key ends in 0, and the bytes live for the call.
    unsafe { sys::iothub_platform_settings_set(key.as_ptr(), value.as_ptr().cast(), value.len()) }
}

fn get(key: &std::ffi::CStr, room: usize) -> (c_int, usize, Vec<u8>) {
    let (mut buffer, mut len) = (vec![0; room], room);
    // SAFETY: the key ends in 0, and there are `len` bytes.
    let result = unsafe {
        sys::iothub_platform_settings_get(key.as_ptr(), buffer.as_mut_ptr().cast(), &raw mut len)
    };
    buffer.truncate(len);
    (result, len, buffer)
}

unsafe extern "C" fn entry() {
    STARTED.fetch_add(1, Ordering::SeqCst);
    assert_eq!(thread::current().name(), None);
    wake(DRIVER);
}

#[test]
fn platform_functions() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let mut options = device::options(data.path(), 1);
    options.hardware_id = Some("350457791791735".into());
    options.led = Box::new(|on| LED.lock().unwrap().push(on));
    assert_eq!(set(c"a", b"x"), errno(sys::EPERM));
    iothub_host::start(options).unwrap();
    let again = iothub_host::start(device::options(data.path(), 1));
    assert!(matches!(again, Err(StartError::AlreadyStarted)));

    waits_and_wakes();
    keeps_settings(data.path());
    logs_without_reading_too_far();
    fills_with_random_bytes();

    let mut id = [0; 15];
    let identity = |room: &mut [u8]| {
        // SAFETY: there are that many bytes.
        unsafe { sys::iothub_platform_hardware_id(room.as_mut_ptr().cast::<c_char>(), room.len()) }
    };
    assert_eq!(identity(&mut id), 15);
    assert_eq!(&id, b"350457791791735");
    assert_eq!(identity(&mut [0; 14]), errno(sys::ENOSPC));

    for on in [true, false] {
        // SAFETY: no pointers.
        unsafe { sys::iothub_platform_led(on) };
    }
    assert_eq!(*LED.lock().unwrap(), [true, false]);
    device::assert_logged("<inf> led: off");
}

fn waits_and_wakes() {
    // A wake before the wait is not lost, and each waiter has its own.
    wake(DRIVER);
    wake(DRIVER);
    wait(DRIVER, FOREVER);
    let deadline = uptime_ms() + 20;
    wake(APPLICATION);
    wait(DRIVER, deadline);
    assert!(uptime_ms() >= deadline);
    wait(APPLICATION, FOREVER);
    // A deadline in the past ends at once.
    wait(DRIVER, -1);

    // SAFETY: no arguments; the lock is free.
    unsafe { sys::iothub_platform_lock() };
    let other = thread::spawn(|| {
        // SAFETY: as above.
        unsafe { sys::iothub_platform_lock() };
        wake(APPLICATION);
        // SAFETY: this thread has it.
        unsafe { sys::iothub_platform_unlock() };
    });
    // Nobody wakes while the lock is held.
    let deadline = uptime_ms() + 20;
    wait(APPLICATION, deadline);
    assert!(uptime_ms() >= deadline);
    // SAFETY: this thread has it.
    unsafe { sys::iothub_platform_unlock() };
    wait(APPLICATION, FOREVER);
    other.join().unwrap();

    // SAFETY: a function that lives as long as the process.
    let start = || unsafe { sys::iothub_platform_thread_start(Some(entry)) };
    // SAFETY: NULL is refused.
    let nothing = unsafe { sys::iothub_platform_thread_start(None) };
    assert_eq!(nothing, errno(sys::EINVAL));
    assert_eq!(start(), 0);
    wait(DRIVER, FOREVER);
    assert_eq!(start(), errno(sys::EALREADY));
    assert_eq!(STARTED.load(Ordering::SeqCst), 1);
}

fn keeps_settings(data: &std::path::Path) {
    let key = c"iothub/hostname";
    assert_eq!(get(key, 10).0, errno(sys::ENOENT));
    assert_eq!(set(key, b"my-hub.azure-devices.net"), 0);
    assert_eq!(get(key, 100), (0, 24, b"my-hub.azure-devices.net".into()));
    let (result, needed, _) = get(key, 10);
    assert_eq!((result, needed), (errno(sys::ENOSPC), 24));
    let file = data.join("settings/iothub/hostname");
    assert_eq!(fs::read(file).unwrap(), b"my-hub.azure-devices.net");
    assert_eq!(set(key, b""), 0);
    assert_eq!(get(key, 10).0, errno(sys::ENOENT));
    assert_eq!(set(c"../x", b"x"), errno(sys::EINVAL));
}

fn logs_without_reading_too_far() {
    let (target, message) = (b"iothubXX", b"hello %s\nworldXX");
    // SAFETY: both have at least that many bytes.
    unsafe {
        sys::iothub_platform_log(3, target.as_ptr().cast(), 6, message.as_ptr().cast(), 14);
    }
    let last = device::log().pop().unwrap();
    assert!(last.ends_with(r"] <inf> iothub: hello %s\nworld"), "{last}");
}

fn fills_with_random_bytes() {
    let mut buffers = [[0u8; 64]; 2];
    for buffer in &mut buffers {
        // SAFETY: there are 60 bytes.
        unsafe { sys::iothub_platform_random(buffer.as_mut_ptr().cast(), 60) };
        assert_eq!(buffer[60..], [0; 4]);
    }
    assert_ne!(buffers[0], buffers[1]);
}
