//! CA certificates of the hubs and of the provisioning service, and the proof of possession.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use crate::auth::chain::Anchor;
use crate::auth::possession;
use crate::auth::x509;
use crate::clock::{UnixMs, rfc1123, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag, etag};
use crate::random;

/// One registered CA certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// The name of the certificate.
    pub name: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// Whether possession of its key has been proved.
    pub verified: bool,
    /// The code that a proof must carry, once it was asked for.
    pub code: Option<String>,
    /// Grows with each change.
    pub etag: i64,
    /// When it was uploaded.
    pub created: UnixMs,
    /// When it was changed.
    pub updated: UnixMs,
}

/// The scope of the provisioning service's certificates; a hub's scope is its host name.
pub(crate) const PROVISIONING: &str = "$dps";

impl Certificate {
    /// `name`, `etag` and `properties`, with times in RFC 3339.
    pub(crate) fn to_json(&self) -> Result<Value, Refusal> {
        self.shown(rfc3339)
    }

    /// The same with times in RFC 1123, as Azure's management has them and its SDKs read them.
    pub(crate) fn to_arm(&self) -> Result<Value, Refusal> {
        self.shown(rfc1123)
    }

    fn shown(&self, time: fn(UnixMs) -> String) -> Result<Value, Refusal> {
        let shown = x509::describe(&self.der)?;
        let mut properties = json!({
            "subject": shown.common_name,
            "expiry": time(shown.not_after),
            "thumbprint": shown.sha1,
            "isVerified": self.verified,
            "created": time(self.created),
            "updated": time(self.updated),
            "certificate": STANDARD.encode(&self.der),
        });
        if let Some(code) = &self.code {
            properties["verificationCode"] = json!(code);
        }
        Ok(json!({"name": self.name, "etag": etag(self.etag), "properties": properties}))
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get("name")?,
            der: row.get("der")?,
            verified: row.get("verified")?,
            code: row.get("code")?,
            etag: row.get("etag")?,
            created: row.get("created")?,
            updated: row.get("updated")?,
        })
    }

    fn save(&self, connection: &Connection, scope: &str) -> Result<(), Refusal> {
        connection.execute(
            "INSERT OR REPLACE INTO certificates (scope, name, der, verified, code, etag, created, updated) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                scope,
                self.name,
                self.der,
                self.verified,
                self.code,
                self.etag,
                self.created,
                self.updated
            ],
        )?;
        Ok(())
    }
}

/// Uploads a certificate, or replaces the one of the same name.
pub(crate) fn put(
    connection: &Connection,
    scope: &str,
    name: &str,
    der: Vec<u8>,
    verified: bool,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Certificate, Refusal> {
    if name.is_empty()
        || name.len() > 64
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    {
        return Err(invalid(format!(
            "certificate name '{name}' must have 1 to 64 letters, digits or - . _"
        )));
    }
    let shown = x509::describe(&der)?;
    if !shown.is_ca {
        return Err(invalid(format!("'{}' is no CA certificate", shown.subject)));
    }
    let known = find(connection, scope, name)?;
    if let Some(known) = &known {
        check_etag(if_match, known.etag, &format!("certificate '{name}'"))?;
    } else if list(connection, scope)?.len() >= MAX_CERTIFICATES {
        return Err(invalid(format!(
            "there are {MAX_CERTIFICATES} CA certificates already"
        )));
    }
    let certificate = Certificate {
        name: name.to_owned(),
        der,
        verified,
        code: None,
        etag: known.as_ref().map_or(1, |known| known.etag + 1),
        created: known.as_ref().map_or(now, |known| known.created),
        updated: now,
    };
    certificate.save(connection, scope)?;
    Ok(certificate)
}

/// Makes a new verification code.
pub(crate) fn generate_code(
    connection: &Connection,
    scope: &str,
    name: &str,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Certificate, Refusal> {
    let mut certificate = require(connection, scope, name)?;
    check_etag(if_match, certificate.etag, &format!("certificate '{name}'"))?;
    certificate.code = Some(random::hex::<24>().to_uppercase());
    certificate.etag += 1;
    certificate.updated = now;
    certificate.save(connection, scope)?;
    Ok(certificate)
}

/// Checks a proof of possession, and marks the certificate as verified.
pub(crate) fn verify(
    connection: &Connection,
    scope: &str,
    name: &str,
    proof: &[u8],
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Certificate, Refusal> {
    let mut certificate = require(connection, scope, name)?;
    check_etag(if_match, certificate.etag, &format!("certificate '{name}'"))?;
    let code = certificate
        .code
        .as_deref()
        .ok_or_else(|| invalid(format!("no verification code was generated for '{name}'")))?;
    possession::verify(&certificate.der, proof, code, now)?;
    certificate.verified = true;
    certificate.etag += 1;
    certificate.updated = now;
    certificate.save(connection, scope)?;
    Ok(certificate)
}

/// Deletes a certificate.
pub(crate) fn delete(
    connection: &Connection,
    scope: &str,
    name: &str,
    if_match: &IfMatch,
) -> Result<(), Refusal> {
    let certificate = require(connection, scope, name)?;
    check_etag(if_match, certificate.etag, &format!("certificate '{name}'"))?;
    connection.execute(
        "DELETE FROM certificates WHERE scope = ?1 AND name = ?2",
        [scope, name],
    )?;
    Ok(())
}

/// All certificates of a scope.
pub(crate) fn list(connection: &Connection, scope: &str) -> Result<Vec<Certificate>, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT * FROM certificates WHERE scope = ?1 ORDER BY name")?;
    let certificates = select.query_map([scope], Certificate::from_row)?;
    Ok(certificates.collect::<Result<_, _>>()?)
}

/// The certificates of a scope as trust anchors.
pub(crate) fn anchors(connection: &Connection, scope: &str) -> Result<Vec<Anchor>, Refusal> {
    let all = list(connection, scope)?.into_iter();
    Ok(all
        .map(|it| Anchor {
            name: it.name,
            der: it.der,
            verified: it.verified,
        })
        .collect())
}

/// Finds a certificate, or refuses.
pub(crate) fn require(
    connection: &Connection,
    scope: &str,
    name: &str,
) -> Result<Certificate, Refusal> {
    find(connection, scope, name)?.ok_or_else(|| {
        Refusal::new(
            ErrorCode::NotFound,
            format!("there is no CA certificate '{name}'"),
        )
    })
}

pub(crate) fn find(
    connection: &Connection,
    scope: &str,
    name: &str,
) -> Result<Option<Certificate>, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT * FROM certificates WHERE scope = ?1 AND name = ?2")?;
    Ok(select
        .query_row([scope, name], Certificate::from_row)
        .optional()?)
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const MAX_CERTIFICATES: usize = 25;
