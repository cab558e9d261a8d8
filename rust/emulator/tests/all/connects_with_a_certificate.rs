//! X.509 devices: who gets in, and what is said to whom does not.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::{Ca, Credentials, Hub};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    date_time_ymd,
};
use serde_json::json;

/// Connects, is refused with code 5, and the log says why.
async fn refused(hub: &Hub, id: &str, credentials: Option<&Credentials>) -> (u64, String) {
    let mut device = hub.dial(credentials).await;
    device.connect(id, true).await;
    assert_eq!(device.connack().await, (false, 5));
    device.expect_close().await;
    let event = hub
        .event_where("refused", |event| event["deviceId"] == id)
        .await;
    (
        event["code"].as_u64().unwrap(),
        event["reason"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn behind_a_root_and_behind_an_intermediate() {
    let hub = Hub::start().await;
    hub.device("direct").await.ping().await;
    let intermediate = hub.ca.intermediate("Intermediate");
    hub.register("deep").await;
    let credentials = intermediate.device("deep").with(&intermediate);
    let mut deep = hub.connect("deep", &credentials, true).await;
    deep.ping().await;
    let (_, device) = hub.get("/devices/deep").await;
    assert_eq!(device["connectionState"], "Connected");
    let event = hub
        .event_where("connected", |event| event["deviceId"] == "deep")
        .await;
    assert!(
        event["reason"].as_str().unwrap().contains("CA 'root'"),
        "{event}"
    );
}

#[tokio::test]
async fn a_registered_intermediate_is_enough() {
    let hub = Hub::start().await;
    let foreign = Ca::root("Foreign Root");
    let intermediate = foreign.intermediate("Known Intermediate");
    hub.register_ca("known", &intermediate.pem, true).await;
    hub.register("dev").await;
    hub.connect("dev", &intermediate.device("dev"), true)
        .await
        .ping()
        .await;
}

/// RFC 5280, sections 4.2.1.3, 4.2.1.9 and 4.2.1.12; `openssl verify -purpose sslclient` refuses
/// each.
#[tokio::test]
async fn a_chain_that_its_own_certificates_forbid() {
    let hub = Hub::start().await;
    let path_of = |length| {
        move |it: &mut CertificateParams| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(length))
    };
    let short = Ca::root_with("Short", path_of(0));
    hub.register_ca("short", &short.pem, true).await;
    let longer = Ca::root_with("Longer", path_of(1));
    hub.register_ca("longer", &longer.pem, true).await;
    hub.register("dev").await;

    let below_short = short.intermediate("Below Short");
    let below_longer = longer.intermediate("Below Longer");
    let two_below = below_longer.intermediate("Two Below");
    let narrow = hub.ca.intermediate_with("Narrow", path_of(0));
    let below_narrow = narrow.intermediate("Below Narrow");
    let unsigning = hub.ca.intermediate_with("Unsigning", |it| {
        it.key_usages = vec![KeyUsagePurpose::CrlSign];
    });
    let of_servers = hub.ca.intermediate_with("Of Servers", |it| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let usage = |usage| {
        hub.ca
            .device_with("dev", move |it| it.extended_key_usages = usage)
    };
    for (credentials, why) in [
        (
            below_short.device("dev").with(&below_short),
            "allows 0 CAs below it, and there are 1",
        ),
        (
            two_below.device("dev").with(&two_below).with(&below_longer),
            "allows 1 CAs below it, and there are 2",
        ),
        (
            below_narrow.device("dev").with(&below_narrow).with(&narrow),
            "'CN=Narrow' allows 0 CAs",
        ),
        (
            unsigning.device("dev").with(&unsigning),
            "'CN=Unsigning' may not sign certificates: its key usage lacks keyCertSign",
        ),
        (
            of_servers.device("dev").with(&of_servers),
            "'CN=Of Servers' is not for clients",
        ),
        (
            usage(vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "'CN=dev' is not for clients: its extended key usage lacks clientAuth",
        ),
        (
            hub.ca.device_with("dev", |it| {
                it.key_usages = vec![KeyUsagePurpose::KeyEncipherment]
            }),
            "'CN=dev' may not sign: its key usage lacks digitalSignature",
        ),
    ] {
        let mut device = hub.dial(Some(&credentials)).await;
        device.connect("dev", true).await;
        assert_eq!(device.connack().await, (false, 5), "{why}");
        device.expect_close().await;
        let of_this = |event: &serde_json::Value| event["reason"].as_str().unwrap().contains(why);
        hub.event_where("refused", of_this).await;
    }

    for allowed in [
        short.device("dev"),
        below_longer.device("dev").with(&below_longer),
        narrow.device("dev").with(&narrow),
        usage(vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ]),
        // Neither extension says anything.
        hub.ca.device_with("dev", |it| {
            it.key_usages.clear();
            it.extended_key_usages.clear();
        }),
    ] {
        hub.connect("dev", &allowed, true).await.ping().await;
    }
}

#[tokio::test]
async fn the_reason_names_what_is_wrong() {
    let hub = Hub::start().await;
    let (code, reason) = refused(&hub, "nobody", Some(&hub.ca.device("nobody"))).await;
    assert_eq!(code, 404001, "{reason}");

    hub.register("bare").await;
    assert_eq!(
        refused(&hub, "bare", None).await,
        (401003, "no certificate was presented".to_owned())
    );

    hub.register("a").await;
    let (_, reason) = refused(&hub, "a", Some(&hub.ca.device("b"))).await;
    assert_eq!(
        reason,
        "the certificate's CN is 'b', and the device id is 'a'"
    );

    hub.register("late").await;
    let late = hub.ca.device_with("late", |params| {
        params.not_after = date_time_ymd(2021, 5, 4)
    });
    let (_, reason) = refused(&hub, "late", Some(&late)).await;
    assert_eq!(
        reason,
        "the certificate 'CN=late' expired at 2021-05-04T00:00:00.000Z"
    );

    hub.register("stranger").await;
    let (_, reason) = refused(
        &hub,
        "stranger",
        Some(&Ca::root("Wrong CA").device("stranger")),
    )
    .await;
    assert!(
        reason.contains("'CN=Wrong CA', which is neither a registered CA nor"),
        "{reason}"
    );

    hub.register("namesake").await;
    let (_, reason) = refused(
        &hub,
        "namesake",
        Some(&Ca::root("Test Root CA").device("namesake")),
    )
    .await;
    assert!(
        reason.contains("not by the key of 'CN=Test Root CA'"),
        "{reason}"
    );

    let unproved = Ca::root("Unproved");
    hub.register_ca("unproved", &unproved.pem, false).await;
    hub.register("early").await;
    let (_, reason) = refused(&hub, "early", Some(&unproved.device("early"))).await;
    assert!(
        reason.contains("registered as 'unproved' but not verified"),
        "{reason}"
    );

    hub.register("gap").await;
    let intermediate = hub.ca.intermediate("Not Sent");
    let (_, reason) = refused(&hub, "gap", Some(&intermediate.device("gap"))).await;
    assert!(reason.contains("issued by 'CN=Not Sent'"), "{reason}");
}

#[tokio::test]
async fn a_device_is_no_ca() {
    let hub = Hub::start().await;
    // The registered CA signed "inner", whose key then signs for "outer".
    let inner = hub.ca.intermediate("inner");
    let plain = hub.ca.device("inner");
    hub.register("outer").await;
    let mut forged = inner.device("outer");
    forged.chain.push(plain.chain[0].clone());
    let (_, reason) = refused(&hub, "outer", Some(&forged)).await;
    assert!(
        reason.contains("'CN=inner' issued 'CN=outer' but is no CA"),
        "{reason}"
    );
}

#[tokio::test]
async fn by_thumbprint_without_any_ca() {
    let hub = Hub::start().await;
    let own = Ca::root("Own").device("any name");
    let document = json!({"authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": own.sha256()}}});
    assert_eq!(hub.put("/devices/thumb", &document).await.0, 200);
    hub.connect("thumb", &own, true).await.ping().await;
    let (_, reason) = refused(&hub, "thumb", Some(&hub.ca.device("thumb"))).await;
    assert!(
        reason.contains("is not registered for device 'thumb'"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_disabled_device_is_dropped_at_once_and_refused_next_time() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    let body = json!({"status": "disabled", "statusReason": "lost"}).to_string();
    let (status, _) = hub
        .request("PUT", "/devices/dev", &[("if-match", "*")], body.as_bytes())
        .await;
    assert_eq!(status, 200);
    device.expect_close().await;
    let closed = hub.event("closed").await;
    assert_eq!(
        (&closed["code"], &closed["reason"]),
        (
            &json!(403012),
            &json!("device 'dev' was disabled in the registry")
        )
    );
    let (code, reason) = refused(&hub, "dev", Some(&hub.ca.device("dev"))).await;
    assert_eq!(
        (code, reason.as_str()),
        (403012, "device 'dev' is disabled (lost)")
    );
}

#[tokio::test]
async fn a_second_connection_takes_over() {
    let hub = Hub::start().await;
    let mut first = hub.device("dev").await;
    let mut second = hub.connect("dev", &hub.ca.device("dev"), true).await;
    first.expect_close().await;
    second.ping().await;
    assert_eq!(hub.event("closed").await["code"], 400027);
    assert_eq!(
        hub.get("/devices/dev").await.1["connectionState"],
        "Connected"
    );
}
