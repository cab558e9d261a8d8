//! Many devices at once: the registry in bulk, schedules over devices, import and export through
//! blobs.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{Ca, Device, HUB, Hub, exchange_over, tls, token, within};

/// The job once it has ended.
async fn ended(hub: &Hub, path: &str) -> Value {
    let id = path.rsplit('/').next().unwrap().to_owned();
    hub.event_where("job", |it| {
        it["reason"]
            .as_str()
            .unwrap_or_default()
            .contains(&format!("'{id}'"))
    })
    .await;
    let (status, job) = hub.get(path).await;
    assert_eq!(status, 200, "{job}");
    job
}

async fn connect_with_key(hub: &Hub, id: &str) -> Device {
    let (_, shown) = hub.get(&format!("/devices/{id}")).await;
    let key = shown["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap()
        .to_owned();
    let password = token(&format!("{HUB}/devices/{id}"), &key, 600, None);
    let user_name = format!("{HUB}/{id}/?api-version=2021-04-12");
    let mut device = hub.dial(None).await;
    device
        .connect_as(id, &user_name, true, 60, Some(&password))
        .await;
    assert_eq!(device.connack().await.1, 0);
    device
}

async fn outcomes(hub: &Hub, id: &str) -> Vec<Value> {
    let query = format!("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{id}'");
    let (status, rows) = hub.post("/devices/query", &json!({"query": query})).await;
    assert_eq!(status, 200, "{rows}");
    rows.as_array().unwrap().clone()
}

#[tokio::test]
async fn each_entry_of_a_bulk_request_is_done_or_refused_by_itself() {
    let hub = Hub::start().await;
    let mut live = hub.device("gone").await;
    let entries = json!([
        {"id": "a", "importMode": "create", "tags": {"site": "roof"}, "properties": {"desired": {"i": 1}}},
        {"id": "b", "importMode": "create", "status": "disabled", "authentication": {"type": "certificateAuthority"}},
        {"id": "a", "moduleId": "m", "importMode": "create"},
        {"id": "gone", "importMode": "delete"},
    ]);
    let (status, answer) = hub.post("/devices", &entries).await;
    assert_eq!(
        (status, &answer["isSuccessful"], &answer["errors"]),
        (200, &json!(true), &json!([]))
    );
    live.expect_close().await;
    let (_, twin) = hub.get("/twins/a").await;
    assert_eq!(
        (&twin["tags"]["site"], &twin["properties"]["desired"]["i"]),
        (&json!("roof"), &json!(1))
    );
    assert_eq!(hub.get("/devices/b").await.1["status"], "disabled");
    assert_eq!(hub.get("/devices/a/modules/m").await.0, 200);
    let old = hub.get("/devices/a").await.1;
    let again = json!([
        {"id": "a", "importMode": "create"},
        {"id": "b", "importMode": "update", "status": "enabled"},
        {"id": "nobody", "importMode": "update"},
        {"id": "a", "importMode": "updateIfMatchETag", "eTag": "AAAAAAAAAAk="},
        {"id": "x y", "importMode": "create"},
        {"id": "c", "importMode": "sometimes"},
        {"importMode": "create"},
    ]);
    let (status, answer) = hub.post("/devices", &again).await;
    assert_eq!((status, &answer["isSuccessful"]), (400, &json!(false)));
    let codes: Vec<_> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["errorCode"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "DeviceAlreadyExists",
            "DeviceNotFound",
            "PreconditionFailed",
            "ArgumentInvalid",
            "ArgumentInvalid",
            "ArgumentInvalid"
        ]
    );
    assert_eq!(hub.get("/devices/b").await.1["status"], "enabled");
    assert_eq!(hub.get("/devices/a").await.1, old);
    // A key that is left out is made anew.
    let renew = json!([{"id": "a", "importMode": "update", "authentication": {"type": "sas", "symmetricKey": {}}}]);
    assert_eq!(hub.post("/devices", &renew).await.0, 200);
    let renewed = hub.get("/devices/a").await.1;
    assert_ne!(
        renewed["authentication"]["symmetricKey"]["primaryKey"],
        old["authentication"]["symmetricKey"]["primaryKey"]
    );
    let many: Vec<Value> = (0..101)
        .map(|number| json!({"id": format!("m{number}")}))
        .collect();
    assert_eq!(hub.post("/devices", &json!(many)).await.0, 400);
    for wrong in [json!({}), json!([1])] {
        assert_eq!(hub.post("/devices", &wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_schedule_changes_the_twins_that_fit() {
    let hub = Hub::start().await;
    let entries: Vec<Value> = (0..90)
        .map(|number| json!({"id": format!("d{number:02}"), "tags": {"odd": number % 2 == 1}}))
        .collect();
    assert_eq!(hub.post("/devices", &json!(entries)).await.0, 200);
    let mut live = connect_with_key(&hub, "d01").await;
    live.subscribe(&["$iothub/twin/PATCH/properties/desired/#"])
        .await;
    let request = json!({"type": "scheduleUpdateTwin", "queryCondition": "tags.odd = true",
        "updateTwin": {"etag": "*", "properties": {"desired": {"interval": 5}}}, "maxExecutionTimeInSeconds": 600});
    let (status, job) = hub.put("/jobs/v2/j1", &request).await;
    assert_eq!(status, 200, "{job}");
    assert_eq!(
        live.message().await.payload,
        "{\"interval\":5,\"$version\":2}"
    );
    let job = ended(&hub, "/jobs/v2/j1").await;
    assert_eq!(job["status"], "completed");
    let statistics = json!({"deviceCount": 45, "failedCount": 0, "succeededCount": 45, "runningCount": 0, "pendingCount": 0});
    assert_eq!(job["deviceJobStatistics"], statistics);
    assert_eq!(
        hub.get("/twins/d89").await.1["properties"]["desired"]["interval"],
        5
    );
    assert_eq!(
        hub.get("/twins/d88").await.1["properties"]["desired"].get("interval"),
        None
    );
    assert_eq!(outcomes(&hub, "j1").await.len(), 45);
    let (status, twice) = hub.put("/jobs/v2/j1", &request).await;
    assert_eq!((status, &twice["errorCode"]), (409, &json!(409_104)));
    let (_, all) = hub
        .get("/jobs/v2/query?jobType=scheduleUpdateTwin&jobStatus=completed")
        .await;
    assert_eq!(all[0]["jobId"], "j1");
    assert_eq!(
        hub.get("/jobs/v2/query?jobStatus=running").await.1,
        json!([])
    );
    assert_eq!(hub.get("/jobs/v2/none").await.1["errorCode"], 404_002);
    for (wrong, why) in [
        (
            json!({"type": "scheduleUpdateTwin", "queryCondition": "*"}),
            "updateTwin",
        ),
        (
            json!({"type": "scheduleDeviceMethod", "queryCondition": "*"}),
            "cloudToDeviceMethod",
        ),
        (json!({"type": "other", "queryCondition": "*"}), "other"),
        (
            json!({"type": "scheduleUpdateTwin", "updateTwin": {}}),
            "queryCondition",
        ),
        (
            json!({"type": "scheduleUpdateTwin", "updateTwin": {}, "queryCondition": "tags. ="}),
            "query",
        ),
        (
            json!({"type": "scheduleUpdateTwin", "updateTwin": {}, "queryCondition": "*", "startTime": "soon"}),
            "startTime",
        ),
    ] {
        let (status, answer) = hub.put("/jobs/v2/wrong", &wrong).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(
            answer["Message"].as_str().unwrap().contains(why),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_schedule_calls_methods_and_keeps_their_answers() {
    let hub = Hub::start().await;
    let mut device = hub.device("on").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    hub.register("off").await;
    let request = json!({"type": "scheduleDeviceMethod", "queryCondition": "deviceId IN ['on', 'off']",
        "cloudToDeviceMethod": {"methodName": "reboot", "payload": {"in": 5}, "responseTimeoutInSeconds": 30}});
    assert_eq!(hub.put("/jobs/v2/methods", &request).await.0, 200);
    let call = device.message().await;
    assert_eq!(call.payload, "{\"in\":5}");
    device
        .publish("$iothub/methods/res/200/?$rid=1", "{\"ok\":true}", 0)
        .await;
    let job = ended(&hub, "/jobs/v2/methods").await;
    let statistics = &job["deviceJobStatistics"];
    assert_eq!(
        (&statistics["succeededCount"], &statistics["failedCount"]),
        (&json!(1), &json!(1))
    );
    let rows = outcomes(&hub, "methods").await;
    assert_eq!(
        (&rows[0]["deviceId"], &rows[0]["error"]["code"]),
        (&json!("off"), &json!("DeviceNotOnline"))
    );
    assert_eq!(
        rows[1]["outcome"]["deviceMethodResponse"],
        json!({"status": 200, "payload": {"ok": true}})
    );
}

#[tokio::test]
async fn it_begins_when_its_time_has_come_unless_it_is_cancelled() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let request = |start: &str| {
        json!({"type": "scheduleUpdateTwin", "queryCondition": "*", "startTime": start,
        "updateTwin": {"tags": {"done": start}}})
    };
    let later = "2999-01-01T00:00:00Z";
    let (_, job) = hub.put("/jobs/v2/later", &request(later)).await;
    assert_eq!(
        (&job["status"], &job["startTime"]),
        (&json!("scheduled"), &json!("2999-01-01T00:00:00.000Z"))
    );
    let (status, job) = hub.post("/jobs/v2/later/cancel", &json!({})).await;
    assert_eq!((status, &job["status"]), (200, &json!("cancelled")));
    assert_eq!(hub.post("/jobs/v2/later/cancel", &json!({})).await.0, 400);
    let soon = time::OffsetDateTime::now_utc() + time::Duration::days(10);
    let soon = soon
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    assert_eq!(
        hub.put("/jobs/v2/soon", &request(&soon)).await.1["status"],
        "scheduled"
    );
    // Eleven days go by.
    assert_eq!(
        hub.put("/admin/clock", &json!({"shiftMs": 950_400_000}))
            .await
            .0,
        200
    );
    assert_eq!(ended(&hub, "/jobs/v2/soon").await["status"], "completed");
    assert_eq!(hub.get("/twins/dev").await.1["tags"]["done"], soon);
}

#[tokio::test]
async fn a_job_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    for block in 0..10 {
        let entries: Vec<Value> = (0..100)
            .map(|number| json!({"id": format!("d{}", block * 100 + number)}))
            .collect();
        process
            .call("POST", "/devices", &json!(entries).to_string())
            .await;
    }
    let request = json!({"type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": {"tags": {"a": 1}}});
    process
        .call("PUT", "/jobs/v2/j", &request.to_string())
        .await;
    process.kill();
    let process = Process::start(&["--data-dir"], folder.path());
    let done = async {
        loop {
            let job: Value =
                serde_json::from_str(&process.call("GET", "/jobs/v2/j", "").await).unwrap();
            if job["status"] == "completed" {
                return job;
            }
            tokio::task::yield_now().await;
        }
    };
    let job = within("the end of the job", done).await;
    assert_eq!(job["deviceJobStatistics"]["succeededCount"], 1000);
    let query = json!({"query": "SELECT COUNT() AS n FROM devices WHERE tags.a = 1"}).to_string();
    let rows = process.call("POST", "/devices/query", &query).await;
    assert_eq!(
        serde_json::from_str::<Value>(&rows).unwrap(),
        json!([{"n": 1000}])
    );
    // Each of them once.
    let twin = process.call("GET", "/twins/d999", "").await;
    assert_eq!(serde_json::from_str::<Value>(&twin).unwrap()["version"], 2);
}

/// A device that had been asked and had not answered is asked again, and one that had answered is
/// not.
#[tokio::test]
async fn a_job_of_methods_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    let ca = Ca::root("Root");
    let certificate = json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let entry = json!({"authentication": {"type": "certificateAuthority"}}).to_string();
    for id in ["d1", "d2"] {
        process.call("PUT", &format!("/devices/{id}"), &entry).await;
    }
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let connect = async |process: &Process, id: &str| {
        let credentials = ca.device(id);
        let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
            .await
            .unwrap();
        device.connect(id, true).await;
        assert_eq!(device.connack().await.1, 0);
        device.subscribe(&["$iothub/methods/POST/#"]).await;
        device
    };
    let (mut first, mut second) = (connect(&process, "d1").await, connect(&process, "d2").await);
    let request = json!({"type": "scheduleDeviceMethod", "queryCondition": "*",
        "cloudToDeviceMethod": {"methodName": "m", "connectTimeoutInSeconds": 60, "responseTimeoutInSeconds": 60}});
    process
        .call("PUT", "/jobs/v2/j", &request.to_string())
        .await;
    first.message().await;
    second.message().await;
    let answer = "$iothub/methods/res/200/?$rid=1";
    first.publish(answer, "{\"answer\":1}", 0).await;
    let statistics = async |process: &Process| {
        let job = process.call("GET", "/jobs/v2/j", "").await;
        let job: Value = serde_json::from_str(&job).unwrap();
        job["deviceJobStatistics"].clone()
    };
    let one_done = async {
        while statistics(&process).await["succeededCount"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    within("the first answer", one_done).await;
    process.kill();

    let process = Process::start(&["--data-dir"], folder.path());
    let mut first = connect(&process, "d1").await;
    let mut second = connect(&process, "d2").await;
    second.message().await;
    second.publish(answer, "{\"answer\":2}", 0).await;
    let all_done = async {
        while statistics(&process).await["succeededCount"] != 2 {
            tokio::task::yield_now().await;
        }
    };
    within("the second answer", all_done).await;
    let query = json!({"query": "SELECT * FROM devices.jobs"}).to_string();
    let rows = process.call("POST", "/devices/query", &query).await;
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    let answers: Vec<&Value> = rows
        .iter()
        .map(|row| &row["outcome"]["deviceMethodResponse"]["payload"]["answer"])
        .collect();
    assert_eq!(answers, [&json!(1), &json!(2)]);
    // The next call of the first one is the next that it hears of.
    let path = "/twins/d1/methods";
    let call = async {
        first.message().await;
        first.publish(answer, "{\"answer\":3}", 0).await;
    };
    let next = json!({"methodName": "n"}).to_string();
    let (told, ()) = tokio::join!(process.call("POST", path, &next), call);
    assert!(told.contains("\"answer\":3"), "{told}");
}

/// A container's address with a signature for it, as services write it.
async fn container(hub: &Hub, name: &str) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    let (_, storage) = hub.get("/admin/blob-storage").await;
    let text = storage["connectionString"].as_str().unwrap().to_owned();
    let part = |wanted: &str| {
        let found = text
            .split(';')
            .find_map(|it| it.strip_prefix(wanted)?.strip_prefix('='));
        found.unwrap().to_owned()
    };
    let (account, endpoint) = (part("AccountName"), part("BlobEndpoint"));
    let expiry = "2999-01-01T00:00:00Z";
    let fields =
        format!("rw\n\n{expiry}\n/blob/{account}/{name}\n\n\n\n2021-12-02\nc\n\n\n\n\n\n\n");
    let engine = base64::engine::general_purpose::STANDARD;
    let key = hmac::Key::new(
        hmac::HMAC_SHA256,
        &engine.decode(part("AccountKey")).unwrap(),
    );
    let signature = engine.encode(hmac::sign(&key, fields.as_bytes()));
    let encoded: String = signature
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    format!(
        "{endpoint}/{name}?sv=2021-12-02&se={}&sr=c&sp=rw&sig={encoded}",
        expiry.replace(':', "%3A")
    )
}

/// Reads or writes a blob of a container over the HTTPS port.
async fn blob(hub: &Hub, container: &str, name: &str, method: &str, body: &str) -> (u16, String) {
    let (place, query) = container.split_once('?').unwrap();
    let path = place.splitn(4, '/').nth(3).unwrap();
    let address = hub.emulator.https_addr().unwrap();
    let stream = tls(address, &hub.server_ca, None).await.unwrap();
    let path = format!("/{path}/{name}?{query}");
    let headers = [("x-ms-blob-type", "BlockBlob")];
    let (status, _, body) =
        exchange_over(stream, HUB, method, &path, &headers, body.as_bytes()).await;
    (status, body)
}

#[tokio::test]
async fn identities_go_to_a_blob_and_come_back() {
    let hub = Hub::start_with(|options| options.https = Some("127.0.0.1:0".parse().unwrap())).await;
    for number in 0..60 {
        hub.put(&format!("/devices/d{number:02}"), &json!({})).await;
    }
    hub.put("/devices/d00/modules/m", &json!({})).await;
    hub.patch("/twins/d07", &json!({"tags": {"site": "roof"}}))
        .await;
    let before = hub.get("/devices/d07").await.1;
    let out = container(&hub, "exported").await;
    let (status, job) = hub
        .post(
            "/jobs/create",
            &json!({"type": "export", "outputBlobContainerUri": out, "excludeKeysInExport": false}),
        )
        .await;
    assert_eq!(status, 200, "{job}");
    let path = format!("/jobs/{}", job["jobId"].as_str().unwrap());
    let job = ended(&hub, &path).await;
    assert_eq!(
        (&job["status"], &job["progress"]),
        (&json!("completed"), &json!(100)),
        "{job}"
    );
    let (status, lines) = blob(&hub, &out, "devices.txt", "GET", "").await;
    assert_eq!((status, lines.lines().count()), (200, 61));
    // Into another hub, with three lines that are wrong.
    let other =
        Hub::start_with(|options| options.https = Some("127.0.0.1:0".parse().unwrap())).await;
    let inside = container(&other, "imported").await;
    let text = format!(
        "{lines}{{\"id\":\"nobody\",\"importMode\":\"delete\"}}\nno json\n\n{{\"id\":\"x y\"}}\n"
    );
    assert_eq!(
        blob(&other, &inside, "devices.txt", "PUT", &text).await.0,
        201
    );
    let request = json!({"type": "import", "inputBlobContainerUri": inside, "outputBlobContainerUri": inside});
    let (_, job) = other.post("/jobs/create", &request).await;
    let path = format!("/jobs/{}", job["jobId"].as_str().unwrap());
    let job = ended(&other, &path).await;
    assert_eq!(
        (&job["status"], &job["progress"]),
        (&json!("completed"), &json!(100)),
        "{job}"
    );
    assert_eq!(
        other.get("/devices/d07").await.1["authentication"],
        before["authentication"]
    );
    assert_eq!(other.get("/twins/d07").await.1["tags"]["site"], "roof");
    assert_eq!(other.get("/devices/d00/modules/m").await.0, 200);
    assert_eq!(
        other.get("/statistics/devices").await.1["totalDeviceCount"],
        60
    );
    let (_, errors) = blob(&other, &inside, "importErrors.log", "GET", "").await;
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert!(
        errors.contains("DeviceNotFound") && errors.contains("line 63"),
        "{errors}"
    );
    // An address that permits nothing.
    let wrong = inside.replace("sp=rw", "sp=rwd");
    let (_, job) = other
        .post(
            "/jobs/create",
            &json!({"type": "export", "outputBlobContainerUri": wrong}),
        )
        .await;
    let path = format!("/jobs/{}", job["jobId"].as_str().unwrap());
    let job = ended(&other, &path).await;
    assert_eq!(job["status"], "failed");
    assert!(
        job["failureReason"].as_str().unwrap().contains("signature"),
        "{job}"
    );
    assert_eq!(other.get("/jobs").await.1.as_array().unwrap().len(), 2);
    for wrong in [
        json!({"type": "export"}),
        json!({"type": "import", "inputBlobContainerUri": inside}),
        json!({}),
    ] {
        assert_eq!(other.post("/jobs/create", &wrong).await.0, 400, "{wrong}");
    }
}
