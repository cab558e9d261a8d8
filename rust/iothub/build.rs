//! Turns Kconfig into constants: from `$DOTCONFIG` in a west build, else from the defaults of
//! `zephyr/Kconfig` (ours) and `rust/ncs-sys/host-include/Kconfig.sdk` (the SDK's).

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

#[derive(Clone)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
}

type Options = BTreeMap<String, Value>;

fn main() {
    println!("cargo::rerun-if-env-changed=DOTCONFIG");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    let mut options = Options::new();
    for file in ["zephyr/Kconfig", "rust/ncs-sys/host-include/Kconfig.sdk"] {
        let path = root.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        options.extend(parse_kconfig(&root, file, &read(&path)));
    }
    if let Some(dotconfig) = env::var_os("DOTCONFIG") {
        let path = PathBuf::from(dotconfig);
        println!("cargo::rerun-if-changed={}", path.display());
        apply_dotconfig(&mut options, &read(&path));
        check(&options);
    }
    let out = PathBuf::from(variable("OUT_DIR")).join("kconfig.rs");
    fs::write(&out, constants(&options))
        .unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The defaults of a Kconfig file in the subset that its head states; anything else stops the
/// build. `rsource` takes in another file of the same folder; `orsource` is for files that are
/// Zephyr's business only.
fn parse_kconfig(root: &Path, file: &str, text: &str) -> Options {
    let mut options = Options::new();
    let mut current: Option<(String, Option<&str>)> = None;
    let mut help = false;
    for (number, line) in text.lines().enumerate() {
        let fail = |what: &str| -> ! { panic!("{file}:{}: {what}: {line}", number + 1) };
        if help && (line.trim().is_empty() || line.starts_with("\t  ")) {
            continue;
        }
        help = false;
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "" | "depends" | "select" | "range" | "if" | "endif" | "comment" | "orsource" => {}
            "rsource" => {
                let folder = Path::new(file).parent().unwrap_or(Path::new(""));
                let file = folder.join(rest.trim_matches('"')).display().to_string();
                let path = root.join(&file);
                println!("cargo::rerun-if-changed={}", path.display());
                options.extend(parse_kconfig(root, &file, &read(&path)));
            }
            _ if word.starts_with('#') => {}
            "config" | "menuconfig" => current = Some((rest.to_owned(), None)),
            "bool" | "int" | "string" => {
                let Some((name, kind)) = &mut current else {
                    fail("a type outside a config")
                };
                *kind = Some(match word {
                    "bool" => "bool",
                    "int" => "int",
                    _ => "string",
                });
                let initial = match word {
                    "bool" => Value::Bool(false),
                    "int" => Value::Int(0),
                    _ => Value::Text(String::new()),
                };
                options.insert(name.clone(), initial);
            }
            "default" => {
                let Some((name, Some(kind))) = &current else {
                    fail("a default without a type before it")
                };
                if rest.contains(" if ") {
                    fail("a conditional default, which a build without Zephyr does not understand");
                }
                options.insert(
                    name.clone(),
                    value(kind, rest).unwrap_or_else(|| fail("not a value")),
                );
            }
            "help" => help = true,
            _ => fail("a keyword that a build without Zephyr does not understand"),
        }
    }
    options
}

fn value(kind: &str, text: &str) -> Option<Value> {
    Some(match kind {
        "bool" => Value::Bool(match text {
            "y" => true,
            "n" => false,
            _ => return None,
        }),
        "int" => Value::Int(text.parse().ok()?),
        _ => Value::Text(
            text.strip_prefix('"')?
                .strip_suffix('"')?
                .replace("\\\"", "\""),
        ),
    })
}

