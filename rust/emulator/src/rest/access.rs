//! Who may use the REST side.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Uri, header};

use crate::code::{ErrorCode, Refusal};
use crate::host::Host;
use crate::sas::Token;
use crate::service::Service;

/// What a request must show.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Asked of everybody, if there is one; always there beyond loopback.
    pub token: Option<String>,
    /// The key of the policy `iothubowner`, with which service clients sign.
    pub service_key: String,
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
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST)
            .or_else(|| uri.host())
            .unwrap_or_default();
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
        let proved = self.proves_itself(service, text(header::AUTHORIZATION))?;
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
    fn proves_itself(&self, service: &Service, value: Option<&str>) -> Result<bool, Refusal> {
        let Some(value) = value else { return Ok(false) };
        if value.starts_with("SharedAccessSignature") {
            return self.check_signature(service, value).map(|()| true);
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

    fn check_signature(&self, service: &Service, value: &str) -> Result<(), Refusal> {
        let token = Token::parse(value)?;
        if token
            .policy
            .as_deref()
            .is_some_and(|policy| !POLICIES.contains(&policy))
        {
            return Err(refused(format!(
                "there is no policy '{}'",
                token.policy.as_deref().unwrap_or_default()
            )));
        }
        token.verify([self.service_key.as_str()], service.clock.now())
    }
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

/// The policies of a new hub and of a new provisioning service; here they share one key.
const POLICIES: &[&str] = &[
    "iothubowner",
    "service",
    "registryReadWrite",
    "registryRead",
    "provisioningserviceowner",
];
