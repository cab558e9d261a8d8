//! Who may connect to a hub.

use rusqlite::Connection;
use rustls::pki_types::CertificateDer;

use crate::auth::certificates;
use crate::auth::chain;
use crate::auth::sas::Token;
use crate::auth::x509;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::hub::registry::{self, Authentication, Device};
use crate::id;
use crate::properties;
use crate::settings::Settings;

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
    /// The device's row in the registry.
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
    let parent = match id::split(device_id) {
        (parent, Some(_)) => Some(registry::require(connection, hub, parent)?),
        _ => None,
    };
    if let Some(device) = [Some(&device), parent.as_ref()]
        .into_iter()
        .flatten()
        .find(|it| !it.enabled)
    {
        let note = device
            .status_reason
            .as_ref()
            .map(|note| format!(" ({note})"))
            .unwrap_or_default();
        return Err(Refusal::new(
            ErrorCode::DeviceDisabled,
            format!("{} is disabled{note}", registry::in_words(&device.id)),
        ));
    }
    let password = credentials
        .password
        .as_deref()
        .filter(|password| !password.is_empty());
    let (until, how) = match &device.authentication {
        Authentication::CertificateAuthority => {
            let anchors = certificates::anchors(connection, hub)?;
            let found = chain::verify(&credentials.certificates, &anchors, now)?;
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
            check_key_allowed(device_id, enforce_x509)?;
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

/// Refuses the symmetric key of a device or a module where keys are switched off.
pub(crate) fn check_key_allowed(id: &str, enforce_x509: bool) -> Result<(), Refusal> {
    let (whose, property) = match id::split(id) {
        (_, None) => ("devices", "disableDeviceSAS"),
        (_, Some(_)) => ("modules", "disableModuleSAS"),
    };
    match enforce_x509 {
        false => Ok(()),
        true => Err(refused(format!(
            "{whose} with symmetric keys are switched off ({property})"
        ))),
    }
}

/// Whether a device that was admitted may use the HTTPS port.
pub(crate) fn check_over_https(device: &Device, settings: &Settings) -> Result<(), Refusal> {
    match device.authentication {
        Authentication::CertificateAuthority if !settings.x509_ca_over_https => {
            Err(refused(format!(
                "device '{}' is registered behind a CA, and certificates of such devices are a preview over WebSocket and HTTPS: set x509CaOverHttps=true, or register its thumbprint",
                device.id
            )))
        }
        _ => Ok(()),
    }
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
    let suffix = format!("/devices/{}", id::path(device_id));
    let fits = |resource: &str| {
        let named = resource.strip_suffix(&suffix);
        named.is_some_and(|named| [host, hub].iter().any(|it| named.eq_ignore_ascii_case(it)))
    };
    // The .NET SDK and IoT Edge encode the device id, and then the whole resource.
    let decoded = properties::decode(&token.resource);
    if fits(&token.resource) || decoded.is_some_and(|resource| fits(&resource)) {
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
