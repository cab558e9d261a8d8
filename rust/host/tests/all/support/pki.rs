//! A development PKI for one test.

use std::{fs, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::HOST;

/// A CA and what it signs.
pub(crate) struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Leaf {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::named("Test CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { ca }
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    pub(crate) fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "device-1");
        change(&mut params);
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        Leaf { certificate, key }
    }

    /// A hub with a certificate of this CA, that takes clients of this CA.
    pub(crate) fn hub(&self) -> Arc<ServerConfig> {
        self.hub_that_trusts(self)
    }

    /// A hub with a certificate of this CA, that takes clients of the other CA.
    pub(crate) fn hub_that_trusts(&self, clients: &Self) -> Arc<ServerConfig> {
        self.hub_with(self.leaf(|_| {}), clients)
    }

    pub(crate) fn hub_with(&self, leaf: Leaf, clients: &Self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(clients.ca.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(leaf.key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![leaf.certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    /// Everything that a device needs, in its credential store.
    pub(crate) fn provision(&self, data: &Path) {
        let leaf = self.leaf(|_| {});
        write(data, "ca.pem", &self.ca_pem());
        write(data, "cert.pem", &leaf.certificate.pem());
        write(data, "key.pem", &leaf.key.serialize_pem());
    }
}

/// Puts a file under sec tag 10.
pub(crate) fn write(data: &Path, name: &str, content: &str) {
    let folder = data.join("modem/credentials/10");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), content).unwrap();
}
