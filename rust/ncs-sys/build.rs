//! Chooses the bindings: the committed ones for Linux, or, with the feature `generate`, new ones
//! from the headers of this build. Says by `links` metadata which generation of the SDK they
//! describe.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=wrapper.h");
    println!("cargo::rerun-if-changed=modem.h");
    println!("cargo::rerun-if-changed=host-include");
    println!("cargo::rerun-if-changed=../../src/include");
    println!("cargo::rustc-check-cfg=cfg(generated)");

    let bindings = bindings();
    for (fact, found) in facts(&bindings) {
        println!("cargo::metadata={fact}={}", u8::from(found));
    }
}

/// What differs between the generations of the SDK, read from the declarations themselves.
fn facts(bindings: &str) -> [(&'static str, bool); 8] {
    // Where there is no rustfmt, bindgen writes its tokens with other white space between them.
    let bindings: String = bindings.split_whitespace().collect();
    let has = |text: &str| bindings.contains(&text.replace(' ', ""));
    let connack = bindings
        .split("pubtypemqtt_helper_on_connack_t")
        .nth(1)
        .and_then(|rest| rest.split(';').next())
        .unwrap_or_default();
    [
        ("on_all_events", has("pub on_all_events:")),
        ("session_present", connack.contains("bool")),
        ("password", has("pub password: mqtt_helper_buf")),
        ("sec_tag_list", has("pub sec_tag_list:")),
        ("registration", has("pub const LTE_LC_EVT_NW_REG_STATUS")),
        ("pdn_library", has("pub fn pdn_default_ctx_cb_reg")),
        ("lte_lc_pdn", has("pub const LTE_LC_EVT_PDN:")),
        ("lte_lc_init", has("pub fn lte_lc_init(")),
    ]
}

#[cfg(not(feature = "generate"))]
fn bindings() -> String {
    assert!(
        env::var_os("DOTCONFIG").is_none(),
        "a west build needs the feature `generate` of ncs-sys: its layouts depend on the .config"
    );
    let path =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src/host.rs");
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(feature = "generate")]
fn bindings() -> String {
    generate::bindings()
}

#[cfg(feature = "generate")]
mod generate {
    use super::*;

    const FUNCTIONS: &[&str] = &[
        "mqtt_helper_(init|connect|disconnect|subscribe|publish|deinit)",
        "pdn_default_ctx_cb_reg",
        "lte_lc_(init|register_handler|connect_async|power_off|pdn_default_ctx_events_enable)",
        "modem_key_mgmt_(write|delete|read|exists)",
        "modem_attest_token_get",
        "modem_jwt_(generate|get_uuids)",
        "nrf_modem_lib_(init|shutdown)",
        "iothub_platform_.*",
        "iothub_board_.*",
        "iothub_abi_entry",
    ];
    const TYPES: &[&str] = &[
        "mqtt_helper_.*",
        "mqtt_(conn_return_code|qos|evt|evt_type|utf8|binstr|topic|publish_param|subscription_list)",
        "pdn_event.*",
        "lte_lc_(evt|evt_type|evt_handler_t|nw_reg_status|pdn_evt_type)",
        "modem_key_mgmt_cred_type",
        "jwt_(data|key_type|alg_type)",
        "nrf_(attestation_token|device_uuid|modem_fw_uuid)",
        "iothub_fota_.*",
        "iothub_flash_geometry",
    ];
    const CONSTANTS: &[&str] = &[
        "IOTHUB_WAITER_(DRIVER|APPLICATION|HANDLER|SENDER)",
        "IOTHUB_FOTA_.*",
        "IOTHUB_MODEM_(FAULT|CFUN)",
        "IOTHUB_(SENSOR|BOARD|LOCATE|SURVEY|PGPS|ASSIST)_[A-Z_]+",
        "E[A-Z0-9]+",
    ];

    pub(crate) fn bindings() -> String {
        println!("cargo::rustc-cfg=generated");
        for variable in [
            "DOTCONFIG",
            "INCLUDE_DIRS",
            "INCLUDE_DEFINES",
            "IOTHUB_CLANG_ARGS",
            "IOTHUB_HEADERS",
            "ZEPHYR_BASE",
        ] {
            println!("cargo::rerun-if-env-changed={variable}");
        }
        let text = builder()
            .generate()
            .unwrap_or_else(|error| panic!("the SDK's headers could not be read: {error}"))
            .to_string();
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("bindings.rs");
        fs::write(&out, &text).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
        text
    }

    fn builder() -> bindgen::Builder {
        let mut builder = bindgen::builder()
            .header("wrapper.h")
            .use_core()
            .default_enum_style(bindgen::EnumVariation::NewType {
                is_bitfield: false,
                is_global: false,
            })
            .generate_comments(false)
            .derive_default(true)
            .generate_cstr(true)
            .prepend_enum_name(false)
            .merge_extern_blocks(true)
            .sort_semantically(true)
            .clang_arg("-I../../src/include")
            .clang_args(includes());
        for function in FUNCTIONS {
            builder = builder.allowlist_function(function);
        }
        for ty in TYPES {
            builder = builder.allowlist_type(ty);
        }
        for constant in CONSTANTS {
            builder = builder.allowlist_var(constant);
        }
        builder
            .opaque_type("mqtt_client")
            .opaque_type("mqtt_internal")
            .opaque_type("(net_)?sockaddr.*")
    }

    /// The include folders and defines that CMake passes in a west build, or our own declarations.
    fn includes() -> Vec<String> {
        let list = |name: &str| {
            env::var(name)
                .unwrap_or_default()
                .split([' ', ';'])
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut arguments = target_arguments();
        match env::var_os("DOTCONFIG") {
            None => {
                // tests/zephyr/generations/check puts other generations in its place.
                let folder = env::var("IOTHUB_HEADERS").unwrap_or_else(|_| "host-include".into());
                arguments.push(format!("-I{folder}"));
            }
            Some(dotconfig) => {
                println!(
                    "cargo::rerun-if-changed={}",
                    PathBuf::from(dotconfig).display()
                );
                arguments.push("-DRUST_BINDGEN".into());
                // The C library's headers are built in for GCC, and unknown to clang.
                let zephyr = PathBuf::from(env::var_os("ZEPHYR_BASE").unwrap_or_default());
                let libc = zephyr.join("lib/libc/minimal/include");
                arguments.push(format!("-I{}", libc.display()));
            }
        }
        arguments.extend(
            list("INCLUDE_DIRS")
                .into_iter()
                .map(|folder| format!("-I{folder}")),
        );
        arguments.extend(
            list("INCLUDE_DEFINES")
                .into_iter()
                .filter(|define| define != "KERNEL" && !define.starts_with("KERNEL="))
                .map(|define| format!("-D{define}")),
        );
        arguments.extend(list("IOTHUB_CLANG_ARGS"));
        arguments
    }

    fn target_arguments() -> Vec<String> {
        let target = env::var("TARGET").unwrap_or_default();
        let mut arguments = vec![format!("--target={target}")];
        if target.starts_with("thumb") {
            // GCC's choice for the Arm EABI without an operating system, and not clang's.
            arguments.push("-fshort-enums".into());
            if !target.ends_with("hf") {
                arguments.push("-D__SOFTFP__".into());
            }
        }
        arguments
    }
}
