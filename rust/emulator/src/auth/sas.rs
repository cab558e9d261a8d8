//! Shared access signatures of devices, registrations and service clients.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::properties;

/// A token as it was sent. The signature is checked with [`Token::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// `sr` as it was sent: what was signed.
    raw_resource: String,
    /// `sr`, percent-decoded.
    pub resource: String,
    /// Decoded from base64.
    signature: Vec<u8>,
    /// `se` in milliseconds.
    pub expiry: UnixMs,
    expiry_text: String,
    /// `skn`, the name of a policy.
    pub policy: Option<String>,
}

impl Token {
    /// Reads `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`, in any order.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let query = text
            .trim()
            .strip_prefix("SharedAccessSignature ")
            .ok_or_else(|| refused("the token does not begin with 'SharedAccessSignature '"))?;
        let find = |name: &str| {
            let part = query
                .split('&')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            part.ok_or_else(|| refused(&format!("the token has no '{name}'")))
        };
        let decode = |text: &str| properties::decode(text).map(|text| text.into_owned());
        let raw_resource = find("sr")?.to_owned();
        let resource = decode(&raw_resource)
            .ok_or_else(|| refused("the token's sr is not percent-encoded"))?;
        let signature = decode(find("sig")?)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| refused("the token's sig is not base64"))?;
        let expiry_text = find("se")?.to_owned();
        let seconds: i64 = expiry_text
            .parse()
            .map_err(|_| refused("the token's se is no number of seconds"))?;
        let policy = find("skn")
            .ok()
            .and_then(decode)
            .filter(|name| !name.is_empty());
        Ok(Self {
            raw_resource,
            resource,
            signature,
            expiry: seconds.saturating_mul(1000),
            expiry_text,
            policy,
        })
    }

    /// Checks the signature with any of some keys (base64), and the expiry.
    pub(crate) fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k str>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        // The Python service client signs the decoded form with '/' raw; the others what they send.
        let signed = [&self.raw_resource, &self.resource];
        let fits = keys
            .into_iter()
            .filter_map(|key| STANDARD.decode(key).ok())
            .any(|key| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
                signed.iter().any(|resource| {
                    let text = format!("{resource}\n{}", self.expiry_text);
                    hmac::verify(&key, text.as_bytes(), &self.signature).is_ok()
                })
            });
        if !fits {
            return Err(refused(&format!(
                "the token's signature fits none of the keys for '{}'",
                self.resource
            )));
        }
        if self.expiry <= now {
            return Err(refused(&format!(
                "the token expired at {}",
                rfc3339(self.expiry)
            )));
        }
        Ok(())
    }
}

/// Makes a token.
#[cfg(test)]
pub(crate) fn sign(
    resource: &str,
    key: &str,
    expiry: UnixMs,
    policy: Option<&str>,
) -> Result<String, Refusal> {
    let key = STANDARD
        .decode(key)
        .map_err(|_| refused("the key is not base64"))?;
    let resource = properties::encode(resource);
    let seconds = expiry / 1000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = STANDARD.encode(hmac::sign(
        &key,
        format!("{resource}\n{seconds}").as_bytes(),
    ));
    let signature = properties::encode(&signature);
    let policy = policy
        .map(|policy| format!("&skn={policy}"))
        .unwrap_or_default();
    Ok(format!(
        "SharedAccessSignature sr={resource}&sig={signature}&se={seconds}{policy}"
    ))
}

/// The key of one registration of an enrollment group with a symmetric key.
pub(crate) fn derived_key(group_key: &str, registration_id: &str) -> Result<String, Refusal> {
    let key = STANDARD
        .decode(group_key)
        .map_err(|_| refused("the group's key is not base64"))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    Ok(STANDARD.encode(hmac::sign(&key, registration_id.as_bytes())))
}

/// Refuses what is no base64 of 16 to 64 bytes.
pub(crate) fn check_key(key: &str) -> Result<(), Refusal> {
    match STANDARD.decode(key) {
        Ok(bytes) if (16..=64).contains(&bytes.len()) => Ok(()),
        _ => Err(Refusal::new(
            ErrorCode::ArgumentInvalid,
            "a symmetric key must be base64 of 16 to 64 bytes",
        )),
    }
}

fn refused(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

    #[test]
    fn verifies_what_it_signs_and_nothing_else() {
        let text = sign("hub.net/devices/d", KEY, 1_000_000, None).unwrap();
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.resource, "hub.net/devices/d");
        assert_eq!(token.verify(["x", KEY], 999_999), Ok(()));
        assert!(
            token
                .verify([KEY], 1_000_000)
                .unwrap_err()
                .reason
                .contains("expired")
        );
        assert!(
            token
                .verify(["AAAA"], 0)
                .unwrap_err()
                .reason
                .contains("signature")
        );
    }

    #[test]
    fn reads_the_parameters_in_any_order_and_names_the_missing_one() {
        let token = Token::parse("SharedAccessSignature se=1&skn=owner&sig=AA%3D%3D&sr=h").unwrap();
        assert_eq!(
            (token.expiry, token.policy.as_deref()),
            (1000, Some("owner"))
        );
        for (text, why) in [
            ("sr=h&sig=AA&se=1", "begin"),
            ("SharedAccessSignature sr=h&se=1", "'sig'"),
            ("SharedAccessSignature sr=h&sig=AA%3D%3D&se=soon", "se"),
            ("SharedAccessSignature sr=%zz&sig=AA%3D%3D&se=1", "sr"),
        ] {
            assert!(
                Token::parse(text).unwrap_err().reason.contains(why),
                "{text}"
            );
        }
    }
}
