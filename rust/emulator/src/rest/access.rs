//! Who may use the REST side.

use std::fmt;
use std::net::SocketAddr;

use axum::http::request::Parts;
use axum::http::{HeaderName, Method, Uri, header};

use super::serve::ClientCertificates;
use crate::auth::bearer;
use crate::auth::policy::{Permission, Policy};
use crate::auth::sas::Token;
use crate::code::{ErrorCode, Refusal};
use crate::dps;
use crate::host::Host;
use crate::hub::authenticate::{self, Credentials};
use crate::hub::hubs::Signer;
use crate::hub::registry::{self, Authentication, in_words};
use crate::hub::service::Service;
use crate::id;
use crate::properties;

/// What a request must show.
#[derive(Clone)]
pub(crate) struct Access {
    /// Asked of everybody, if there is one; always there beyond loopback.
    pub token: Option<String>,
    /// The key of all policies, with which service clients sign.
    pub service_key: String,
}

/// Without token and key.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// Where clients learn the parts of the cloud before they have a token; there is no secret in it.
pub(crate) const METADATA: &str = "/metadata/endpoints";

const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// What a request asks for.
struct Asked<'r> {
    method: &'r Method,
    uri: &'r Uri,
    host: &'r str,
}

impl Access {
    /// Lets a request pass or says why not.
    ///
    /// The page itself holds no secret and is open. Without a token only this machine is served,
    /// and only under a name of this machine, so that no web page elsewhere can reach it.
    pub(crate) async fn check(
        &self,
        service: &Service,
        peer: SocketAddr,
        request: &Parts,
    ) -> Result<(), Refusal> {
        let (uri, headers) = (&request.uri, &request.headers);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = super::host_of(uri, headers);
        let asked = Asked {
            method: &request.method,
            uri,
            host,
        };
        if let Some(origin) = text(header::ORIGIN) {
            let authority = origin
                .split_once("://")
                .map_or(origin, |(_, authority)| authority);
            if !authority.eq_ignore_ascii_case(host) {
                return Err(refused(format!(
                    "requests of the web page '{origin}' are not served"
                )));
            }
        }
        let proof = text(header::AUTHORIZATION);
        if proof.is_none() && check_certificate(service, request, &asked).await? {
            return Ok(());
        }
        let proved = self.proves_itself(service, proof, &asked).await?
            || self.is_identity(text(IDENTITY_HEADER));
        if proved
            || super::page::is_file(uri.path())
            || super::health::is_open(uri.path())
            || uri.path() == METADATA
        {
            return Ok(());
        }
        if self.token.is_some() {
            return Err(refused(
                "a token is required: Authorization: Bearer …".to_owned(),
            ));
        }
        if !peer.ip().to_canonical().is_loopback() {
            return Err(refused(
                "only this machine is served without a token".to_owned(),
            ));
        }
        if !is_local(service, host) {
            return Err(refused(format!(
                "host '{host}' is not a name of this machine, and there is no token"
            )));
        }
        Ok(())
    }

    /// Whether the header `Authorization` proves anything; a proof that fails is refused at once.
    ///
    /// Without a token there is nothing that a header could be compared with: it proves nothing.
    async fn proves_itself(
        &self,
        service: &Service,
        value: Option<&str>,
        asked: &Asked<'_>,
    ) -> Result<bool, Refusal> {
        let Some(value) = value else { return Ok(false) };
        if value.starts_with("SharedAccessSignature") {
            return self
                .check_signature(service, value, asked)
                .await
                .map(|()| true);
        }
        let Some(token) = &self.token else {
            return Ok(false);
        };
        let given = value.strip_prefix("Bearer ").unwrap_or_default();
        let issued = || bearer::is_valid(&self.service_key, given, service.clock.now());
        match same(token, given) || issued() {
            true => Ok(true),
            false => Err(refused(
                "the token is not the one of this emulator".to_owned(),
            )),
        }
    }

    /// Whether it is the secret with which a managed identity asks for its token in App Service:
    /// here the token itself.
    fn is_identity(&self, secret: Option<&str>) -> bool {
        let token = self.token.as_deref().zip(secret);
        token.is_some_and(|(token, secret)| same(token, secret))
    }

    /// Signature and expiry, then what the token is for: host, path and policy.
    async fn check_signature(
        &self,
        service: &Service,
        value: &str,
        asked: &Asked<'_>,
    ) -> Result<(), Refusal> {
        let token = Token::parse(value)?;
        let Some(name) = token.policy.as_deref() else {
            return check_device(service, &token, asked).await;
        };
        let hub = super::hub_meant(service, asked.uri, asked.host)?;
        let now = service.clock.now();
        let needed = Permission::needed(asked.method, asked.uri.path());
        let verify = |it: &Policy| token.verify(it.keys.iter().map(String::as_str), now);
        let opens = |it: &Policy| {
            let has = it.permissions();
            verify(it).is_ok() && needed.iter().any(|one| has.contains(one))
        };
        let mut all = service.hubs.policies(&hub, &self.service_key);
        all.retain(|it| it.name == name);
        // The provisioning service has the same address here, and may have a policy of the same
        // name.
        if !all.iter().any(opens) {
            let key = self.service_key.clone();
            let of_provisioning = service.store.read(move |c| dps::policies(c, &key));
            let of_provisioning = of_provisioning.await?.into_iter();
            all.extend(of_provisioning.filter(|it| it.name == name));
        }
        let policy = all
            .iter()
            .find(|it| opens(it))
            .or_else(|| all.iter().find(|it| verify(it).is_ok()))
            .or(all.first())
            .ok_or_else(|| forbidden(format!("there is no policy '{name}'")))?;
        verify(policy)?;
        let has = policy.permissions();
        if service.hubs.refuses(&hub, Signer::Policy) {
            return Err(refused(format!(
                "shared access policies are switched off for hub '{hub}' (disableLocalAuth)"
            )));
        }
        if !covers(&token.resource, &hub, asked) {
            return Err(forbidden(format!(
                "the token is for '{}', and not for '{hub}{}'",
                token.resource,
                asked.uri.path()
            )));
        }
        if needed.iter().any(|one| has.contains(one)) {
            return Ok(());
        }
        let any: Vec<_> = needed.iter().map(|one| format!("{one:?}")).collect();
        Err(forbidden(format!(
            "the policy '{name}' may not {} {}, which needs {}",
            asked.method,
            asked.uri.path(),
            any.join(" or ")
        )))
    }
}

