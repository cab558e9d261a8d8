//! A hub of another CA, of another name, or with a certificate that has expired: refused, and told
//! why.

use crate::support::{
    device::{self, IPV6_UP, errno},
    hub::Hub,
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn refuses_a_hub_that_it_cannot_verify() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let expired = pki.leaf(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let san = rcgen::SanType::DnsName("their-hub.azure-devices.net".try_into().unwrap());
    let other_name = pki.leaf(|params| params.subject_alt_names = vec![san]);
    let configs = [
        Pki::named("Other CA").hub_that_trusts(&pki),
        Pki::new().hub_that_trusts(&pki),
        pki.hub_with(expired, &pki),
        pki.hub_with(other_name, &pki),
    ];
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let hub = hub.run(move |hub| {
        for config in configs {
            let refused = hub.with(config).try_accept();
            assert!(refused.is_err_and(|error| error.to_string().contains("alert")));
        }
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    device::init();
    let reasons = [
        "no CA certificate under the sec tag has signed it (UnknownIssuer)",
        "no CA certificate under the sec tag has signed it (BadSignature)",
        "it has expired",
        "it is for another host name",
    ];
    for reason in reasons {
        assert_eq!(device::connect(), errno(sys::ECONNREFUSED));
        let last = device::log().pop().unwrap();
        assert!(
            last.contains("the server's certificate is not accepted"),
            "{last}"
        );
        assert!(last.contains(reason), "{last}");
    }
    hub.join().unwrap();
    device::assert_silent();
}
