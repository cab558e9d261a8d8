//! The arrows of rust/README.md, from `cargo metadata`.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// What each crate may depend on, of ours. Behind the bar: for its tests only.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("iothub-proto", &[], &[]),
    ("ncs-sys", &[], &[]),
    ("ncs", &["ncs-sys"], &["iothub-host"]),
    ("iothub", &["iothub-proto", "ncs"], &["iothub-host"]),
    ("iothub-capi", &["iothub", "ncs-sys"], &["iothub-host"]),
    ("iothub-app", &["iothub", "ncs"], &["iothub-host"]),
    ("iothub-host", &["ncs-sys"], &[]),
    ("iothub-emulator", &[], &["iothub-provision"]),
    ("iothub-provision", &[], &[]),
    (
        "iothub-demo",
        &[
            "iothub-proto",
            "iothub",
            "iothub-app",
            "iothub-host",
            "iothub-emulator",
            "iothub-provision",
        ],
        &[],
    ),
    (
        "iothub-capi-tests",
        &["iothub-capi", "iothub-host", "iothub-emulator"],
        &["iothub-provision"],
    ),
];

#[test]
fn crates_depend_only_along_the_arrows() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let allowed: BTreeMap<_, _> = ARROWS
        .iter()
        .map(|(name, normal, dev)| (*name, (*normal, *dev)))
        .collect();

    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((normal, dev)) = allowed.get(name) else {
            wrong.push(format!("{name} has no line in this table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"] == "dev";
            let ours = allowed.contains_key(to);
            if ours && !normal.contains(&to) && !(for_tests && dev.contains(&to)) {
                wrong.push(format!("{name} → {to}"));
            }
        }
    }
    assert!(packages.len() >= 9, "{} packages", packages.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