/// Overrides the defaults with the configuration of a west build. A bool that is not set there is
/// n.
fn apply_dotconfig(options: &mut Options, text: &str) {
    for value in options.values_mut() {
        if let Value::Bool(flag) = value {
            *flag = false;
        }
    }
    for line in text.lines() {
        let Some((name, text)) = line
            .strip_prefix("CONFIG_")
            .and_then(|line| line.split_once('='))
        else {
            continue;
        };
        let Some(known) = options.get_mut(name) else {
            continue;
        };
        let kind = match known {
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Text(_) => "string",
        };
        *known = value(kind, text)
            .unwrap_or_else(|| panic!("CONFIG_{name}={text} is not of the type {kind}"));
    }
}

/// What cannot work is said here, in one sentence that names the option.
fn check(options: &Options) {
    let flag = |name: &str| matches!(options.get(name), Some(Value::Bool(true)));
    let empty =
        |name: &str| matches!(options.get(name), Some(Value::Text(text)) if text.is_empty());
    let dps = flag("IOTHUB_DPS") && !empty("IOTHUB_DPS_ID_SCOPE");
    // A C application names the hub when it connects, and may keep its device alive for as long as
    // the hub allows.
    let c_api = flag("IOTHUB_C_API");
    if empty("IOTHUB_HOSTNAME") && !dps && !c_api {
        panic!(
            "CONFIG_IOTHUB_HOSTNAME is empty: name the hub, as in my-hub.azure-devices.net, or set CONFIG_IOTHUB_DPS_ID_SCOPE, \
             which `az iot dps show` prints"
        );
    }
    if !c_api {
        check_buffers(options, dps);
    }
    if let Some(Value::Int(keep_alive)) = options.get("MQTT_KEEPALIVE")
        && *keep_alive > if c_api { 1767 } else { 1177 }
    {
        panic!(
            "CONFIG_MQTT_KEEPALIVE={keep_alive} is above 1177 (1767 with CONFIG_IOTHUB_C_API): IoT Hub drops a device after 1.5 times the keep-alive, at \
             most 1767 s"
        );
    }
}

/// The smallest buffers of mqtt_helper that an identity of these options can work with; the client
/// checks again what settings make of it.
fn check_buffers(options: &Options, dps: bool) {
    let length = |name: &str| match options.get(name) {
        Some(Value::Text(text)) => text.len(),
        _ => 0,
    };
    let size = |name: &str| match options.get(name) {
        Some(Value::Int(size)) => usize::try_from(*size).unwrap_or(0),
        _ => 0,
    };
    // What DPS assigns may be as long as any name; an id of the hardware is at least an IMEI.
    let (hub, device) = if dps {
        (128, 128)
    } else {
        let device = length("IOTHUB_DEVICE_ID");
        (
            length("IOTHUB_HOSTNAME"),
            if device == 0 { 15 } else { device },
        )
    };
    let client_type = format!("iothub%2F{}", variable("CARGO_PKG_VERSION")).len();
    let model = match options.get("IOTHUB_MODEL_ID") {
        Some(Value::Text(model)) if !model.is_empty() => {
            "&model-id=".len() + percent_encoded(model)
        }
        _ => 0,
    };
    let user_name =
        hub + device + "//?api-version=2021-04-12&DeviceClientType=".len() + client_type + model;
    // Fixed header, protocol, level, flags, keep-alive, two lengths.
    let connect = 5 + 10 + 4 + device + user_name;
    let topic = 5 + 4 + "devices//messages/events/".len() + device;
    let smallest = connect.max(topic).max(SUBSCRIBE);
    let packet = size("MQTT_HELPER_RX_TX_BUFFER_SIZE");
    if packet < smallest {
        panic!(
            "CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE={packet} is below {smallest}, which CONNECT, SUBSCRIBE and the topic of \
             telemetry need here"
        );
    }
    // The words of a CONNECT lie there one behind the other, the host name with its 0, for which
    // any room is kept.
    let words = device + user_name + 128 + 1;
    let transmit = size("IOTHUB_MESSAGE_SIZE");
    if transmit < words {
        panic!("CONFIG_IOTHUB_MESSAGE_SIZE={transmit} is below {words}, which CONNECT needs here");
    }
    let payload = size("MQTT_HELPER_PAYLOAD_BUFFER_LEN");
    if payload < PAYLOAD {
        panic!(
            "CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN={payload} is below {PAYLOAD}: the smallest twin and DPS's answer do not fit"
        );
    }
}

