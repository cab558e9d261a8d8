//! Management as the Azure CLI asks for it: hubs and the provisioning service as resources.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;
use serde_json::{Value, json};

use crate::support::amqp::{Client, Frame};
use crate::support::{self, HUB, Hub};

const SUB: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
const GROUP: &str = "resourceGroups/iothub-emulator/providers/Microsoft.Devices";

fn at(rest: &str) -> String {
    format!("{SUB}/{rest}?api-version=2023-06-30")
}

async fn made(hub: &Hub, name: &str, properties: &Value) -> (u16, Value) {
    let body = json!({"location": "local", "sku": {"name": "S1", "capacity": 1}, "properties": properties});
    hub.put(&at(&format!("{GROUP}/IotHubs/{name}")), &body)
        .await
}

fn error(answer: &Value) -> (&str, &str) {
    let part = |name: &str| answer["error"][name].as_str().unwrap_or_default();
    (part("code"), part("message"))
}

#[tokio::test]
async fn the_cloud_tells_where_its_parts_are() {
    let hub = Hub::start().await;
    let path = "/metadata/endpoints?api-version=2022-09-01";
    let (status, cloud) = hub
        .request("GET", path, &[("host", "localhost:8444")], b"")
        .await;
    assert_eq!(status, 200, "{cloud}");
    assert_eq!(cloud["resourceManager"], "https://localhost:8444");
    assert_eq!(
        cloud["authentication"]["audiences"],
        json!(["https://localhost:8444"])
    );
    let (_, all) = hub.get("/metadata/endpoints?api-version=2019-05-01").await;
    assert_eq!(all[0]["name"], "iothub-emulator");
    let (_, all) = hub.get("/subscriptions?api-version=2022-12-01").await;
    assert_eq!(all["value"][0]["id"], SUB);
    assert_eq!(all["value"][0]["state"], "Enabled");
}

#[tokio::test]
async fn a_token_of_the_identity_opens_what_the_token_opens() {
    let mut options = iothub_emulator::Options::new(HUB);
    options.mqtt = "127.0.0.1:0".parse().unwrap();
    options.http = "127.0.0.1:0".parse().unwrap();
    options.token = Some("secret".to_owned());
    let emulator = iothub_emulator::Emulator::start(options).await.unwrap();
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let (status, text) = support::http(emulator.http_addr(), "GET", path, headers, b"").await;
        (
            status,
            serde_json::from_str::<Value>(&text).unwrap_or_default(),
        )
    };
    let identity = "/metadata/identity/oauth2/token?api-version=2019-08-01&resource=https://x/";
    assert_eq!(ask(identity, &[]).await.0, 401);
    assert_eq!(
        ask(identity, &[("x-identity-header", "guess")]).await.0,
        401
    );
    let (status, answer) = ask(identity, &[("x-identity-header", "secret")]).await;
    assert_eq!((status, &answer["resource"]), (200, &json!("https://x/")));
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    assert_eq!(ask("/subscriptions", &[]).await.0, 401);
    assert_eq!(
        ask("/subscriptions", &[("authorization", &bearer)]).await.0,
        200
    );
    let forged = format!("{bearer}x");
    assert_eq!(ask("/devices", &[("authorization", &forged)]).await.0, 401);
    assert_eq!(ask("/devices", &[("authorization", &bearer)]).await.0, 200);
    // Where the parts are is no secret; clients ask before they have a token.
    assert_eq!(ask("/metadata/endpoints", &[]).await.0, 200);
    emulator.shutdown().await;
}

