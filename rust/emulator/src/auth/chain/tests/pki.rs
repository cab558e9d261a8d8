//! Certificates that openssl makes, and what it and rustls-webpki say of a chain of them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::super::*;

/// Certificates in a folder, each made once.
pub(super) struct Pki(tempfile::TempDir);

/// How a certificate is made, beside its subject and its issuer.
#[derive(Clone, Copy)]
pub(super) struct Made<'m> {
    /// A section of [`SECTIONS`].
    pub section: &'m str,
    pub days: &'m str,
    pub digest: &'m str,
    /// As `openssl req -newkey` takes it; or the file of a key that is there.
    pub key: &'m [&'m str],
}

const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

pub(super) const LEAF: Made<'static> = Made {
    section: "leaf",
    days: "365",
    digest: "-sha256",
    key: EC,
};
pub(super) const CA: Made<'static> = Made {
    section: "ca",
    days: "3650",
    ..LEAF
};

impl Pki {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\n";
        std::fs::write(folder.path().join("cnf"), format!("{start}{SECTIONS}")).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate `name`, whose CN is `subject`, by `issuer` or by itself.
    pub(super) fn make(&self, name: &str, subject: &str, issuer: Option<&str>, made: Made<'_>) {
        let mut command = Command::new("openssl");
        command
            .current_dir(self.0.path())
            .args(["req", "-x509", "-nodes", "-config", "cnf"]);
        command.args(["-subj", &format!("/CN={subject}"), "-days", made.days]);
        command
            .args([made.digest, "-extensions", made.section])
            .args(made.key);
        command.args(["-out", name]);
        if made.key.contains(&"-newkey") {
            command.args(["-keyout", &format!("{name}.key")]);
        }
        if let Some(issuer) = issuer {
            command.args(["-CA", issuer, "-CAkey", &format!("{issuer}.key")]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}");
    }

    pub(super) fn der(&self, name: &str) -> Vec<u8> {
        let text = std::fs::read(self.path(name)).unwrap();
        CertificateDer::from_pem_slice(&text).unwrap().to_vec()
    }

    pub(super) fn here(&self, chain: &[&str], anchors: &[&str], now: UnixMs) -> Result<(), String> {
        let presented: Vec<_> = chain.iter().map(|name| self.der(name)).collect();
        let anchor = |name: &&str| Anchor {
            name: (*name).to_owned(),
            der: self.der(name),
            verified: true,
        };
        let anchors: Vec<_> = anchors.iter().map(anchor).collect();
        verify(&presented, &anchors, now)
            .map(|_| ())
            .map_err(|refusal| refusal.reason)
    }

    pub(super) fn webpki(&self, chain: &[&str], anchors: &[&str], now: UnixMs) -> bool {
        let ders: Vec<_> = chain
            .iter()
            .map(|name| CertificateDer::from(self.der(name)))
            .collect();
        let roots: Vec<_> = anchors
            .iter()
            .map(|name| CertificateDer::from(self.der(name)))
            .collect();
        let roots: Vec<_> = roots
            .iter()
            .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok())
            .collect();
        let Ok(leaf) = EndEntityCert::try_from(&ders[0]) else {
            return false;
        };
        let at = Duration::from_millis(u64::try_from(now).unwrap());
        let judged = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &roots,
            &ders[1..],
            UnixTime::since_unix_epoch(at),
            KeyUsage::client_auth(),
            None,
            None,
        );
        judged.is_ok()
    }

    pub(super) fn openssl(&self, chain: &[&str], anchors: &[&str], now: UnixMs) -> bool {
        let whole = |file: &str, names: &[&str]| {
            let texts = names
                .iter()
                .map(|name| std::fs::read_to_string(self.path(name)).unwrap());
            std::fs::write(self.path(file), texts.collect::<String>()).unwrap();
        };
        whole("anchors", anchors);
        whole("others", &chain[1..]);
        let mut command = Command::new("openssl");
        command.current_dir(self.0.path()).args([
            "verify",
            "-purpose",
            "sslclient",
            "-auth_level",
            "2",
        ]);
        command.args(["-partial_chain", "-no-CApath", "-no-CAstore"]);
        command.args(["-attime", &(now / 1000).to_string(), "-trusted", "anchors"]);
        if chain.len() > 1 {
            command.args(["-untrusted", "others"]);
        }
        command.arg(chain[0]).output().unwrap().status.success()
    }
}

/// The extensions of the certificates.
const SECTIONS: &str = "
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[ca0]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
[ca1]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign
[ca_plain]
basicConstraints = CA:TRUE
[ca_false]
basicConstraints = critical, CA:FALSE
[none]
[ca_no_sign]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature
[ca_server]
basicConstraints = critical, CA:TRUE
extendedKeyUsage = serverAuth
[ca_client]
basicConstraints = critical, CA:TRUE
extendedKeyUsage = clientAuth
[ca_unknown]
basicConstraints = critical, CA:TRUE
1.2.3.4 = critical, ASN1:NULL
[ca_permitted]
basicConstraints = critical, CA:TRUE
nameConstraints = critical, permitted;DNS:device.example
[ca_excluded]
basicConstraints = critical, CA:TRUE
nameConstraints = critical, excluded;DNS:device.example
[ca_loose]
basicConstraints = critical, CA:TRUE
nameConstraints = excluded;DNS:device.example
[ca_policy]
basicConstraints = critical, CA:TRUE
policyConstraints = critical, requireExplicitPolicy:0
[ca_any]
basicConstraints = critical, CA:TRUE
inhibitAnyPolicy = critical, 0
[leaf]
extendedKeyUsage = clientAuth
[leaf_server]
extendedKeyUsage = serverAuth
[leaf_both]
extendedKeyUsage = serverAuth, clientAuth
[leaf_signs]
keyUsage = critical, digitalSignature
[leaf_agrees]
keyUsage = critical, keyAgreement
[leaf_enciphers]
keyUsage = critical, keyEncipherment
[leaf_unknown]
1.2.3.4 = critical, ASN1:NULL
[leaf_unknown_loose]
1.2.3.4 = ASN1:NULL
[leaf_san]
subjectAltName = critical, DNS:device.example
[leaf_policies]
certificatePolicies = critical, 1.2.3.4
[leaf_eku_any]
extendedKeyUsage = anyExtendedKeyUsage
";
