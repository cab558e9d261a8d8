//! CONNACK 5 is for who is not authorised; what is the emulator's own fault, or passes, is code 3.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;

#[tokio::test]
async fn a_storage_that_fails_is_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start_with(|options| options.data_dir = Some(folder.path().to_owned())).await;
    hub.register("dev").await;
    let other = rusqlite::Connection::open(folder.path().join("emulator.db")).unwrap();
    // As a damaged file: what CONNECT asks for is not there.
    other
        .execute_batch("ALTER TABLE devices RENAME TO gone")
        .unwrap();
    let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
    device.connect("dev", true).await;
    assert_eq!(device.connack().await, (false, 3));
    device.expect_close().await;
    let refused = hub.event("refused").await;
    assert_eq!(refused["code"], 500_001, "{refused}");
    other
        .execute_batch("ALTER TABLE gone RENAME TO devices")
        .unwrap();
    let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
    device.connect("dev", true).await;
    assert_eq!(device.connack().await, (false, 0));

    let mut unknown = hub.dial(Some(&hub.ca.device("unknown"))).await;
    unknown.connect("unknown", true).await;
    assert_eq!(unknown.connack().await, (false, 5));
}
