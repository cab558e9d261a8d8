//! With the feature `generate`: the headers by cbindgen, into OUT_DIR. `regenerate` copies or
//! compares them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    #[cfg(feature = "generate")]
    generate::headers();
}

#[cfg(feature = "generate")]
mod generate {
    use std::{env, path::PathBuf};

    use cbindgen::{Builder, Config, DocumentationStyle, Language, Style};

    pub(crate) fn headers() {
        header(
            "azure_iot_hub.h",
            "AZURE_IOT_HUB__",
            &["src/types.rs", "src/hub.rs"],
            "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <zephyr/net/mqtt.h>",
            &[("mqtt_qos", "enum mqtt_qos")],
        );
        header(
            "azure_iot_hub_dps.h",
            "AZURE_IOT_HUB_DPS__",
            &["src/dps.rs"],
            "#include <stdint.h>\n#include <net/azure_iot_hub.h>",
            &[("azure_iot_hub_buf", "struct azure_iot_hub_buf")],
        );
        header(
            "iothub_outbox.h",
            "IOTHUB_OUTBOX__",
            &["src/outbox.rs"],
            "#include <stddef.h>\n#include <stdint.h>",
            &[],
        );
        header(
            "legacy.h",
            "AZURE_IOT_HUB__",
            &["src/legacy.rs"],
            LEGACY_INCLUDES,
            &[("mqtt_qos", "enum mqtt_qos")],
        );
    }

    /// The library has the newer form's functions too: these have their names from here.
    const LEGACY_INCLUDES: &str = "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <zephyr/net/mqtt.h>\n\n\
        #define azure_iot_hub_init azure_iot_hub_legacy_init\n\
        #define azure_iot_hub_connect azure_iot_hub_legacy_connect\n\
        #define azure_iot_hub_disconnect azure_iot_hub_legacy_disconnect\n\
        #define azure_iot_hub_send azure_iot_hub_legacy_send\n\
        #define azure_iot_hub_input azure_iot_hub_legacy_input\n\
        #define azure_iot_hub_ping azure_iot_hub_legacy_ping\n\
        #define azure_iot_hub_method_respond azure_iot_hub_legacy_method_respond\n\
        #define azure_iot_hub_keepalive_time_left azure_iot_hub_legacy_keepalive_time_left\n\
        #define azure_iot_hub_dps_reset azure_iot_hub_legacy_dps_reset";

    /// `declared`: types that stand in another header.
    fn header(
        name: &str,
        guard: &str,
        sources: &[&str],
        includes: &str,
        declared: &[(&str, &str)],
    ) {
        let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
        let mut config = Config {
            language: Language::C,
            style: Style::Tag,
            include_guard: Some(guard.to_owned()),
            header: Some(
                "/* SPDX-License-Identifier: Apache-2.0 */\n\
                 /* Made from rust/capi/src by rust/capi/regenerate: change it there. The conventions: rust/capi/README.md. */"
                    .to_owned(),
            ),
            no_includes: true,
            after_includes: Some(includes.to_owned()),
            cpp_compat: true,
            usize_is_size_t: true,
            documentation: true,
            documentation_style: DocumentationStyle::C,
            line_length: 100,
            tab_width: 8,
            ..Config::default()
        };
        for (rust, c) in declared {
            config.export.exclude.push((*rust).to_owned());
            config
                .export
                .rename
                .insert((*rust).to_owned(), (*c).to_owned());
        }
        let mut builder = Builder::new().with_config(config);
        for source in sources {
            builder = builder.with_src(folder.join(source));
        }
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(name);
        match builder.generate() {
            Ok(bindings) => drop(bindings.write_to_file(out)),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}
