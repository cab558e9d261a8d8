//! Whether a registered CA stands behind the certificates that a device presents.
//!
//! Judged as `openssl verify -purpose sslclient -auth_level 2` judges, and a little more strictly:
//! name constraints and constraints of policies are not judged, so that a certificate that has them
//! is refused.

use std::collections::VecDeque;

use x509_parser::prelude::{KeyUsage, ParsedExtension, X509Certificate, X509Error, X509Version};
use x509_parser::public_key::PublicKey;

use super::x509::{check_validity, parse, refused};
use crate::clock::UnixMs;
use crate::code::Refusal;

/// A CA certificate that somebody registered.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    /// The name under which it is registered.
    pub name: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// Whether possession of its key has been proved.
    pub verified: bool,
}

/// Finds the registered CA behind a presented chain, leaf first.
///
/// A path passes through presented certificates only, in any order; a registered CA ends it, and it
/// goes on if that CA is presented too. All paths are tried, nearest first, since CAs may share a
/// name. Returns the positions in `anchors` of all registered and verified CAs that are met,
/// nearest first; else the refusal says where the longest path broke, and why.
pub(crate) fn verify(
    presented: &[impl AsRef<[u8]>],
    anchors: &[Anchor],
    now: UnixMs,
) -> Result<Vec<usize>, Refusal> {
    let (leaf, others) = presented
        .split_first()
        .ok_or_else(|| refused("no certificate was presented".into()))?;
    let mut certificates = vec![parse(leaf.as_ref(), "the device's certificate")?];
    // What nobody can read is no part of a path.
    certificates.extend(others.iter().filter_map(|der| parse(der.as_ref(), "").ok()));
    let anchors = anchors
        .iter()
        .map(|anchor| Ok((anchor, parse(&anchor.der, "a registered CA")?)))
        .collect::<Result<Vec<_>, Refusal>>()?;
    let mut search = Search {
        certificates: &certificates,
        anchors: &anchors,
        now,
        checks: 0,
        found: Vec::new(),
        broken: None,
    };
    search.run()
}

/// Refuses what no handshake could prove anything with: another version than 3, and keys that can
/// be guessed.
pub(super) fn check_usable(leaf: &[u8]) -> Result<(), Refusal> {
    let leaf = parse(leaf, "the device's certificate")?;
    if leaf.version() != X509Version::V3 {
        return Err(refused(format!(
            "'{}' is not X.509 version 3 (openssl makes version 1 without extensions)",
            leaf.subject()
        )));
    }
    check_key(&leaf)
}

struct Search<'s, 'd> {
    /// The leaf first.
    certificates: &'s [X509Certificate<'d>],
    anchors: &'s [(&'s Anchor, X509Certificate<'s>)],
    now: UnixMs,
    /// Signatures that were looked at.
    checks: usize,
    found: Vec<usize>,
    /// Where the longest path broke: the CAs below, and why.
    broken: Option<(usize, Refusal)>,
}

impl Search<'_, '_> {
    fn run(&mut self) -> Result<Vec<usize>, Refusal> {
        let certificates = self.certificates;
        let leaf = certificates
            .first()
            .ok_or_else(|| refused("no certificate was presented".into()))?;
        check_validity(leaf, self.now)?;
        check_leaf(leaf)?;
        let mut paths = VecDeque::from([vec![0]]);
        while let Some(path) = paths.pop_front() {
            let last = path.last().and_then(|index| certificates.get(*index));
            let Some(current) = last else { continue };
            let below = path.len() - 1;
            if self.checks > MAX_CHECKS {
                let why = "too many CAs share names: their paths are not tried any further";
                self.broke(below, refused(why.to_owned()));
                break;
            }
            let mut leads_on = self.try_anchors(current, below);
            if path.len() >= MAX_PATH {
                let why = format!("'{}' is below more than {MAX_PATH} CAs", leaf.subject());
                self.broke(below, refused(why));
                continue;
            }
            for (index, issuer) in certificates.iter().enumerate().skip(1) {
                if path.contains(&index)
                    || issuer.subject() != current.issuer()
                    || issuer.subject() == current.subject()
                {
                    continue;
                }
                self.checks += 1;
                leads_on = true;
                match check_issuer(current, issuer, below, self.now) {
                    Ok(()) => paths.push_back(path.iter().copied().chain([index]).collect()),
                    Err(refusal) => self.broke(below, refusal),
                }
            }
            if !leads_on {
                let reason = format!(
                    "the certificate '{}' was issued by '{}', which is neither a registered CA nor in the presented chain",
                    current.subject(),
                    current.issuer()
                );
                self.broke(below, refused(reason));
            }
        }
        match (self.found.is_empty(), self.broken.take()) {
            (true, Some((_, refusal))) => Err(refusal),
            _ => Ok(std::mem::take(&mut self.found)),
        }
    }

    /// Whether a registered CA has the name of the issuer.
    fn try_anchors(&mut self, current: &X509Certificate<'_>, below: usize) -> bool {
        let mut is_named = false;
        for (index, (anchor, ca)) in self.anchors.iter().enumerate() {
            if ca.subject() != current.issuer() {
                continue;
            }
            is_named = true;
            self.checks += 1;
            let checked = check_issuer(current, ca, below, self.now).and_then(|()| match anchor.verified {
                true => Ok(()),
                false => Err(refused(format!(
                    "the CA '{}' is registered as '{}' but not verified: prove possession of its key",
                    ca.subject(),
                    anchor.name
                ))),
            });
            match checked {
                Ok(()) if self.found.contains(&index) => {}
                Ok(()) => self.found.push(index),
                Err(refusal) => self.broke(below, refusal),
            }
        }
        is_named
    }

