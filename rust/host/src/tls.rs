//! TLS as the modem has it: version 1.2, the cipher suites that modem and rustls share, server
//! verification with SNI and host name, a client certificate from the credential store, no
//! resumption.

use std::{
    fmt, io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    CertificateError, ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
    version::TLS12,
};

use crate::{
    errno::Errno,
    log,
    modem::{
        Socket,
        credentials::{Credentials, Kind},
    },
    system::is_open_to_others,
};

/// The modem's suites that rustls has too (it has no CBC): `C02B`, `C02F`, `C030`.
const CIPHER_SUITES: [SupportedCipherSuite; 3] = [
    aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Why there is no TLS connection: the text for the log, and the modem's number for it.
#[derive(Debug)]
pub(crate) struct TlsError {
    pub(crate) errno: Errno,
    reason: String,
}

impl TlsError {
    fn refused(reason: String) -> Self {
        Self {
            errno: Errno::CONNREFUSED,
            reason,
        }
    }

    fn unusable(reason: String) -> Self {
        Self {
            errno: Errno::OPNOTSUPP,
            reason,
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// What to connect with, from the credentials under these sec tags.
pub(crate) fn config(store: &Credentials, sec_tags: &[u32]) -> Result<ClientConfig, TlsError> {
    let provider = CryptoProvider {
        cipher_suites: CIPHER_SUITES.to_vec(),
        ..aws_lc_rs::default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS12])
        .map_err(|error| TlsError::unusable(format!("TLS 1.2: {error}")))?
        .with_root_certificates(roots(store, sec_tags)?);
    let mut config = match identity(store, sec_tags)? {
        None => builder.with_no_client_auth(),
        Some(Identity { sec_tag, chain, key }) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::refused(format!(
                    "sec tag {sec_tag}: the private key is not the one of the certificate: {} and {} must \
                     come from one key pair",
                    store.path(sec_tag, Kind::ClientKey).display(),
                    store.path(sec_tag, Kind::ClientCertificate).display(),
                )),
                error => TlsError::unusable(format!(
                    "sec tag {sec_tag}: certificate and key cannot be used: {error}"
                )),
            })?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Whether a configuration has nothing to say who we are.
pub(crate) fn is_anonymous(config: &ClientConfig) -> bool {
    !config.client_auth_cert_resolver.has_certs()
}

fn roots(store: &Credentials, sec_tags: &[u32]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for sec_tag in sec_tags {
        let Some(bytes) = load(store, *sec_tag, Kind::CaChain)? else {
            continue;
        };
        for certificate in certificates(store, *sec_tag, Kind::CaChain, &bytes)? {
            roots.add(certificate).map_err(|error| {
                unreadable(
                    store,
                    *sec_tag,
                    Kind::CaChain,
                    &format!("no CA certificate: {error}"),
                )
            })?;
        }
    }
    if roots.is_empty() {
        let first = sec_tags.first().copied().unwrap_or_default();
        return Err(TlsError::refused(format!(
            "no CA certificate under sec tag {}, so no server can be verified: write type 0, here the file {}",
            sec_tags
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(" or "),
            store.path(first, Kind::CaChain).display(),
        )));
    }
    Ok(roots)
}

struct Identity {
    sec_tag: u32,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn identity(store: &Credentials, sec_tags: &[u32]) -> Result<Option<Identity>, TlsError> {
    for sec_tag in sec_tags.iter().copied() {
        let certificate = load(store, sec_tag, Kind::ClientCertificate)?;
        let key = load(store, sec_tag, Kind::ClientKey)?;
        let half = |there, missing: Kind| {
            TlsError::refused(format!(
                "sec tag {sec_tag} has half of a client's credentials: there is a {there}, and {} is missing",
                store.path(sec_tag, missing).display(),
            ))
        };
        match (certificate, key) {
            (None, None) => {}
            (Some(_), None) => return Err(half("certificate", Kind::ClientKey)),
            (None, Some(_)) => return Err(half("private key", Kind::ClientCertificate)),
            (Some(certificate), Some(key)) => {
                warn_if_open(&store.path(sec_tag, Kind::ClientKey));
                let chain = certificates(store, sec_tag, Kind::ClientCertificate, &certificate)?;
                let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| {
                    unreadable(
                        store,
                        sec_tag,
                        Kind::ClientKey,
                        &describe(&error, "private key"),
                    )
                })?;
                return Ok(Some(Identity {
                    sec_tag,
                    chain,
                    key,
                }));
            }
        }
    }
    Ok(None)
}

fn warn_if_open(key: &Path) {
    if is_open_to_others(key) {
        log::warning!(
            "modem_key_mgmt",
            "{} can be read by others: chmod 600",
            key.display()
        );
    }
}

fn load(store: &Credentials, sec_tag: u32, kind: Kind) -> Result<Option<Vec<u8>>, TlsError> {
    store
        .load(sec_tag, kind)
        .map_err(|error| unreadable(store, sec_tag, kind, &error.to_string()))
}

fn certificates(
    store: &Credentials,
    sec_tag: u32,
    kind: Kind,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed =
        |error: pem::Error| unreadable(store, sec_tag, kind, &describe(&error, "certificate"));
    let all = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if all.is_empty() {
        Err(failed(pem::Error::NoItemsFound))
    } else {
        Ok(all)
    }
}

/// What is wrong with a PEM file, without a byte of it.
fn describe(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("no PEM block of a {wanted} in it"),
        pem::Error::MissingSectionEnd { .. } => "a PEM block has no END line".into(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed".into(),
        pem::Error::Base64Decode(_) => "a PEM block is not base64".into(),
        _ => "it is no PEM file".into(),
    }
}

fn unreadable(store: &Credentials, sec_tag: u32, kind: Kind, reason: &str) -> TlsError {
    let path = store.path(sec_tag, kind);
    TlsError::unusable(format!(
        "sec tag {sec_tag}: {} cannot be used: {reason}",
        path.display()
    ))
}

/// The handshake, from the first byte to the last, within `timeout`.
pub(crate) fn handshake(
    socket: &Socket,
    config: ClientConfig,
    host: &str,
    timeout: Duration,
) -> Result<ClientConnection, TlsError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| TlsError::unusable(format!("{host:?} is no host name that TLS can verify")))?;
    let mut tls = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| TlsError::unusable(error.to_string()))?;
    tls.set_buffer_limit(None);
    let deadline = Instant::now() + timeout;
    while tls.is_handshaking() {
        advance(socket, &mut tls, deadline).map_err(|error| failed(socket, &error, timeout))?;
    }
    flush(socket, &mut tls).map_err(|error| failed(socket, &error, timeout))?;
    Ok(tls)
}

