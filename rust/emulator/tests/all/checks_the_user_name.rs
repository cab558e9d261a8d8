//! The user-name rules of CONNECT.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;

#[tokio::test]
async fn accepts_the_old_form_and_names_of_this_machine() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for user_name in [
        "hub.localhost/dev/?api-version=2021-04-12&DeviceClientType=x%2F1",
        "localhost:8883/dev/api-version=2016-11-14",
        "127.0.0.1/dev/?api-version=2021-04-12",
        "[::1]/dev/?api-version=2021-04-12",
        "::1/dev/?api-version=2021-04-12",
        "[::1]:8883/dev/?api-version=2021-04-12",
        "HUB.localhost:8883/dev/?api-version=2020-09-30&model-id=dtmi:com:example:T;1",
    ] {
        let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
        device.connect_as("dev", user_name, true, 60, None).await;
        assert_eq!(device.connack().await, (false, 0), "{user_name}");
        device.disconnect().await;
    }
    assert_eq!(
        hub.get("/twins/dev").await.1["modelId"],
        "dtmi:com:example:T;1"
    );
}

#[tokio::test]
async fn another_hubs_name_is_refused_and_the_option_is_named() {
    let hub =
        Hub::start_with(|options| options.more_hubs = vec!["second.localhost".to_owned()]).await;
    hub.register("dev").await;
    for host in [
        "contoso.azure-devices.net",
        "contoso.azure-devices.net:8883",
    ] {
        let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
        let user_name = format!("{host}/dev/?api-version=2021-04-12");
        device.connect_as("dev", &user_name, true, 60, None).await;
        assert_eq!(device.connack().await, (false, 5), "{host}");
        device.expect_close().await;
    }
    let told = hub.event("refused").await;
    assert_eq!(told["code"], 401003);
    assert_eq!(
        told["reason"],
        "the user name is for hub 'contoso.azure-devices.net', and here is 'hub.localhost', 'second.localhost': \
         if it is the one you mean, start the emulator with --hostname contoso.azure-devices.net, \
         or add --hub contoso.azure-devices.net"
    );
}

#[tokio::test]
async fn refuses_others_and_says_why() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for (client_id, user_name, why) in [
        (
            "dev",
            "hub.localhost",
            "it needs {host}/{deviceId}/?api-version=…",
        ),
        (
            "dev",
            "hub.localhost/dev/?api-version=",
            "api-version is empty",
        ),
        (
            "other",
            "hub.localhost/dev/?api-version=1",
            "the client id is 'other'",
        ),
        (
            "dev",
            "hub.localhost/dev/m/?api-version=1",
            "the user name says 'dev/m'",
        ),
        (
            "Dev",
            "hub.localhost/Dev/?api-version=1",
            "device 'Dev' is not registered",
        ),
    ] {
        let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
        device
            .connect_as(client_id, user_name, true, 60, None)
            .await;
        assert_eq!(device.connack().await, (false, 5), "{user_name}");
        device.expect_close().await;
        let of_this = |event: &serde_json::Value| event["reason"].as_str().unwrap().contains(why);
        hub.event_where("refused", of_this).await;
    }
}

/// As public samples do it, for example those of MicroPython.
#[tokio::test]
async fn without_api_version_there_is_telemetry_and_c2d_alone() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for user_name in [
        "hub.localhost/dev",
        "hub.localhost/dev/",
        "hub.localhost/dev/?DeviceClientType=x",
    ] {
        let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
        device.connect_as("dev", user_name, true, 60, None).await;
        assert_eq!(device.connack().await, (false, 0), "{user_name}");
        device
            .subscribe(&["#", "$iothub/twin/res/#", "$iothub/methods/POST/#"])
            .await;
        device.publish("devices/dev/messages/events/", "1", 1).await;
        device.expect_puback(1).await;
        let (status, _) = hub
            .request("POST", "/devices/dev/messages/deviceBound", &[], b"hi")
            .await;
        assert_eq!(status, 201);
        let message = device.message().await;
        assert_eq!(message.payload, "hi");
        device.puback(message.packet_id).await;
        device.publish("$iothub/twin/GET/?$rid=7", "", 0).await;
        assert_eq!(device.message().await.topic, "$iothub/twin/res/400/?$rid=7");
        let (status, refused) = hub
            .post(
                "/twins/dev/methods",
                &serde_json::json!({"methodName": "m"}),
            )
            .await;
        assert_eq!((status, &refused["errorCode"]), (404, &404_103.into()));
        device.disconnect().await;
    }
}

#[tokio::test]
async fn mqtt_5_is_answered_with_code_1() {
    let hub = Hub::start().await;
    let mut device = hub.dial(None).await;
    device
        .write(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
        .await;
    assert_eq!(device.connack().await, (false, 1));
    device.expect_close().await;
    assert_eq!(hub.event("refused").await["code"], 400001);
}
