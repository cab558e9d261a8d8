//! Who a device is, and which enrollment is for it.

use rusqlite::Connection;
use rustls::pki_types::CertificateDer;

use crate::auth::certificates;
use crate::auth::chain::{self, Anchor};
use crate::auth::sas::{self, Token};
use crate::auth::x509;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::dps::enrollments::{self, Enrollment, Kind};

/// How a device shows who it is.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The scope in the user name.
    pub(crate) id_scope: String,
    /// As the device writes it.
    pub(crate) registration_id: String,
    /// The version of the service that the device knows.
    pub(crate) api_version: String,
    /// The certificates of the TLS handshake, leaf first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// The password, if there is one.
    pub(crate) token: Option<String>,
}

impl Request {
    /// What a device is told that comes back to a hub where it was: versions before 2019-04-15 have
    /// no word for it (Azure/azure-iot-sdk-csharp, pull request 2397).
    pub(crate) fn returned(&self) -> &'static str {
        match self.api_version.as_str() >= "2019-04-15" {
            true => "reprovisionedToInitialAssignment",
            false => "initialAssignment",
        }
    }
}

/// Finds the most specific enrollment that fits, and checks the device against it.
///
/// An individual enrollment goes before groups; of the groups, the one whose CA is nearest to the
/// device's certificate. A disabled enrollment that is the most specific one blocks.
pub(crate) fn authenticate(
    c: &Connection,
    request: &Request,
    now: UnixMs,
) -> Result<Enrollment, Refusal> {
    let id = &request.registration_id;
    if let Some(individual) = enrollments::find(c, Kind::Individual, id)? {
        check_individual(&individual, request, now)?;
        return Ok(individual);
    }
    let groups = enrollments::list(c, Kind::Group)?;
    if !request.certificates.is_empty() {
        return by_chain(c, groups, request, now);
    }
    let token = token(request)?;
    let mut keyed = groups.into_iter().filter(|group| !group.keys().is_empty());
    let fits = |group: &Enrollment| {
        let keys: Vec<String> = group
            .keys()
            .iter()
            .filter_map(|key| sas::derived_key(key, id).ok())
            .collect();
        token.verify(keys.iter().map(String::as_str), now)
    };
    keyed.find(|group| fits(group).is_ok()).ok_or_else(|| {
        refused(format!(
            "registration '{id}': no individual enrollment, and the token fits no group's key"
        ))
    })
}

fn check_individual(
    individual: &Enrollment,
    request: &Request,
    now: UnixMs,
) -> Result<(), Refusal> {
    let id = &request.registration_id;
    let keys = individual.keys();
    if !keys.is_empty() {
        return token(request)?.verify(keys.iter().map(String::as_str), now);
    }
    let leaf = request
        .certificates
        .first()
        .ok_or_else(|| refused(format!("registration '{id}': no certificate was presented")))?;
    if !individual
        .certificates()
        .iter()
        .any(|known| known.as_slice() == leaf.as_ref())
    {
        return Err(refused(format!(
            "registration '{id}': the certificate is not the one of its individual enrollment"
        )));
    }
    check_name(leaf, id)
}

fn by_chain(
    c: &Connection,
    groups: Vec<Enrollment>,
    request: &Request,
    now: UnixMs,
) -> Result<Enrollment, Refusal> {
    let registered = certificates::anchors(c, certificates::PROVISIONING)?;
    let mut anchors = Vec::new();
    let mut owners = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        for der in group.certificates() {
            anchors.push(Anchor {
                name: group.id.clone(),
                der,
                verified: true,
            });
            owners.push(index);
        }
        for name in group.ca_references() {
            anchors.extend(
                registered
                    .iter()
                    .filter(|ca| ca.name == name)
                    .cloned()
                    .inspect(|_| owners.push(index)),
            );
        }
    }
    let found = chain::verify(&request.certificates, &anchors, now).map_err(|refusal| {
        refused(format!(
            "registration '{}': {}",
            request.registration_id, refusal.reason
        ))
    })?;
    if let Some(leaf) = request.certificates.first() {
        check_name(leaf, &request.registration_id)?;
    }
    let nearest = found
        .first()
        .and_then(|&anchor| owners.get(anchor))
        .and_then(|&index| groups.get(index));
    nearest
        .cloned()
        .ok_or_else(|| refused("no enrollment group fits".to_owned()))
}

fn check_name(leaf: &CertificateDer<'_>, id: &str) -> Result<(), Refusal> {
    let name = x509::subject_name(leaf)?;
    if name.eq_ignore_ascii_case(id) {
        return Ok(());
    }
    Err(refused(format!(
        "the certificate's CN is '{name}', and the registration id is '{id}'"
    )))
}

fn token(request: &Request) -> Result<Token, Refusal> {
    let id = &request.registration_id;
    let text = request.token.as_deref().ok_or_else(|| {
        refused(format!(
            "registration '{id}': neither a certificate nor a token was presented"
        ))
    })?;
    let token = Token::parse(text)?;
    let wanted = format!("{}/registrations/{id}", request.id_scope);
    if !token.resource.eq_ignore_ascii_case(&wanted) {
        return Err(refused(format!(
            "the token is for '{}', and not for '{wanted}'",
            token.resource
        )));
    }
    Ok(token)
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::Unauthorized, reason)
}