    fn broke(&mut self, below: usize, refusal: Refusal) {
        if self
            .broken
            .as_ref()
            .is_none_or(|(before, _)| below > *before)
        {
            self.broken = Some((below, refusal));
        }
    }
}

/// Whether `issuer`, with `below` other CAs between it and the leaf, may have issued the
/// certificate, and did.
fn check_issuer(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    below: usize,
    now: UnixMs,
) -> Result<(), Refusal> {
    let name = issuer.subject();
    let constraints = issuer
        .basic_constraints()
        .ok()
        .flatten()
        .filter(|constraints| constraints.value.ca)
        .ok_or_else(|| {
            let subject = certificate.subject();
            refused(format!("'{name}' issued '{subject}' but is no CA"))
        })?;
    if let Some(allowed) = constraints.value.path_len_constraint
        && usize::try_from(allowed).is_ok_and(|allowed| below > allowed)
    {
        return Err(refused(format!(
            "'{name}' allows {allowed} CAs below it, and there are {below} (pathlen)"
        )));
    }
    if key_usage(issuer)?.is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(refused(format!(
            "'{name}' may not sign certificates: its key usage lacks keyCertSign"
        )));
    }
    check_extensions(issuer)?;
    check_is_for_clients(issuer)?;
    check_key(issuer)?;
    check_signature(certificate, issuer)?;
    check_validity(issuer, now)
}

/// Whether the key of `issuer` made the signature, by an algorithm that proves something.
pub(super) fn check_signature(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
) -> Result<(), Refusal> {
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    if let Some((_, weak)) = WEAK.iter().find(|(oid, _)| *oid == algorithm) {
        return Err(refused(format!(
            "the signature on '{}' is made with {weak}, which is too weak: sign with SHA-256",
            certificate.subject()
        )));
    }
    match certificate.verify_signature(Some(issuer.public_key())) {
        Ok(()) => Ok(()),
        Err(X509Error::SignatureUnsupportedAlgorithm) => Err(refused(format!(
            "the signature on '{}' is of an algorithm that is not known here: {algorithm}",
            certificate.subject()
        ))),
        Err(_) => Err(refused(format!(
            "the signature on '{}' is not by the key of '{}': another CA has the same name",
            certificate.subject(),
            issuer.subject()
        ))),
    }
}

/// Keys that can be guessed are named, before a signature by them is looked at.
fn check_key(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    let (kind, bits, needed) = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA", key.key_size(), 2048),
        Ok(PublicKey::EC(point)) => ("EC", point.key_size(), 256),
        _ => return Ok(()),
    };
    match bits < needed {
        true => Err(refused(format!(
            "'{}' has an {kind} key of {bits} bits: {needed} are needed",
            certificate.subject()
        ))),
        false => Ok(()),
    }
}

/// What RFC 5280 (4.2.1.3 and 4.2.1.12) lets a certificate forbid; one that lacks the extensions
/// forbids nothing.
fn check_leaf(leaf: &X509Certificate<'_>) -> Result<(), Refusal> {
    if key_usage(leaf)?.is_some_and(|usage| !usage.digital_signature() && !usage.key_agreement()) {
        return Err(refused(format!(
            "'{}' may not sign: its key usage lacks digitalSignature",
            leaf.subject()
        )));
    }
    check_extensions(leaf)?;
    check_is_for_clients(leaf)?;
    check_key(leaf)
}

/// RFC 5280, section 4.2: whoever does not judge a critical extension must refuse. Name constraints
/// must be critical (section 4.2.1.10), and are taken so where they are not.
fn check_extensions(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    let refused_one =
        certificate
            .extensions()
            .iter()
            .find(|extension| match extension.parsed_extension() {
                ParsedExtension::NameConstraints(_) => true,
                ParsedExtension::BasicConstraints(_)
                | ParsedExtension::KeyUsage(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::SubjectAlternativeName(_)
                | ParsedExtension::CertificatePolicies(_) => false,
                _ => extension.critical,
            });
    let Some(extension) = refused_one else {
        return Ok(());
    };
    let (subject, oid) = (certificate.subject(), &extension.oid);
    Err(refused(match extension.parsed_extension() {
        ParsedExtension::NameConstraints(_) => {
            format!("'{subject}' has name constraints, which are not judged here")
        }
        _ => format!("'{subject}' has a critical extension {oid} that is not known here"),
    }))
}

fn check_is_for_clients(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    let usage = certificate
        .extended_key_usage()
        .map_err(|error| unreadable(certificate, &error))?;
    if usage.is_none_or(|usage| usage.value.client_auth) {
        return Ok(());
    }
    Err(refused(format!(
        "'{}' is not for clients: its extended key usage lacks clientAuth",
        certificate.subject()
    )))
}

fn key_usage<'c>(certificate: &'c X509Certificate<'_>) -> Result<Option<&'c KeyUsage>, Refusal> {
    let usage = certificate.key_usage();
    let usage = usage.map_err(|error| unreadable(certificate, &error))?;
    Ok(usage.map(|usage| usage.value))
}

fn unreadable(certificate: &X509Certificate<'_>, error: &X509Error) -> Refusal {
    refused(format!(
        "an extension of '{}' cannot be read: {error}",
        certificate.subject()
    ))
}

/// Signature algorithms whose digest can be forged.
const WEAK: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.3", "MD4"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];
/// Certificates of a path below the registered CA.
const MAX_PATH: usize = 10;
/// A device that presents many CAs of one name gets no more of the machine than this.
const MAX_CHECKS: usize = 64;

#[cfg(test)]
mod tests;