/// Bytes of a text as the user name has it: all but RFC 3986's unreserved characters become three.
fn percent_encoded(text: &str) -> usize {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { 1 } else { 3 })
        .sum()
}

/// A SUBSCRIBE with the four filters of the hub.
const SUBSCRIBE: usize = 130;
/// DPS's answer with its fields as long as they are in practice.
const PAYLOAD: usize = 1024;

fn constants(options: &Options) -> String {
    let mut text = String::new();
    for (name, value) in options {
        let (kind, literal) = match value {
            Value::Bool(flag) => ("bool", flag.to_string()),
            Value::Int(number) => ("i64", number.to_string()),
            Value::Text(string) => ("&str", format!("{string:?}")),
        };
        text.push_str(&format!("pub(crate) const {name}: {kind} = {literal};\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `check` says to this .config.
    fn refusal(dotconfig: &str) -> Option<String> {
        let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
        let mut options = Options::new();
        for file in ["zephyr/Kconfig", "rust/ncs-sys/host-include/Kconfig.sdk"] {
            options.extend(parse_kconfig(&root, file, &read(&root.join(file))));
        }
        apply_dotconfig(&mut options, dotconfig);
        let refused = std::panic::catch_unwind(|| check(&options)).err()?;
        let text = refused.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| refused.downcast_ref::<&str>().copied());
        text.map(str::to_owned)
    }

    #[test]
    fn what_cannot_work_is_named_with_the_number_that_would() {
        let works =
            "CONFIG_IOTHUB_HOSTNAME=\"hub.azure-devices.net\"\nCONFIG_IOTHUB_DEVICE_ID=\"dev1\"\n";
        assert_eq!(refusal(works), None);
        for (line, says) in [
            (
                "CONFIG_IOTHUB_HOSTNAME=\"\"",
                "CONFIG_IOTHUB_HOSTNAME is empty",
            ),
            (
                "CONFIG_MQTT_KEEPALIVE=1178",
                "CONFIG_MQTT_KEEPALIVE=1178 is above 1177",
            ),
            (
                "CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE=128",
                "CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE=128 is below 130",
            ),
            (
                "CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN=512",
                "CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN=512 is below 1024",
            ),
            (
                "CONFIG_IOTHUB_MESSAGE_SIZE=200",
                "CONFIG_IOTHUB_MESSAGE_SIZE=200 is below 2",
            ),
        ] {
            let refusal = refusal(&format!("{works}{line}\n")).unwrap_or_default();
            assert!(refusal.starts_with(says), "{line}: {refusal}");
        }
        let c_api = "CONFIG_IOTHUB_C_API=y\nCONFIG_MQTT_KEEPALIVE=1767\n";
        assert_eq!(refusal(c_api), None);
        assert!(refusal("CONFIG_IOTHUB_C_API=y\nCONFIG_MQTT_KEEPALIVE=1768\n").is_some());
    }

    /// `:` and `;` become three bytes each.
    #[test]
    fn a_model_id_is_as_long_as_it_is_on_the_wire() {
        let with = |model: &str, size: usize| {
            refusal(&format!(
                "CONFIG_IOTHUB_HOSTNAME=\"a-hub-with-a-long-name-in-it.azure-devices.net\"\nCONFIG_IOTHUB_DEVICE_ID=\"a-device-with-a-name\"\n\
                 CONFIG_IOTHUB_MODEL_ID=\"{model}\"\nCONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE={size}\n"
            ))
        };
        let plain = (130..400).find(|size| with("abcdef", *size).is_none());
        let encoded = (130..400).find(|size| with("a:b:c;", *size).is_none());
        assert_eq!(encoded, plain.map(|size| size + 6));
    }
}
