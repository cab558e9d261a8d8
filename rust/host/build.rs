//! Compiles `src/platform.c`, which needs pthreads with a monotonic clock, and the table of what C sees of the seam.

fn main() {
    println!("cargo::rerun-if-changed=src/platform.c");
    println!("cargo::rerun-if-changed=../../src/abi.c");
    println!("cargo::rerun-if-changed=../../src/include/iothub_platform.h");
    println!("cargo::rerun-if-changed=../ncs-sys/host-include");
    cc::Build::new()
        .file("src/platform.c")
        .file("../../src/abi.c")
        .include("../../src/include")
        .include("../ncs-sys/host-include")
        .std("gnu11")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("iothub_host_platform");
}
