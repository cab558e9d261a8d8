//! Message routing: conditions, endpoints, sources beside telemetry, enrichments, the fallback.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::process::Process;
use crate::support::{HUB, Hub, within};

/// The lines of an endpoint's file, once there are so many.
async fn lines(folder: &Path, name: &str, count: usize) -> Vec<Value> {
    let path = folder
        .join("routes")
        .join(HUB)
        .join(format!("{name}.jsonl"));
    let read = async {
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let all: Vec<Value> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            if all.len() >= count {
                return all;
            }
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{count} lines in {name}"), read).await
}

async fn hub(folder: &Path) -> Hub {
    Hub::start_with(|options| options.data_dir = Some(folder.to_owned())).await
}

#[tokio::test]
async fn telemetry_goes_where_its_conditions_hold() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path()).await;
    let mut device = hub.device("dev").await;
    device
        .publish("devices/dev/messages/events/", "before", 1)
        .await;
    device.expect_puback(1).await;
    hub.patch("/twins/dev", &json!({"tags": {"site": "roof"}}))
        .await;
    let rules = json!({
        "endpoints": [{"name": "hot", "type": "file"}, {"name": "roof", "type": "file"}],
        "routes": [
            {"name": "hot", "source": "DeviceMessages", "condition": "$body.temperature > 30", "endpointNames": ["hot"]},
            {"name": "roof", "source": "DeviceMessages", "condition": "$twin.tags.site = 'roof' AND level = 'alarm'", "endpointNames": ["roof", "events"]},
            {"name": "off", "source": "DeviceMessages", "condition": "true", "endpointNames": ["hot"], "isEnabled": false},
        ],
        "enrichments": [{"key": "site", "value": "$twin.tags.site", "endpointNames": ["hot"]}],
    });
    let (status, shown) = hub
        .request("PUT", "/admin/routing", &[], rules.to_string().as_bytes())
        .await;
    assert_eq!(status, 200, "{shown}");
    let json = "%24.ct=application%2Fjson&%24.ce=utf-8";
    for (number, (bag, body)) in [
        (format!("{json}&n=1"), "{\"temperature\":20}"),
        (format!("{json}&n=2"), "{\"temperature\":31}"),
        ("n=3".to_owned(), "{\"temperature\":32}"),
        ("n=4&level=alarm".to_owned(), "x"),
        (format!("{json}&n=5&level=alarm"), "{\"temperature\":33}"),
    ]
    .iter()
    .enumerate()
    {
        let id = u16::try_from(number).unwrap() + 2;
        device
            .publish(&format!("devices/dev/messages/events/{bag}"), body, id)
            .await;
        device.expect_puback(id).await;
    }
    let numbers = |all: &[Value]| {
        all.iter()
            .map(|it| it["properties"]["n"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let roof = lines(folder.path(), "roof", 2).await;
    let hot = lines(folder.path(), "hot", 2).await;
    assert_eq!(
        (numbers(&hot), numbers(&roof)),
        (vec!["2".into(), "5".into()], vec!["4".into(), "5".into()])
    );
    assert_eq!(
        (
            &hot[0]["properties"]["site"],
            roof[0]["properties"].get("site")
        ),
        (&json!("roof"), None)
    );
    assert_eq!(
        (&hot[0]["source"], &hot[0]["deviceId"]),
        (&json!("DeviceMessages"), &json!("dev"))
    );
    for (message, expected) in [
        (
            json!({"deviceId": "dev", "body": {}}),
            json!({"routes": ["$fallback"], "endpointNames": ["events"]}),
        ),
        (
            json!({"deviceId": "dev", "properties": {"level": "alarm"}}),
            json!({"routes": ["roof"], "endpointNames": ["roof", "events"]}),
        ),
        (
            json!({"deviceId": "dev", "source": "TwinChangeEvents"}),
            json!({"routes": [], "endpointNames": []}),
        ),
    ] {
        assert_eq!(
            hub.post("/admin/routing/test", &message).await,
            (200, expected),
            "{message}"
        );
    }
    let (_, shown) = hub.get("/admin/routing").await;
    assert_eq!(
        (&shown["routes"], &shown["health"]["hot"]),
        (&rules["routes"], &json!("healthy"))
    );
    // What was read can be written.
    assert_eq!(
        hub.request("PUT", "/admin/routing", &[], shown.to_string().as_bytes())
            .await
            .0,
        200
    );
    let (status, _) = hub
        .request("PUT", "/admin/routing", &[], b"{\"routes\":[{}]}")
        .await;
    assert_eq!(status, 400);
    assert_eq!(hub.delete("/admin/routing").await.0, 204);
    assert_eq!(hub.get("/admin/routing").await.1, json!({"health": {}}));
}

#[tokio::test]
async fn twins_identities_and_connections_are_sources() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path()).await;
    let route = |source: &str| json!({"name": source, "source": source, "endpointNames": ["log"]});
    let rules = json!({"endpoints": [{"name": "log", "type": "file"}], "routes": [
        route("TwinChangeEvents"), route("DeviceLifecycleEvents"), route("DeviceConnectionStateEvents")]});
    assert_eq!(hub.put("/admin/routing", &rules).await.0, 200);
    let device = hub.device("dev").await;
    hub.patch(
        "/twins/dev",
        &json!({"properties": {"desired": {"i": 1}}, "tags": {"a": 2}}),
    )
    .await;
    device.disconnect().await;
    hub.event("closed").await;
    let all = lines(folder.path(), "log", 4).await;
    assert_eq!(hub.delete("/devices/dev").await.0, 204);
    let all = if all.len() == 5 {
        all
    } else {
        lines(folder.path(), "log", 5).await
    };
    let operations: Vec<_> = all
        .iter()
        .map(|it| it["properties"]["opType"].as_str().unwrap())
        .collect();
    assert_eq!(
        operations,
        [
            "createDeviceIdentity",
            "deviceConnected",
            "updateTwin",
            "deviceDisconnected",
            "deleteDeviceIdentity"
        ]
    );
    assert_eq!(
        all[2]["properties"]["iothub-message-schema"],
        "twinChangeNotification"
    );
    assert_eq!(
        (
            &all[2]["body"]["tags"],
            &all[2]["body"]["properties"]["desired"]["i"]
        ),
        (&json!({"a": 2}), &json!(1))
    );
    assert_eq!(all[0]["body"]["deviceId"], "dev");
    assert_eq!(all[0]["source"], "DeviceLifecycleEvents");
}