fn advance(socket: &Socket, tls: &mut ClientConnection, deadline: Instant) -> io::Result<()> {
    flush(socket, tls)?;
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    socket.stream().set_read_timeout(Some(left))?;
    match tls.read_tls(&mut socket.stream()) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Err(error) => return Err(error),
    }
    let processed = tls.process_new_packets();
    if let Err(error) = processed {
        // The alert that says why; the error that caused it is the one to report.
        let _ = flush(socket, tls);
        return Err(io::Error::other(error));
    }
    Ok(())
}

/// Writes what TLS has to send.
pub(crate) fn flush(socket: &Socket, tls: &mut ClientConnection) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut socket.stream())?;
    }
    Ok(())
}

fn failed(socket: &Socket, error: &io::Error, timeout: Duration) -> TlsError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(error) = inner {
        return refused(error);
    }
    if socket.is_network_down() {
        return TlsError {
            errno: Errno::NETDOWN,
            reason: "the network went away".into(),
        };
    }
    if socket.is_closed() {
        return TlsError {
            errno: Errno::CONNABORTED,
            reason: "the connection was aborted here".into(),
        };
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TlsError {
            errno: Errno::TIMEDOUT,
            reason: format!("the server did not complete the TLS handshake within {timeout:?}"),
        },
        io::ErrorKind::UnexpectedEof => TlsError {
            errno: Errno::CONNRESET,
            reason: "the server closed the connection in the TLS handshake".into(),
        },
        _ => TlsError {
            errno: Errno::from(error),
            reason: format!("the TLS handshake: {error}"),
        },
    }
}

fn refused(error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InvalidCertificate(why) => TlsError::refused(format!(
            "the server's certificate is not accepted: {} ({why:?})",
            explain(why)
        )),
        rustls::Error::AlertReceived(alert) => TlsError::refused(format!(
            "the server refuses the TLS handshake with the alert {alert:?}: does it know the CA of our \
             certificate, and is the certificate valid now?"
        )),
        error => TlsError::unusable(format!("the TLS handshake: {error}")),
    }
}

/// What the user is to look at.
fn explain(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no CA certificate under the sec tag has signed it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired, or the clock here is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, or the clock here is wrong"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host name"
        }
        _ => "it is not one of a server",
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn store(files: &[(Kind, &str)]) -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        let store = Credentials::new(folder.path().into());
        for (kind, content) in files {
            std::fs::create_dir_all(folder.path().join("7")).unwrap();
            std::fs::write(store.path(7, *kind), content).unwrap();
        }
        (folder, store)
    }

    #[test]
    fn reads_the_files_that_openssl_writes() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default()
            .self_signed(&key)
            .unwrap()
            .pem();
        let (key, text) = (
            key.serialize_pem(),
            "Certificate:\n    Data:\n        Version: 3 (0x2)\n",
        );
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let (_folder, store) = store(&[
            (Kind::CaChain, &format!("{certificate}{certificate}")),
            (
                Kind::ClientCertificate,
                &format!("{text}{}", certificate.replace('\n', "\r\n")),
            ),
            (Kind::ClientKey, &format!("{parameters}{key}")),
        ]);
        assert!(!is_anonymous(&config(&store, &[7]).unwrap()));
    }

    #[test]
    fn a_second_sec_tag_gives_another_ca() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default()
            .self_signed(&key)
            .unwrap()
            .pem();
        let (_folder, store) = store(&[(Kind::CaChain, &certificate)]);
        assert!(is_anonymous(&config(&store, &[6, 7]).unwrap()));
        let error = config(&store, &[5, 6]).unwrap_err();
        assert_eq!(error.errno, Errno::CONNREFUSED);
        assert!(
            error
                .to_string()
                .starts_with("no CA certificate under sec tag 5 or 6,"),
            "{error}"
        );
    }
}
