//! The list of devices that the page shows: found, filtered and sorted at the hub, a page at a
//! time; in memory and in a file.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::Hub;

impl Hub {
    /// All rows of a listing in pages of a size, and how many pages there were.
    async fn listed(&self, what: &str, page: usize) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, String::new());
        loop {
            let path = format!("/admin/devices?top={page}&{what}&continuation={next}");
            let (status, answer) = self.get(&path).await;
            assert_eq!(status, 200, "{what}: {answer}");
            let found = answer["devices"].as_array().unwrap();
            assert!(found.len() <= page, "{what}");
            rows.extend(found.iter().cloned());
            pages += 1;
            assert!(pages < 2000, "{what} has no end");
            match answer["continuation"].as_str() {
                Some(token) => token.clone_into(&mut next),
                None => return (rows, pages),
            }
        }
    }

    async fn listed_ids(&self, what: &str, page: usize) -> String {
        let (rows, _) = self.listed(what, page).await;
        let ids: Vec<&str> = rows
            .iter()
            .map(|row| row["deviceId"].as_str().unwrap())
            .collect();
        ids.join(" ")
    }

    /// 700 devices, more than one step: every 100th disabled, the 50 last at another site.
    async fn with_a_fleet(self) -> Self {
        let devices: Vec<Value> = (0..700)
            .map(|n| {
                json!({
                    "deviceId": format!("Unit-{n:03}"),
                    "status": if n % 100 == 0 { "disabled" } else { "enabled" },
                    "tags": {"site": if n < 650 { "south" } else { "north" }},
                    "properties": {"reported": {"firmware": {"currentFwVersion": format!("1.0.{n}")}}},
                })
            })
            .collect();
        let (status, _) = self
            .post("/admin/import", &json!({"devices": devices}))
            .await;
        assert_eq!(status, 200);
        self
    }

    async fn at(&self, minute: i64) {
        let shift = json!({"shiftMs": minute * 60_000});
        assert_eq!(self.put("/admin/clock", &shift).await.0, 200);
    }
}

async fn lists(hub: &Hub) {
    let (all, pages) = hub.listed("", 100).await;
    assert_eq!(all.len(), 700);
    assert!(pages <= 8, "{pages}");
    assert_eq!(all[7]["firmware"], "1.0.7");
    assert_eq!(all[7]["tags"]["site"], "south");
    assert!(all[7].get("authentication").is_none(), "no keys in a list");

    for (what, ids) in [
        ("find=699", "Unit-699"),
        ("find=UNIT-01&state=disabled", ""),
        (
            "find=t-00&state=neverSeen&query=SELECT * FROM devices WHERE status = 'disabled'",
            "Unit-000",
        ),
        ("state=disabled&find=5", "Unit-500"),
        ("state=connected", ""),
        ("state=refused", ""),
        (
            "query=SELECT * FROM devices WHERE tags.site = 'north' AND deviceId >= 'Unit-698'",
            "Unit-698 Unit-699",
        ),
        (
            "find=9&query=SELECT * FROM devices WHERE tags.site = 'north' AND deviceId > 'Unit-690'",
            "Unit-691 Unit-692 Unit-693 Unit-694 Unit-695 Unit-696 Unit-697 Unit-698 Unit-699",
        ),
        ("sort=latestFirst&find=69&state=disabled", ""),
        ("sort=oldestFirst&find=t-60&state=disabled", "Unit-600"),
        ("sort=-firmware&find=t-0&state=disabled", "Unit-000"),
        (
            "sort=-firmware&find=t-69&query=SELECT * FROM devices WHERE deviceId >= 'Unit-697'",
            "Unit-699 Unit-698 Unit-697",
        ),
        (
            "sort=tags&query=SELECT * FROM devices WHERE deviceId IN ['Unit-000', 'Unit-650', 'Unit-651']",
            "Unit-650 Unit-651 Unit-000",
        ),
        (
            "sort=-tags&query=SELECT * FROM devices WHERE deviceId IN ['Unit-000', 'Unit-650', 'Unit-651']",
            "Unit-000 Unit-650 Unit-651",
        ),
        (
            "sort=state&query=SELECT * FROM devices WHERE deviceId IN ['Unit-001', 'Unit-100', 'Unit-101']",
            "Unit-001 Unit-101 Unit-100",
        ),
    ] {
        let what = what.replace(' ', "%20").replace('>', "%3E");
        for page in [3, 1000] {
            assert_eq!(hub.listed_ids(&what, page).await, ids, "{what}");
        }
    }
    for (what, count) in [
        ("find=unit", 700),
        ("state=neverSeen", 700),
        ("state=disconnected", 700),
        ("sort=latestFirst", 700),
        ("sort=oldestFirst", 700),
        ("sort=state", 700),
        ("sort=-reason", 700),
        ("sort=-tags", 700),
        ("sort=firmware&state=disconnected", 700),
    ] {
        assert_eq!(hub.listed(what, 33).await.0.len(), count, "{what}");
    }
}

