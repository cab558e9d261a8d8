//! The TLS side: version 1.2 only, any client certificate whose key the peer has.
//!
//! Whether a certificate lets a device in is decided at CONNECT, where a refusal can have a reason.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig,
    SignatureScheme,
};

use super::chain;

/// Why a server's certificate is of no use.
#[derive(Debug)]
pub(crate) enum Error {
    /// The chain is not PEM.
    Chain(pem::Error),
    /// The chain is empty.
    NoCertificate,
    /// The key is not PEM.
    KeyText(pem::Error),
    /// The key is of a kind that is not known.
    Key(rustls::Error),
    /// The key is another's.
    Mismatch(rustls::Error),
    /// The crypto library does not speak TLS 1.2.
    Protocol(rustls::Error),
    /// None can be made for these names.
    Generate(String, rcgen::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(error) => {
                write!(f, "the server's certificate chain is not PEM: {error}")
            }
            Self::NoCertificate => {
                f.write_str("the server's certificate chain holds no certificate")
            }
            Self::KeyText(error) => write!(f, "the server's key is not PEM: {error}"),
            Self::Key(error) => write!(f, "the server's key cannot be used: {error}"),
            Self::Mismatch(error) => {
                write!(f, "the server's key does not fit its certificate: {error}")
            }
            Self::Protocol(error) => write!(f, "TLS 1.2 cannot be spoken: {error}"),
            Self::Generate(names, error) => {
                write!(
                    f,
                    "a server certificate for {names} cannot be made: {error}"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// The server's certificate, which can be swapped while it runs.
#[derive(Debug)]
pub(crate) struct ServerCertificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// Takes PEM text: the chain, leaf first, and the key.
    pub(crate) fn from_pem(chain: &str, key: &str) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            current: RwLock::new(certified_key(chain, key)?),
        }))
    }

    /// Those of `names` that a client which checks the host name would not find in it.
    pub(crate) fn lacking<'n>(&self, names: &'n [String]) -> Vec<&'n str> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Ok(leaf)) = current.cert.first().map(ParsedCertificate::try_from) else {
            return Vec::new();
        };
        let is_lacking = |name: &&str| match ServerName::try_from(*name) {
            Ok(name) => verify_server_name(&leaf, &name).is_err(),
            Err(_) => true,
        };
        names
            .iter()
            .map(String::as_str)
            .filter(is_lacking)
            .collect()
    }

    /// Presents another certificate from the next handshake on.
    pub(crate) fn swap(&self, chain: &str, key: &str) -> Result<(), Error> {
        let next = certified_key(chain, key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.current.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

/// The configuration of the MQTT listener (`client_certificates`) or of the HTTPS listener.
pub(crate) fn server_config(
    certificate: Arc<ServerCertificate>,
    client_certificates: bool,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .map_err(Error::Protocol)?;
    let builder = match client_certificates {
        true => builder.with_client_cert_verifier(Arc::new(PossessionOnly { provider })),
        false => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificate);
    // The real hub resumes no sessions either.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_half_rtt_data = false;
    Ok(Arc::new(config))
}

/// Whether it comes from a browser of the Chromium family, which puts reserved values among its
/// cipher suites (RFC 8701).
pub(crate) fn is_browsers(hello: &ClientHello<'_>) -> bool {
    hello.cipher_suites().iter().any(|suite| {
        let [high, low] = u16::from(*suite).to_be_bytes();
        high == low && low & 0x0f == 0x0a
    })
}

fn certified_key(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, Error> {
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(Error::Chain)?;
    if certificates.is_empty() {
        return Err(Error::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(Error::KeyText)?;
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(Error::Key)?;
    let certified = CertifiedKey::new(certificates, key);
    certified.keys_match().map_err(Error::Mismatch)?;
    Ok(Arc::new(certified))
}

/// Accepts every certificate whose key can prove anything; the handshake still proves that the peer
/// has it.
struct PossessionOnly {
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for PossessionOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PossessionOnly")
    }
}

impl ClientCertVerifier for PossessionOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        chain::check_usable(leaf).map_err(|refusal| {
            let why = CertificateError::Other(OtherError(Arc::new(refusal)));
            rustls::Error::InvalidCertificate(why)
        })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(
            "only TLS 1.2 is spoken here".to_owned(),
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Seeds the crypto library's generator, which takes it some 40 ms.
pub(crate) fn warm_up() {
    let _ = ::aws_lc_rs::rand::fill(&mut [0]);
}

/// A CA and a server certificate for `names`, made for a hub that was given none.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    /// What clients must trust.
    pub ca_pem: String,
    /// The server's certificate.
    pub chain_pem: String,
    /// The server's key.
    pub key_pem: String,
}

/// Makes a [`Generated`] identity; the CA's key is thrown away.
pub(crate) fn generate(names: &[String]) -> Result<Generated, Error> {
    let make = || -> Result<Generated, rcgen::Error> {
        let now = time::OffsetDateTime::now_utc();
        let ca_key = rcgen::KeyPair::generate()?;
        let mut ca = rcgen::CertificateParams::new(Vec::new())?;
        ca.distinguished_name = rcgen::DistinguishedName::new();
        ca.distinguished_name
            .push(rcgen::DnType::CommonName, "iothub-emulator server CA");
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.key_usages = vec![
            rcgen::KeyUsagePurpose::KeyCertSign,
            rcgen::KeyUsagePurpose::CrlSign,
        ];
        ca.not_before = now - time::Duration::days(1);
        ca.not_after = now + time::Duration::days(825);
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate()?;
        let mut server = rcgen::CertificateParams::new(names.to_vec())?;
        server.distinguished_name = rcgen::DistinguishedName::new();
        let name = names.first().map_or("localhost", String::as_str);
        server
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        server.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        server.not_before = now - time::Duration::days(1);
        server.not_after = now + time::Duration::days(397);
        let certificate = server.signed_by(&key, &issuer)?;
        Ok(Generated {
            ca_pem: ca_certificate.pem(),
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    };
    make().map_err(|error| Error::Generate(names.join(", "), error))
}
