//! The storage account: its name, its key, and shared access signatures for its blobs.
//!
//! Microsoft, "Create a service SAS", for version 2020-12-06 and later.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::{UnixMs, parse_rfc3339, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::properties;

/// Name and key of a storage account, and where its blobs are.
#[derive(Clone)]
pub(crate) struct Account {
    /// For example `devstoreaccount1`.
    pub name: String,
    /// Base64.
    key: String,
    /// Another storage's `scheme`, `host[:port]` and path; `None` for the storage inside.
    pub elsewhere: Option<Endpoint>,
}

/// Where another storage answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, and port if it is not the scheme's.
    pub authority: String,
    /// Without slashes at its ends: empty, or the account's name.
    pub path: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("elsewhere", &self.elsewhere)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a connection string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountError {
    /// It has no such part.
    Missing(&'static str),
    /// The `AccountKey` is not base64.
    KeyIsNoBase64,
    /// The `BlobEndpoint` is not HTTP.
    Scheme,
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the connection string has no {name}"),
            Self::KeyIsNoBase64 => f.write_str("AccountKey is not base64"),
            Self::Scheme => f.write_str("BlobEndpoint must begin with http:// or https://"),
        }
    }
}

impl std::error::Error for AccountError {}

impl Account {
    /// The storage inside, with a key of its own.
    pub(crate) fn inside(key: String) -> Self {
        Self {
            name: INSIDE.to_owned(),
            key,
            elsewhere: None,
        }
    }

    /// Reads a connection string: `UseDevelopmentStorage=true`, which is Azurite with its
    /// well-known key, or `AccountName=…; AccountKey=…;BlobEndpoint=…`. The key is in
    /// no error.
    pub(crate) fn parse(text: &str) -> Result<Self, AccountError> {
        let text = text.trim();
        if text.trim_end_matches(';') == "UseDevelopmentStorage=true" {
            return Self::parse(AZURITE);
        }
        let part = |name: &'static str| {
            let found = text
                .split(';')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            let value = found.map(|(_, value)| value.trim().to_owned());
            value.ok_or(AccountError::Missing(name))
        };
        let key = part("AccountKey")?;
        if STANDARD.decode(&key).is_err() {
            return Err(AccountError::KeyIsNoBase64);
        }
        let endpoint = part("BlobEndpoint")?;
        let (scheme, rest) = endpoint
            .split_once("://")
            .filter(|(scheme, _)| ["http", "https"].contains(scheme))
            .ok_or(AccountError::Scheme)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            name: part("AccountName")?,
            key,
            elsewhere: Some(Endpoint {
                scheme: scheme.to_owned(),
                authority: authority.to_owned(),
                path: path.trim_matches('/').to_owned(),
            }),
        })
    }

    /// The connection string for Microsoft's storage clients.
    pub(crate) fn connection_string(&self, blob_endpoint: &str) -> String {
        let scheme = blob_endpoint.split(':').next().unwrap_or("https");
        format!(
            "DefaultEndpointsProtocol={scheme};AccountName={};AccountKey={};BlobEndpoint={blob_endpoint};",
            self.name, self.key
        )
    }

    /// A signature for one blob, as a query without `?`; `permissions` as in `sp`.
    pub(crate) fn sign(
        &self,
        container: &str,
        blob: &str,
        permissions: &str,
        expiry: UnixMs,
    ) -> String {
        // Whole seconds, as Microsoft's clients write it.
        let expiry = rfc3339(expiry / 1000 * 1000).replace(".000", "");
        let fields = Fields {
            permissions,
            expiry: &expiry,
            version: VERSION,
            resource: "b",
            ..Fields::default()
        };
        let signature = self.signature(&fields, container, Some(blob));
        format!(
            "sv={}&se={}&sr=b&sp={permissions}&sig={}",
            fields.version,
            properties::encode(fields.expiry),
            properties::encode(&STANDARD.encode(signature))
        )
    }

    /// Whether the query of a request signs what it asks: one of the letters of `needed`, at a
    /// container or a blob in it.
    pub(crate) fn verify(
        &self,
        query: &[(String, String)],
        container: &str,
        blob: Option<&str>,
        needed: &str,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let field = |name: &str| {
            let found = query.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let fields = Fields {
            permissions: field("sp"),
            start: field("st"),
            expiry: field("se"),
            identifier: field("si"),
            address: field("sip"),
            protocol: field("spr"),
            version: field("sv"),
            resource: field("sr"),
        };
        if field("sig").is_empty() {
            return Err(refused("the address has no signature (sig)"));
        }
        let signed_blob = match fields.resource {
            "b" => blob,
            "c" => None,
            _ => {
                return Err(refused(
                    "the signature is for no blob and no container (sr)",
                ));
            }
        };
        let text = self.text(&fields, container, signed_blob);
        let signature = STANDARD.decode(field("sig")).unwrap_or_default();
        let key = hmac::Key::new(
            hmac::HMAC_SHA256,
            &STANDARD.decode(&self.key).unwrap_or_default(),
        );
        hmac::verify(&key, text.as_bytes(), &signature)
            .map_err(|_| refused("the signature does not fit the key, or is for another blob"))?;
        let at = |text: &str| match text.len() {
            10 => parse_rfc3339(&format!("{text}T00:00:00Z")),
            _ => parse_rfc3339(text),
        };
        let expiry =
            at(fields.expiry).ok_or_else(|| refused("the signature has no expiry (se)"))?;
        if expiry <= now {
            return Err(refused(&format!(
                "the signature expired at {}",
                rfc3339(expiry)
            )));
        }
        if !fields.start.is_empty() && at(fields.start).is_none_or(|start| start > now) {
            return Err(refused("the signature is not valid yet (st)"));
        }
        match fields.permissions.chars().any(|one| needed.contains(one)) {
            true => Ok(()),
            false => Err(refused(&format!(
                "the signature permits '{}', and this needs one of '{needed}' (sp)",
                fields.permissions
            ))),
        }
    }

    fn signature(&self, fields: &Fields<'_>, container: &str, blob: Option<&str>) -> Vec<u8> {
        let key = STANDARD.decode(&self.key).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let text = self.text(fields, container, blob);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    }

    /// What is signed.
    fn text(&self, fields: &Fields<'_>, container: &str, blob: Option<&str>) -> String {
        let blob = blob.map(|blob| format!("/{blob}")).unwrap_or_default();
        let resource = format!("/blob/{}/{container}{blob}", self.name);
        // Behind the version and the kind: snapshot, encryption scope, and five headers of the
        // answer.
        [
            fields.permissions,
            fields.start,
            fields.expiry,
            &resource,
            fields.identifier,
            fields.address,
            fields.protocol,
            fields.version,
            fields.resource,
            "",
            "",
            "",
            "",
            "",
            "",
            "",
        ]
        .join("\n")
    }
}

