//! `--data` and `--device` are looked at before anything starts.

use std::process::Command;

#[test]
fn a_folder_or_a_program_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "not a program").expect("a file");
    let (folder, file) = (
        folder.path().to_str().expect("text"),
        file.to_str().expect("text"),
    );
    let below = format!("{file}/below");
    let missing = format!("{folder}/zephyr.exe");
    for (option, value, why) in [
        ("--data", file, "this is a file"),
        ("--data", below.as_str(), "the folder cannot be made"),
        (
            "--device",
            missing.as_str(),
            "build the application for native_sim first",
        ),
        ("--device", folder, "this is a folder"),
        ("--device", file, "may not be executed"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
            .args([option, value])
            .output()
            .expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains(&format!("{option} {value}: ")) && error.contains(why),
            "{error}"
        );
        assert!(output.stdout.is_empty(), "nothing has started");
    }
}
