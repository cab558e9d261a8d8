//! Configurations: desired properties for all twins for which a condition holds, by priority, and
//! what became of it.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{Hub, within};

/// A configuration once its counts are so.
async fn counted(hub: &Hub, id: &str, targeted: i64, applied: i64) -> Value {
    let wanted = json!({"targetedCount": targeted, "appliedCount": applied});
    results(hub, id, &wanted).await
}

/// A configuration once its metrics are so.
async fn results(hub: &Hub, id: &str, wanted: &Value) -> Value {
    let look = async {
        loop {
            let (status, shown) = hub.get(&format!("/configurations/{id}")).await;
            assert_eq!(status, 200, "{shown}");
            if shown["systemMetrics"]["results"] == *wanted {
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
    // Its metrics count on where it targets nothing any more.
    let mut nothing = low.clone();
    nothing["targetCondition"] = json!("");
    let change = nothing.to_string();
    let any = [("If-Match", "*")];
    let (status, answered) = hub
        .request("PUT", "/configurations/low", &any, change.as_bytes())
        .await;
    let none = json!({"targetedCount": 0, "appliedCount": 0});
    assert_eq!(
        (status, &answered["systemMetrics"]["results"]),
        (200, &none)
    );
    hub.put("/devices/d6", &json!({})).await;
    let tags = json!({"tags": {"site": "roof"}});
    hub.patch("/twins/d6", &tags).await;
    within("five roofs", async {
        while hub.get("/configurations/low").await.1["metrics"]["results"] != json!({"roofs": 5}) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        hub.get("/configurations/low").await.1["systemMetrics"]["results"],
        none
    );
    hub.request("DELETE", "/devices/d6", &any, b"").await;
    let back = low.to_string();
    hub.request("PUT", "/configurations/low", &any, back.as_bytes())
        .await;
    counted(&hub, "low", 4, 4).await;
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

/// The deployment with the highest priority sets the modules of a device, layers above it their
/// parts.
#[tokio::test]
async fn deployments_set_the_modules_of_edge_devices() {
    let hub = Hub::start().await;
    for id in ["edge", "leaf"] {
        let document = json!({"capabilities": {"iotEdge": id == "edge"}});
        assert_eq!(hub.put(&format!("/devices/{id}"), &document).await.0, 200);
    }
    let deployment = |priority: i64, content: Value| json!({"targetCondition": "*", "priority": priority, "content": {"modulesContent": content}});
    let base = |image: &str| {
        json!({
            "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "modules": {"sensor": {"image": image}}}},
            "sensor": {"properties.desired": {"rate": 1, "gone": null, "unit": {"name": "C"}}},
        })
    };
    let desired = async |module: &str| {
        let (status, twin) = hub.get(&format!("/twins/edge/modules/{module}")).await;
        let mut desired = twin["properties"]["desired"].clone();
        for name in ["$metadata", "$version"] {
            desired.as_object_mut().map(|it| it.shift_remove(name));
        }
        (status, desired)
    };
    for (id, priority, content) in [
        ("low", 1, base("a:1")),
        ("base", 5, base("a:2")),
        (
            "layer",
            7,
            json!({"sensor": {"properties.desired.unit.name": "K"},
            "$edgeAgent": {"properties.desired.modules.filter": {"image": "f"}}}),
        ),
        (
            "below",
            3,
            json!({"sensor": {"properties.desired.rate": 9}}),
        ),
    ] {
        let (status, made) = hub
            .put(
                &format!("/configurations/{id}"),
                &deployment(priority, content),
            )
            .await;
        assert_eq!(status, 200, "{made}");
    }
    for (id, applied) in [("low", 0), ("base", 1), ("layer", 1), ("below", 0)] {
        let wanted = json!({"targetedCount": 1, "appliedCount": applied, "reportedSuccessfulCount": 0, "reportedFailedCount": 0});
        results(&hub, id, &wanted).await;
    }
    let sensor = json!({"rate": 1, "unit": {"name": "K"}});
    assert_eq!(desired("sensor").await, (200, sensor));
    let (_, agent) = desired("$edgeAgent").await;
    assert_eq!(
        agent["modules"],
        json!({"sensor": {"image": "a:2"}, "filter": {"image": "f"}})
    );
    // The modules that it names are there, and nothing is written twice.
    assert_eq!(
        hub.get("/devices/edge/modules/filter").await.1["managedBy"],
        "IotEdge"
    );
    assert_eq!(hub.get("/devices/leaf/modules").await.1, json!([]));
    let (_, twin) = hub.get("/twins/edge/modules/$edgeAgent").await;
    assert_eq!(
        twin["configurations"],
        json!({"layer": {"status": "Applied"}, "base": {"status": "Applied"},
            "below": {"status": "Targeted"}, "low": {"status": "Targeted"}})
    );
    // The queries that it names find what it counts.
    let (_, shown) = hub.get("/configurations/base").await;
    for (name, found) in [
        ("targetedCount", 1),
        ("appliedCount", 1),
        ("reportedFailedCount", 0),
    ] {
        let query = &shown["systemMetrics"]["queries"][name];
        let (status, rows) = hub.post("/devices/query", &json!({ "query": query })).await;
        assert_eq!(
            (status, rows.as_array().map(Vec::len)),
            (200, Some(found)),
            "{query}: {rows}"
        );
    }
    // Without its layer, the module that only the layer named goes.
    assert_eq!(hub.delete("/configurations/layer").await.0, 204);
    let gone = async {
        while hub.get("/devices/edge/modules/filter").await.0 == 200 {
            tokio::task::yield_now().await;
        }
    };
    within("the module goes", gone).await;
    let version = hub.get("/twins/edge/modules/sensor").await.1["version"].clone();
    hub.put("/configurations/other", &deployment(0, base("a:0")))
        .await;
    let untouched = json!({"targetedCount": 1, "appliedCount": 0, "reportedSuccessfulCount": 0, "reportedFailedCount": 0});
    results(&hub, "other", &untouched).await;
    assert_eq!(
        hub.get("/twins/edge/modules/sensor").await.1["version"],
        version
    );
}

#[tokio::test]
async fn a_device_without_room_keeps_nothing_from_the_others() {
    let hub = Hub::start().await;
    for id in ["a", "b"] {
        let document = json!({"capabilities": {"iotEdge": true}});
        assert_eq!(hub.put(&format!("/devices/{id}"), &document).await.0, 200);
    }
    // With the agent and the hub of IoT Edge as many as a device may have.
    for number in 0..48 {
        let path = format!("/devices/a/modules/m{number}");
        assert_eq!(hub.put(&path, &json!({})).await.0, 200);
    }
    let content = json!({"$edgeAgent": {"properties.desired": {"modules": {"sensor": {}}}}});
    let deployment = json!({"targetCondition": "*", "content": {"modulesContent": content}});
    let (status, made) = hub.put("/configurations/base", &deployment).await;
    assert_eq!(status, 200, "{made}");
    let wanted = json!({"targetedCount": 2, "appliedCount": 1, "reportedSuccessfulCount": 0, "reportedFailedCount": 0});
    results(&hub, "base", &wanted).await;
    assert_eq!(hub.get("/devices/b/modules/sensor").await.0, 200);
    for (device, expected) in [("a", "Targeted"), ("b", "Applied")] {
        let (_, twin) = hub
            .get(&format!("/twins/{device}/modules/$edgeAgent"))
            .await;
        assert_eq!(twin["configurations"]["base"]["status"], expected);
    }
}

#[tokio::test]
async fn the_modules_of_one_device_are_set() {
    let hub = Hub::start().await;
    hub.put("/devices/edge", &json!({"capabilities": {"iotEdge": true}}))
        .await;
    hub.put("/devices/edge/modules/own", &json!({"managedBy": "me"}))
        .await;
    hub.put("/devices/leaf", &json!({})).await;
    let set = async |device: &str, modules: Value| {
        let path = format!("/devices/{device}/applyConfigurationContent");
        hub.post(&path, &json!({ "modulesContent": modules })).await
    };
    let agent = |names: Value| json!({"$edgeAgent": {"properties.desired": {"modules": names}}});
    let both = agent(json!({"one": {}, "two": {}}));
    assert_eq!(set("edge", both.clone()).await.0, 204);
    assert_eq!(set("edge", agent(json!({"two": {}}))).await.0, 204);
    let (_, modules) = hub.get("/devices/edge/modules").await;
    let names: Vec<_> = modules
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["moduleId"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["$edgeAgent", "$edgeHub", "own", "two"]);
    // A part of what is there is another matter than the whole.
    assert_eq!(set("leaf", both).await.0, 400);
    assert_eq!(set("nobody", agent(json!({}))).await.0, 404);
    for wrong in [
        json!({}),
        json!({"m": 1}),
        json!({"m": {"properties.desired": 1}}),
        json!({"m": {"properties.reported": {}}}),
        json!({"m": {"properties.desired..a": 1}}),
        json!({"a/b": {}}),
        json!({"a b": {}}),
        agent(json!({"a b": {}})),
        json!({"$edgeAgent": {"properties.desired.modules.a b": {}}}),
    ] {
        let (status, answer) = set("edge", wrong.clone()).await;
        assert_eq!(
            (status, answer["Message"].is_string()),
            (400, true),
            "{wrong}: {answer}"
        );
    }
}

#[tokio::test]
async fn twins_name_their_configurations() {
    let hub = Hub::start().await;
    hub.put("/devices/dev", &json!({})).await;
    let content = json!({"properties.desired.a": 1});
    hub.put("/configurations/first", &configuration("*", 2, &content))
        .await;
    hub.put("/configurations/second", &configuration("*", 1, &content))
        .await;
    counted(&hub, "second", 1, 0).await;
    let twin = hub.get("/twins/dev").await.1;
    assert_eq!(
        twin["configurations"],
        json!({"first": {"status": "Applied"}, "second": {"status": "Targeted"}})
    );
    let query = json!({"query": "SELECT deviceId FROM devices WHERE configurations.[[first]].status = 'Applied'"});
    assert_eq!(
        hub.post("/devices/query", &query).await.1,
        json!([{"deviceId": "dev"}])
    );
    // Both names go at once, of one that is deleted and of one that has no target any more, and the
    // twin's version stays.
    hub.delete("/configurations/first").await;
    let (path, none) = (
        "/configurations/second",
        configuration("", 1, &content).to_string(),
    );
    let (status, _) = hub
        .request("PUT", path, &[("If-Match", "*")], none.as_bytes())
        .await;
    assert_eq!(status, 200);
    let left = hub.get("/twins/dev").await.1;
    assert_eq!(
        (left.get("configurations"), &left["version"]),
        (None, &twin["version"])
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
        (
            "a",
            json!({"targetCondition": "*", "content": {"modulesContent":
                {"$edgeAgent": {"properties.desired.modules.a b": {}}}}}),
            "$edgeAgent: modules",
        ),
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
