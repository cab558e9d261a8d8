//! A reboot executes the program anew with the same arguments; what is on disk is kept.

use std::{env, path::PathBuf, process::Command};

use crate::support::device;
use ncs_sys as sys;

const DATA: &str = "REBOOT_TEST_DATA";

#[test]
fn reboots_into_the_same_program() {
    if let Some(data) = env::var_os(DATA) {
        return boot(&PathBuf::from(data));
    }
    let data = tempfile::tempdir().unwrap();
    let program = env::current_exe().unwrap();
    let mut child = Command::new(program);
    child.args([
        "reboots_into_the_same_program::reboots_into_the_same_program",
        "--exact",
        "--nocapture",
    ]);
    let output = child.env(DATA, data.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("boot 1").count(), 1, "{text}");
    assert_eq!(text.matches("boot 2").count(), 1, "{text}");
}

fn boot(data: &std::path::Path) {
    let mut options = device::options(data, 1);
    options.log = Box::new(|record| println!("{record}"));
    assert!(iothub_host::start(options).is_ok());
    let mut count = [0];
    let mut len = 1;
    // SAFETY: the key ends in 0, and there is one byte.
    unsafe {
        sys::iothub_platform_settings_get(
            c"boots".as_ptr(),
            count.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    count[0] += 1;
    // SAFETY: as above.
    unsafe { sys::iothub_platform_settings_set(c"boots".as_ptr(), count.as_ptr().cast(), 1) };
    println!("boot {}", count[0]);
    if count[0] == 1 {
        // SAFETY: no arguments.
        unsafe { sys::iothub_platform_reboot() };
    }
}
