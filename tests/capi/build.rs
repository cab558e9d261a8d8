//! Compiles the C programs against the public headers, as strictly as a compiler can. Of the environment, CFLAGS
//! count: see `sanitize`.

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-changed=../../rust/capi/include");
    println!("cargo::rerun-if-changed=../../rust/ncs-sys/host-include");
    cc::Build::new()
        .files(
            [
                "harness", "session", "failures", "input", "defects", "dps", "sample", "layout",
                "stress",
            ]
            .map(|name| format!("c/{name}.c")),
        )
        .include("../../rust/capi/include")
        .include("../../rust/ncs-sys/host-include")
        .std("c11")
        .define("_POSIX_C_SOURCE", "200809L")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .flag("-pedantic")
        .compile("capi_tests");
}