/// The device, or behind a slash its module, whose path it is.
fn identity(path: &str) -> Option<String> {
    let mut segments = path.split('/').filter(|part| !part.is_empty());
    let decoded = |text| properties::decode(text);
    let (Some("devices"), Some(device)) = (segments.next(), segments.next()) else {
        return None;
    };
    let device = decoded(device)?;
    match (segments.next(), segments.next()) {
        (Some("modules"), Some(module)) => Some(id::of_module(&device, &decoded(module)?)),
        _ => Some(device.into_owned()),
    }
}

/// Whether a client certificate proves that a device asks on its own paths; one that proves another
/// thing is refused.
async fn check_certificate(
    service: &Service,
    request: &Parts,
    asked: &Asked<'_>,
) -> Result<bool, Refusal> {
    let shown = request.extensions.get::<ClientCertificates>();
    let Some(ClientCertificates(chain)) = shown.filter(|it| !it.0.is_empty()) else {
        return Ok(false);
    };
    let path = asked.uri.path();
    let Some(id) = identity(path) else {
        return Ok(false);
    };
    if !Permission::needed(asked.method, path).contains(&Permission::DeviceConnect) {
        return Ok(false);
    }
    let hub = super::hub_meant(service, asked.uri, asked.host)?.to_owned();
    let credentials = Credentials {
        host: asked.host.to_owned(),
        certificates: chain.to_vec(),
        password: None,
    };
    let (enforce, now) = (service.enforces_x509(&hub, &id), service.clock.now());
    let admitted = service
        .store
        .run(move |c| authenticate::admit(c, &hub, &id, &credentials, enforce, now))
        .await?;
    authenticate::check_over_https(&admitted.device, &service.settings)?;
    Ok(true)
}

/// A token without a policy is that of a device, for its own paths.
async fn check_device(service: &Service, token: &Token, asked: &Asked<'_>) -> Result<(), Refusal> {
    let (_, path) = token.resource.split_once('/').unwrap_or_default();
    let id = path.strip_prefix("devices/");
    let Some(id) = id.map(|id| id.replacen("/modules/", "/", 1)) else {
        return Err(forbidden(format!(
            "the token for '{}' names no policy: it has no 'skn', and 'sr' names no device",
            token.resource
        )));
    };
    let hub = super::hub_meant(service, asked.uri, asked.host)?;
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    let device = service
        .store
        .run(move |c| registry::require(c, &owned_hub, &owned_id))
        .await
        .map_err(|refusal| forbidden(refusal.reason))?;
    authenticate::check_key_allowed(&id, service.enforces_x509(&hub, &id))?;
    let Authentication::Sas(primary, secondary) = &device.authentication else {
        return Err(forbidden(format!(
            "device '{id}' has no symmetric key that a token could be signed with"
        )));
    };
    token.verify([primary.as_str(), secondary.as_str()], service.clock.now())?;
    if !device.enabled {
        return Err(Refusal::new(
            ErrorCode::DeviceDisabled,
            format!("{} is disabled", in_words(&id)),
        ));
    }
    if identity(asked.uri.path()).is_none_or(|asked| asked != id)
        || !covers(&token.resource, &hub, asked)
        || !Permission::needed(asked.method, asked.uri.path()).contains(&Permission::DeviceConnect)
    {
        return Err(forbidden(format!(
            "the token is valid, and it is device '{id}'s own: {} {} is for a service, whose token names a policy in 'skn'",
            asked.method,
            asked.uri.path()
        )));
    }
    Ok(())
}

/// Whether a token's `sr`, a host and maybe the beginning of a path, covers what is asked for.
///
/// The host is the hub's, or whatever name the client connects to.
fn covers(resource: &str, hub: &str, asked: &Asked<'_>) -> bool {
    let (host, path) = resource.split_once('/').unwrap_or((resource, ""));
    let host = Host::parse(host);
    let is_named = host.is_same(Host::parse(hub)) || host.is_same(Host::parse(asked.host));
    let segments = |path: &'_ str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_ascii_lowercase).collect()
    };
    is_named && segments(asked.uri.path()).starts_with(&segments(path))
}

fn is_local(service: &Service, host: &str) -> bool {
    Host::parse(host).is_loopback() || service.hub_named(host).is_some()
}

/// Compares in a time that does not depend on where the difference is.
fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left
            .bytes()
            .zip(right.bytes())
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::Unauthorized, reason)
}

/// The token is known, and not for this.
fn forbidden(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}
