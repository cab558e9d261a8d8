//! modem_key_mgmt as C sees it: what can be read back, and that nothing changes while LTE is on.

use std::ffi::c_int;

use crate::support::{
    device::{self, Seen, errno},
    pki::Pki,
};
use iothub_host::Network;
use ncs_sys::{self as sys, modem_key_mgmt_cred_type as cred_type};

const CA: cred_type = cred_type::MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN;
const KEY: cred_type = cred_type::MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT;

fn write(kind: cred_type, content: &[u8]) -> c_int {
    // SAFETY: the bytes live for the call.
    unsafe { sys::modem_key_mgmt_write(42, kind, content.as_ptr().cast(), content.len()) }
}

fn delete(kind: cred_type) -> c_int {
    // SAFETY: no pointers.
    unsafe { sys::modem_key_mgmt_delete(42, kind) }
}

fn read(kind: cred_type, room: usize) -> (c_int, usize, Vec<u8>) {
    let (mut buffer, mut len) = (vec![0; room], room);
    // SAFETY: there are `len` bytes.
    let result =
        unsafe { sys::modem_key_mgmt_read(42, kind, buffer.as_mut_ptr().cast(), &raw mut len) };
    buffer.truncate(len);
    (result, len, buffer)
}

fn exists(kind: cred_type) -> bool {
    let mut exists = false;
    // SAFETY: it leads to a bool.
    let result = unsafe { sys::modem_key_mgmt_exists(42, kind, &raw mut exists) };
    assert_eq!(result, 0);
    exists
}

#[test]
fn keeps_the_rules_of_the_modems_credential_store() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    let (ca, key) = (pki.ca_pem(), pki.leaf(|_| {}).key.serialize_pem());
    assert_eq!(write(CA, ca.as_bytes()), errno(sys::EPERM));
    let mut options = device::options(data.path(), 1);
    options.network = Network::NoCell;
    iothub_host::start(options).unwrap();

    assert_eq!(read(CA, 10).0, errno(sys::ENOENT));
    assert_eq!(write(CA, ca.as_bytes()), 0);
    assert_eq!(write(KEY, key.as_bytes()), 0);
    assert_eq!(write(cred_type(11), b"x"), errno(sys::EINVAL));
    assert_eq!(write(CA, b""), errno(sys::EINVAL));
    assert_eq!(read(CA, 4096), (0, ca.len(), ca.clone().into_bytes()));
    let (result, needed, _) = read(CA, 10);
    assert_eq!((result, needed), (errno(sys::ENOMEM), ca.len()));
    assert_eq!(read(KEY, 4096).0, errno(sys::EACCES));
    assert!(exists(KEY));
    assert_eq!(delete(KEY), 0);
    assert!(!exists(KEY));

    assert_eq!(device::lte_on(), errno(sys::EFAULT));
    // SAFETY: no arguments.
    assert_eq!(unsafe { sys::nrf_modem_lib_init() }, 0);
    assert_eq!(device::lte_on(), 0);
    assert_eq!(device::next(), Seen::Registration(2));
    assert_eq!(write(CA, ca.as_bytes()), errno(sys::EPERM));
    assert_eq!(delete(CA), errno(sys::EPERM));
    assert!(exists(CA));
    assert_eq!(device::lte_off(), 0);
    assert_eq!(delete(CA), 0);
}
