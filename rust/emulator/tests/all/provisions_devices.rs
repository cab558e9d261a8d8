//! The provisioning service: groups, individual enrollments, moves between hubs.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support;
use crate::support::{Ca, Credentials, Device, Hub};
use serde_json::{Value, json};

const SCOPE: &str = "0ne00000001";

impl Hub {
    /// A hub with a group behind the CA.
    async fn with_group() -> Self {
        let hub =
            Self::start_with(|options| options.more_hubs = vec!["second.localhost".to_owned()])
                .await;
        hub.group(
            "fleet",
            &hub.ca.pem,
            json!({"iotHubHostName": "hub.localhost"}),
        )
        .await;
        hub
    }

    async fn group(&self, id: &str, pem: &str, more: Value) {
        let mut group = more;
        group["attestation"] = json!({"type": "x509", "x509": {"signingCertificates": {"primary": {"certificate": pem}}}});
        let (status, answer) = self.put(&format!("/enrollmentGroups/{id}"), &group).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn dial_provisioning(
        &self,
        id: &str,
        credentials: Option<&Credentials>,
        token: Option<&str>,
    ) -> Device {
        self.dial_with(id, credentials, token, "2019-03-31").await
    }

    async fn dial_with(
        &self,
        id: &str,
        credentials: Option<&Credentials>,
        token: Option<&str>,
        version: &str,
    ) -> Device {
        let mut device = self.dial(credentials).await;
        let user_name =
            format!("{SCOPE}/registrations/{id}/api-version={version}&ClientVersion=t%2F1");
        device.connect_as(id, &user_name, false, 60, token).await;
        device
    }

    /// Registers and asks until there is an end of it.
    async fn provision(
        &self,
        id: &str,
        credentials: Option<&Credentials>,
        token: Option<&str>,
    ) -> Value {
        let device = self.dial_provisioning(id, credentials, token).await;
        Self::register_over(device).await
    }

    /// The same with a version of the service.
    async fn provision_with(&self, id: &str, credentials: &Credentials, version: &str) -> Value {
        let device = self.dial_with(id, Some(credentials), None, version).await;
        Self::register_over(device).await
    }

    async fn register_over(mut device: Device) -> Value {
        assert_eq!(device.connack().await, (false, 0));
        device.subscribe(&["$dps/registrations/res/#"]).await;
        device
            .publish("$dps/registrations/PUT/iotdps-register/?$rid=1", "", 1)
            .await;
        device.expect_puback(1).await;
        let answer = device.message().await;
        assert_eq!(
            answer.topic,
            "$dps/registrations/res/202/?$rid=1&retry-after=3"
        );
        let assigning: Value = serde_json::from_str(&answer.payload).unwrap();
        assert_eq!(assigning["status"], "assigning");
        let operation = assigning["operationId"].as_str().unwrap();
        let topic = format!(
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1&operationId={operation}"
        );
        device.publish(&topic, " ", 0).await;
        let answer = device.message().await;
        assert_eq!(answer.topic, "$dps/registrations/res/200/?$rid=1");
        device.disconnect().await;
        serde_json::from_str::<Value>(&answer.payload).unwrap()["registrationState"].take()
    }

    async fn refused_by_provisioning(
        &self,
        id: &str,
        credentials: Option<&Credentials>,
        token: Option<&str>,
    ) -> String {
        let mut device = self.dial_provisioning(id, credentials, token).await;
        assert_eq!(device.connack().await, (false, 5));
        device.expect_close().await;
        let event = self
            .event_where("refused", |event| event["deviceId"] == id)
            .await;
        event["reason"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_group_assigns_and_the_device_connects_to_its_hub() {
    let hub = Hub::with_group().await;
    let credentials = hub.ca.device("dev-1");
    let state = hub.provision("dev-1", Some(&credentials), None).await;
    assert_eq!(state["status"], "assigned");
    assert_eq!(
        (&state["assignedHub"], &state["deviceId"]),
        (&json!("hub.localhost"), &json!("dev-1"))
    );
    assert_eq!(
        (&state["substatus"], &state["x509"]["enrollmentGroupId"]),
        (&json!("initialAssignment"), &json!("fleet"))
    );
    hub.connect("dev-1", &credentials, true).await.ping().await;
    assert_eq!(
        hub.get("/registrations/dev-1").await.1["status"],
        "assigned"
    );
}

/// Versions from 2019-04-15 on have a word for a device that comes back to where it was.
#[tokio::test]
async fn who_comes_back_is_told_so_by_versions_that_know_it() {
    let hub = Hub::with_group().await;
    let credentials = hub.ca.device("dev-1");
    for (version, substatus) in [
        ("2021-06-01", "initialAssignment"),
        ("2021-06-01", "reprovisionedToInitialAssignment"),
        ("2019-03-31", "initialAssignment"),
        ("2019-04-15", "reprovisionedToInitialAssignment"),
    ] {
        let state = hub.provision_with("dev-1", &credentials, version).await;
        assert_eq!(state["substatus"], substatus, "{version}");
    }
    // One that the hub knows and the service does not.
    hub.register("dev-2").await;
    let state = hub
        .provision_with("dev-2", &hub.ca.device("dev-2"), "2021-06-01")
        .await;
    assert_eq!(state["substatus"], "reprovisionedToInitialAssignment");
}

#[tokio::test]
async fn one_registration_is_one_device_whatever_its_case() {
    let hub = Hub::with_group().await;
    for id in ["Dev-1", "DEV-1", "dev-1"] {
        let state = hub.provision(id, Some(&hub.ca.device(id)), None).await;
        assert_eq!(state["deviceId"], "Dev-1", "{id}");
    }
    let (_, devices) = hub.get("/devices").await;
    assert_eq!(devices.as_array().map(Vec::len), Some(1), "{devices}");
}

#[tokio::test]
async fn what_the_enrollment_says_of_a_device_reaches_its_hub() {
    let hub = Hub::with_group().await;
    let group = json!({
        "capabilities": {"iotEdge": true},
        "initialTwin": {"tags": {"site": "A"}, "properties": {"desired": {"interval": 5}}},
    });
    hub.group("fleet", &hub.ca.pem, group).await;
    let credentials = hub.ca.device("dev-1");
    for _ in 0..2 {
        // A device that was deleted at its hub begins anew.
        hub.provision("dev-1", Some(&credentials), None).await;
        let (_, twin) = hub.get("/twins/dev-1").await;
        assert_eq!(twin["capabilities"]["iotEdge"], true);
        assert_eq!(twin["tags"]["site"], "A");
        assert_eq!(twin["properties"]["desired"]["interval"], 5);
        let change = json!({"properties": {"desired": {"interval": 7}}});
        hub.patch("/twins/dev-1", &change).await;
        hub.provision("dev-1", Some(&credentials), None).await;
        let (_, twin) = hub.get("/twins/dev-1").await;
        assert_eq!(twin["properties"]["desired"]["interval"], 7);
        assert_eq!(hub.delete("/devices/dev-1").await.0, 204);
    }
}

/// What `az iot hub device-identity parent set` reads and writes.
#[tokio::test]
async fn a_child_names_the_scope_of_its_parent() {
    let hub = Hub::start().await;
    let edge = json!({"deviceId": "edge", "capabilities": {"iotEdge": true}});
    let (_, edge) = hub.put("/devices/edge", &edge).await;
    let scope = edge["deviceScope"].as_str().unwrap();
    let generation = edge["generationId"].as_str().unwrap();
    assert_eq!(scope, format!("ms-azure-iot-edge://edge-{generation}"));
    let (_, mut leaf) = hub.put("/devices/leaf", &json!({"deviceId": "leaf"})).await;
    assert_eq!(leaf.get("deviceScope"), None);
    leaf["deviceScope"] = json!(scope);
    let update = |document: Value| {
        let hub = &hub;
        async move {
            let body = document.to_string();
            let headers = [("if-match", "*")];
            hub.request("PUT", "/devices/leaf", &headers, body.as_bytes())
                .await
        }
    };
    let (status, leaf) = update(leaf).await;
    assert_eq!((status, &leaf["deviceScope"]), (200, &json!(scope)));
    assert_eq!(leaf["parentScopes"], json!([scope]));
    let (_, twin) = hub.get("/twins/leaf").await;
    assert_eq!(twin["parentScopes"], json!([scope]));
    let mut alone = leaf.clone();
    alone["deviceScope"] = json!("");
    alone["parentScopes"] = json!([]);
    let (_, leaf) = update(alone).await;
    assert_eq!(leaf.get("deviceScope"), None);
    let (status, _) = update(json!({"deviceId": "leaf", "deviceScope": "elsewhere"})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_when_it_is_saved() {
    let hub = Hub::with_group().await;
    for (wrong, why) in [
        (json!({"provisioningStatus": "on"}), "provisioningStatus"),
        (json!({"allocationPolicy": "nearest"}), "allocationPolicy"),
        (json!({"reprovisionPolicy": "never"}), "reprovisionPolicy"),
        (
            json!({"reprovisionPolicy": {"migrateDeviceData": 1}}),
            "migrateDeviceData",
        ),
        (json!({"capabilities": {"iotEdge": "maybe"}}), "iotEdge"),
        (json!({"iotHubs": "hub.localhost"}), "iotHubs"),
        (json!({"iotHubs": [1]}), "iotHubs"),
        (json!({"iotHubHostName": 7}), "iotHubHostName"),
        (json!({"initialTwin": []}), "initialTwin"),
        (
            json!({"initialTwin": {"desired": {}}}),
            "initialTwin: field 'desired'",
        ),
        (
            json!({"initialTwin": {"properties": {"reported": {}}}}),
            "field 'reported'",
        ),
        (json!({"initialTwin": {"tags": 1}}), "tags"),
        (
            json!({"initialTwin": {"tags": {"a.b": 1}}}),
            "invalid character",
        ),
        (
            json!({"initialTwin": {"properties": {"desired": {"a#": 1}}}}),
            "invalid character",
        ),
        (
            json!({"allocationPolicy": "custom"}),
            "webhookUrl is missing",
        ),
        (
            json!({"customAllocationDefinition": {"webhookUrl": "ftp://x/"}}),
            "must begin with http://",
        ),
        (
            json!({"customAllocationDefinition": {}}),
            "webhookUrl is missing",
        ),
    ] {
        let mut group = wrong.clone();
        group["attestation"] = json!({"type": "symmetricKey"});
        let (status, refused) = hub.put("/enrollmentGroups/wrong", &group).await;
        let told = refused["message"].as_str().unwrap_or_default();
        assert!(
            status == 400 && told.contains(why),
            "{wrong}: {status} {told}"
        );
    }
    assert_eq!(hub.get("/enrollmentGroups/wrong").await.0, 404);
}

#[tokio::test]
async fn what_a_registration_asks_for_beyond_is_not_ignored() {
    let hub = Hub::with_group().await;
    let credentials = hub.ca.device("dev-1");
    let mut device = hub
        .dial_provisioning("dev-1", Some(&credentials), None)
        .await;
    assert_eq!(device.connack().await, (false, 0));
    device.subscribe(&["$dps/registrations/res/#"]).await;
    for (body, status) in [
        (json!({"registrationId": "dev-1", "csr": "MIIB"}), 400),
        (json!({"tpm": {"endorsementKey": "x"}}), 400),
        (json!({"csr": null, "tpm": null, "payload": null}), 202),
    ] {
        let topic = "$dps/registrations/PUT/iotdps-register/?$rid=1";
        device.publish(topic, &body.to_string(), 0).await;
        let answer = device.message().await;
        let expected = format!("$dps/registrations/res/{status}/");
        assert!(answer.topic.starts_with(&expected), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn the_most_specific_enrollment_wins_and_blocks() {
    let hub = Hub::with_group().await;
    let near = hub.ca.intermediate("Near");
    hub.group(
        "near",
        &near.pem,
        json!({"iotHubHostName": "second.localhost"}),
    )
    .await;
    let credentials = near.device("dev").with(&near);
    assert_eq!(
        hub.provision("dev", Some(&credentials), None).await["assignedHub"],
        "second.localhost"
    );

    let individual = json!({
        "deviceId": "renamed", "iotHubHostName": "hub.localhost",
        "attestation": {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": credentials.leaf_pem()}}}},
        "initialTwin": {"tags": {"site": "A"}, "properties": {"desired": {"interval": 5}}},
    });
    assert_eq!(hub.put("/enrollments/dev", &individual).await.0, 200);
    let state = hub.provision("dev", Some(&credentials), None).await;
    assert_eq!(
        (&state["assignedHub"], &state["deviceId"]),
        (&json!("hub.localhost"), &json!("renamed"))
    );
    let (_, twin) = hub.get("/twins/renamed").await;
    assert_eq!(
        (
            &twin["tags"]["site"],
            &twin["properties"]["desired"]["interval"]
        ),
        (&json!("A"), &json!(5))
    );

    let mut disabled = individual;
    disabled["provisioningStatus"] = json!("disabled");
    assert_eq!(hub.put("/enrollments/dev", &disabled).await.0, 200);
    assert_eq!(
        hub.provision("dev", Some(&credentials), None).await["status"],
        "disabled"
    );
}

#[tokio::test]
async fn a_device_moves_with_its_data_or_without() {
    let hub = Hub::with_group().await;
    let credentials = hub.ca.device("dev");
    hub.provision("dev", Some(&credentials), None).await;
    hub.patch("/twins/dev", &json!({"tags": {"kept": true}}))
        .await;
    hub.group(
        "fleet",
        &hub.ca.pem,
        json!({"iotHubHostName": "second.localhost"}),
    )
    .await;
    let state = hub.provision("dev", Some(&credentials), None).await;
    assert_eq!(
        (&state["assignedHub"], &state["substatus"]),
        (&json!("second.localhost"), &json!("deviceDataMigrated"))
    );
    assert_eq!(
        hub.get("/twins/dev?hub=second.localhost").await.1["tags"]["kept"],
        true
    );
    assert_eq!(hub.get("/twins/dev?hub=hub.localhost").await.0, 404);

    let reset = json!({"iotHubHostName": "hub.localhost", "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": false}});
    hub.group("fleet", &hub.ca.pem, reset).await;
    assert_eq!(
        hub.provision("dev", Some(&credentials), None).await["substatus"],
        "deviceDataReset"
    );
    assert_eq!(hub.get("/twins/dev").await.1["tags"], json!({}));

    let never = json!({"iotHubHostName": "second.localhost", "reprovisionPolicy": {"updateHubAssignment": false}});
    hub.group("fleet", &hub.ca.pem, never).await;
    assert_eq!(
        hub.provision("dev", Some(&credentials), None).await["assignedHub"],
        "hub.localhost"
    );
}

#[tokio::test]
async fn with_a_symmetric_key_of_its_own_or_derived_from_the_groups() {
    let hub = Hub::start().await;
    let key = "AAECAwQFBgcICQoLDA0ODw==";
    let attestation =
        json!({"type": "symmetricKey", "symmetricKey": {"primaryKey": key, "secondaryKey": key}});
    assert_eq!(
        hub.put("/enrollments/own", &json!({"attestation": attestation}))
            .await
            .0,
        200
    );
    assert_eq!(
        hub.put(
            "/enrollmentGroups/keyed",
            &json!({"attestation": attestation})
        )
        .await
        .0,
        200
    );
    let token = |id: &str, key: &str| {
        support::token(
            &format!("{SCOPE}/registrations/{id}"),
            key,
            3600,
            Some("registration"),
        )
    };
    assert_eq!(
        hub.provision("own", None, Some(&token("own", key))).await["status"],
        "assigned"
    );
    let derived = support::hmac_sha256(key, "one-of-many");
    let state = hub
        .provision("one-of-many", None, Some(&token("one-of-many", &derived)))
        .await;
    assert_eq!(state["symmetricKey"]["enrollmentGroupId"], "keyed");
    let reason = hub
        .refused_by_provisioning("other", None, Some(&token("other", &derived)))
        .await;
    assert!(reason.contains("the token fits no group's key"), "{reason}");
}

#[tokio::test]
async fn who_does_not_belong_is_refused_with_a_reason() {
    let hub = Hub::with_group().await;
    let stranger = Ca::root("Stranger").device("dev");
    let reason = hub
        .refused_by_provisioning("dev", Some(&stranger), None)
        .await;
    assert!(
        reason.contains("'CN=Stranger', which is neither a registered CA"),
        "{reason}"
    );
    let reason = hub.refused_by_provisioning("bare", None, None).await;
    assert!(
        reason.contains("neither a certificate nor a token"),
        "{reason}"
    );
    let reason = hub
        .refused_by_provisioning("name", Some(&hub.ca.device("other")), None)
        .await;
    assert!(reason.contains("CN is 'other'"), "{reason}");
}

#[tokio::test]
async fn a_hub_that_is_not_here_is_a_failure_the_device_can_read() {
    let hub = Hub::with_group().await;
    hub.group(
        "fleet",
        &hub.ca.pem,
        json!({"iotHubHostName": "elsewhere.net"}),
    )
    .await;
    let state = hub
        .provision("dev", Some(&hub.ca.device("dev")), None)
        .await;
    assert_eq!(
        (&state["status"], &state["errorCode"]),
        (&json!("failed"), &json!(400208))
    );
}

#[tokio::test]
async fn a_webhook_decides() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let hub = Hub::with_group().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         28\r\n{\"iotHubHostName\":\"second.localhost\",\"in\r\n\
         37\r\nitialTwin\":{\"tags\":{\"by\":\"hook\"}},\"payload\":{\"zone\":4}}\r\n0\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    ];
    let questions = tokio::spawn(async move {
        let mut questions = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"}") || !question.windows(4).any(|it| it == b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut question).await.unwrap(), 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            questions.push(String::from_utf8(question).unwrap());
        }
        questions
    });
    let custom = json!({
        "allocationPolicy": "custom",
        "customAllocationDefinition": {"webhookUrl": format!("http://{address}/allocate?code=1"), "apiVersion": "2019-03-31"},
    });
    hub.group("fleet", &hub.ca.pem, custom).await;
    let credentials = hub.ca.device("dev-1");
    let state = hub.provision("dev-1", Some(&credentials), None).await;
    assert_eq!(state["assignedHub"], "second.localhost", "{state}");
    assert_eq!(state["payload"], json!({"zone": 4}));
    let (_, twin) = hub.get("/twins/dev-1?hub=second.localhost").await;
    assert_eq!(twin["tags"], json!({"by": "hook"}));
    let state = hub.provision("dev-1", Some(&credentials), None).await;
    assert_eq!(
        (&state["status"], &state["errorCode"]),
        (&json!("failed"), &json!(400207))
    );
    assert_eq!(
        state["errorMessage"],
        "Custom allocation failed with status code: 400"
    );
    let questions = questions.await.unwrap();
    assert!(
        questions[0].starts_with("POST /allocate?code=1 HTTP/1.1\r\n"),
        "{}",
        questions[0]
    );
    let (_, body) = questions[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["deviceRuntimeContext"]["registrationId"], "dev-1");
    assert_eq!(body["enrollmentGroup"]["enrollmentGroupId"], "fleet");
    assert_eq!(
        body["linkedHubs"],
        json!(["hub.localhost", "second.localhost"])
    );
}

#[tokio::test]
async fn a_webhook_that_cannot_be_called_is_refused_or_a_failure() {
    let hub = Hub::with_group().await;
    let credentials = hub.ca.device("dev-1");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let custom = |url: &str| json!({"allocationPolicy": "custom", "customAllocationDefinition": {"webhookUrl": url}});
    hub.group("fleet", &hub.ca.pem, custom(&url)).await;
    let state = hub.provision("dev-1", Some(&credentials), None).await;
    assert_eq!(state["errorCode"], 400207, "{state}");
    let mut group = custom("https://example.com/");
    group["attestation"] = json!({"type": "symmetricKey"});
    let (status, answer) = hub.put("/enrollmentGroups/other", &group).await;
    assert_eq!(status, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("must begin with http://"),
        "{answer}"
    );
}

#[tokio::test]
async fn too_many_requests_are_throttled() {
    let hub = Hub::start_with(|options| {
        options.settings.set("registrationsPerMinute", "1").unwrap();
        options.settings.set("pollsPerTenSeconds", "2").unwrap();
    })
    .await;
    hub.group("fleet", &hub.ca.pem, json!({})).await;
    let credentials = hub.ca.device("dev-1");
    let mut device = hub
        .dial_provisioning("dev-1", Some(&credentials), None)
        .await;
    assert_eq!(device.connack().await, (false, 0));
    device.subscribe(&["$dps/registrations/res/#"]).await;
    for (topic, answers) in [
        ("PUT/iotdps-register/?$rid=1", &["202", "429"][..]),
        (
            "GET/iotdps-get-operationstatus/?$rid=1&operationId=x",
            &["404", "404", "429"],
        ),
    ] {
        for status in answers {
            device
                .publish(&format!("$dps/registrations/{topic}"), "", 0)
                .await;
            let answer = device.message().await;
            let wanted = format!("$dps/registrations/res/{status}/?$rid=1");
            assert!(
                answer.topic.starts_with(&wanted),
                "{} {wanted}",
                answer.topic
            );
            if *status == "429" {
                assert!(answer.topic.contains("&retry-after="), "{}", answer.topic);
                assert!(answer.payload.contains("429001"), "{}", answer.payload);
            }
        }
    }
}

/// A device that lost its connection while it was assigned asks with its operation's id on the next
/// one.
#[tokio::test]
async fn an_operation_outlives_the_connection() {
    let hub = Hub::with_group().await;
    let credentials = hub.ca.device("dev-1");
    let begin = async |id: &str, credentials: &Credentials| {
        let mut device = hub.dial_provisioning(id, Some(credentials), None).await;
        assert_eq!(device.connack().await, (false, 0));
        device.subscribe(&["$dps/registrations/res/#"]).await;
        device
    };
    let mut device = begin("dev-1", &credentials).await;
    device
        .publish("$dps/registrations/PUT/iotdps-register/?$rid=1", "", 0)
        .await;
    let answer: Value = serde_json::from_str(&device.message().await.payload).unwrap();
    let operation = answer["operationId"].as_str().unwrap();
    let topic = format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}"
    );
    device.disconnect().await;

    let mut device = begin("dev-1", &credentials).await;
    device.publish(&topic, "", 0).await;
    let answer = device.message().await;
    assert_eq!(answer.topic, "$dps/registrations/res/200/?$rid=2");
    assert!(
        answer.payload.contains("\"assigned\""),
        "{}",
        answer.payload
    );

    let mut other = begin("dev-2", &hub.ca.device("dev-2")).await;
    other.publish(&topic, "", 0).await;
    let answer = other.message().await;
    assert_eq!(answer.topic, "$dps/registrations/res/404/?$rid=2");
}
