//! JSON web tokens with ES256 (RFC 7519, RFC 7515, RFC 7518 section 3.4).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};

use crate::error::{Error, Kind};
use crate::pki::Key;

/// A token whose signature has been verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The header: `alg`, `typ`.
    pub header: Value,
    /// The claims: `sub` or `iss`, `aud`, `exp`, …
    pub claims: Value,
}

/// Makes a token with these claims.
///
/// # Errors
/// [`Kind::Content`] if the key is not EC P-256.
pub fn sign(key: &Key, claims: &Value) -> Result<String, Error> {
    let header = json!({"alg": "ES256", "typ": "JWT"});
    let message = format!("{}.{}", encode(&header), encode(claims));
    let signature = key.sign_es256(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Verifies a token against a public key (DER SubjectPublicKeyInfo). Says nothing about `exp`:
/// the caller knows what time it is.
///
/// # Errors
/// [`Kind::Content`] if it is not an ES256 token, [`Kind::Trust`] if the signature is wrong.
pub fn verify(token: &str, public_key: &[u8]) -> Result<Token, Error> {
    let token = token.trim();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err(no_token("it has not three parts between dots"));
    };
    let (header, claims) = (decode(header)?, decode(claims)?);
    if header["alg"] != "ES256" {
        return Err(no_token(&format!(
            "its algorithm is {}, not ES256",
            header["alg"]
        )));
    }
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| no_token("its signature is not base64url"))?;
    let signed = token.rsplit_once('.').map_or("", |(message, _)| message);
    let (_, info) = SubjectPublicKeyInfo::from_der(public_key)
        .map_err(|_| Error::new(Kind::Content, "the public key is damaged"))?;
    UnparsedPublicKey::new(
        &ECDSA_P256_SHA256_FIXED,
        info.subject_public_key.data.as_ref(),
    )
    .verify(signed.as_bytes(), &signature)
    .map_err(|_| {
        Error::new(
            Kind::Trust,
            "the signature of the token does not fit the public key",
        )
        .advise("it was signed with another key, or changed after it was signed")
    })?;
    Ok(Token { header, claims })
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decode(part: &str) -> Result<Value, Error> {
    URL_SAFE_NO_PAD
        .decode(part)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| no_token("a part is not base64url JSON"))
}

fn no_token(why: &str) -> Error {
    Error::new(
        Kind::Content,
        format!("this is not a JSON web token: {why}"),
    )
    .advise("copy it again, without spaces or line breaks")
}