#[tokio::test]
async fn versions_are_in_the_order_of_their_numbers() {
    let hub = Hub::start().await.with_a_fleet().await;
    for (what, first) in [("sort=firmware", "1.0.0"), ("sort=-firmware", "1.0.699")] {
        let (rows, _) = hub.listed(what, 100).await;
        let numbers = rows.iter().map(|row| {
            let version = row["firmware"].as_str().unwrap();
            version.rsplit('.').next().unwrap().parse::<u32>().unwrap()
        });
        assert_eq!(rows[0]["firmware"], first);
        match what.contains('-') {
            true => assert!(numbers.rev().is_sorted()),
            false => assert!(numbers.is_sorted()),
        }
    }
}

#[tokio::test]
async fn the_pages_of_one_order_have_each_device_once() {
    let hub = Hub::start().await.with_a_fleet().await;
    let (_, first) = hub.get("/admin/devices?sort=-tags&top=400").await;
    let mut ids: Vec<String> = Vec::new();
    let mut add = |page: &serde_json::Value| {
        let rows = page["devices"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|row| row["deviceId"].as_str().unwrap().to_owned()),
        );
    };
    add(&first);
    // It stands behind the first page, and would come before it now.
    let (status, _) = hub
        .patch("/twins/Unit-698", &json!({"tags": {"site": "zenith"}}))
        .await;
    assert_eq!(status, 200);
    let token = first["continuation"].as_str().unwrap();
    let behind = format!("/admin/devices?sort=-tags&top=400&continuation={token}");
    let (_, rest) = hub.get(&behind).await;
    add(&rest);
    assert!(rest["continuation"].is_null());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 700);
    let (_, anew) = hub.get("/admin/devices?sort=-tags&top=1").await;
    assert_eq!(anew["devices"][0]["deviceId"], "Unit-698");
}

#[tokio::test]
async fn lists_in_memory() {
    lists(&Hub::start().await.with_a_fleet().await).await;
}

#[tokio::test]
async fn lists_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let hub = Hub::start_with(|options| options.data_dir = Some(path)).await;
    lists(&hub.with_a_fleet().await).await;
}

#[tokio::test]
async fn says_who_is_there_and_why_others_are_not() {
    let hub = Hub::start().await;
    for id in ["early", "gone", "late", "never", "refused"] {
        hub.register(id).await;
    }
    let connect = async |id: &str| hub.connect(id, &hub.ca.device(id), false).await;
    hub.at(10).await;
    let mut early = connect("early").await;
    hub.at(20).await;
    connect("gone").await.disconnect().await;
    hub.event("closed").await;
    hub.at(30).await;
    let late = connect("late").await;
    // Another device's certificate.
    let mut wrong = hub.dial(Some(&hub.ca.device("other"))).await;
    wrong.connect("refused", false).await;
    hub.event("refused").await;

    for (what, ids) in [
        ("state=connected", "early late"),
        ("state=disconnected", "gone never refused"),
        ("state=refused", "refused"),
        ("state=neverSeen", "never refused"),
        ("sort=latestFirst", "late early gone refused never"),
        ("sort=oldestFirst", "never refused gone early late"),
        ("sort=latestFirst&state=connected", "late early"),
        ("sort=oldestFirst&state=connected", "early late"),
        ("sort=state", "early late gone refused never"),
        ("sort=-state", "never refused gone early late"),
        ("sort=state&state=refused", "refused"),
        ("sort=-state&state=neverSeen", "never refused"),
        ("sort=reason", "refused gone early late never"),
        ("sort=-reason", "early late gone refused never"),
    ] {
        for page in [1, 2, 100] {
            assert_eq!(hub.listed_ids(what, page).await, ids, "{what} by {page}");
        }
    }
    let (_, row) = hub.get("/admin/devices/refused").await;
    assert_eq!(row["ended"]["event"], "refused");
    assert!(row["ended"]["code"].is_u64(), "{row}");
    let (_, row) = hub.get("/admin/devices/early").await;
    assert_eq!(row["connected"]["event"], "connected");
    assert_eq!(row["connectionState"], "Connected");
    assert_eq!(hub.get("/admin/devices/nobody").await.0, 404);
    early
        .publish("devices/early/messages/events/", "1", 1)
        .await;
    early.expect_puback(1).await;
    let (_, counts) = hub.get("/admin/statistics").await;
    let expected = json!({"totalDeviceCount": 5, "enabledDeviceCount": 5, "disabledDeviceCount": 0,
        "connectedDeviceCount": 2, "neverSeenDeviceCount": 2, "refusedDeviceCount": 1, "lastTelemetry": 1});
    assert_eq!(counts, expected);
    drop((early, late));
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let hub = Hub::start().await;
    for (what, word) in [
        ("state=asleep", "neverSeen"),
        ("sort=size", "latestFirst"),
        ("top=0", "1 to 1000"),
        ("top=1001", "1 to 1000"),
        ("continuation=zzz", "continuation"),
        ("query=SELECT", "expected"),
        ("query=SELECT%20COUNT()%20FROM%20devices", "devices/query"),
        ("query=SELECT%20TOP%205%20*%20FROM%20devices", "TOP"),
        ("query=SELECT%20*%20FROM%20devices.modules", "devices/query"),
    ] {
        let (status, answer) = hub.get(&format!("/admin/devices?{what}")).await;
        let message = answer["Message"].as_str().unwrap_or_default();
        assert_eq!(
            (status, message.contains(word)),
            (400, true),
            "{what}: {answer}"
        );
    }
}
