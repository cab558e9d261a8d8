//! Compiles `src/platform.c`: what needs pthreads with a monotonic clock.

fn main() {
    println!("cargo::rerun-if-changed=src/platform.c");
    println!("cargo::rerun-if-changed=../../src/include/iothub_platform.h");
    cc::Build::new()
        .file("src/platform.c")
        .include("../../src/include")
        .std("gnu11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("iothub_host_platform");
}
