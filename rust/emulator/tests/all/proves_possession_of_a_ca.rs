//! The ARM-shaped way of a CA certificate: upload, verification code, proof.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::{Ca, Hub};
use serde_json::{Value, json};

const BASE: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/IotHubs/hub/certificates";

async fn post(hub: &Hub, path: &str, etag: &str, body: &Value) -> (u16, Value) {
    hub.request(
        "POST",
        &format!("{BASE}/{path}"),
        &[("if-match", etag)],
        body.to_string().as_bytes(),
    )
    .await
}

/// As the deserialisers of the Azure SDKs want it: dates in RFC 1123, `id` and `type`.
#[tokio::test]
async fn the_walk_and_its_wrong_turns() {
    let hub = Hub::start().await;
    let ca = Ca::root("New CA");
    let (status, made) = hub
        .put(
            &format!("{BASE}/new"),
            &json!({"properties": {"certificate": ca.pem}}),
        )
        .await;
    assert_eq!(
        (status, &made["properties"]["isVerified"]),
        (200, &json!(false))
    );
    assert_eq!(made["name"], "new");
    assert_eq!(made["id"], format!("{BASE}/new"));
    let first = made["etag"].as_str().unwrap().to_owned();

    let (status, coded) = post(&hub, "new/generateVerificationCode", &first, &json!({})).await;
    assert_eq!(status, 200);
    let code = coded["properties"]["verificationCode"]
        .as_str()
        .unwrap()
        .to_owned();
    let etag = coded["etag"].as_str().unwrap().to_owned();
    assert_ne!(etag, first);

    let proof = |of: &Ca, name: &str| json!({"certificate": of.device(name).leaf_pem()});
    for (proof, tag, status, why) in [
        (proof(&ca, &code), &first, 412, "the etag"),
        (
            proof(&ca, "wrong"),
            &etag,
            400,
            "and not the verification code",
        ),
        (
            proof(&ca, &code.to_lowercase()),
            &etag,
            400,
            "and not the verification code",
        ),
        (
            proof(&Ca::root("New CA"), &code),
            &etag,
            400,
            "is not signed by the key",
        ),
        (
            json!({"certificate": "no sense!"}),
            &etag,
            400,
            "neither PEM nor base64",
        ),
        (json!({}), &etag, 400, "'certificate' is missing"),
    ] {
        let (found, answer) = post(&hub, "new/verify", tag, &proof).await;
        assert_eq!(found, status, "{answer}");
        assert!(
            answer["error"]["message"].as_str().unwrap().contains(why),
            "{answer}"
        );
    }
    let (status, verified) = post(&hub, "new/verify", &etag, &proof(&ca, &code)).await;
    assert_eq!(
        (status, &verified["properties"]["isVerified"]),
        (200, &json!(true))
    );

    hub.register("dev").await;
    hub.connect("dev", &ca.device("dev"), true)
        .await
        .ping()
        .await;
}

#[tokio::test]
async fn a_device_certificate_is_no_ca() {
    let hub = Hub::start().await;
    let leaf = hub.ca.device("leaf").leaf_pem();
    let (status, answer) = hub
        .put(
            &format!("{BASE}/leaf"),
            &json!({"properties": {"certificate": leaf}}),
        )
        .await;
    assert_eq!(status, 400);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("is no CA certificate"),
        "{answer}"
    );
}