/// Takes one request; its body. Whoever else connects to this port and says nothing holds nobody
/// up.
async fn take(listener: &TcpListener, status: u16) -> Value {
    let (whole, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let whole = whole.clone();
                tokio::spawn(async move {
                    if let Some(body) = request(accepted.unwrap().0, status).await {
                        let _ = whole.send(body);
                    }
                });
            }
            Some(body) = bodies.recv() => return body,
        }
    }
}

/// Reads one request and answers it; none where the connection ends before.
async fn request(mut stream: TcpStream, status: u16) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse::<usize>()
                .ok()
        });
        if body.len() == length? {
            let answer =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
            return serde_json::from_str(body).ok();
        }
    }
}

#[tokio::test]
async fn a_webhook_gets_messages_again_until_it_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let rules = json!({"endpoints": [{"name": "hook", "type": "webhook", "url": url}],
        "routes": [{"name": "all", "source": "DeviceMessages", "condition": "true", "endpointNames": ["hook"]}]});
    assert_eq!(hub.put("/admin/routing", &rules).await.0, 200);
    let mut device = hub.device("dev").await;
    device
        .publish("devices/dev/messages/events/", "one", 1)
        .await;
    let first = within("a request", take(&listener, 503)).await;
    let event = hub
        .event_where("routing", |it| it["reason"].to_string().contains("503"))
        .await;
    assert!(
        event["reason"].as_str().unwrap().contains("'hook'"),
        "{event}"
    );
    let second = within("the same again", take(&listener, 200)).await;
    assert_eq!(first, second);
    assert_eq!(first[0]["body"], "one");
    device
        .publish("devices/dev/messages/events/", "two", 2)
        .await;
    assert_eq!(
        within("the next", take(&listener, 204)).await[0]["body"],
        "two"
    );
}

#[tokio::test]
async fn nothing_is_left_out_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    process.call("PUT", "/devices/dev", "{}").await;
    let rules = json!({"endpoints": [{"name": "log", "type": "file"}],
        "routes": [{"name": "all", "source": "DeviceMessages", "endpointNames": ["log"]}]});
    process
        .call("PUT", "/admin/routing", &rules.to_string())
        .await;
    for number in 0..250 {
        process
            .call("POST", "/devices/dev/messages/events", &number.to_string())
            .await;
    }
    process.kill();
    let process = Process::start(&["--data-dir"], folder.path());
    process
        .call("POST", "/devices/dev/messages/events", "250")
        .await;
    let read = async {
        loop {
            let all = lines(folder.path(), "log", 1).await;
            if all.iter().any(|it| it["body"] == 250) {
                return all;
            }
        }
    };
    let mut bodies: Vec<i64> = within("the last line", read)
        .await
        .iter()
        .map(|it| it["body"].as_i64().unwrap())
        .collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies, (0..=250).collect::<Vec<_>>());
}