#[tokio::test]
async fn hubs_are_found_made_changed_and_deleted() {
    let hub = Hub::start_with(|options| options.name = Some("iot-hub001".to_owned())).await;
    let (_, all) = hub.get(&at("providers/Microsoft.Devices/IotHubs")).await;
    let first = &all["value"][0];
    assert_eq!(
        (&first["name"], &first["resourcegroup"]),
        (&json!("iot-hub001"), &json!("iothub-emulator"))
    );
    assert_eq!(first["properties"]["hostName"], HUB);

    let (status, made_one) = made(&hub, "Second-1", &json!({})).await;
    assert_eq!(status, 201, "{made_one}");
    assert_eq!(
        made_one["properties"]["hostName"],
        "second-1.azure-devices.localhost"
    );
    assert_eq!(made_one["sku"]["tier"], "Standard");
    let (_, keys) = hub
        .post(
            &at(&format!("{GROUP}/iothubs/second-1/listKeys")),
            &json!({}),
        )
        .await;
    assert_eq!(keys["value"][0]["keyName"], "iothubowner");
    let (_, key) = hub
        .post(
            &at(&format!(
                "{GROUP}/IotHubs/second-1/IotHubKeys/service/listkeys"
            )),
            &json!({}),
        )
        .await;
    assert_eq!(
        (&key["keyName"], &key["rights"]),
        (&json!("service"), &json!("ServiceConnect"))
    );

    // As `az resource` asks, with a parent that there is not.
    let path = format!("{GROUP}//iotHubs/second-1");
    assert_eq!(hub.get(&at(&path)).await.1["name"], "Second-1");

    // Its registry is its own.
    let device = json!({"authentication": {"type": "sas"}});
    assert_eq!(hub.put("/devices/dev?hub=second-1", &device).await.0, 200);
    assert_eq!(hub.get("/devices").await.1, json!([]));
    let host = [("host", "second-1.azure-devices.localhost")];
    assert_eq!(hub.request("GET", "/devices/dev", &host, b"").await.0, 200);

    let path = at(&format!("{GROUP}/IotHubs/second-1"));
    let stale = [("if-match", "AAAA")];
    let body = json!({"location": "local", "sku": {"name": "S1"}}).to_string();
    assert_eq!(
        hub.request("PUT", &path, &stale, body.as_bytes()).await.0,
        412
    );
    let (status, patched) = hub.patch(&path, &json!({"tags": {"site": "roof"}})).await;
    assert_eq!((status, &patched["tags"]["site"]), (200, &json!("roof")));

    assert_eq!(hub.delete(&path).await.0, 202);
    assert_eq!(hub.delete(&path).await.0, 204);
    let (status, answer) = hub.get(&path).await;
    assert_eq!((status, error(&answer).0), (404, "ResourceNotFound"));
    assert_eq!(hub.get("/devices?hub=second-1").await.0, 404);
    assert_eq!(made(&hub, "second-1", &json!({})).await.0, 201);
    assert_eq!(hub.get("/devices?hub=second-1").await.1, json!([]));
    let (status, answer) = hub
        .delete(&at(&format!("{GROUP}/IotHubs/iot-hub001")))
        .await;
    assert_eq!((status, error(&answer).0), (409, "Conflict"), "{answer}");
}

#[tokio::test]
async fn an_operation_is_followed_to_its_end() {
    let hub = Hub::start().await;
    let body = json!({"location": "local", "sku": {"name": "S1"}}).to_string();
    let (status, head, _) = support::exchange(
        hub.emulator.http_addr(),
        "PUT",
        &at(&format!("{GROUP}/IotHubs/made")),
        &[],
        body.as_bytes(),
    )
    .await;
    assert_eq!(status, 201);
    let told = head
        .lines()
        .find_map(|line| line.strip_prefix("azure-asyncoperation: "))
        .unwrap();
    let path = told.strip_prefix("https://").unwrap();
    let path = &path[path.find('/').unwrap()..];
    let (status, state) = hub.get(path).await;
    assert_eq!((status, &state["status"]), (200, &json!("Succeeded")));
    assert!(head.lines().any(|line| line == "retry-after: 1"), "{head}");
    assert_eq!(
        hub.get(&path.replace("operationResults/", "operationResults/0"))
            .await
            .0,
        404
    );
}

async fn with_amqp() -> Hub {
    Hub::start_with(|options| {
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
    })
    .await
}

/// What is answered to a token over AMQP.
async fn put_token(hub: &Hub, token: &str) -> Frame {
    let address = hub.emulator.amqp_addr().unwrap();
    let mut client = Client::dial(address, &hub.server_ca).await;
    client.begin().await;
    client.put_token(token).await;
    client.expect(0x14).await
}

