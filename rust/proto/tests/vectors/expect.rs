//! Judges every line of the vectors. Without the standard library, so that the device judges as the
//! host does.

extern crate alloc;

#[path = "../all/support/mod.rs"]
mod support;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use iothub_proto::address::{Prefix, Prefixes, V6};
use iothub_proto::pnp::{Acknowledgement, Patch, Value};
use iothub_proto::{
    Client, Config, ConnackCode, Error, Event, Instant, Properties, Property, Telemetry, dps,
};
use support::{Device, describe};

/// Gets each result as it is.
pub(crate) type Put<'p> = &'p mut dyn FnMut(&str);

/// Judges a subject.
pub(crate) type Judge = fn(Put<'_>);

/// A subject with its expect.
pub(crate) const SUBJECTS: &[(&str, Judge)] = &[
    ("there_are_enough", there_are_enough),
    ("user_names_of_the_hub", user_names_of_the_hub),
    ("user_names_of_dps", user_names_of_dps),
    ("topics_of_telemetry", topics_of_telemetry),
    ("topics_that_arrive", topics_that_arrive),
    ("bags_of_properties", bags_of_properties),
    ("texts_of_json", texts_of_json),
    ("documents_of_the_twin", documents_of_the_twin),
    ("answers_of_dps", answers_of_dps),
    ("prefixes_of_nat64", prefixes_of_nat64),
    ("discovery_of_nat64", discovery_of_nat64),
    ("patches_of_plug_and_play", patches_of_plug_and_play),
    ("codes_of_connack", codes_of_connack),
];

type Lines = Vec<Vec<&'static str>>;

/// The lines of each file, all with as many fields as the first.
macro_rules! files {
    ($($name:ident)*) => {
        $(fn $name() -> Lines { lines(include_str!(concat!(stringify!($name), ".tsv"))) })*
        const FILES: &[fn() -> Lines] = &[$($name),*];
    };
}

files! {
    user_names dps_user_names telemetry_topics incoming_topics property_bags json_texts twin_documents
    dps_answers nat64_prefixes nat64_discovery pnp_patches connack_codes
}

fn lines(text: &'static str) -> Lines {
    let lines: Lines = text
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| line.split('\t').collect())
        .collect();
    for line in &lines {
        assert_eq!(line.len(), lines[0].len(), "{line:?}");
        assert!(!line.last().unwrap().is_empty(), "no source: {line:?}");
    }
    lines
}

/// Resolves `<hh>`.
fn bytes(field: &str) -> Vec<u8> {
    let field = field.as_bytes();
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < field.len() {
        let hex = field
            .get(at..at + 4)
            .filter(|part| part[0] == b'<' && part[3] == b'>');
        let byte =
            hex.and_then(|hex| u8::from_str_radix(core::str::from_utf8(&hex[1..3]).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                at += 4;
            }
            None => {
                bytes.push(field[at]);
                at += 1;
            }
        }
    }
    bytes
}

fn text(field: &str) -> String {
    String::from_utf8(bytes(field)).unwrap()
}