/// Each blob of a container, by its name on the disk, once there are so many.
async fn blobs(folder: &Path, container: &str, count: usize) -> Vec<Vec<u8>> {
    let path = folder.join("files").join(container);
    let read = async {
        loop {
            let found = std::fs::read_dir(&path).into_iter().flatten().flatten();
            let all: Vec<_> = found.map(|it| std::fs::read(it.path()).unwrap()).collect();
            if all.len() >= count {
                return all;
            }
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{count} blobs in {container}"), read).await
}

/// As `az iot hub message-endpoint create` and `message-route create` write it.
#[tokio::test]
async fn the_hubs_own_property_leads_messages() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path()).await;
    let path = format!(
        "/subscriptions/s/resourceGroups/iothub-emulator/providers/Microsoft.Devices/IotHubs/{}?api-version=2023-06-30",
        HUB.split('.').next().unwrap()
    );
    let health = path.replace('?', "/routingEndpointsHealth?");
    let file = json!({"endpoints": [{"name": "log", "type": "file"}]});
    assert_eq!(hub.put("/admin/routing", &file).await.0, 200);
    let cloud = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=QQ==;EndpointSuffix=core.windows.net";
    let far = "Endpoint=sb://far.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=QQ==;EntityPath=e";
    let container = |name: &str, encoding: &str| {
        json!({"name": name, "containerName": name, "connectionString": cloud, "encoding": encoding,
            "batchFrequencyInSeconds": 60, "maxChunkSizeInBytes": 10_485_760, "identity": null})
    };
    let set = async |endpoints: &Value, to: &Value| {
        let route = json!({"name": "r", "source": "DeviceMessages", "condition": "level = 'alarm'",
            "endpointNames": to, "isEnabled": true});
        let body = json!({"location": "local", "sku": {"name": "S1", "capacity": 1},
            "properties": {"routing": {"endpoints": endpoints, "routes": [route]}}});
        hub.put(&path, &body).await
    };
    let endpoints = json!({
        "storageContainers": [container("plain", "json"), container("packed", "avro")],
        "eventHubs": [{"name": "far", "connectionString": far}],
        "serviceBusQueues": [],
    });
    let (status, shown) = set(&endpoints, &json!(["plain", "packed", "far", "log"])).await;
    assert_eq!(status, 201, "{shown}");
    let routing = &shown["properties"]["routing"];
    assert_eq!(routing["fallbackRoute"]["isEnabled"], false);
    assert_eq!(routing["endpoints"]["eventHubs"][0]["name"], "far");
    assert!(routing["endpoints"]["eventHubs"][0]["id"].is_string());
    // What was shown is what there is, and can be written back.
    assert_eq!(hub.get(&path).await.1["properties"]["routing"], *routing);
    assert_eq!(hub.put(&path, &shown).await.0, 201);
    assert_eq!(hub.get(&path).await.1["properties"]["routing"], *routing);

    let mut device = hub.device("dev").await;
    let json = "%24.ct=application%2Fjson&%24.ce=utf-8";
    for (id, level) in [(1, "alarm"), (2, "calm"), (3, "alarm")] {
        let topic = format!("devices/dev/messages/events/{json}&level={level}");
        let body = format!("{{\"n\":{id}}}");
        device.publish(&topic, &body, id).await;
        device.expect_puback(id).await;
    }
    let far = lines(folder.path(), "far", 2).await;
    assert_eq!(
        (&far[0]["body"], &far[1]["body"]),
        (&json!({"n": 1}), &json!({"n": 3}))
    );
    assert_eq!(lines(folder.path(), "log", 2).await.len(), 2);
    // A batch waits for as long as it says.
    assert!(!folder.path().join("files/plain").exists());
    let clock = json!({"shiftMs": 61_000});
    assert_eq!(hub.put("/admin/clock", &clock).await.0, 200);
    let plain = blobs(folder.path(), "plain", 1).await;
    let text = String::from_utf8(plain.concat()).unwrap();
    let written: Vec<Value> = text
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let bodies: Vec<_> = written.iter().map(|it| &it["Body"]["n"]).collect();
    assert_eq!(bodies, [1, 3]);
    assert_eq!(written[0]["Properties"], json!({"level": "alarm"}));
    assert_eq!(written[0]["SystemProperties"]["connectionDeviceId"], "dev");
    let packed = blobs(folder.path(), "packed", 1).await.concat();
    assert!(packed.starts_with(b"Obj\x01"));
    for part in ["Microsoft.Azure.Devices", "{\"n\":1}", "{\"n\":3}"] {
        let part = part.as_bytes();
        assert!(packed.windows(part.len()).any(|it| it == part), "{part:?}");
    }
    let (_, shown) = hub.get(&health).await;
    let all = shown["value"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]["healthStatus"]), (4, &json!("healthy")));

    for (endpoints, to, why) in [
        (
            json!({"storageContainers": [{"name": "c"}]}),
            "events",
            "containerName",
        ),
        (
            json!({"eventHubs": [{"name": "e"}]}),
            "events",
            "connectionString",
        ),
        (json!({"pigeons": [{"name": "p"}]}), "events", "pigeons"),
        (json!({}), "nowhere", "nowhere"),
    ] {
        let (status, answer) = set(&endpoints, &json!([to])).await;
        let told = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && told.contains(why), "{status} {answer}");
    }
    // What is refused has changed nothing.
    assert_eq!(
        hub.get(&path).await.1["properties"]["routing"]["routes"][0]["endpointNames"][0],
        "plain"
    );
}
