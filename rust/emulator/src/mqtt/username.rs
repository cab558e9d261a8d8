//! The user name of a CONNECT: which hub or provisioning service, and who says he is calling.
//!
//! Hub: `{host}/{deviceId}[/{moduleId}]/?api-version=…&DeviceClientType=…&model-id=…`, where the
//! `?` may be missing, and `api-version` and what follows too. Provisioning:
//! `{idScope}/registrations/{registrationId}/api-version=…`.

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
        /// `api-version`, unchecked, as with the real hub; without it the service is a reduced one.
        api_version: Option<String>,
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
        /// `api-version`, unchecked.
        api_version: String,
        /// `ClientVersion`, percent-decoded.
        client_version: Option<String>,
    },
}

impl UserName {
    /// Reads a user name; the refusal says what is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut segments: Vec<&str> = text.split('/').collect();
        // One old .NET preview wrote its client type behind slashes; the service knows this very
        // text.
        let query = match text.split_once(OLD_DOTNET) {
            Some((front, "")) => {
                segments = front.trim_end_matches('/').split('/').collect();
                OLD_DOTNET
            }
            _ => match segments.last() {
                Some(last) if segments.len() > 2 && is_query(last) => {
                    segments.pop().unwrap_or_default()
                }
                _ => "",
            },
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
        let api_version = find("api-version");
        if api_version.as_deref() == Some("") {
            return Err(malformed(text, "api-version is empty"));
        }
        match segments.as_slice() {
            [_, "registrations", _] if api_version.is_none() => {
                Err(malformed(text, "api-version is missing"))
            }
            [id_scope, "registrations", registration_id] => Ok(Self::Provisioning {
                id_scope: (*id_scope).to_owned(),
                registration_id: (*registration_id).to_owned(),
                api_version: api_version.unwrap_or_default(),
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

/// Whether the last part of a user name is its query: it may be empty, and the `?` may be missing.
fn is_query(part: &str) -> bool {
    part.is_empty() || part.starts_with('?') || part.contains('=')
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
    properties::decode_bag(query).map_err(|error| malformed(text, &error.to_string()))
}

fn malformed(text: &str, why: &str) -> Refusal {
    Refusal::new(
        ErrorCode::IotHubFormatError,
        format!("user name '{text}': {why}"),
    )
}

const OLD_DOTNET: &str =
    "api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003";

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
        for text in ["hub/dev", "hub/dev/", "hub/dev/?DeviceClientType=x"] {
            let Ok(UserName::Hub {
                device_id,
                api_version,
                module_id,
                ..
            }) = UserName::parse(text)
            else {
                panic!("{text}");
            };
            assert_eq!(
                (device_id.as_str(), api_version, module_id),
                ("dev", None, None)
            );
        }
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
                api_version: "2019-03-31".into(),
                client_version: Some("a/1".into())
            }
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("", "needs"),
            ("hub", "needs"),
            ("0ne1/registrations/dev-1", "api-version is missing"),
            ("hub//?api-version=1", "empty"),
            ("hub/dev/?api-version=", "api-version is empty"),
            ("hub/dev/?api-version=1&model-id=%G0", "percent-encoded"),
            ("hub/dev/mod/more/?api-version=1", "needs"),
        ] {
            let refusal = UserName::parse(text).unwrap_err();
            assert!(refusal.reason.contains(why), "{text}: {refusal}");
        }
    }
}
