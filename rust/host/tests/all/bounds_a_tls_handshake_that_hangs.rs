//! A hub that accepts TCP and says nothing: the send timeout ends it, or an abort from another
//! thread.

use std::{io::Read as _, sync::mpsc, thread, time::Duration};

use crate::support::{
    DEADLINE,
    device::{self, IPV6_UP, errno},
    hub::Hub,
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn bounds_a_tls_handshake_that_hangs() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let mut options = device::options(data.path(), hub.port());
    options.send_timeout = Duration::from_secs(2);
    let (accepted, is_handshaking) = mpsc::channel();
    let hub = hub.run(move |hub| {
        for _ in 0..2 {
            let mut stream = hub.accept_tcp();
            accepted.send(()).unwrap();
            // Until the device gives up.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });

    device::attach(options, &IPV6_UP);
    device::init();
    assert_eq!(device::connect(), errno(sys::ETIMEDOUT));
    device::assert_logged("did not complete the TLS handshake within 2s");
    is_handshaking.recv_timeout(DEADLINE).unwrap();

    let connecting = thread::spawn(device::connect);
    is_handshaking.recv_timeout(DEADLINE).unwrap();
    assert_eq!(device::abort(), 0);
    assert_eq!(connecting.join().unwrap(), errno(sys::ECONNABORTED));
    hub.join().unwrap();
    device::assert_silent();
}
