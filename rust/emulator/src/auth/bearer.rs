//! Bearer tokens that the emulator gives out as Azure's managed identity endpoint does: JSON web
//! tokens, signed with the key of the service.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock::UnixMs;

/// How long a token is good, in seconds.
pub(crate) const LIFETIME_S: i64 = 24 * 3600;

/// Makes a token with these claims; times are added.
pub(crate) fn issue(key: &str, mut claims: Value, now: UnixMs) -> String {
    let now = now.div_euclid(1000);
    for (name, at) in [("iat", now), ("nbf", now), ("exp", now + LIFETIME_S)] {
        claims[name] = json!(at);
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({"typ": "JWT", "alg": "HS256"});
    let signed = format!("{}.{}", encode(&head), encode(&claims));
    let signature = hmac::sign(&hmac_key(key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Whether it is one of this emulator's, and has not ended.
pub(crate) fn is_valid(key: &str, token: &str, now: UnixMs) -> bool {
    let ends = || {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&hmac_key(key), signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice::<Value>(&claims).ok()?["exp"].as_i64()
    };
    ends().is_some_and(|ends| ends > now.div_euclid(1000))
}

/// The key's own use, so that no shared access signature is ever a token.
fn hmac_key(key: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, format!("bearer {key}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_issued_and_has_not_ended_is_valid() {
        let token = issue("key", json!({"aud": "x"}), 1_000_000);
        assert!(is_valid("key", &token, 1_000_000));
        assert!(is_valid("key", &token, (1000 + LIFETIME_S) * 1000 - 1));
        assert!(!is_valid("key", &token, (1000 + LIFETIME_S) * 1000));
        assert!(!is_valid("other", &token, 1_000_000));
        let (signed, _) = token.rsplit_once('.').unwrap();
        for forged in [
            signed.to_owned(),
            format!("{signed}."),
            format!("{token}A"),
            String::new(),
            "a.b.c".to_owned(),
            token.replacen('.', ".A", 1),
        ] {
            assert!(!is_valid("key", &forged, 1_000_000), "{forged}");
        }
    }
}
