//! Refused by the hub, which says why in its own log.

use crate::support::{World, key, waits_for};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use iothub_provision::pki::Validity;
use time::{Duration, OffsetDateTime};

#[test]
fn an_expired_certificate_is_refused() {
    let mut world = World::new();
    let now = OffsetDateTime::now_utc();
    let expired = world.issue(
        DEVICE_ID,
        Validity {
            not_before: now - Duration::days(2),
            not_after: now - Duration::days(1),
        },
    );
    world.credential("cert.pem", Some(&expired.chain_pem()));
    world.credential("key.pem", Some(&key(&expired)));
    let lines = world.start(Network::Ipv4Only);
    waits_for(&lines, iothub_demo::said::RETRY);
    let refused = world.event("refused");
    let reason = refused["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("expired") || reason.contains("valid"),
        "{refused}"
    );
}