/// The fields of a signature, in the order in which they are signed.
#[derive(Default)]
struct Fields<'q> {
    permissions: &'q str,
    start: &'q str,
    expiry: &'q str,
    identifier: &'q str,
    address: &'q str,
    protocol: &'q str,
    version: &'q str,
    resource: &'q str,
}

fn refused(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}

/// The name of the account inside.
const INSIDE: &str = "devicefiles";
const VERSION: &str = "2021-12-02";
/// Published by Microsoft, "Use the Azurite emulator": the account and the key that every Azurite
/// begins with.
const AZURITE: &str = "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1";

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Vec<(String, String)> {
        let pairs = properties::decode_bag(text).unwrap().into_iter();
        pairs
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_signature_is_for_one_blob_and_for_a_time() {
        let account = Account::inside(crate::random::key());
        let signed = account.sign("uploads", "dev1/a b.bin", "rw", 1_000_000);
        let check = |container: &str, blob: &str, needed: &str, now| {
            account.verify(&query(&signed), container, Some(blob), needed, now)
        };
        assert_eq!(check("uploads", "dev1/a b.bin", "cw", 999_000), Ok(()));
        for (container, blob, needed, now) in [
            ("uploads", "dev1/a b.bin", "w", 1_000_000),
            ("uploads", "dev1/other", "w", 0),
            ("other", "dev1/a b.bin", "w", 0),
            ("uploads", "dev1/a b.bin", "d", 0),
        ] {
            assert!(
                check(container, blob, needed, now).is_err(),
                "{container} {blob} {needed} {now}"
            );
        }
        let more = signed.replace("sp=rw", "sp=rwd");
        assert!(
            account
                .verify(&query(&more), "uploads", Some("dev1/a b.bin"), "d", 0)
                .is_err()
        );
        let another = Account::inside(crate::random::key());
        assert!(
            another
                .verify(&query(&signed), "uploads", Some("dev1/a b.bin"), "w", 0)
                .is_err()
        );
    }

    #[test]
    fn signs_as_microsofts_storage_client_does() {
        // azure-storage-blob 12, generate_blob_sas: the same account, container, blob, permission,
        // expiry and version.
        let account = Account::parse("UseDevelopmentStorage=true;").unwrap();
        let signed = account.sign("uploads", "dev1/x.bin", "rw", 1_900_000_000_000);
        assert!(
            signed.ends_with("sig=k575GvgY5dBwZtpcY6cRrVLrvdW30yaGOUQA75ZVBQ4%3D"),
            "{signed}"
        );
        let endpoint = account.elsewhere.unwrap();
        assert_eq!(
            (endpoint.authority.as_str(), endpoint.path.as_str()),
            ("127.0.0.1:10000", "devstoreaccount1")
        );
    }

    #[test]
    fn says_what_a_connection_string_lacks() {
        for (text, why) in [
            (
                "AccountName=a;AccountKey=AAAA",
                AccountError::Missing("BlobEndpoint"),
            ),
            (
                "AccountName=a;BlobEndpoint=http://x/a",
                AccountError::Missing("AccountKey"),
            ),
            (
                "AccountName=a;AccountKey=?;BlobEndpoint=http://x/a",
                AccountError::KeyIsNoBase64,
            ),
            (
                "AccountName=a;AccountKey=AAAA;BlobEndpoint=ftp://x/a",
                AccountError::Scheme,
            ),
        ] {
            assert_eq!(Account::parse(text).unwrap_err(), why);
        }
    }
}
