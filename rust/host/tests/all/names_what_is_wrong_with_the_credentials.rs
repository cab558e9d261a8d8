//! No credentials, half of them, and ones that do not fit: the error names the sec tag and the
//! file, and nothing is sent to the hub.

use std::fs;

use crate::support::{
    device::{self, IPV6_UP, errno},
    hub::Hub,
    pki::{Pki, write},
};
use ncs_sys as sys;

#[test]
fn names_what_is_wrong_with_the_credentials() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("modem/credentials/10");
    let pki = Pki::new();
    let (one, other) = (pki.leaf(|_| {}), pki.leaf(|_| {}));
    let certificate = one.certificate.pem();
    let truncated = certificate.replace("-----END CERTIFICATE-----", "");
    let hub = Hub::new(pki.hub());
    device::attach(device::options(data.path(), hub.port()), &IPV6_UP);
    device::init();

    let refused = errno(sys::ECONNREFUSED);
    let unusable = errno(sys::EOPNOTSUPP);
    let ca = ("ca.pem", pki.ca_pem());
    let cert = ("cert.pem", certificate.clone());
    let key = ("key.pem", one.key.serialize_pem());
    let other_key = ("key.pem", other.key.serialize_pem());
    let cases: [(&[&(&str, String)], _, &str); 8] = [
        (&[], refused, "no CA certificate under sec tag 10"),
        (&[&ca, &cert], refused, "10/key.pem is missing"),
        (&[&ca, &key], refused, "10/cert.pem is missing"),
        (
            &[&ca, &cert, &other_key],
            refused,
            "the private key is not the one of the certificate",
        ),
        (
            &[&("ca.pem", truncated), &cert, &key],
            unusable,
            "ca.pem cannot be used: a PEM block has no END",
        ),
        (
            &[&("ca.pem", "CA".into())],
            unusable,
            "ca.pem cannot be used: no PEM block of a certificate",
        ),
        (
            &[&ca, &("cert.pem", key.1.clone()), &key],
            unusable,
            "cert.pem cannot be used: no PEM block",
        ),
        (
            &[&ca, &cert, &("key.pem", certificate)],
            unusable,
            "key.pem cannot be used: no PEM block",
        ),
    ];
    for (files, result, reason) in cases {
        let _ = fs::remove_dir_all(&folder);
        files
            .iter()
            .for_each(|(name, content)| write(data.path(), name, content));
        assert_eq!(device::connect(), result, "{reason}");
        let last = device::log().pop().unwrap();
        assert!(last.contains(reason), "{last}");
        assert!(!last.contains("MII") && !last.contains("BEGIN"), "{last}");
    }
    device::assert_silent();
}
