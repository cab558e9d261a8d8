//! Turns what `ncs-sys` found in the headers into cfgs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for fact in [
        "on_all_events",
        "session_present",
        "password",
        "sec_tag_list",
        "registration",
        "pdn_library",
        "lte_lc_pdn",
        "lte_lc_init",
    ] {
        println!("cargo::rustc-check-cfg=cfg(has_{fact})");
        let variable = format!("DEP_NCS_{}", fact.to_uppercase());
        println!("cargo::rerun-if-env-changed={variable}");
        if std::env::var(variable).is_ok_and(|found| found == "1") {
            println!("cargo::rustc-cfg=has_{fact}");
        }
    }
}
