//! Queries, page by page, over every way in which devices are found; in memory and in a file.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::{self, Hub};

impl Hub {
    /// All rows, and how many pages they came in.
    async fn query(&self, text: &str, page: usize) -> (Vec<Value>, usize) {
        let body = json!({"query": text}).to_string();
        let size = page.to_string();
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, String::new());
        loop {
            let headers = [
                ("content-type", "application/json"),
                ("x-ms-max-item-count", size.as_str()),
                ("x-ms-continuation", next.as_str()),
            ];
            let address = self.emulator.http_addr();
            let (status, head, body) =
                support::exchange(address, "POST", "/devices/query", &headers, body.as_bytes())
                    .await;
            assert_eq!(status, 200, "{text}: {body}");
            let found: Vec<Value> = serde_json::from_str(&body).unwrap();
            assert!(found.len() <= page);
            rows.extend(found);
            pages += 1;
            match head
                .lines()
                .find_map(|line| line.strip_prefix("x-ms-continuation: "))
            {
                Some(token) => token.clone_into(&mut next),
                None => return (rows, pages),
            }
        }
    }

    async fn ids(&self, condition: &str) -> String {
        let text = format!("SELECT deviceId FROM devices WHERE {condition}");
        let (rows, _) = self.query(&text, 7).await;
        let ids: Vec<&str> = rows
            .iter()
            .map(|row| row["deviceId"].as_str().unwrap())
            .collect();
        assert!(ids.is_sorted(), "{condition}: {ids:?}");
        ids.join(" ")
    }

    /// 600 devices, so that a scan takes more than one step: every 50th at another site, every
    /// 100th disabled.
    async fn with_devices(self) -> Self {
        let devices: Vec<Value> = (0..600)
            .map(|n| {
                json!({
                    "deviceId": format!("d{n:03}"),
                    "status": if n % 100 == 0 { "disabled" } else { "enabled" },
                    "tags": {"site": if n % 50 == 0 { "north" } else { "south" }, "n": n, "even": n % 2 == 0,
                        "list": [n], "in\"quotes\"": n, "deep": {"er": format!("x{n}")}},
                    "properties": {"desired": {"interval": n % 3}, "reported": {"t": f64::from(n) / 2.0}},
                })
            })
            .collect();
        let (status, answer) = self
            .post("/admin/import", &json!({"devices": devices}))
            .await;
        assert_eq!((status, &answer["written"]["devices"]), (200, &json!(600)));
        self
    }
}

async fn finds(hub: &Hub) {
    let twelve: Vec<String> = (0..600).step_by(50).map(|n| format!("d{n:03}")).collect();
    for (condition, ids) in [
        ("deviceId = 'd007'", "d007"),
        (
            "deviceId IN ['d599', 'd007', 'd007', 'nobody', 5]",
            "d007 d599",
        ),
        ("deviceId = 'd007' AND tags.n = 8", ""),
        ("tags.site = 'north'", &twelve.join(" ")),
        ("tags.site = 'north' AND tags.n > 500", "d550"),
        ("tags.deep.er = 'x77'", "d077"),
        ("tags.n = 77.0", "d077"),
        ("tags.[[in\"quotes\"]] = 3", "d003"),
        ("status = 'disabled' AND tags.n >= 300", "d300 d400 d500"),
        ("properties.reported.t = 250.5", "d501"),
        (
            "properties.reported.t > 298 AND properties.desired.interval = 1",
            "d598",
        ),
        ("properties.reported.t IN [1, 1.5]", "d002 d003"),
        ("tags.list[0] = 42", "d042"),
        ("NOT is_defined(tags.n)", ""),
        ("tags.n = 1 OR tags.n = 599", "d001 d599"),
        ("tags.even = true AND tags.n < 4", "d000 d002"),
        ("tags.n % 299 = 0", "d000 d299 d598"),
        ("connectionState = 'Connected'", ""),
    ] {
        assert_eq!(hub.ids(condition).await, ids, "{condition}");
    }
    let (all, pages) = hub.query("SELECT * FROM devices", 100).await;
    assert_eq!((all.len(), pages), (600, 7));
    let (some, _) = hub.query("SELECT TOP 150 deviceId FROM devices", 100).await;
    assert_eq!((some.len(), &some[149]["deviceId"]), (150, &json!("d149")));
    let (groups, pages) = hub
        .query(
            "SELECT tags.site, COUNT() AS n, MAX(tags.n) AS most FROM devices GROUP BY tags.site",
            1,
        )
        .await;
    assert_eq!(
        (groups, pages),
        (
            vec![
                json!({"site": "north", "n": 12, "most": 550}),
                json!({"site": "south", "n": 588, "most": 599})
            ],
            2
        )
    );
    let count = hub.query("SELECT COUNT() AS n FROM devices", 100).await.0;
    assert_eq!(count, [json!({"n": 600})]);
    let disabled = hub
        .query(
            "SELECT COUNT() AS n FROM devices WHERE status = 'disabled'",
            100,
        )
        .await
        .0;
    assert_eq!(disabled, [json!({"n": 6})]);
    let statistics = hub.get("/statistics/devices").await.1;
    assert_eq!(
        statistics,
        json!({"totalDeviceCount": 600, "enabledDeviceCount": 594, "disabledDeviceCount": 6})
    );
    assert_eq!(
        hub.get("/devices?top=3").await.1.as_array().unwrap().len(),
        3
    );
    assert_eq!(hub.get("/devices?top=1001").await.0, 400);
}

