//! Digital twins over the model id: components, acknowledgements, patches and commands.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::{HUB, Hub, exchange};

#[tokio::test]
async fn properties_stand_by_component_with_their_acknowledgements() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
    let user_name =
        format!("{HUB}/dev/?api-version=2021-04-12&model-id=dtmi:com:example:Thermostat;1");
    device.connect_as("dev", &user_name, true, 60, None).await;
    assert_eq!(device.connack().await.1, 0);
    device
        .subscribe(&[
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
        ])
        .await;
    let reported = json!({"serial": "x1", "interval": {"value": 5, "ac": 200, "av": 2, "ad": "ok"},
        "thermostat1": {"__t": "c", "max": 30, "target": {"value": 21, "ac": 203, "av": 1}}});
    device
        .publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            &reported.to_string(),
            0,
        )
        .await;
    assert!(
        device
            .message()
            .await
            .topic
            .starts_with("$iothub/twin/res/204/")
    );
    let patch = json!([
        {"op": "add", "path": "/interval", "value": 7},
        {"op": "replace", "path": "/thermostat1/target", "value": 22},
        {"op": "remove", "path": "/gone"},
    ]);
    let (status, _) = hub.patch("/digitaltwins/dev", &patch).await;
    assert_eq!(status, 202);
    let told: Value = serde_json::from_str(&device.message().await.payload).unwrap();
    assert_eq!(
        told,
        json!({"interval": 7, "thermostat1": {"__t": "c", "target": 22}, "gone": null, "$version": 2})
    );
    let (_, twin) = hub.get("/digitaltwins/dev").await;
    assert_eq!(
        (&twin["$dtId"], &twin["$metadata"]["$model"]),
        (&json!("dev"), &json!("dtmi:com:example:Thermostat;1"))
    );
    assert_eq!(
        (
            &twin["serial"],
            &twin["interval"],
            &twin["thermostat1"]["max"]
        ),
        (&json!("x1"), &json!(5), &json!(30))
    );
    let mut about = twin["$metadata"]["interval"].clone();
    assert!(
        about
            .as_object_mut()
            .unwrap()
            .remove("lastUpdateTime")
            .is_some()
    );
    assert_eq!(
        about,
        json!({"ackVersion": 2, "ackCode": 200, "ackDescription": "ok", "desiredValue": 7, "desiredVersion": 2})
    );
    let target = &twin["thermostat1"]["$metadata"]["target"];
    assert_eq!(
        (
            &twin["thermostat1"]["target"],
            &target["ackCode"],
            &target["desiredValue"]
        ),
        (&json!(21), &json!(203), &json!(22))
    );
    for wrong in [
        json!([{"op": "move", "path": "/a", "value": 1}]),
        json!([{"op": "add", "path": "a", "value": 1}]),
        json!([{"op": "add", "path": "/a"}]),
        json!([{"op": "add", "path": "/a/b/c", "value": 1}]),
        json!([{"op": "add", "path": "/$metadata", "value": 1}]),
        json!({}),
    ] {
        assert_eq!(
            hub.patch("/digitaltwins/dev", &wrong).await.0,
            400,
            "{wrong}"
        );
    }
    assert_eq!(hub.get("/digitaltwins/nobody").await.0, 404);
}

#[tokio::test]
async fn commands_are_methods() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    for (path, topic) in [
        (
            "/digitaltwins/dev/commands/reboot?responseTimeoutInSeconds=30",
            "$iothub/methods/POST/reboot/?$rid=1",
        ),
        (
            "/digitaltwins/dev/components/thermostat1/commands/report",
            "$iothub/methods/POST/thermostat1*report/?$rid=2",
        ),
    ] {
        let asked = exchange(hub.emulator.http_addr(), "POST", path, &[], b"5");
        let (answer, ()) = tokio::join!(asked, async {
            let call = device.message().await;
            assert_eq!((call.topic.as_str(), call.payload.as_str()), (topic, "5"));
            let rid = topic.rsplit('=').next().unwrap();
            device
                .publish(
                    &format!("$iothub/methods/res/202/?$rid={rid}"),
                    "{\"ok\":true}",
                    0,
                )
                .await;
        });
        assert_eq!((answer.0, answer.2.as_str()), (200, "{\"ok\":true}"));
        assert!(
            answer.1.contains("x-ms-command-statuscode: 202"),
            "{}",
            answer.1
        );
    }
    let (status, _) = hub
        .request(
            "POST",
            "/digitaltwins/dev/commands/a?responseTimeoutInSeconds=1",
            &[],
            b"",
        )
        .await;
    assert_eq!(status, 400);
}
