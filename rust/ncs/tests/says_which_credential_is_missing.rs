//! The modem by AT commands and by its library: what a tag lacks, and what is not there on Linux.

use std::{fs, path::PathBuf};

use iothub_host::Options;
use ncs::{
    at,
    keys::{self, Credential, SecTag},
    modem, tls,
};

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

#[test]
fn says_which_credential_is_missing() {
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("says_which_credential_is_missing");
    let _ = fs::remove_dir_all(&data);
    iothub_host::start(Options::new(&data)).unwrap();
    modem::init().unwrap();

    let tag = SecTag(10);
    for credential in [
        Credential::CaChain,
        Credential::Certificate,
        Credential::PrivateKey,
    ] {
        assert_eq!(tls::missing(tag), Ok(Some(credential)));
        keys::write(tag, credential, PEM).unwrap();
    }
    assert_eq!(tls::missing(tag), Ok(None));
    assert_eq!(tls::missing(SecTag(11)), Ok(Some(Credential::CaChain)));

    assert!(matches!(
        at::command(c"AT+CFUN=1", &mut [0; 8]),
        Err(at::Error::Errno(errno)) if errno.is(ncs_sys::EOPNOTSUPP) || errno.is(ncs_sys::ENOTSUP)
    ));
    modem::watch(|notice| panic!("{notice:?}"));
    modem::set_apn(c"iot.example").unwrap();
    modem::shutdown().unwrap();
    modem::init().unwrap();
}
