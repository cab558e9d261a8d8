//! Configurations: desired properties for all twins for which a condition holds, by priority, and what became of it.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{Hub, within};

/// A configuration once its counts are so.
async fn counted(hub: &Hub, id: &str, targeted: i64, applied: i64) -> Value {
    let wanted = json!({"targetedCount": targeted, "appliedCount": applied});
    let look = async {
        loop {
            let (status, shown) = hub.get(&format!("/configurations/{id}")).await;
            assert_eq!(status, 200, "{shown}");
            if shown["systemMetrics"]["results"] == wanted {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{wanted} of {id}"), look).await
}

fn configuration(condition: &str, priority: i64, content: &Value) -> Value {
    json!({"targetCondition": condition, "priority": priority, "labels": {"a": "b"},
        "content": {"deviceContent": content}})
}

#[tokio::test]
async fn the_highest_priority_sets_a_property_and_counts_show_it() {
    let hub = Hub::start().await;
    for number in 0..6 {
        let path = format!("/devices/d{number}");
        hub.put(&path, &json!({})).await;
        hub.patch(
            &format!("/twins/d{number}"),
            &json!({"tags": {"site": if number < 4 { "roof" } else { "cellar" }}}),
        )
        .await;
    }
    let mut low = configuration(
        "tags.site = 'roof'",
        1,
        &json!({"properties.desired.interval": 5, "properties.desired.led.colour": "red"}),
    );
    low["metrics"] =
        json!({"queries": {"roofs": "SELECT deviceId FROM devices WHERE tags.site = 'roof'"}});
    let (status, made) = hub.put("/configurations/low", &low).await;
    assert_eq!(status, 200, "{made}");
    let shown = counted(&hub, "low", 4, 4).await;
    assert_eq!(shown["metrics"]["results"], json!({"roofs": 4}));
    assert_eq!(
        (&shown["labels"], &shown["schemaVersion"]),
        (&json!({"a": "b"}), &json!("1.0"))
    );
    assert_eq!(
        hub.get("/twins/d0").await.1["properties"]["desired"]["led"],
        json!({"colour": "red"})
    );
    assert_eq!(
        hub.get("/twins/d5").await.1["properties"]["desired"].get("interval"),
        None
    );
    let high = configuration(
        "deviceId = 'd0'",
        10,
        &json!({"properties.desired.interval": 1}),
    );
    assert_eq!(hub.put("/configurations/high", &high).await.0, 200);
    counted(&hub, "high", 1, 1).await;
    counted(&hub, "low", 4, 3).await;
    let desired = hub.get("/twins/d0").await.1["properties"]["desired"].clone();
    assert_eq!(
        (&desired["interval"], &desired["led"]["colour"]),
        (&json!(1), &json!("red"))
    );
    // A device that fits later gets it too, and without the other the lower one counts again.
    hub.patch("/twins/d5", &json!({"tags": {"site": "roof"}}))
        .await;
    assert_eq!(hub.delete("/configurations/high").await.0, 204);
    counted(&hub, "low", 5, 5).await;
    assert_eq!(
        hub.get("/twins/d0").await.1["properties"]["desired"]["interval"],
        5
    );
    // Nothing is written twice.
    let version = hub.get("/twins/d5").await.1["version"].clone();
    hub.put("/configurations/none", &configuration("", 0, &json!({})))
        .await;
    counted(&hub, "none", 0, 0).await;
    assert_eq!(hub.get("/twins/d5").await.1["version"], version);
}

#[tokio::test]
async fn modules_have_theirs() {
    let hub = Hub::start().await;
    hub.put("/devices/dev", &json!({})).await;
    hub.put("/devices/dev/modules/m", &json!({})).await;
    let document = json!({"targetCondition": "FROM devices.modules WHERE moduleId = 'm'",
        "content": {"moduleContent": {"properties.desired.rate": 2}}});
    assert_eq!(hub.put("/configurations/modules", &document).await.0, 200);
    counted(&hub, "modules", 1, 1).await;
    assert_eq!(
        hub.get("/twins/dev/modules/m").await.1["properties"]["desired"]["rate"],
        2
    );
    assert_eq!(
        hub.get("/twins/dev").await.1["properties"]["desired"].get("rate"),
        None
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_when_it_is_saved() {
    let hub = Hub::start().await;
    let good = configuration("*", 1, &json!({"properties.desired.a": 1}));
    let (_, made) = hub.put("/configurations/good", &good).await;
    assert_eq!(
        hub.put("/configurations/good", &good).await.1["errorCode"],
        409_401
    );
    let tag = made["etag"].as_str().unwrap();
    let text = good.to_string();
    let update = |tag: String| {
        let (hub, text) = (&hub, text.as_bytes());
        async move {
            hub.request("PUT", "/configurations/good", &[("If-Match", &tag)], text)
                .await
                .0
        }
    };
    assert_eq!(update(format!("\"{tag}\"")).await, 200);
    assert_eq!(update(format!("\"{tag}\"")).await, 412);
    for (id, wrong, why) in [
        ("Upper", good.clone(), "lower-case"),
        ("a", configuration("tags. =", 1, &json!({})), "query"),
        ("a", configuration("*", -1, &json!({})), "priority"),
        (
            "a",
            configuration("*", 1, &json!({"properties.reported.a": 1})),
            "properties.reported.a",
        ),
        (
            "a",
            configuration("*", 1, &json!({"properties.desired..a": 1})),
            "properties.desired..a",
        ),
        ("a", json!({"targetCondition": "*"}), "content"),
    ] {
        let (status, answer) = hub.put(&format!("/configurations/{id}"), &wrong).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(
            answer["Message"].as_str().unwrap().contains(why),
            "{answer}"
        );
    }
    let test = json!({"targetCondition": "tags.a = 1", "customMetricQueries": {"good": "SELECT * FROM devices", "bad": "SELECT"}});
    let (_, answer) = hub.post("/configurations/testQueries", &test).await;
    assert_eq!(answer["targetConditionError"], Value::Null);
    assert_eq!(
        answer["customMetricQueryErrors"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["bad"]
    );
    assert_eq!(
        hub.get("/configurations").await.1.as_array().unwrap().len(),
        1
    );
    assert_eq!(hub.get("/configurations/none").await.0, 404);
}

#[tokio::test]
async fn they_are_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    let document = configuration("*", 3, &json!({"properties.desired.a": 1}));
    process
        .call("PUT", "/configurations/kept", &document.to_string())
        .await;
    process.kill();
    let process = Process::start(&["--data-dir"], folder.path());
    process.call("PUT", "/devices/later", "{}").await;
    let look = async {
        loop {
            let twin: Value =
                serde_json::from_str(&process.call("GET", "/twins/later", "").await).unwrap();
            if twin["properties"]["desired"]["a"] == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    within("the property", look).await;
}