#[tokio::test]
async fn in_memory() {
    finds(&Hub::start().await.with_devices().await).await;
}

#[tokio::test]
async fn in_a_file_also_as_tags_change_and_devices_go() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |options: &mut iothub_emulator::Options| {
        options.data_dir = Some(folder.path().to_owned());
    };
    let hub = Hub::start_with(in_folder).await.with_devices().await;
    finds(&hub).await;

    let patch = json!({"tags": {"site": "east", "n": null}});
    assert_eq!(
        hub.request("PATCH", "/twins/d050", &[], patch.to_string().as_bytes())
            .await
            .0,
        200
    );
    let (status, _) = hub
        .request("DELETE", "/devices/d100", &[("if-match", "*")], b"")
        .await;
    assert_eq!(status, 204);
    assert_eq!(hub.ids("tags.site = 'east'").await, "d050");
    assert_eq!(hub.ids("tags.n = 50").await, "");
    let north = hub.ids("tags.site = 'north'").await;
    assert!(
        !north.contains("d050") && !north.contains("d100"),
        "{north}"
    );
    assert_eq!(
        hub.get("/statistics/devices").await.1["totalDeviceCount"],
        599
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let hub = Hub::start().await;
    for (body, why) in [
        (
            json!({"query": "SELECT * FROM devices WHERE a ="}),
            "a value was expected",
        ),
        (json!({}), "'query' is missing"),
        (json!({"query": 5}), "'query' is missing"),
    ] {
        let (status, answer) = hub.post("/devices/query", &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["Message"].as_str().unwrap().contains(why),
            "{answer}"
        );
    }
    let body = json!({"query": "SELECT * FROM devices"}).to_string();
    let (status, answer) = hub
        .request(
            "POST",
            "/devices/query",
            &[("x-ms-continuation", "zz")],
            body.as_bytes(),
        )
        .await;
    assert_eq!(status, 400, "{answer}");
    for collection in ["devices.modules", "devices.jobs"] {
        let text = format!("SELECT * FROM {collection}");
        assert_eq!(hub.query(&text, 10).await.0, Vec::<Value>::new());
    }
    // What once ended the process.
    let condition = vec!["a=1"; 1_100].join(" OR ");
    let text = format!("SELECT * FROM devices WHERE {condition}");
    assert_eq!(hub.query(&text, 10).await.0, Vec::<Value>::new());
    let condition = vec!["a=1"; 6_093].join(" OR ");
    let text = format!("SELECT * FROM devices WHERE {condition}");
    let (status, answer) = hub.post("/devices/query", &json!({ "query": text })).await;
    assert_eq!(status, 400);
    assert!(
        answer["Message"]
            .as_str()
            .unwrap()
            .contains("8192 are the most")
    );
}
