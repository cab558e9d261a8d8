//! Compiles the C programs against the public headers, as strictly as a compiler can, and with its
//! sanitizers where it has them. CAPI_SANITIZE=0 leaves those out, as valgrind needs it.

use std::{env, path::Path};

/// Only C is instrumented by these; what Rust allocates is watched where C touches it.
const SANITIZERS: &[&str] = &[
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
];

/// Their libraries, linked statically: rustc links without gcc's defaults, and a shared one would
/// have to come first.
const RUNTIME: &[&str] = &[
    "-Wl,--whole-archive",
    "-l:libasan.a",
    "-Wl,--no-whole-archive",
    "-l:libubsan.a",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-changed=../../rust/capi/include");
    println!("cargo::rerun-if-changed=../../rust/capi/legacy");
    println!("cargo::rerun-if-changed=../../rust/ncs-sys/host-include");
    println!("cargo::rerun-if-changed=../../src/include");
    println!("cargo::rerun-if-env-changed=CAPI_SANITIZE");
    let wanted = env::var("CAPI_SANITIZE").as_deref() != Ok("0");
    let sanitizes = wanted && has_sanitizers();
    if sanitizes {
        for argument in RUNTIME {
            println!("cargo::rustc-link-arg-tests={argument}");
        }
    } else if wanted {
        println!("cargo::warning=the C compiler has no sanitizers: the C programs run without");
    }
    // See c/slot.c and c/clock.c.
    for function in ["fota_start", "uptime_ms", "wait"] {
        println!("cargo::rustc-link-arg-tests=-Wl,--wrap=iothub_platform_{function}");
    }
    programs(
        "capi_tests",
        "include",
        &[
            "harness", "network", "session", "failures", "input", "defects", "dps", "sample",
            "layout", "stress", "fota", "slot", "clock", "nordic", "users", "outbox",
        ],
        sanitizes,
    );
    programs(
        "capi_tests_legacy",
        "legacy",
        &["legacy", "legacy_layout"],
        sanitizes,
    );
}

fn programs(name: &str, headers: &str, files: &[&str], sanitizes: bool) {
    let mut build = cc::Build::new();
    build
        .files(files.iter().map(|file| format!("c/{file}.c")))
        .include(format!("../../rust/capi/{headers}"))
        .include("../../rust/ncs-sys/host-include")
        // The seam below the library, for what stands in its place.
        .include("../../src/include")
        .std("c11")
        .define("_POSIX_C_SOURCE", "200809L")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .flag("-pedantic");
    if sanitizes {
        build.flags(SANITIZERS);
    }
    build.compile(name);
}

/// Whether gcc has their libraries here.
fn has_sanitizers() -> bool {
    ["libasan.a", "libubsan.a"].iter().all(|library| {
        let mut command = cc::Build::new().get_compiler().to_command();
        command.arg(format!("-print-file-name={library}"));
        // What it does not find it prints as it is.
        command.output().is_ok_and(|output| {
            Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute()
        })
    })
}
