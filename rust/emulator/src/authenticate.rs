//! Who may connect to a hub.

use rusqlite::Connection;
use rustls::pki_types::CertificateDer;

use crate::certificates;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::registry::{self, Authentication, Device};
use crate::sas::Token;
use crate::x509;

/// What a peer shows at CONNECT.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// The host name in the user name, as sent.
    pub host: String,
    /// The certificates of the TLS handshake, leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The password, if there is one.
    pub password: Option<Vec<u8>>,
}

/// A device that is let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Its row.
    pub device: Device,
    /// When its token ends, if it came with one.
    pub until: Option<UnixMs>,
    /// How it proved who it is, in words.
    pub how: String,
}

/// Checks registry, status and credentials of a device.
pub(crate) fn admit(
    connection: &Connection,
    hub: &str,
    device_id: &str,
    credentials: &Credentials,
    enforce_x509: bool,
    now: UnixMs,
) -> Result<Admitted, Refusal> {
    let device = registry::require(connection, hub, device_id)?;
    if !device.enabled {
        let note = device
            .status_reason
            .as_ref()
            .map(|note| format!(" ({note})"))
            .unwrap_or_default();
        return Err(Refusal::new(
            ErrorCode::DeviceDisabled,
            format!("device '{device_id}' is disabled{note}"),
        ));
    }
    let password = credentials
        .password
        .as_deref()
        .filter(|password| !password.is_empty());
    let (until, how) = match &device.authentication {
        Authentication::CertificateAuthority => {
            let anchors = certificates::anchors(connection, hub)?;
            let found = x509::verify_chain(&credentials.certificates, &anchors, now)?;
            check_name(&credentials.certificates, device_id)?;
            let name = found
                .first()
                .and_then(|&index| anchors.get(index))
                .map_or("", |anchor| &anchor.name);
            (None, format!("X.509, CA '{name}'"))
        }
        Authentication::SelfSigned(primary, secondary) => {
            let leaf = leaf(&credentials.certificates)?;
            let fits = |thumbprint: &Option<String>| {
                thumbprint
                    .as_ref()
                    .is_some_and(|thumbprint| x509::has_thumbprint(leaf, thumbprint))
            };
            if !fits(primary) && !fits(secondary) {
                let shown = x509::describe(leaf)?;
                return Err(refused(format!(
                    "the certificate's thumbprint {} is not registered for device '{device_id}'",
                    shown.sha256
                )));
            }
            (None, "X.509, thumbprint".to_owned())
        }
        Authentication::Sas(primary, secondary) => {
            if enforce_x509 {
                return Err(refused(
                    "devices with symmetric keys are switched off (disableDeviceSAS)".to_owned(),
                ));
            }
            let password = password.ok_or_else(|| {
                refused(format!("device '{device_id}' has a symmetric key, and no token was presented as password"))
            })?;
            let text = std::str::from_utf8(password)
                .map_err(|_| refused("the password is not UTF-8".to_owned()))?;
            let token = Token::parse(text)?;
            check_resource(&token, &credentials.host, hub, device_id)?;
            token.verify([primary.as_str(), secondary.as_str()], now)?;
            (Some(token.expiry), "token".to_owned())
        }
        Authentication::None => {
            return Err(refused(format!(
                "device '{device_id}' has no authentication and cannot connect"
            )));
        }
    };
    Ok(Admitted { device, until, how })
}

fn check_name(certificates: &[CertificateDer<'_>], device_id: &str) -> Result<(), Refusal> {
    let name = x509::subject_name(leaf(certificates)?)?;
    if name == device_id {
        return Ok(());
    }
    Err(refused(format!(
        "the certificate's CN is '{name}', and the device id is '{device_id}'"
    )))
}

fn check_resource(token: &Token, host: &str, hub: &str, device_id: &str) -> Result<(), Refusal> {
    let suffix = format!("/devices/{device_id}");
    let fits = [host, hub].iter().any(|host| {
        let resource = token.resource.strip_suffix(&suffix);
        resource.is_some_and(|resource| resource.eq_ignore_ascii_case(host))
    });
    if fits {
        return Ok(());
    }
    Err(refused(format!(
        "the token is for '{}', and not for '{host}{suffix}'",
        token.resource
    )))
}

fn leaf<'c>(certificates: &'c [CertificateDer<'_>]) -> Result<&'c [u8], Refusal> {
    let leaf = certificates.first().map(|leaf| leaf.as_ref());
    leaf.ok_or_else(|| refused("no certificate was presented".to_owned()))
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}
