//! Certificates of devices, made when they are needed and kept in memory alone: the hub knows their
//! CA.

use std::sync::Arc;

use iothub_provision::pki::{
    Authority, Key, KeyAlgorithm, Pki, Profile, Subject, Template, Validity,
};
use rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::TLS12,
};
use time::OffsetDateTime;

use crate::Error;

/// Signs for all devices.
pub(super) struct Issuer {
    authority: Authority,
    validity: Validity,
}

/// Certificate chain and key of one device, with what it trusts: TLS 1.2, as the modem speaks it.
pub(super) struct Identity(pub(super) Arc<ClientConfig>);

impl Issuer {
    /// The intermediate CA of the folder.
    pub(super) fn open(pki: &Pki) -> Result<Self, Error> {
        let authority = pki.authority("subca", None).map_err(Error::new)?;
        let validity = Validity::days(OffsetDateTime::now_utc(), DAYS).map_err(Error::new)?;
        Ok(Self {
            authority,
            validity,
        })
    }

    /// A new key and its certificate. The device's id is the common name.
    pub(super) fn issue(&self, id: &str, trust: &Trust) -> Result<Identity, Error> {
        let key = Key::generate(KeyAlgorithm::P256).map_err(Error::new)?;
        let leaf = self
            .authority
            .issue(&Template {
                profile: &Profile::Device,
                subject: &Subject::common_name(id).map_err(Error::new)?,
                validity: self.validity,
                public_key: &key.public_key(),
                renews: None,
            })
            .map_err(Error::new)?;
        let chain = std::iter::once(&leaf).chain(self.authority.chain());
        let chain = chain.map(|one| CertificateDer::from(one.der().to_vec()));
        let key = key.to_pem();
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(Error::new)?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&trust.provider))
            .with_protocol_versions(&[&TLS12])
            .map_err(Error::new)?
            .with_webpki_verifier(Arc::clone(&trust.verifier))
            .with_client_auth_cert(chain.collect(), key);
        let mut config = config.map_err(Error::new)?;
        config.resumption = Resumption::disabled();
        Ok(Identity(Arc::new(config)))
    }
}

/// What the hub's certificate is verified by.
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// Roots as PEM.
    pub(super) fn new(roots: &str) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
            store.add(root.map_err(Error::new)?).map_err(Error::new)?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .map_err(Error::new)?;
        Ok(Self { provider, verifier })
    }
}

/// Ten years.
const DAYS: u32 = 3650;
