//! How a device proves who it is, in Azure's JSON.

use std::fmt;

use serde_json::{Value, json};

use super::invalid;
use crate::auth::sas::check_key;
use crate::code::Refusal;
use crate::random;

/// How a device proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// A token signed with one of two keys (base64).
    Sas(String, String),
    /// A certificate with one of two thumbprints.
    SelfSigned(Option<String>, Option<String>),
    /// A certificate behind which a registered CA stands.
    CertificateAuthority,
    /// Not at all: such a device cannot connect.
    None,
}

/// Without keys.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Authentication {
    /// The name in Azure's JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sas(..) => "sas",
            Self::SelfSigned(..) => "selfSigned",
            Self::CertificateAuthority => "certificateAuthority",
            Self::None => "none",
        }
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, Refusal> {
        let text = |path: &str| {
            let found = value.pointer(path).and_then(Value::as_str);
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let kind = text("/type");
        let thumbprints = (
            text("/x509Thumbprint/primaryThumbprint"),
            text("/x509Thumbprint/secondaryThumbprint"),
        );
        match kind.as_deref() {
            Some("certificateAuthority") => Ok(Self::CertificateAuthority),
            Some("none") => Ok(Self::None),
            Some("selfSigned") => Self::self_signed(thumbprints),
            None if thumbprints != (None, None) => Self::self_signed(thumbprints),
            Some("sas") | None => {
                let key = |path| -> Result<String, Refusal> {
                    let Some(key) = text(path) else {
                        return Ok(random::key());
                    };
                    check_key(&key)?;
                    Ok(key)
                };
                Ok(Self::Sas(
                    key("/symmetricKey/primaryKey")?,
                    key("/symmetricKey/secondaryKey")?,
                ))
            }
            Some(other) => Err(invalid(format!("authentication type '{other}' is unknown"))),
        }
    }

    fn self_signed(thumbprints: (Option<String>, Option<String>)) -> Result<Self, Refusal> {
        let (primary, secondary) = thumbprints;
        if primary.is_none() && secondary.is_none() {
            return Err(invalid(
                "selfSigned needs a primaryThumbprint or a secondaryThumbprint".into(),
            ));
        }
        for thumbprint in primary.iter().chain(&secondary) {
            let digits = thumbprint.chars().filter(char::is_ascii_hexdigit).count();
            if digits != 40 && digits != 64 {
                return Err(invalid(format!(
                    "'{thumbprint}' is no SHA-1 or SHA-256 thumbprint"
                )));
            }
        }
        Ok(Self::SelfSigned(primary, secondary))
    }

    pub(super) fn to_json(&self) -> Value {
        let (mut keys, mut thumbprints) = ((None, None), (None, None));
        match self {
            Self::Sas(primary, secondary) => keys = (Some(primary), Some(secondary)),
            Self::SelfSigned(primary, secondary) => {
                thumbprints = (primary.as_ref(), secondary.as_ref())
            }
            Self::CertificateAuthority | Self::None => {}
        }
        json!({
            "symmetricKey": {"primaryKey": keys.0, "secondaryKey": keys.1},
            "x509Thumbprint": {"primaryThumbprint": thumbprints.0, "secondaryThumbprint": thumbprints.1},
            "type": self.name(),
        })
    }
}