#[tokio::test]
async fn a_hub_can_refuse_tokens_of_devices_and_of_policies() {
    let hub = with_amqp().await;
    let (_, device) = hub
        .put("/devices/dev", &json!({"authentication": {"type": "sas"}}))
        .await;
    let key = device["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap()
        .to_owned();
    let resource = format!("{HUB}/devices/dev");
    let token = support::token(&resource, &key, 600, None);
    let connect = async || {
        let mut device = hub.dial(None).await;
        let user_name = format!("{HUB}/dev/?api-version=2021-04-12");
        device
            .connect_as("dev", &user_name, true, 60, Some(&token))
            .await;
        device.connack().await.1
    };
    assert_eq!(connect().await, 0);
    let name = HUB.split('.').next().unwrap();
    let (status, answer) = made(&hub, name, &json!({"disableDeviceSAS": true})).await;
    assert_eq!(
        (status, &answer["properties"]["disableDeviceSAS"]),
        (201, &json!(true))
    );
    assert_eq!(connect().await, 5);

    let service = support::token(HUB, hub.emulator.service_key(), 600, Some("iothubowner"));
    let ask = async || {
        hub.request("GET", "/devices", &[("authorization", &service)], b"")
            .await
    };
    assert_eq!(ask().await.0, 200);
    assert!(!put_token(&hub, &service).await.has("disableLocalAuth"));
    made(&hub, name, &json!({"disableLocalAuth": true})).await;
    assert!(put_token(&hub, &service).await.has("disableLocalAuth"));
    let (status, answer) = ask().await;
    assert_eq!(status, 401);
    assert!(
        answer["Message"]
            .as_str()
            .unwrap()
            .contains("disableLocalAuth"),
        "{answer}"
    );
    // What was not written again is off again.
    assert_eq!(connect().await, 0);
}

/// `disableDeviceSAS` leaves modules alone, and `disableModuleSAS` devices, over every protocol.
#[tokio::test]
async fn keys_of_devices_and_of_modules_are_refused_apart() {
    let hub = with_amqp().await;
    let name = HUB.split('.').next().unwrap();
    let paths = ["/devices/dev", "/devices/dev/modules/m"];
    let mut tokens = Vec::new();
    for path in paths {
        let sas = json!({"authentication": {"type": "sas"}});
        let (status, shown) = hub.put(path, &sas).await;
        assert_eq!(status, 200, "{shown}");
        let key = shown["authentication"]["symmetricKey"]["primaryKey"].as_str();
        let resource = format!("{HUB}{path}");
        tokens.push(support::token(&resource, key.unwrap(), 600, None));
    }
    // Whether the device and whether the module is let in: over MQTT, HTTP, and AMQP.
    let let_in = async || {
        let mut all = Vec::new();
        for ((id, path), token) in ["dev", "dev/m"].iter().zip(paths).zip(&tokens) {
            let mut device = hub.dial(None).await;
            let user_name = format!("{HUB}/{id}/?api-version=2021-04-12");
            device
                .connect_as(id, &user_name, true, 60, Some(token))
                .await;
            let over_mqtt = device.connack().await.1;
            let headers = [("authorization", token.as_str())];
            let events = format!("{path}/messages/events");
            let (over_http, answer) = hub.request("POST", &events, &headers, b"x").await;
            let property = match id.contains('/') {
                true => "(disableModuleSAS)",
                false => "(disableDeviceSAS)",
            };
            let told = answer.to_string().contains(property);
            let over_amqp = put_token(&hub, token).await.has(property);
            assert_eq!(over_amqp, told, "{id} over AMQP");
            all.push(match (over_mqtt, over_http, told) {
                (0, 204, false) => true,
                (5, 401, true) => false,
                other => panic!("{id}: {other:?}"),
            });
        }
        (all[0], all[1])
    };
    assert_eq!(let_in().await, (true, true));
    for (off, wanted) in [
        ("disableDeviceSAS", (false, true)),
        ("disableModuleSAS", (true, false)),
        ("disableLocalAuth", (true, true)),
    ] {
        assert_eq!(made(&hub, name, &json!({off: true})).await.0, 201);
        assert_eq!(let_in().await, wanted, "{off}");
    }
}

/// A policy of one's own has its rights and no others, until its key is renewed.
#[tokio::test]
async fn policies_of_ones_own_open_what_they_name() {
    let hub = Hub::start().await;
    let name = HUB.split('.').next().unwrap();
    let keys = async || {
        let path = at(&format!("{GROUP}/IotHubs/{name}/listkeys"));
        let (status, answer) = hub.post(&path, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        answer["value"].as_array().unwrap().clone()
    };
    let mut all = keys().await;
    assert_eq!(all.len(), 5);
    all.push(json!({"keyName": "readers", "rights": "RegistryRead"}));
    let (status, answer) = made(&hub, name, &json!({ "authorizationPolicies": all })).await;
    assert_eq!(
        (status, answer["properties"].get("authorizationPolicies")),
        (201, None)
    );
    let mut all = keys().await;
    let key = all[5]["primaryKey"].as_str().unwrap().to_owned();
    assert_ne!(key, hub.emulator.service_key());
    let ask = async |key: &str, policy: &str, method: &str, path: &str| {
        let token = support::token(HUB, key, 600, Some(policy));
        let headers = [("authorization", token.as_str())];
        hub.request(method, path, &headers, b"{}").await.0
    };
    assert_eq!(ask(&key, "readers", "GET", "/devices").await, 200);
    assert_eq!(ask(&key, "readers", "PUT", "/devices/d").await, 401);
    assert_eq!(ask(&key, "readers", "POST", "/devices/query").await, 401);
    assert_eq!(ask(&key, "service", "GET", "/devices").await, 401);
    // Another key, and the owner's too; who writes the hub without policies leaves them as they
    // are.
    let other = "QUFBQUFBQUFBQUFBQUFBQQ==";
    all[5]["primaryKey"] = json!(other);
    all[0]["primaryKey"] = json!(other);
    assert_eq!(
        made(&hub, name, &json!({ "authorizationPolicies": all }))
            .await
            .0,
        201
    );
    assert_eq!(made(&hub, name, &json!({})).await.0, 201);
    assert_eq!(ask(&key, "readers", "GET", "/devices").await, 401);
    assert_eq!(ask(other, "readers", "GET", "/devices").await, 200);
    assert_eq!(ask(other, "iothubowner", "GET", "/admin").await, 200);
    let (_, shown) = hub.get("/admin/connection-string").await;
    let text = shown["connectionString"].as_str().unwrap();
    assert!(text.ends_with(other), "{text}");
    assert_eq!(hub.emulator.connection_string(), text);
    // A built-in one that is left out is gone.
    all.remove(1);
    assert_eq!(
        made(&hub, name, &json!({ "authorizationPolicies": all }))
            .await
            .0,
        201
    );
    let service = hub.emulator.service_key().to_owned();
    assert_eq!(
        ask(&service, "service", "POST", "/devices/query").await,
        401
    );
    assert_eq!(ask(&service, "device", "GET", "/devices").await, 401);
}

#[tokio::test]
async fn policies_of_the_provisioning_service_too() {
    let hub = Hub::start().await;
    let path = at(&format!("{GROUP}/provisioningServices/dps"));
    let put = async |policies: Value| {
        let body = json!({"location": "local", "sku": {"name": "S1", "capacity": 1},
            "properties": {"authorizationPolicies": policies}});
        hub.put(&path, &body).await
    };
    let key = "QUFBQUFBQUFBQUFBQUFBQQ==";
    let own = |rights: &str| json!([{"keyName": "own", "rights": rights, "primaryKey": key}]);
    let ask = async |method: &str, path: &str| {
        let token = support::token(HUB, key, 600, Some("own"));
        let headers = [("authorization", token.as_str())];
        let body = br#"{"attestation":{"type":"symmetricKey"}}"#;
        hub.request(method, path, &headers, body).await.0
    };
    assert_eq!(ask("POST", "/enrollments/query").await, 401);
    for (rights, reads, writes, registrations, deletes) in [
        ("EnrollmentRead", 200, 401, 401, 401),
        ("EnrollmentWrite", 200, 200, 401, 401),
        ("RegistrationStatusRead", 401, 401, 200, 401),
        ("RegistrationStatusWrite", 401, 401, 200, 404),
        ("ServiceConfig", 401, 401, 401, 401),
    ] {
        let (status, answer) = put(own(rights)).await;
        assert_eq!(status, 201, "{answer}");
        let seen = [
            ask("POST", "/enrollments/query").await,
            ask("PUT", "/enrollments/e").await,
            ask("GET", "/registrations").await,
            ask("DELETE", "/registrations/none").await,
            ask("GET", "/devices").await,
        ];
        assert_eq!(
            seen,
            [reads, writes, registrations, deletes, 401],
            "{rights}"
        );
        hub.delete("/enrollments/e").await;
    }
    assert_eq!(put(own("RegistryRead")).await.0, 400);
}

/// As `az iot hub message-route test` asks: with a route of the hub, and with none.
#[tokio::test]
async fn a_route_says_whether_a_message_takes_it() {
    let hub = Hub::start().await;
    let name = HUB.split('.').next().unwrap();
    let route = |name: &str, source: &str, condition: &str| {
        json!({"name": name, "source": source, "condition": condition,
            "endpointNames": ["events"], "isEnabled": true})
    };
    let test = async |how: &str, body: Value| {
        let path = at(&format!("{GROUP}/IotHubs/{name}/routing/routes/{how}"));
        let (status, answer) = hub.post(&path, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let message = json!({"body": "{\"t\": 21}", "appProperties": {"level": "alarm"},
        "systemProperties": {"contentType": "application/json", "contentEncoding": "utf-8", "connectionDeviceId": "dev"}});
    let twin = json!({"tags": {"site": "roof"}});
    for (condition, result) in [
        ("true", "true"),
        ("level = 'alarm'", "true"),
        ("level = 'calm'", "false"),
        ("$body.t > 20", "true"),
        ("$twin.tags.site = 'roof'", "true"),
        ("$connectionDeviceId = 'other'", "false"),
        ("level =", "undefined"),
    ] {
        let route = route("warm", "DeviceMessages", condition);
        let body = json!({"message": message, "twin": twin, "route": route});
        let answer = test("$testnew", body).await;
        assert_eq!(answer["result"], result, "{condition}: {answer}");
        let errors = answer["details"]["compilationErrors"].as_array();
        assert_eq!(errors.unwrap().is_empty(), result != "undefined");
    }
    let taken = async |source: &str, level: &str| {
        let message =
            json!({"body": null, "appProperties": {"level": level}, "systemProperties": null});
        let body = json!({"routingSource": source, "message": message, "twin": null});
        let answer = test("$testall", body).await;
        let routes = answer["routes"].as_array().unwrap().iter();
        let names = routes.map(|it| it["properties"]["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(taken("DeviceMessages", "alarm").await, ["$fallback"]);
    let mut off = route("off", "DeviceMessages", "true");
    off["isEnabled"] = json!(false);
    let routing = json!({"routing": {"fallbackRoute": {"source": "DeviceMessages", "isEnabled": true}, "routes": [
        route("warm", "DeviceMessages", "level = 'alarm'"), off, route("changes", "TwinChangeEvents", "true")]}});
    assert_eq!(made(&hub, name, &routing).await.0, 201);
    assert_eq!(taken("DeviceMessages", "alarm").await, ["warm"]);
    assert_eq!(taken("DeviceMessages", "calm").await, ["$fallback"]);
    assert_eq!(taken("TwinChangeEvents", "alarm").await, ["changes"]);
    assert!(taken("DeviceLifecycleEvents", "alarm").await.is_empty());
    assert!(taken("MqttBrokerMessages", "alarm").await.is_empty());
    let path = at(&format!("{GROUP}/IotHubs/{name}/routing/routes/$testnew"));
    assert_eq!(hub.post(&path, &json!({})).await.0, 400);
}

/// `az iot hub policy renew-key` writes all policies as they are, but for the key that it leaves
/// out, and so does `az iot dps policy update --primary-key ''`.
#[tokio::test]
async fn a_key_that_is_left_out_is_renewed_alone() {
    let hub = Hub::start().await;
    let name = HUB.split('.').next().unwrap();
    for resource in [
        format!("{GROUP}/IotHubs/{name}"),
        format!("{GROUP}/provisioningServices/dps"),
    ] {
        let keys = async || {
            let path = at(&format!("{resource}/listkeys"));
            let (status, answer) = hub.post(&path, &json!({})).await;
            assert_eq!(status, 200, "{answer}");
            answer["value"].as_array().unwrap().clone()
        };
        let put = async |policies: &[Value]| {
            let body = json!({"location": "local", "sku": {"name": "S1", "capacity": 1},
                "properties": {"authorizationPolicies": policies}});
            let (status, answer) = hub.put(&at(&resource), &body).await;
            assert_eq!(status, 201, "{answer}");
        };
        put(&[]).await;
        let mut given = keys().await;
        given.push(json!({"keyName": "own", "rights": "DeviceConnect"}));
        put(&given).await;
        for (renewed, other) in [
            ("primaryKey", "secondaryKey"),
            ("secondaryKey", "primaryKey"),
        ] {
            let before = keys().await;
            let mut given = before.clone();
            let mut own = given.pop().unwrap();
            own.as_object_mut().unwrap().remove(renewed);
            given.push(own);
            put(&given).await;
            let mut after = keys().await;
            let (own, was) = (after.pop().unwrap(), before.last().unwrap());
            assert_ne!(own[renewed], was[renewed], "{resource}");
            assert!(
                own[renewed].as_str().is_some_and(|key| key.len() >= 24),
                "{own}"
            );
            assert_eq!(own[other], was[other], "{resource}");
            assert_eq!(after, before[..before.len() - 1], "{resource}");
        }
    }
}

/// Hub and provisioning service are at one address here: the key says whose policy is meant.
#[tokio::test]
async fn a_hub_and_the_provisioning_service_may_each_have_a_policy_of_one_name() {
    let hub = Hub::start().await;
    let name = HUB.split('.').next().unwrap();
    let of_hub = "QUFBQUFBQUFBQUFBQUFBQQ==";
    let of_provisioning = "QkJCQkJCQkJCQkJCQkJCQg==";
    for (resource, rights, key) in [
        (format!("IotHubs/{name}"), "RegistryRead", of_hub),
        (
            "provisioningServices/dps".to_owned(),
            "EnrollmentRead",
            of_provisioning,
        ),
    ] {
        let own = json!([{"keyName": "readers", "rights": rights, "primaryKey": key}]);
        let body = json!({"location": "local", "sku": {"name": "S1", "capacity": 1},
            "properties": {"authorizationPolicies": own}});
        let path = at(&format!("{GROUP}/{resource}"));
        assert_eq!(hub.put(&path, &body).await.0, 201);
    }
    let ask = async |key: &str, method: &str, path: &str| {
        let token = support::token(HUB, key, 600, Some("readers"));
        let headers = [("authorization", token.as_str())];
        hub.request(method, path, &headers, b"{}").await.0
    };
    for (key, devices, enrollments) in [
        (of_hub, 200, 401),
        (of_provisioning, 401, 200),
        ("Q0NDQ0NDQ0NDQ0NDQ0NDQw==", 401, 401),
    ] {
        let seen = (
            ask(key, "GET", "/devices").await,
            ask(key, "POST", "/enrollments/query").await,
        );
        assert_eq!(seen, (devices, enrollments), "{key}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_the_shape_of_resource_manager() {
    let hub = Hub::start().await;
    let hubs = format!("{GROUP}/IotHubs");
    let sku = json!({"name": "S1"});
    for (path, body, status, code) in [
        (
            format!("{hubs}/a-"),
            json!({"location": "local", "sku": sku}),
            400,
            "InvalidRequestContent",
        ),
        (
            format!("{hubs}/made"),
            json!({"sku": sku}),
            400,
            "LocationRequired",
        ),
        (
            format!("{hubs}/made"),
            json!({"location": "local"}),
            400,
            "InvalidRequestContent",
        ),
        (
            format!("{hubs}/made"),
            json!({"location": "local", "sku": sku, "properties": {"disableDeviceSAS": "maybe"}}),
            400,
            "InvalidRequestContent",
        ),
        (
            format!("{hubs}/made"),
            json!({"location": "local", "sku": sku, "properties": {"authorizationPolicies": [{"keyName": "mine"}]}}),
            400,
            "InvalidRequestContent",
        ),
        (
            "resourceGroups/none/providers/Microsoft.Devices/IotHubs/made".to_owned(),
            json!({"location": "local", "sku": sku}),
            404,
            "ResourceGroupNotFound",
        ),
        (
            "resourceGroups/bad.".to_owned(),
            json!({"location": "local"}),
            400,
            "InvalidRequestContent",
        ),
    ] {
        let (found, answer) = hub.put(&at(&path), &body).await;
        assert_eq!(
            (found, error(&answer).0),
            (status, code),
            "{path}: {answer}"
        );
        assert!(!error(&answer).1.is_empty());
    }
    let (status, answer) = hub
        .request("PUT", &at(&format!("{hubs}/made")), &[], b"[")
        .await;
    assert_eq!((status, error(&answer).0), (400, "InvalidRequestContent"));
    let (status, answer) = hub
        .get(&format!(
            "{SUB}/providers/Microsoft.Devices/IotHubs?api-version=2001-01-01"
        ))
        .await;
    assert_eq!(
        (status, error(&answer).0),
        (400, "InvalidApiVersionParameter")
    );
    let (status, answer) = hub
        .post(&at(&format!("{hubs}/hub/failover")), &json!({}))
        .await;
    assert_eq!((status, error(&answer).0), (501, "NotImplemented"));
    assert!(
        error(&answer).1.starts_with("IotHub_ManualFailover"),
        "{answer}"
    );
    let (status, answer) = hub.request("POST", &at(&hubs), &[], b"").await;
    assert_eq!((status, error(&answer).0), (405, "MethodNotAllowed"));
}

#[tokio::test]
async fn with_a_resource_group_goes_what_is_in_it() {
    let hub = Hub::start().await;
    let group = at("resourceGroups/Mine");
    assert_eq!(hub.get(&group).await.0, 404);
    assert_eq!(hub.put(&group, &json!({"location": "local"})).await.0, 201);
    assert_eq!(
        hub.request("HEAD", &at("resourcegroups/mine"), &[], b"")
            .await
            .0,
        204
    );
    let body = json!({"location": "local", "sku": {"name": "S1"}});
    let inside = |rest: &str| {
        at(&format!(
            "resourceGroups/mine/providers/Microsoft.Devices/{rest}"
        ))
    };
    assert_eq!(hub.put(&inside("IotHubs/made"), &body).await.0, 201);
    assert_eq!(
        hub.put(&inside("provisioningServices/provs"), &body)
            .await
            .0,
        201
    );
    let (_, all) = hub.get(&at("resourceGroups/mine/resources")).await;
    assert_eq!(all["value"].as_array().unwrap().len(), 2, "{all}");
    for (filter, count) in [
        ("resourceGroup%20eq%20%27MINE%27", 2),
        ("resourceType%20eq%20'Microsoft.Devices/IotHubs'", 2),
        (
            "resourceGroup+eq+'mine'+and+resourceType+eq+'microsoft.devices/iothubs'",
            1,
        ),
        ("name eq 'nobody'".replace(' ', "+").as_str(), 0),
    ] {
        let (status, found) = hub.get(&format!("{SUB}/resources?$filter={filter}")).await;
        assert_eq!(status, 200, "{found}");
        assert_eq!(
            found["value"].as_array().unwrap().len(),
            count,
            "{filter}: {found}"
        );
    }
    assert_eq!(
        hub.get(&format!("{SUB}/resources?$filter=size+gt+3"))
            .await
            .0,
        400
    );
    let (_, groups) = hub.get(&at("resourcegroups")).await;
    assert_eq!(groups["value"].as_array().unwrap().len(), 2);
    assert_eq!(hub.delete(&group).await.0, 202);
    assert_eq!(hub.get(&group).await.0, 404);
    let (_, all) = hub.get(&at("resources")).await;
    let names: Vec<_> = all["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, [&json!("hub"), &json!("dps")]);
    assert_eq!(
        hub.delete(&at("resourceGroups/iothub-emulator")).await.0,
        409
    );
}

#[tokio::test]
async fn the_one_provisioning_service_takes_the_name_that_it_is_given() {
    let hub = Hub::start().await;
    let services = format!("{GROUP}/provisioningServices");
    let (_, all) = hub.get(&at(&services)).await;
    assert_eq!(all["value"][0]["name"], "dps");
    assert_eq!(all["value"][0]["properties"]["idScope"], "0ne00000001");
    let check = async |name: &str| {
        let path = at("providers/Microsoft.Devices/checkProvisioningServiceNameAvailability");
        hub.post(&path, &json!({"name": name})).await.1["nameAvailable"].clone()
    };
    assert_eq!(check("provs-1").await, true);
    let body = json!({"location": "local", "sku": {"name": "S1"}, "properties": {}});
    let (status, answer) = hub.put(&at(&format!("{services}/provs-1")), &body).await;
    assert_eq!((status, &answer["name"]), (201, &json!("provs-1")));
    assert_eq!(check("provs-2").await, false);
    let (status, answer) = hub.put(&at(&format!("{services}/provs-2")), &body).await;
    assert_eq!((status, error(&answer).0), (409, "Conflict"));
    assert_eq!(hub.get(&at(&format!("{services}/dps"))).await.0, 404);
    let (_, keys) = hub
        .post(&at(&format!("{services}/provs-1/listkeys")), &json!({}))
        .await;
    assert_eq!(
        keys["value"][0]["rights"],
        "ServiceConfig, DeviceConnect, EnrollmentWrite"
    );
    let other = json!({"location": "local", "sku": {"name": "S1"}, "properties": {
        "iotHubs": [{"connectionString": "HostName=elsewhere.azure-devices.net;SharedAccessKey=x"}]}});
    let (status, answer) = hub.put(&at(&format!("{services}/provs-1")), &other).await;
    assert_eq!(status, 400);
    assert!(
        error(&answer)
            .1
            .contains("'elsewhere.azure-devices.net' is none of"),
        "{answer}"
    );
    let enrollment = json!({"attestation": {"type": "symmetricKey"}});
    assert_eq!(hub.put("/enrollments/one", &enrollment).await.0, 200);
    assert_eq!(hub.delete(&at(&format!("{services}/provs-1"))).await.0, 202);
    let (status, answer) = hub.get("/enrollments/one").await;
    assert_eq!((status, &answer["errorCode"]), (404, &json!(404_201)));
    // The provisioning service's own shape.
    assert!(
        answer["message"].is_string() && answer["trackingId"].is_string(),
        "{answer}"
    );
    assert_eq!(hub.get(&at(&format!("{services}/dps"))).await.0, 200);
}

#[tokio::test]
async fn what_management_made_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start =
        async || Hub::start_with(|options| options.data_dir = Some(folder.path().to_owned())).await;
    let hub = start().await;
    assert_eq!(
        made(&hub, "made", &json!({"disableDeviceSAS": true}))
            .await
            .0,
        201
    );
    hub.emulator.shutdown().await;
    let hub = start().await;
    let (_, one) = hub.get(&at(&format!("{GROUP}/IotHubs/made"))).await;
    assert_eq!(one["properties"]["disableDeviceSAS"], true, "{one}");
}

/// A value of each kind of JSON.
fn every_kind() -> Vec<Value> {
    vec![
        json!(true),
        json!(7),
        json!(-1.5),
        json!("text"),
        json!([]),
        json!([1]),
        json!(["a"]),
        json!([[]]),
        json!({}),
        json!({"a": 1}),
        json!({"events": 5}),
        json!({"events": {"partitionCount": {}}}),
    ]
}

#[tokio::test]
async fn a_field_of_another_type_is_refused_and_ends_nothing() {
    let hub = Hub::start().await;
    let whole = json!({
        "location": "local", "tags": {"a": "b"}, "sku": {"name": "S1", "capacity": 1},
        "properties": {
            "authorizationPolicies": [], "disableLocalAuth": false, "disableDeviceSAS": false,
            "disableModuleSAS": false, "restrictOutboundNetworkAccess": false, "allowedFqdnList": [],
            "publicNetworkAccess": "Enabled", "ipFilterRules": [], "networkRuleSets": {},
            "minTlsVersion": "1.2", "eventHubEndpoints": {"events": {"partitionCount": 4}},
            "routing": {}, "storageEndpoints": {}, "messagingEndpoints": {},
            "enableFileUploadNotifications": false, "cloudToDevice": {}, "comments": "c",
            "deviceStreams": {}, "features": "None", "enableDataResidency": false,
            "iotHubs": [], "allocationPolicy": "Hashed", "state": "Active",
        },
    });
    let mut places: Vec<String> = [
        "/location",
        "/tags",
        "/tags/a",
        "/sku",
        "/sku/name",
        "/sku/capacity",
    ]
    .map(str::to_owned)
    .to_vec();
    places.push("/properties".to_owned());
    places.push("/properties/eventHubEndpoints/events".to_owned());
    places.push("/properties/eventHubEndpoints/events/partitionCount".to_owned());
    let properties = whole["properties"].as_object().unwrap().keys();
    places.extend(properties.map(|name| format!("/properties/{name}")));
    let (mut refused, mut taken) = (0, 0);
    for kind in ["IotHubs/wrong-1", "ProvisioningServices/dps"] {
        let path = at(&format!("{GROUP}/{kind}"));
        for place in &places {
            for value in every_kind() {
                let mut body = whole.clone();
                *body.pointer_mut(place).unwrap() = value.clone();
                let (status, answer) = hub.put(&path, &body).await;
                match status {
                    400 => {
                        let (code, message) = error(&answer);
                        assert!(!code.is_empty() && !message.is_empty(), "{answer}");
                        refused += 1;
                    }
                    200 | 201 => taken += 1,
                    other => panic!("{kind}{place} = {value}: {other}, {answer}"),
                }
                for all in ["resources", "providers/Microsoft.Devices/IotHubs"] {
                    assert_eq!(hub.get(&at(all)).await.0, 200, "{kind}{place} = {value}");
                }
            }
        }
    }
    assert!(
        refused > 300 && taken > 50,
        "{refused} refused, {taken} taken"
    );
    for (path, body) in [
        ("resourceGroups/g", json!({"location": "x", "tags": []})),
        ("resourceGroups/g", json!({"location": 5})),
        (
            "resourceGroups/iothub-emulator/providers/Microsoft.Devices/IotHubs/wrong-1/certificates/c",
            json!({"properties": {"certificate": 5}}),
        ),
    ] {
        assert_eq!(hub.put(&at(path), &body).await.0, 400, "{path} {body}");
    }
    for rules in [
        json!({"fallbackRoute": 5}),
        json!({"fallbackRoute": {"isEnabled": "perhaps"}}),
        json!({"routes": [{"name": "r", "source": "DeviceMessages", "condition": 5, "endpointNames": ["events"]}]}),
        json!({"routes": [{"name": "r", "source": "DeviceMessages", "isEnabled": [], "endpointNames": ["events"]}]}),
    ] {
        assert_eq!(hub.put("/admin/routing", &rules).await.0, 400, "{rules}");
    }
}

#[tokio::test]
async fn a_hub_keeps_the_partitions_that_it_was_made_with() {
    let hub = Hub::start().await;
    let with = |count: Value| json!({"eventHubEndpoints": {"events": {"partitionCount": count}}});
    for count in [
        json!(0),
        json!(33),
        json!(-1),
        json!(1.5),
        json!("x"),
        json!([2]),
        json!({}),
    ] {
        let (status, answer) = made(&hub, "parts-1", &with(count.clone())).await;
        assert_eq!(status, 400, "{count}: {answer}");
        assert!(
            error(&answer).1.contains("partitionCount must be 1 to 32"),
            "{answer}"
        );
    }
    let ids = |answer: &Value| {
        answer["properties"]["eventHubEndpoints"]["events"]["partitionIds"].clone()
    };
    let (status, answer) = made(&hub, "parts-1", &with(json!(2))).await;
    assert_eq!((status, ids(&answer)), (201, json!(["0", "1"])), "{answer}");
    let (status, answer) = made(&hub, "parts-1", &with(json!(3))).await;
    assert_eq!(status, 400, "{answer}");
    // Who says nothing of it keeps it.
    let (status, answer) = made(&hub, "parts-1", &json!({})).await;
    assert_eq!((status, ids(&answer)), (201, json!(["0", "1"])), "{answer}");
}
