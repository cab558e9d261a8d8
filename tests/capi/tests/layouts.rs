//! Rust, the C compiler of this machine and that of the device agree on every layout. That Rust for
//! the device agrees as well is an assertion in `iothub-capi` itself, which fails its build.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{io::ErrorKind, process::Command};

use iothub_capi::layout::{CURRENT, Entry, LEGACY};

fn compare(table: &[Entry], seen: &[(String, usize)], expected: impl Fn(&Entry) -> usize) {
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    let expected_names: Vec<_> = table.iter().map(|entry| entry.name).collect();
    assert_eq!(names, expected_names);
    for ((name, number), entry) in seen.iter().zip(table) {
        assert_eq!(*number, expected(entry), "{name}");
    }
}

#[test]
fn c_on_this_machine() {
    compare(CURRENT, &iothub_capi_tests::layout(), |entry| entry.here);
    compare(LEGACY, &iothub_capi_tests::legacy_layout(), |entry| {
        entry.here
    });
}

#[test]
fn c_on_the_device() {
    let names = |table: Vec<(String, usize)>| table.into_iter().map(|(name, _)| name);
    for (file, headers, names, table) in [
        (
            "layout",
            "include",
            names(iothub_capi_tests::layout()),
            CURRENT,
        ),
        (
            "legacy_layout",
            "legacy",
            names(iothub_capi_tests::legacy_layout()),
            LEGACY,
        ),
    ] {
        let Some(numbers) = compiled_for_arm(file, headers) else {
            eprintln!("skipped: there is no arm-none-eabi-gcc with newlib here");
            return;
        };
        let seen: Vec<_> = names.zip(numbers).collect();
        assert_eq!(seen.len(), table.len());
        compare(table, &seen, |entry| entry.arm);
    }
}

/// The numbers of the array that is called as its file, out of the compiler's assembly.
fn compiled_for_arm(file: &str, headers: &str) -> Option<Vec<usize>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new("arm-none-eabi-gcc")
        .args([
            "-mcpu=cortex-m33",
            "-mthumb",
            "-std=c11",
            "-O0",
            "-S",
            "-o",
            "-",
        ])
        .arg(format!("-I{root}/rust/capi/{headers}"))
        .arg(format!("-I{root}/rust/ncs-sys/host-include"))
        .arg(format!("{root}/tests/capi/c/{file}.c"))
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("No such file or directory") && errors.contains("std") {
        return None;
    }
    assert!(output.status.success(), "{errors}");
    let assembly = String::from_utf8(output.stdout).unwrap();
    let label = format!("{file}:");
    let mut numbers = Vec::new();
    for line in assembly.lines().skip_while(|line| *line != label).skip(1) {
        let mut words = line.split_whitespace();
        match (
            words.next(),
            words.next().and_then(|word| word.parse().ok()),
        ) {
            (Some(".word"), Some(number)) => numbers.push(number),
            (Some(".space"), Some(bytes)) => numbers.extend(vec![0; bytes / 4]),
            _ => break,
        }
    }
    Some(numbers)
}

/// An application may include Nordic's header of updates; a call of its functions fails the build
/// with a sentence.
#[test]
fn azure_fota_is_included_and_not_called() {
    let include = "#include <net/azure_fota.h>\nazure_fota_callback_t callback;\n";
    compiles(include).expect("included");
    for call in ["azure_fota_init(callback)", "azure_fota_msg_process(0, 0)"] {
        let name = call.split('(').next().unwrap();
        let errors = compiles(&format!("{include}int call(void) {{ return {call}; }}\n"))
            .expect_err("called");
        assert!(
            errors.contains(&format!("take the call of {name}() out")),
            "{errors}"
        );
    }
}

/// Whether C does with either form's headers; else what the compiler says.
fn compiles(program: &str) -> Result<(), String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rust/capi");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program.c");
    std::fs::write(&file, program).unwrap();
    for headers in ["include", "legacy"] {
        let output = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-c", "-o"])
            .arg(folder.path().join("program.o"))
            .arg(format!("-I{root}/{headers}"))
            .arg(&file)
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(())
}