fn some(field: &'static str) -> Option<&'static str> {
    Some(field).filter(|field| !field.is_empty())
}

/// The innermost word of an error.
fn name(error: &Error) -> String {
    let shown = match error {
        Error::InvalidRequest(what) => format!("{what:?}"),
        Error::Peer(what) => format!("{what:?}"),
        Error::Capacity(what) => format!("{what:?}"),
        other => format!("{other:?}"),
    };
    format!("!{shown}")
}

pub(crate) fn there_are_enough(put: Put<'_>) {
    let all: Vec<_> = FILES.iter().flat_map(|file| file()).collect();
    let negative = all
        .iter()
        .filter(|line| line.iter().any(|field| field.starts_with('!')))
        .count();
    assert!(all.len() >= 300, "{}", all.len());
    assert!(negative * 3 >= all.len(), "{negative} of {}", all.len());
    put(&format!("{negative} of {}", all.len()));
}

/// Client id and user name of the first CONNECT, or the error.
fn connect(config: &Config<'_>) -> (String, String) {
    let mut client = match Client::<64>::new(config) {
        Ok(client) => client,
        Err(error) => return (format!("!{error:?}"), String::new()),
    };
    let now = Instant::from_millis(0);
    client.connect(now).unwrap();
    let mut buffer = [0; 2048];
    let (_, command) = client.poll_command(now, &mut buffer).unwrap();
    let iothub_proto::Command::Connect {
        client_id,
        user_name,
        ..
    } = command
    else {
        panic!("{command:?}")
    };
    (client_id.into(), user_name.into())
}

pub(crate) fn user_names_of_the_hub(put: Put<'_>) {
    for line in user_names() {
        let mut config = Config::new(line[0], line[1]);
        config.network.enabled = false;
        config.module_id = some(line[2]);
        config.model_id = some(line[3]);
        config.client_type = line[4];
        let (client_id, user_name) = connect(&config);
        assert_eq!(
            (client_id.as_str(), user_name.as_str()),
            (line[5], line[6]),
            "{line:?}"
        );
        put(&client_id);
        put(&user_name);
    }
}

pub(crate) fn user_names_of_dps(put: Put<'_>) {
    for line in dps_user_names() {
        let mut config = Config::new("", "");
        config.network.enabled = false;
        config.client_type = line[2];
        config.dps = Some(dps::Config::new(line[0], line[1]));
        let (client_id, user_name) = connect(&config);
        assert_eq!(
            (client_id.as_str(), user_name.as_str()),
            (line[3], line[4]),
            "{line:?}"
        );
        put(&client_id);
        put(&user_name);
    }
}

pub(crate) fn topics_of_telemetry(put: Put<'_>) {
    for line in telemetry_topics() {
        let parts: Vec<_> = line[1]
            .split(';')
            .filter(|part| !part.is_empty())
            .map(|part| match text(part).split_once('=') {
                Some((name, value)) => (name.to_string(), Some(value.to_string())),
                None => (text(part), None),
            })
            .collect();
        let mut message = Telemetry::new(b"");
        let mut properties = Vec::new();
        for (name, value) in &parts {
            let value = value.as_deref();
            let system = &mut message.system;
            match name.as_str() {
                "$.mid" => system.message_id = value,
                "$.cid" => system.correlation_id = value,
                "$.uid" => system.user_id = value,
                "$.ct" => system.content_type = value,
                "$.ce" => system.content_encoding = value,
                "$.ctime" => system.creation_time = value,
                "$.exp" => system.expiry = value,
                "$.sub" => system.component = value,
                "$.on" => system.output = value,
                "$.ifid" => system.interface_id = value,
                "$.schema" => system.schema = value,
                "$.to" => system.to = value,
                "$.cdid" => system.connection_device = value,
                "$.cmid" => system.connection_module = value,
                "$.diagid" => system.diagnostic_id = value,
                "$.diagctx" => system.diagnostic_context = value,
                _ => properties.push(Property { name, value }),
            }
        }
        message.properties = &properties;
        let mut device = Device::ready(|config| config.module_id = some(line[0]));
        let result = device.act(|client, _| client.send(&message));
        let topic = match result {
            Ok(_) => device.take()[0]
                .split(' ')
                .nth(3)
                .unwrap_or_default()
                .to_string(),
            Err(error) => name(&error),
        };
        assert_eq!(topic, line[2], "{line:?}");
        put(&topic);
    }
}

pub(crate) fn topics_that_arrive(put: Put<'_>) {
    for line in incoming_topics() {
        let topic = bytes(line[0]);
        let mut device = Device::ready(|_| ());
        let now = device.now;
        let event = device
            .client
            .handle_publish(now, &topic, b"{\"$version\":3}");
        let shown = match event.as_ref() {
            Some(Event::UnknownTopic(_)) => "!".into(),
            Some(Event::C2d(_) | Event::Method(_)) => {
                let shown = describe(event.as_ref().unwrap());
                shown
                    .replace(" {\"$version\":3}", "")
                    .trim_end()
                    .to_string()
            }
            Some(event) => describe(event),
            None => "nothing".into(),
        };
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
        device.drain();
        let answered = device.take().iter().any(|line| line.contains("publish"));
        assert!(!answered, "{line:?}");
    }
}

pub(crate) fn bags_of_properties(put: Put<'_>) {
    for line in property_bags() {
        let bag = bytes(line[0]);
        let mut shown = Vec::new();
        let decoded = Properties::new(&bag).iter().try_for_each(|property| {
            let (mut name, mut value) = ([0; 256], [0; 256]);
            let name = property.name(&mut name)?;
            assert!(property.is_named(name));
            shown.push(match property.value(&mut value)? {
                Some(value) => format!("{name}={value}"),
                None => name.to_string(),
            });
            Ok(())
        });
        let shown = match decoded {
            Ok(()) => shown.join("|"),
            Err(error) => name(&error),
        };
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
    }
}

pub(crate) fn texts_of_json(put: Put<'_>) {
    for line in json_texts() {
        let mut device = Device::new(|_| ());
        let result = device.act(|client, _| client.report(&bytes(line[0]), None));
        let shown = result.map_or_else(|error| name(&error), |_| "ok".into());
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
    }
}

pub(crate) fn documents_of_the_twin(put: Put<'_>) {
    for line in twin_documents() {
        let mut device = Device::ready(|_| ());
        let request = device.act(|client, _| client.request_twin().unwrap());
        let topic = format!("$iothub/twin/res/200/?$rid={}", request.as_u32());
        device.skip();
        let (now, body) = (device.now, bytes(line[0]));
        let shown = match device.client.handle_publish(now, topic.as_bytes(), &body) {
            Some(Event::Twin(document)) => document.version.to_string(),
            None => match device.client.poll_event() {
                Some(Event::TwinFailed { reason, .. }) => format!("!{reason:?}"),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
    }
}

pub(crate) fn answers_of_dps(put: Put<'_>) {
    for line in dps_answers() {
        let mut device = Device::new(|config| {
            config.hostname = "";
            config.device_id = "";
            config.dps = Some(dps::Config::new("0ne0", "reg1"));
            config.keep_alive = Duration::ZERO;
            // So that a wait is as long as the hint.
            config.backoff.min = Duration::from_millis(1);
            config.backoff.max = Duration::from_millis(1);
        });
        device.act(|client, now| client.connect(now).unwrap());
        device.connack(0);
        device.suback(true);
        let request = device.take().pop().unwrap();
        let rid = request
            .split("$rid=")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let hint = some(line[1]).map_or(String::new(), |hint| format!("&retry-after={hint}"));
        let topic = format!("$dps/registrations/res/{}/?$rid={rid}{hint}", line[0]);
        let (now, body) = (device.now, bytes(line[2]));
        let shown = match device.client.handle_publish(now, topic.as_bytes(), &body) {
            Some(Event::Provisioning(dps::Event::Assigning)) => {
                let wait = device
                    .client
                    .poll_timeout()
                    .unwrap()
                    .saturating_duration_since(now);
                format!("again {}", wait.as_secs())
            }
            Some(Event::Provisioning(dps::Event::Assigned { payload })) => {
                let payload = String::from_utf8_lossy(payload.unwrap_or_default());
                let (hub, device) = (device.client.hostname(), device.client.device_id());
                format!("assigned {hub} {device} {payload}")
                    .trim_end()
                    .into()
            }
            None => match device.client.poll_event() {
                Some(Event::Provisioning(dps::Event::Failed(failure))) => format!("!{failure:?}"),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(shown, line[3], "{line:?}");
        put(&shown);
    }
}

fn v6(hex: &str) -> V6 {
    assert_eq!(hex.len(), 32, "{hex}");
    u128::from_str_radix(hex, 16).unwrap().to_be_bytes()
}

pub(crate) fn prefixes_of_nat64(put: Put<'_>) {
    for line in nat64_prefixes() {
        let prefix = Prefix::new(v6(line[0]), line[1].parse().unwrap());
        let Some(prefix) = prefix else {
            assert_eq!(line[3], "!", "{line:?}");
            continue;
        };
        let v4 = prefix.extract(v6(line[3]));
        let shown = v4.map_or("!".into(), |v4| Ipv4Addr::from(v4).to_string());
        assert_eq!(shown, line[2], "{line:?}");
        put(&shown);
        if let Some(v4) = v4 {
            assert_eq!(prefix.embed(v4), v6(line[3]), "{line:?}");
        }
    }
}

pub(crate) fn discovery_of_nat64(put: Put<'_>) {
    for line in nat64_discovery() {
        let records: Vec<V6> = line[0]
            .split(',')
            .filter(|hex| !hex.is_empty())
            .map(v6)
            .collect();
        let found: Vec<_> = Prefixes::discover(&records)
            .iter()
            .map(|prefix| {
                let hex = format!("{:032x}", u128::from_be_bytes(prefix.address()));
                let digits = usize::from(prefix.length() / 4);
                let shown = hex[..digits].trim_end_matches("00000000");
                format!("{shown}/{}", prefix.length())
            })
            .collect();
        let shown = if found.is_empty() {
            "!".into()
        } else {
            found.join(" ")
        };
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
    }
}

pub(crate) fn patches_of_plug_and_play(put: Put<'_>) {
    for line in pnp_patches() {
        let mut buffer = [0; 512];
        let shown = match patch(line[0], &mut buffer) {
            Ok(json) => String::from_utf8(json.to_vec()).unwrap(),
            Err(error) => name(&error),
        };
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
    }
}

fn patch<'b>(words: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], Error> {
    let mut patch = Patch::new(buffer)?;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let Some((name, value)) = word.split_once('=') else {
            match word {
                "-" => patch.end_component()?,
                name => patch.component(name)?,
            }
            continue;
        };
        let raw = text(&value[1..]);
        let value = match value.as_bytes()[0] {
            b'#' => Value::Number(raw.parse().unwrap()),
            b'$' => Value::Text(&raw),
            _ => Value::Raw(raw.as_bytes()),
        };
        match name.split_once('@') {
            None => patch.value(name, value)?,
            Some((name, answer)) => {
                let fields: Vec<_> = answer.split(',').collect();
                let answer = Acknowledgement {
                    value,
                    code: fields[0].parse().unwrap(),
                    version: fields[1].parse().unwrap(),
                    description: Some(fields[2]).filter(|text| !text.is_empty()),
                };
                patch.acknowledge(name, &answer)?;
            }
        }
    }
    patch.finish()
}

pub(crate) fn codes_of_connack(put: Put<'_>) {
    for line in connack_codes() {
        let code = line[0].parse().unwrap();
        let shown = match ConnackCode::from_wire(code) {
            None => "accepted".into(),
            Some(refusal) => {
                assert_eq!(refusal.as_wire(), code);
                assert!(refusal.advice().starts_with("CONNACK"));
                format!("!{refusal:?}")
            }
        };
        assert_eq!(shown, line[1], "{line:?}");
        put(&shown);
    }
}
