//! Devices over HTTPS: telemetry, files, and the provisioning service.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{Credentials, HUB, Hub, exchange_over, http, tls, token};

async fn hub() -> Hub {
    Hub::start_with(|options| options.https = Some("127.0.0.1:0".parse().unwrap())).await
}

/// Over the HTTPS port; status and body.
async fn call(
    hub: &Hub,
    credentials: Option<&Credentials>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String) {
    let address = hub.emulator.https_addr().unwrap();
    let stream = tls(address, &hub.server_ca, credentials).await.unwrap();
    let host = format!("{HUB}:{}", address.port());
    let (status, _, body) = exchange_over(stream, &host, method, path, headers, body).await;
    (status, body)
}

/// A device with a key, and the header that proves it.
async fn keyed(hub: &Hub, id: &str) -> String {
    let entry = json!({"deviceId": id, "authentication": {"type": "sas"}});
    let (_, made) = hub.put(&format!("/devices/{id}"), &entry).await;
    let key = made["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    token(&format!("{HUB}/devices/{id}"), key, 600, None)
}

#[tokio::test]
async fn one_message_with_its_properties_as_headers() {
    let hub = hub().await;
    let proof = keyed(&hub, "dev").await;
    let headers = [
        ("Authorization", proof.as_str()),
        ("IoTHub-MessageId", "m%201"),
        ("iothub-contenttype", "application/json"),
        ("iothub-app-Colour", "r%C3%A9d"),
        ("iothub-to", "/devices/dev/messages/events"),
    ];
    let path = "/devices/dev/messages/events?api-version=2020-03-13";
    assert_eq!(
        call(&hub, None, "POST", path, &headers, b"{\"a\":1}").await,
        (204, String::new())
    );
    let line = &hub.lines("/admin/telemetry.jsonl?device=dev").await[0];
    assert_eq!(line["body"], json!({"a": 1}));
    assert_eq!(line["properties"], json!({"colour": "réd"}));
    let system = json!({"messageId": "m 1", "contentType": "application/json"});
    assert_eq!(line["systemProperties"], system);
    let (_, twin) = hub.get("/devices/dev").await;
    assert_ne!(twin["lastActivityTime"], "0001-01-01T00:00:00Z");

    let large = vec![b'x'; 256 * 1024 + 1];
    assert_eq!(
        call(&hub, None, "POST", path, &headers[..1], &large)
            .await
            .0,
        413
    );
    let other = "/devices/other/messages/events";
    assert_eq!(
        call(&hub, None, "POST", other, &headers[..1], b"x").await.0,
        401
    );
    hub.put(
        "/devices/off",
        &json!({"authentication": {"type": "certificateAuthority"}, "status": "disabled"}),
    )
    .await;
    let (status, answer) = hub
        .request("POST", "/devices/off/messages/events", &[], b"x")
        .await;
    assert_eq!((status, answer["errorCode"].as_u64()), (403, Some(403_012)));
    assert_eq!(hub.lines("/admin/telemetry.jsonl").await.len(), 1);
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let hub = hub().await;
    let proof = keyed(&hub, "dev").await;
    let headers = [
        ("Authorization", proof.as_str()),
        (
            "Content-Type",
            "application/vnd.microsoft.iothub.json; charset=utf-8",
        ),
    ];
    let path = "/devices/dev/messages/events";
    let batch = json!([
        {"body": "AAEC/w==", "properties": {"iothub-app-Colour": "red", "plain": "yes", "iothub-messageid": "m1"}},
        {"body": "as it is", "base64Encoded": false},
    ]);
    let sent = call(
        &hub,
        None,
        "POST",
        path,
        &headers,
        batch.to_string().as_bytes(),
    )
    .await;
    assert_eq!(sent.0, 204);
    let lines = hub.lines("/admin/telemetry.jsonl?device=dev").await;
    assert_eq!(lines[0]["bodyBase64"], "AAEC/w==");
    assert_eq!(
        lines[0]["properties"],
        json!({"Colour": "red", "plain": "yes"})
    );
    assert_eq!(lines[0]["systemProperties"], json!({"messageId": "m1"}));
    assert_eq!(lines[1]["body"], "as it is");
    let large = "x".repeat(200_000);
    for wrong in [
        json!([{"body": "AAEC"}, {"body": "?"}]),
        json!([{"body": "AAEC"}, {}]),
        json!([{"body": "AAEC", "properties": []}]),
        json!([]),
        json!({"body": "AAEC"}),
    ] {
        let (status, _) = call(
            &hub,
            None,
            "POST",
            path,
            &headers,
            wrong.to_string().as_bytes(),
        )
        .await;
        assert_eq!(status, 400, "{wrong}");
    }
    let both =
        json!([{"body": large, "base64Encoded": false}, {"body": large, "base64Encoded": false}]);
    assert_eq!(
        call(
            &hub,
            None,
            "POST",
            path,
            &headers,
            both.to_string().as_bytes()
        )
        .await
        .0,
        413
    );
    assert_eq!(hub.lines("/admin/telemetry.jsonl").await.len(), 2);
}

#[tokio::test]
async fn a_certificate_counts_as_over_mqtt() {
    let hub = hub().await;
    hub.register("dev").await;
    hub.register("other").await;
    let shown = hub.ca.device("dev");
    let path = "/devices/dev/messages/events";
    assert_eq!(
        call(&hub, Some(&shown), "POST", path, &[], b"x").await.0,
        204
    );
    let other = "/devices/other/messages/events";
    assert_eq!(
        call(&hub, Some(&shown), "POST", other, &[], b"x").await.0,
        401
    );
    let stranger = crate::support::Ca::root("another").device("dev");
    assert_eq!(
        call(&hub, Some(&stranger), "POST", path, &[], b"x").await.0,
        401
    );
}

/// An upload that the device has begun: its answer, and the address of the blob.
async fn begin(hub: &Hub, proof: &str, name: &str) -> (Value, String) {
    let headers = [("Authorization", proof)];
    let body = json!({"blobName": name}).to_string();
    let path = "/devices/dev/files?api-version=2020-03-13";
    let (status, answer) = call(hub, None, "POST", path, &headers, body.as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let address = hub.emulator.https_addr().unwrap();
    assert_eq!(text("hostName"), format!("{HUB}:{}", address.port()));
    let path = format!(
        "/{}/{}{}",
        text("containerName"),
        text("blobName"),
        text("sasToken")
    );
    (answer, path)
}

#[tokio::test]
async fn a_file_is_put_whole_or_in_blocks_and_services_are_told() {
    let hub = hub().await;
    let proof = keyed(&hub, "dev").await;
    let headers = [("Authorization", proof.as_str())];
    let (answer, address) = begin(&hub, &proof, "photo/1.bin").await;
    assert_eq!(answer["blobName"], "dev/photo/1.bin");
    let end = "/devices/dev/files/notifications?api-version=2020-03-13";
    let success =
        json!({"correlationId": answer["correlationId"], "isSuccess": true, "statusCode": 200});
    let success = success.to_string();
    // There is nothing yet.
    assert_eq!(
        call(&hub, None, "POST", end, &headers, success.as_bytes())
            .await
            .0,
        400
    );
    let blob = [("x-ms-blob-type", "BlockBlob")];
    assert_eq!(call(&hub, None, "PUT", &address, &[], b"x").await.0, 400);
    let body = vec![b'y'; 700_000];
    assert_eq!(call(&hub, None, "PUT", &address, &blob, &body).await.0, 201);
    let only_new = [("x-ms-blob-type", "BlockBlob"), ("If-None-Match", "*")];
    assert_eq!(
        call(&hub, None, "PUT", &address, &only_new, b"again")
            .await
            .0,
        409
    );
    assert_eq!(
        call(&hub, None, "GET", &address, &[], b"").await.1.len(),
        700_000
    );
    let part = call(
        &hub,
        None,
        "GET",
        &address,
        &[("Range", "bytes=10-14")],
        b"",
    )
    .await;
    assert_eq!(part, (206, "yyyyy".to_owned()));
    assert_eq!(
        call(&hub, None, "POST", end, &headers, success.as_bytes())
            .await
            .0,
        204
    );
    // It has ended.
    assert_eq!(
        call(&hub, None, "POST", end, &headers, success.as_bytes())
            .await
            .0,
        400
    );
    let (status, told) = hub.get("/messages/serviceBound/filenotifications").await;
    assert_eq!(
        (status, &told["blobName"], &told["blobSizeInBytes"]),
        (200, &json!("dev/photo/1.bin"), &json!(700_000))
    );
    assert_eq!(
        hub.get("/messages/serviceBound/filenotifications").await.0,
        204
    );

    let (answer, address) = begin(&hub, &proof, "blocks").await;
    for (id, text) in [("QQ==", "one"), ("Qg==", "two")] {
        let path = format!("{address}&comp=block&blockid={}", id.replace('=', "%3D"));
        assert_eq!(
            call(&hub, None, "PUT", &path, &[], text.as_bytes()).await.0,
            201
        );
    }
    let list =
        "<?xml version=\"1.0\"?><BlockList><Latest>Qg==</Latest><Latest>QQ==</Latest></BlockList>";
    let path = format!("{address}&comp=blocklist");
    assert_eq!(
        call(&hub, None, "PUT", &path, &[], list.as_bytes()).await.0,
        201
    );
    assert_eq!(
        call(&hub, None, "GET", &address, &[], b"").await,
        (200, "twoone".to_owned())
    );
    let failure =
        json!({"isSuccess": false, "statusCode": 500, "statusDescription": "no light"}).to_string();
    let named = format!(
        "/devices/dev/files/notifications/{}",
        answer["correlationId"].as_str().unwrap()
    );
    assert_eq!(
        call(&hub, None, "POST", &named, &headers, failure.as_bytes())
            .await
            .0,
        204
    );
    let event = hub
        .event_where("file", |it| it["reason"].to_string().contains("no light"))
        .await;
    assert_eq!(event["deviceId"], "dev");
    assert_eq!(
        hub.get("/messages/serviceBound/filenotifications").await.0,
        204
    );
}

#[tokio::test]
async fn an_address_is_for_one_blob_and_nothing_leads_elsewhere() {
    let hub = hub().await;
    let proof = keyed(&hub, "dev").await;
    let blob = [("x-ms-blob-type", "BlockBlob")];
    let (_, address) = begin(&hub, &proof, "a").await;
    let query = address.split_once('?').unwrap().1;
    for path in [
        format!("/devicefiles/uploads/dev/b?{query}"),
        format!("/devicefiles/other/dev/a?{query}"),
        "/devicefiles/uploads/dev/a".to_owned(),
        address.replace("sp=rw", "sp=rwd"),
    ] {
        let (status, answer) = call(&hub, None, "PUT", &path, &blob, b"x").await;
        assert_eq!(status, 403, "{path}: {answer}");
        assert!(
            answer.contains("<Code>AuthenticationFailed</Code>"),
            "{answer}"
        );
    }
    let (_, address) = begin(&hub, &proof, "../../../escape").await;
    let encoded = address.replacen("dev/../../../escape", "dev%2F..%2F..%2F..%2Fescape", 1);
    assert_eq!(
        call(&hub, None, "PUT", &encoded, &blob, b"kept").await.0,
        201
    );
    assert_eq!(
        call(&hub, None, "GET", &encoded, &[], b"").await,
        (200, "kept".to_owned())
    );
    for _ in 2..10 {
        begin(&hub, &proof, "more").await;
    }
    let headers = [("Authorization", proof.as_str())];
    let (status, answer) = call(
        &hub,
        None,
        "POST",
        "/devices/dev/files",
        &headers,
        b"{\"blobName\":\"x\"}",
    )
    .await;
    assert_eq!(status, 403, "{answer}");
    assert!(answer.contains("403006"), "{answer}");
    for wrong in ["{}", "{\"blobName\":\"\"}", "{\"blobName\":7}", "[]"] {
        let (status, _) = call(
            &hub,
            None,
            "POST",
            "/devices/dev/files",
            &headers,
            wrong.as_bytes(),
        )
        .await;
        assert_eq!(status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn files_uploads_and_notifications_are_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    process.call("PUT", "/devices/dev", "{}").await;
    let begin = |name: &str| format!("{{\"blobName\":\"{name}\"}}");
    let mut begun = Vec::new();
    for name in ["one", "two"] {
        let answer = process
            .call("POST", "/devices/dev/files", &begin(name))
            .await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let path = format!(
            "/{}/{}{}",
            text("containerName"),
            text("blobName"),
            text("sasToken")
        );
        begun.push((text("correlationId"), path));
    }
    let put = |process: &Process, path: String| {
        let address = process.http;
        async move {
            http(
                address,
                "PUT",
                &path,
                &[("x-ms-blob-type", "BlockBlob")],
                b"bytes",
            )
            .await
            .0
        }
    };
    assert_eq!(put(&process, begun[0].1.clone()).await, 201);
    let end = |id: &str| format!("{{\"correlationId\":\"{id}\",\"isSuccess\":true}}");
    process
        .call(
            "POST",
            "/devices/dev/files/notifications",
            &end(&begun[0].0),
        )
        .await;
    process.kill();

    let process = Process::start(&["--data-dir"], folder.path());
    let told = process
        .call("GET", "/messages/serviceBound/filenotifications", "")
        .await;
    assert!(told.contains("dev/one"), "{told}");
    assert_eq!(
        http(process.http, "GET", &begun[0].1, &[], b"").await,
        (200, "bytes".to_owned())
    );
    // The address of before is good, and so is the upload.
    assert_eq!(put(&process, begun[1].1.clone()).await, 201);
    process
        .call(
            "POST",
            "/devices/dev/files/notifications",
            &end(&begun[1].0),
        )
        .await;
}

#[tokio::test]
async fn the_provisioning_service_answers_as_over_mqtt() {
    let hub = hub().await;
    let group = json!({"enrollmentGroupId": "line", "attestation": {"type": "x509",
        "x509": {"signingCertificates": {"primary": {"certificate": hub.ca.pem}}}}});
    assert_eq!(hub.put("/enrollmentGroups/line", &group).await.0, 200);
    let shown = hub.ca.device("reg1");
    let base = "/0ne00000001/registrations/reg1";
    let body = b"{\"registrationId\":\"reg1\"}";
    let path = format!("{base}/register?api-version=2021-06-01");
    let (status, _) = call(&hub, None, "PUT", &path, &[], body).await;
    assert_eq!(status, 401);
    let (status, _) = call(&hub, Some(&shown), "POST", base, &[], body).await;
    assert_eq!(status, 404);
    let (status, answer) = call(&hub, Some(&shown), "PUT", &path, &[], body).await;
    assert_eq!(status, 202, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let operation = answer["operationId"].as_str().unwrap();
    let path = format!("{base}/operations/{operation}?api-version=2021-06-01");
    let (status, answer) = call(&hub, Some(&shown), "GET", &path, &[], b"").await;
    let state: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (status, &state["status"]),
        (200, &json!("assigned")),
        "{answer}"
    );
    assert_eq!(state["registrationState"]["assignedHub"], HUB);
    let (status, answer) = call(&hub, Some(&shown), "POST", base, &[], body).await;
    assert_eq!(status, 200);
    assert!(answer.contains("\"assigned\""), "{answer}");
    let elsewhere = call(
        &hub,
        Some(&shown),
        "PUT",
        "/0ne99/registrations/reg1/register",
        &[],
        body,
    )
    .await;
    assert_eq!(elsewhere.0, 401);
}

/// On however many connections they are asked.
#[tokio::test]
async fn polls_are_throttled_for_each_device() {
    let hub = Hub::start_with(|options| {
        options.https = Some("127.0.0.1:0".parse().unwrap());
        options.settings.set("pollsPerTenSeconds", "2").unwrap();
    })
    .await;
    let group = json!({"enrollmentGroupId": "line", "attestation": {"type": "x509",
        "x509": {"signingCertificates": {"primary": {"certificate": hub.ca.pem}}}}});
    assert_eq!(hub.put("/enrollmentGroups/line", &group).await.0, 200);
    for id in ["reg1", "reg2"] {
        let shown = hub.ca.device(id);
        let path =
            format!("/0ne00000001/registrations/{id}/operations/none?api-version=2021-06-01");
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let (status, answer) = call(&hub, Some(&shown), "GET", &path, &[], b"").await;
            assert_eq!(status == 429, answer.contains("429001"), "{answer}");
            statuses.push(status);
        }
        assert_eq!(statuses, [404, 404, 429], "{id}");
    }
}
