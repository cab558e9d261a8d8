//! Who may use the REST side.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::{Method, Uri, header};

use super::permissions::Permission;
use crate::code::{ErrorCode, Refusal};
use crate::host::Host;
use crate::sas::Token;
use crate::service::Service;

/// What a request must show.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Asked of everybody, if there is one; always there beyond loopback.
    pub token: Option<String>,
    /// The key of all policies, with which service clients sign.
    pub service_key: String,
}

/// What a request asks for.
struct Asked<'r> {
    method: &'r Method,
    uri: &'r Uri,
    host: &'r str,
}

impl Access {
    /// Lets a request pass or says why not.
    ///
    /// The page itself holds no secret and is open. Without a token only this machine is served, and
    /// only under a name of this machine, so that no web page elsewhere can reach it.
    pub(crate) fn check(
        &self,
        service: &Service,
        peer: SocketAddr,
        request: &Request,
    ) -> Result<(), Refusal> {
        let (uri, headers) = (request.uri(), request.headers());
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = super::host_of(uri, headers);
        let asked = Asked {
            method: request.method(),
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
        let proved = self.proves_itself(service, text(header::AUTHORIZATION), &asked)?;
        if proved || super::page::is_file(uri.path()) {
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
    fn proves_itself(
        &self,
        service: &Service,
        value: Option<&str>,
        asked: &Asked<'_>,
    ) -> Result<bool, Refusal> {
        let Some(value) = value else { return Ok(false) };
        if value.starts_with("SharedAccessSignature") {
            return self.check_signature(service, value, asked).map(|()| true);
        }
        let Some(token) = &self.token else {
            return Ok(false);
        };
        let given = value.strip_prefix("Bearer ").unwrap_or_default();
        match same(token, given) {
            true => Ok(true),
            false => Err(refused(
                "the token is not the one of this emulator".to_owned(),
            )),
        }
    }

    /// Signature and expiry, then what the token is for: host, path and policy.
    fn check_signature(
        &self,
        service: &Service,
        value: &str,
        asked: &Asked<'_>,
    ) -> Result<(), Refusal> {
        let token = Token::parse(value)?;
        token.verify([self.service_key.as_str()], service.clock.now())?;
        let name = token
            .policy
            .as_deref()
            .ok_or_else(|| forbidden("the token names no policy: it has no 'skn'".to_owned()))?;
        let has = Permission::of_policy(name)
            .ok_or_else(|| forbidden(format!("there is no policy '{name}'")))?;
        let hub = super::hub_meant(service, asked.uri, asked.host)?;
        if !covers(&token.resource, hub, asked) {
            return Err(forbidden(format!(
                "the token is for '{}', and not for '{hub}{}'",
                token.resource,
                asked.uri.path()
            )));
        }
        let needed = Permission::needed(asked.method, asked.uri.path());
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
