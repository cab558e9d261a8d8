//! The user name of a CONNECT: which hub or provisioning service, and who says he is calling.
//!
//! Hub: `{host}/{deviceId}[/{moduleId}]/?api-version=…&DeviceClientType=…&model-id=…`, where the `?`
//! may be missing. Provisioning: `{idScope}/registrations/{registrationId}/api-version=…`.

use crate::code::{ErrorCode, Refusal};
use crate::properties;

/// What the user name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserName {
    /// A device of a hub.
    Hub {
        /// The first segment, as sent: a host name, maybe with a port.
        host: String,
        /// Never empty.
        device_id: String,
        /// Present for a module identity.
        module_id: Option<String>,
        /// `api-version`, unchecked, as with the real hub.
        api_version: String,
        /// The model id, percent-decoded.
        model_id: Option<String>,
        /// `DeviceClientType`, percent-decoded.
        client_type: Option<String>,
    },
    /// A device that wants to be provisioned.
    Provisioning {
        /// For example `0ne00000001`.
        id_scope: String,
        /// As sent.
        registration_id: String,
        /// `ClientVersion`, percent-decoded.
        client_version: Option<String>,
    },
}

impl UserName {
    /// Reads a user name; the refusal says what is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut segments: Vec<&str> = text.split('/').collect();
        // One old .NET preview wrote its client type behind slashes; the service knows this very text.
        let query = match text.split_once(OLD_DOTNET) {
            Some((front, "")) => {
                segments = front.trim_end_matches('/').split('/').collect();
                OLD_DOTNET
            }
            _ => segments.pop().unwrap_or_default(),
        };
        if segments.len() < 2 || segments.len() > 3 {
            return Err(malformed(text, "it needs {host}/{deviceId}/?api-version=…"));
        }
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(malformed(text, "a segment is empty"));
        }
        let parameters = parameters(text, query.strip_prefix('?').unwrap_or(query))?;
        let find = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.clone())
        };
        let api_version = find("api-version")
            .filter(|version| !version.is_empty())
            .ok_or_else(|| malformed(text, "api-version is missing"))?;
        match segments.as_slice() {
            [id_scope, "registrations", registration_id] => Ok(Self::Provisioning {
                id_scope: (*id_scope).to_owned(),
                registration_id: (*registration_id).to_owned(),
                client_version: find("ClientVersion"),
            }),
            [host, device_id, module @ ..] => Ok(Self::Hub {
                host: (*host).to_owned(),
                device_id: (*device_id).to_owned(),
                module_id: module.first().map(|module| (*module).to_owned()),
                api_version,
                model_id: find("model-id"),
                client_type: find("DeviceClientType"),
            }),
            _ => Err(malformed(text, "it needs {host}/{deviceId}/?api-version=…")),
        }
    }
}

fn parameters(text: &str, query: &str) -> Result<Vec<(String, Option<String>)>, Refusal> {
    if query == OLD_DOTNET {
        let version = query
            .split('/')
            .next()
            .and_then(|part| part.split_once('='));
        return Ok(version
            .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
            .into_iter()
            .collect());
    }
    properties::decode_bag(query)
        .map_err(|part| malformed(text, &format!("'{part}' is not percent-encoded UTF-8")))
}

fn malformed(text: &str, why: &str) -> Refusal {
    Refusal::new(
        ErrorCode::IotHubFormatError,
        format!("user name '{text}': {why}"),
    )
}

const OLD_DOTNET: &str =
    "api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003";

/// Checks a device id; the error says what it must look like.
///
/// Microsoft, "Understand the identity registry", table of device properties: `+` and `#`, which are
/// wildcards in topics, are not supported.
pub(crate) fn check_device_id(id: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.%_*?!(),:=@$'".contains(&byte);
    if (1..=128).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    let wildcard = if id.contains(['+', '#']) {
        "; + and # are not supported"
    } else {
        ""
    };
    Err(format!(
        "device id '{id}' must have 1 to 128 ASCII letters, digits or any of - . % _ * ? ! ( ) , : = @ $ '{wildcard}"
    ))
}

/// Whether a registration id has only the characters that the provisioning service allows.
pub(crate) fn is_registration_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    id.len() <= 128
        && id.bytes().all(allowed)
        && id
            .bytes()
            .last()
            .is_some_and(|last| last.is_ascii_alphanumeric() || last == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(text: &str) -> (String, String, Option<String>, Option<String>) {
        match UserName::parse(text) {
            Ok(UserName::Hub {
                host,
                device_id,
                model_id,
                client_type,
                ..
            }) => (host, device_id, model_id, client_type),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn accepts_what_the_sdks_send() {
        let (host, device, model, client) = hub(
            "contoso.azure-devices.net/dev1/?api-version=2020-09-30&DeviceClientType=azsdk-c%2F1.6.0-beta.1&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1",
        );
        assert_eq!(
            (host.as_str(), device.as_str()),
            ("contoso.azure-devices.net", "dev1")
        );
        assert_eq!(model.as_deref(), Some("dtmi:com:example:Thermostat;1"));
        assert_eq!(client.as_deref(), Some("azsdk-c/1.6.0-beta.1"));
        let (.., model, _) = hub(
            "localhost/dev1/?api-version=2021-04-12&model-id=dtmi:com:ex:T;1&DeviceClientType=azure-iot-device%2F1.18.4%20(node)",
        );
        assert_eq!(model.as_deref(), Some("dtmi:com:ex:T;1"));
        hub("hub/dev/api-version=2016-11-14&DeviceClientType=x&");
        hub(&format!("hub/dev/{OLD_DOTNET}"));
    }

    #[test]
    fn knows_the_provisioning_form() {
        let parsed =
            UserName::parse("0ne1/registrations/dev-1/api-version=2019-03-31&ClientVersion=a%2F1")
                .unwrap();
        assert_eq!(
            parsed,
            UserName::Provisioning {
                id_scope: "0ne1".into(),
                registration_id: "dev-1".into(),
                client_version: Some("a/1".into())
            }
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("", "needs"),
            ("hub/dev", "needs"),
            ("hub//?api-version=1", "empty"),
            ("hub/dev/?DeviceClientType=x", "api-version is missing"),
            ("hub/dev/?api-version=", "api-version is missing"),
            ("hub/dev/?api-version=1&model-id=%G0", "percent-encoded"),
            ("hub/dev/mod/more/?api-version=1", "needs"),
        ] {
            let refusal = UserName::parse(text).unwrap_err();
            assert!(refusal.reason.contains(why), "{text}: {refusal}");
        }
    }

    #[test]
    fn ids_have_azures_characters() {
        let is_device_id = |id: &str| check_device_id(id).is_ok();
        assert!(is_device_id("a-.%_*?!(),:=@$'Z9"));
        assert!(!is_device_id("a/b") && !is_device_id("") && !is_device_id("é"));
        assert!(is_device_id(&"x".repeat(128)) && !is_device_id(&"x".repeat(129)));
        for id in ["a+b", "#"] {
            let error = check_device_id(id).unwrap_err();
            assert!(error.ends_with("; + and # are not supported"), "{error}");
            assert!(!is_registration_id(id));
        }
        assert!(is_registration_id("a.b-") && !is_registration_id("a.") && !is_registration_id(""));
    }
}
