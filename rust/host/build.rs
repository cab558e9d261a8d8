//! Compiles the table of what C sees of the seam, and on Linux `src/platform.c`, which needs its
//! pthreads and is `src/edge/portable.rs` elsewhere.

fn main() {
    println!("cargo::rerun-if-changed=src/platform.c");
    println!("cargo::rerun-if-changed=src/linux-errno");
    println!("cargo::rerun-if-changed=../../src/abi.c");
    println!("cargo::rerun-if-changed=../../src/include/iothub_platform.h");
    println!("cargo::rerun-if-changed=../ncs-sys/host-include");
    let mut build = cc::Build::new();
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => build.file("src/platform.c"),
        _ => build.include("src/linux-errno"),
    };
    build
        .file("../../src/abi.c")
        .include("../../src/include")
        .include("../ncs-sys/host-include")
        .std("gnu11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("iothub_host_platform");
}
