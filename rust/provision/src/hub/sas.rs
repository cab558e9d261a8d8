//! Shared access signatures of a connection string (Microsoft: "Control access to IoT Hub by
//! using shared access signatures").

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::secret::Secret;

/// `HostName=…;SharedAccessKeyName=…;SharedAccessKey=…` taken apart.
#[derive(Clone, Debug)]
pub struct ConnectionString {
    host: String,
    policy: String,
    key: Secret,
}

impl ConnectionString {
    /// Parses the text that the Azure portal shows; also in quotes, or as the JSON that the Azure
    /// CLI prints.
    ///
    /// # Errors
    /// [`Kind::Content`] if a part is missing, the key is not base64, or it is a device's.
    pub fn parse(text: &Secret) -> Result<Self, Error> {
        let text = unwrapped(text)?;
        let field = |name: &str| {
            let mut parts = text.expose().trim().split(';');
            let value = parts.find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let needed = |name: &str| {
            field(name).ok_or_else(|| {
                let made = Error::new(
                    Kind::Content,
                    format!("the connection string has no {name}"),
                );
                match field("DeviceId") {
                    Some(_) => made.and("it is a device's").advise(
                        "give that of a policy: az iot hub connection-string show --hub-name HUB",
                    ),
                    None => made.advise(COPY),
                }
            })
        };
        let key = Secret::new(needed("SharedAccessKey")?);
        if STANDARD.decode(key.expose()).is_err() {
            return Err(
                Error::new(Kind::Content, "the key of the connection string is cut").advise(COPY),
            );
        }
        let hosts = text.expose().trim().split(';');
        if hosts
            .filter(|part| part.trim().starts_with("HostName="))
            .count()
            > 1
        {
            return Err(
                Error::new(Kind::Content, "the connection string has two HostName").advise(COPY),
            );
        }
        let host = needed("HostName")?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
        if !host.chars().all(is_host) {
            return Err(Error::new(
                Kind::Content,
                format!("{host:?} in the connection string is not the name of a host"),
            )
            .advise(COPY));
        }
        Ok(Self {
            host,
            policy: needed("SharedAccessKeyName")?,
            key,
        })
    }

    /// The hub's host name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The value of the `Authorization` header, good for an hour from `now`.
    pub fn authorization(&self, now: OffsetDateTime) -> String {
        let expires = now.unix_timestamp() + 3600;
        let resource = escaped(&self.host);
        let key = STANDARD.decode(self.key.expose()).unwrap_or_default();
        let signature = sign(
            &Key::new(HMAC_SHA256, &key),
            format!("{resource}\n{expires}").as_bytes(),
        );
        let signature = escaped(&STANDARD.encode(signature.as_ref()));
        let policy = &self.policy;
        format!("SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={policy}")
    }
}

/// The connection string itself: out of `{"connectionString": "…"}`, out of a list with one such,
/// out of quotes.
fn unwrapped(text: &Secret) -> Result<Secret, Error> {
    let text = text.expose().trim();
    if text.starts_with(['{', '[', '"']) {
        let found: Value = serde_json::from_str(text).map_err(|_| {
            Error::new(Kind::Content, "the connection string is JSON, and damaged").advise(COPY)
        })?;
        let found = match found.as_array().map(Vec::as_slice) {
            Some([only]) => only,
            Some(_) => {
                return Err(Error::new(
                    Kind::Content,
                    "the connection string is a list, and not of one hub",
                )
                .advise(COPY));
            }
            None => &found,
        };
        let found = found.as_str().or(found["connectionString"].as_str());
        return found.map(Secret::new).ok_or_else(|| {
            Error::new(Kind::Content, "the JSON holds no connectionString").advise(COPY)
        });
    }
    let line = text.lines().next().unwrap_or_default().trim();
    Ok(Secret::new(line.trim_matches(['\'', '"'])))
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const COPY: &str = "copy it whole: az iot hub connection-string show --hub-name HUB \
                    --query connectionString -o tsv";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_signature_is_that_of_openssl() {
        let text = "HostName=h.azure-devices.net;SharedAccessKeyName=iothubowner;\
                    SharedAccessKey=c2VjcmV0";
        let parsed = ConnectionString::parse(&Secret::new(text)).unwrap();
        assert_eq!(
            parsed.authorization(datetime!(2026-11-21 12:00 UTC)),
            "SharedAccessSignature sr=h.azure-devices.net&sig=XdZbHAvB6C079c21BfpSI%2FoA5r4Lqxh21iJQyYVkwCM%3D&se=1795266000&skn=iothubowner"
        );
        assert!(!format!("{parsed:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn a_missing_part_is_named() {
        let error = ConnectionString::parse(&Secret::new("HostName=h"))
            .err()
            .unwrap();
        assert_eq!(
            error.message(),
            "the connection string has no SharedAccessKey"
        );
    }
}
