//! What a connection has proved: tokens, from SASL or from `$cbs`, each for a path and until a
//! time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address::{Address, Node};
use crate::auth::policy::{Permission, Policy};
use crate::auth::sas::Token;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::host::Host;
use crate::hub::hubs::Signer;
use crate::hub::service::Service;

/// A proof that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    /// The name of the policy.
    pub policy: String,
    has: Vec<Permission>,
    /// What it is for, behind the host name.
    path: String,
    /// When it ends; never, if a key was shown and no token.
    pub until: Option<UnixMs>,
}

/// All proofs of a connection.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Adds a proof, in the place of an older one for the same.
    pub(super) fn add(&mut self, claim: Claim) {
        self.0
            .retain(|old| (&old.policy, &old.path) != (&claim.policy, &claim.path));
        // The oldest goes where somebody puts tokens without end.
        if self.0.len() == MAX_CLAIMS {
            self.0.remove(0);
        }
        self.0.push(claim);
    }

    /// When the next proof ends.
    pub(super) fn next_end(&self) -> Option<UnixMs> {
        self.0.iter().filter_map(|claim| claim.until).min()
    }

    /// Forgets what has ended.
    pub(super) fn expire(&mut self, now: UnixMs) {
        self.0
            .retain(|claim| claim.until.is_none_or(|until| until > now));
    }

    /// Whether a link to a node is allowed.
    pub(super) fn check(&self, address: &Address, node: &Node) -> Result<(), Refusal> {
        let needed = match node {
            Node::Cbs => return Ok(()),
            _ => Permission::ServiceConnect,
        };
        let covering = self
            .0
            .iter()
            .filter(|claim| address.is_management() || address.begins_with(&claim.path));
        let mut lacking = None;
        for claim in covering {
            if claim.has.contains(&needed) {
                return Ok(());
            }
            lacking = Some(claim);
        }
        Err(refused(match (lacking, self.0.first()) {
            (Some(claim), _) => format!("the policy '{}' lacks {needed:?}", claim.policy),
            (None, Some(claim)) => format!(
                "the token is for '{}', and not for this address",
                claim.path
            ),
            (None, None) => "no token was put, or it has expired".to_owned(),
        }))
    }
}

/// Checks a service's token: signature, expiry, policy and host. `named` is the host name under
/// which the client connected.
pub(super) fn token(
    service: &Service,
    key: &str,
    text: &str,
    hub: &str,
    named: &str,
) -> Result<Claim, Refusal> {
    let token = Token::parse(text)?;
    let policy = token.policy.clone().ok_or_else(|| {
        refused(format!(
            "the token for '{}' names no policy (skn)",
            token.resource
        ))
    })?;
    let policy = find(service, hub, key, &policy)?;
    // Clients of IoT Hub sign with what the key's base64 says, those of Event Hubs with the text
    // itself.
    let as_texts = policy.keys.each_ref().map(|key| STANDARD.encode(key));
    let keys = policy.keys.iter().chain(&as_texts);
    token.verify(keys.map(String::as_str), service.clock.now())?;
    let resource = match token.resource.split_once("://") {
        Some((_, rest)) => rest,
        None => &token.resource,
    };
    let (host, path) = resource.split_once('/').unwrap_or((resource, ""));
    let host_meant = Host::parse(host);
    let is_here = [hub, named]
        .iter()
        .any(|name| host_meant.is_same(Host::parse(name)));
    if !is_here && !host_meant.is_loopback() {
        return Err(refused(format!(
            "the token is for '{host}', and this is '{hub}'"
        )));
    }
    allowed(service, hub)?;
    Ok(claim(policy, path, Some(token.expiry)))
}

/// Checks the key of a policy, which Event Hubs takes as a password.
pub(super) fn password(
    service: &Service,
    key: &str,
    policy: &str,
    given: &str,
) -> Result<Claim, Refusal> {
    let hub = service.hub("");
    allowed(service, &hub)?;
    let policy = find(service, &hub, key, policy)?;
    let is_equal = |key: &String| {
        aws_lc_rs::constant_time::verify_slices_are_equal(key.as_bytes(), given.as_bytes()).is_ok()
    };
    if !policy.keys.iter().any(is_equal) {
        let name = policy.name;
        return Err(refused(format!("the key is not that of policy '{name}'")));
    }
    Ok(claim(policy, "", None))
}

fn allowed(service: &Service, hub: &str) -> Result<(), Refusal> {
    match service.hubs.refuses(hub, Signer::Policy) {
        true => Err(refused(format!(
            "hub '{hub}' takes no shared access policies (disableLocalAuth)"
        ))),
        false => Ok(()),
    }
}

fn find(service: &Service, hub: &str, key: &str, name: &str) -> Result<Policy, Refusal> {
    let mut all = service.hubs.policies(hub, key).into_iter();
    let found = all.find(|it| it.name == name);
    found.ok_or_else(|| refused(format!("there is no policy '{name}'")))
}

fn claim(policy: Policy, path: &str, until: Option<UnixMs>) -> Claim {
    Claim {
        has: policy.permissions(),
        policy: policy.name,
        path: path.to_owned(),
        until,
    }
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}

const MAX_CLAIMS: usize = 64;
