//! Every REST operation of Microsoft's specifications with wrong verbs, wrong types in every field,
//! bodies that are none or too many, and versions that nobody has: each is answered in the shape of
//! its service, and none by a fault of the emulator.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::{HUB, Hub};

const OPERATIONS: &str = include_str!("../../src/rest/operations.txt");

/// Something right for the body of each operation that has one, in which each part is made wrong.
fn body_of(id: &str) -> Option<Value> {
    let twin = || {
        json!({"deviceId": "it", "moduleId": "it", "etag": "AAAA", "tags": {"a": {"b": 1}},
            "properties": {"desired": {"a": {"b": 1}}, "reported": {}}})
    };
    let identity = || {
        json!({"deviceId": "it", "status": "enabled", "statusReason": "r", "etag": "AAAA", "managedBy": "me",
            "deviceScope": "", "parentScopes": [""], "capabilities": {"iotEdge": false},
            "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""},
                "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null}}})
    };
    let enrollment = || {
        json!({"registrationId": "it", "enrollmentGroupId": "it", "deviceId": "it", "provisioningStatus": "enabled",
            "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "QUFBQUFBQUFBQUFBQUFBQQ==", "secondaryKey": ""},
                "x509": {"clientCertificates": {"primary": {"certificate": ""}}, "signingCertificates": {"primary": {"certificate": ""}},
                    "caReferences": {"primary": "ca"}}, "tpm": {"endorsementKey": ""}},
            "capabilities": {"iotEdge": false}, "etag": "AAAA", "iotHubHostName": HUB, "iotHubs": [HUB],
            "allocationPolicy": "static", "customAllocationDefinition": {"webhookUrl": "http://127.0.0.1:1/", "apiVersion": "2019-03-31"},
            "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": true},
            "initialTwin": {"tags": {"a": 1}, "properties": {"desired": {"a": 1}}}, "optionalDeviceInformation": {"a": 1}})
    };
    let method = || json!({"methodName": "m", "payload": {"a": 1}, "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 0});
    let resource = || {
        json!({"location": "local", "sku": {"name": "S1", "capacity": 1, "tier": "Standard"}, "tags": {"a": "b"}, "etag": "AAAA",
            "properties": {"disableDeviceSAS": false, "disableModuleSAS": false, "disableLocalAuth": false, "minTlsVersion": "1.2",
                "authorizationPolicies": [{"keyName": "own", "primaryKey": "QUFB", "secondaryKey": "QUFB", "rights": "ServiceConnect"}],
                "eventHubEndpoints": {"events": {"retentionTimeInDays": 1, "partitionCount": 4}},
                "routing": {"endpoints": {"eventHubs": []}, "routes": [{"name": "r", "source": "DeviceMessages", "condition": "true",
                    "endpointNames": ["events"], "isEnabled": true}], "enrichments": [], "fallbackRoute": {"isEnabled": true}},
                "storageEndpoints": {"$default": {"connectionString": "", "containerName": ""}},
                "messagingEndpoints": {"fileNotifications": {"maxDeliveryCount": 10}},
                "cloudToDevice": {"maxDeliveryCount": 10, "defaultTtlAsIso8601": "PT1H", "feedback": {"maxDeliveryCount": 10}},
                "iotHubs": [{"name": HUB, "connectionString": "HostName=x", "location": "local"}], "allocationPolicy": "Hashed"}})
    };
    Some(match id {
        "BulkRegistry_UpdateRegistry" => {
            json!([{"id": "it", "moduleId": "m", "eTag": "AAAA", "importMode": "createOrUpdate",
            "status": "enabled", "authentication": {"type": "sas"}, "tags": {"a": 1}, "properties": {"desired": {"a": 1}},
            "capabilities": {"iotEdge": true}, "deviceScope": "", "parentScopes": []}])
        }
        "Configuration_CreateOrUpdate" | "Configuration_ApplyOnEdgeDevice" => {
            json!({"id": "it", "schemaVersion": "1.0",
            "labels": {"a": "b"}, "priority": 1, "targetCondition": "*", "etag": "AAAA",
            "content": {"deviceContent": {"properties.desired.a": {"b": 1}}, "moduleContent": {"properties.desired.a": 1},
                "modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {"m": {}}}}}},
            "modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {"m": {}}}}, "m": {"properties.desired.a": 1}},
            "metrics": {"queries": {"all": "SELECT * FROM devices"}, "results": {}}})
        }
        "Configuration_TestQueries" => {
            json!({"targetCondition": "*", "customMetricQueries": {"a": "SELECT * FROM devices"}})
        }
        "Devices_CreateOrUpdateIdentity" | "Modules_CreateOrUpdateIdentity" => identity(),
        "Devices_ReplaceTwin"
        | "Devices_UpdateTwin"
        | "Modules_ReplaceTwin"
        | "Modules_UpdateTwin" => twin(),
        "Devices_InvokeMethod" | "Modules_InvokeMethod" => method(),
        "DigitalTwin_UpdateDigitalTwin" => json!([{"op": "add", "path": "/a", "value": {"b": 1}}]),
        "DigitalTwin_InvokeRootLevelCommand" | "DigitalTwin_InvokeComponentCommand" => {
            json!({"a": 1})
        }
        "Jobs_CreateImportExportJob" => {
            json!({"jobId": "j", "type": "export", "inputBlobContainerUri": "http://127.0.0.1:1/a",
            "outputBlobContainerUri": "http://127.0.0.1:1/b", "excludeKeysInExport": true, "storageAuthenticationType": "keyBased",
            "inputBlobName": "a", "outputBlobName": "b", "includeConfigurations": false})
        }
        "Jobs_CreateScheduledJob" => {
            json!({"jobId": "it", "type": "scheduleUpdateTwin", "queryCondition": "*",
            "startTime": "2099-01-01T00:00:00Z", "maxExecutionTimeInSeconds": 5, "updateTwin": twin(), "cloudToDeviceMethod": method()})
        }
        "Query_GetTwins" => json!({"query": "SELECT * FROM devices"}),
        "Service_BulkRegenerateDeviceKeyMethod" => {
            json!({"policyKey": "primary", "devices": [{"id": "it", "moduleId": "m"}]})
        }
        "Device_CreateFileUploadSasUri" => json!({"blobName": "a/b.txt"}),
        "Device_UpdateFileUploadStatus" => {
            json!({"correlationId": "x", "isSuccess": true, "statusCode": 200, "statusDescription": "d"})
        }
        "DeviceRegistrationState_Query"
        | "EnrollmentGroup_Query"
        | "IndividualEnrollment_Query" => json!({"query": "SELECT * FROM enrollments"}),
        "EnrollmentGroup_CreateOrUpdate" | "IndividualEnrollment_CreateOrUpdate" => enrollment(),
        "EnrollmentGroup_RunBulkOperation" => {
            json!({"mode": "create", "enrollmentGroups": [enrollment()]})
        }
        "IndividualEnrollment_RunBulkOperation" => {
            json!({"mode": "create", "enrollments": [enrollment()]})
        }
        "RuntimeRegistration_RegisterDevice"
        | "RuntimeRegistration_DeviceRegistrationStatusLookup" => json!({
            "registrationId": "it", "payload": {"a": 1}, "tpm": {"endorsementKey": ""}, "csr": ""}),
        "Certificates_CreateOrUpdate"
        | "Certificates_Verify"
        | "DpsCertificate_CreateOrUpdate"
        | "DpsCertificate_VerifyCertificate" => json!({
            "certificate": "QUFB", "properties": {"certificate": "QUFB", "isVerified": true}}),
        "IotHubResource_CreateOrUpdate"
        | "IotHubResource_Update"
        | "IotDpsResource_CreateOrUpdate"
        | "IotDpsResource_Update" => resource(),
        "IotHubResource_CheckNameAvailability"
        | "IotDpsResource_CheckProvisioningServiceNameAvailability" => {
            json!({"name": "abc", "type": "x"})
        }
        _ => return None,
    })
}

/// A value with one part of it replaced, for each part and each of `WRONG`, and with one left out.
fn mutants(value: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = wrong();
    let inner: Vec<(Value, Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, inner)| (json!(name), inner.clone()))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, inner)| (json!(at), inner.clone()))
            .collect(),
        _ => return all,
    };
    for (key, part) in inner {
        for mutant in mutants(&part) {
            let mut whole = value.clone();
            match &key {
                Value::String(name) => whole[name] = mutant,
                key => whole[key.as_u64().unwrap() as usize] = mutant,
            }
            all.push(whole);
        }
        if let (Value::String(name), Value::Object(map)) = (&key, value) {
            let mut less = map.clone();
            less.shift_remove(name);
            all.push(Value::Object(less));
        }
    }
    all
}

fn wrong() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(i64::MAX),
        json!(""),
        json!("\u{0}é/../%00' OR 1=1 --"),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({"": {"$": [1]}}),
    ]
}

fn path_of(template: &str, version: &str) -> String {
    let mut path = String::new();
    for part in template.split('/').skip(1) {
        path.push('/');
        path.push_str(match part {
            "{subscriptionId}" => "00000000-0000-0000-0000-000000000001",
            "{resourceGroupName}" => "iothub-emulator",
            "{provisioningServiceName}" => "dps",
            "{resourceName}" if template.contains("provisioningServices") => "dps",
            "{resourceName}" | "{iotHubName}" => HUB.split('.').next().unwrap(),
            "{idScope}" => "0ne00000001",
            _ if part.starts_with('{') => "it",
            part => part,
        });
    }
    match version {
        "" => path,
        version => format!("{path}?api-version={version}"),
    }
}

/// What was answered as it should not be.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// A fault of the emulator, and an answer that no client of that service understands.
    fn check(&mut self, what: &str, path: &str, status: u16, answer: &Value) {
        if !is_well(path, status, answer) {
            let what: String = what.chars().take(400).collect();
            self.0.push(format!("{what}: {status} {answer}"));
        }
    }

    fn none(self) {
        let Self(all) = self;
        let first = all.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(
            all.is_empty(),
            "{} findings, among them:\n{first}",
            all.len()
        );
    }
}

fn is_well(path: &str, status: u16, answer: &Value) -> bool {
    if status < 400 {
        return true;
    }
    if status >= 500 && ![501, 504].contains(&status) {
        return false;
    }
    let text = |pointer: &str| {
        answer
            .pointer(pointer)
            .is_some_and(|it| it.as_str().is_some_and(|it| !it.is_empty()))
    };
    let first = path.split('/').nth(1).unwrap_or_default();
    let first = first.split('?').next().unwrap_or_default();
    match first {
        "subscriptions" | "providers" => text("/error/code") && text("/error/message"),
        "enrollments" | "enrollmentGroups" | "registrations" | "0ne00000001" => {
            answer["errorCode"].is_number()
                && text("/message")
                && text("/trackingId")
                && text("/timestampUtc")
        }
        // Bulk operations say what became of each.
        "devices" if answer["errors"].is_array() => true,
        _ => answer["errorCode"].is_number() && text("/Message"),
    }
}

async fn furnish(hub: &Hub) {
    let sas = json!({"authentication": {"type": "sas"}, "capabilities": {"iotEdge": true}});
    for path in ["/devices/it", "/devices/it/modules/it"] {
        hub.put(path, &sas).await;
    }
    let enrollment = json!({"attestation": {"type": "symmetricKey"}});
    for path in ["/enrollments/it", "/enrollmentGroups/it"] {
        hub.put(path, &enrollment).await;
    }
}

#[tokio::test]
async fn wrong_verbs_and_versions() {
    let (hub, mut found) = (Hub::start().await, Findings::default());
    let mut asked = 0;
    for line in OPERATIONS.lines().filter(|line| !line.starts_with('#')) {
        let [id, _, template] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        furnish(&hub).await;
        for verb in [
            "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW",
        ] {
            let versions = [
                "",
                "2021-04-12",
                "2999-01-01",
                "x",
                "%00",
                "2021-04-12&api-version=x",
            ];
            let bodies = [&b"{"[..], b"\xff\xfe", b"[1]", b"\"text\""];
            let asks = versions.map(|version| (version, &b""[..])).into_iter();
            for (version, body) in asks.chain(bodies.map(|body| ("", body))) {
                let path = path_of(template, version);
                let (status, answer) = hub.request(verb, &path, &[], body).await;
                if verb != "HEAD" {
                    let what = format!("{id}: {verb} {path} {body:?}");
                    found.check(&what, &path, status, &answer);
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
    found.none();
    assert_eq!(hub.get("/ready").await.0, 200);
}

#[tokio::test]
async fn odd_names_in_every_place_of_every_path() {
    let (hub, mut found) = (Hub::start().await, Findings::default());
    let (long, number) = ("x".repeat(5000), "9".repeat(400));
    let names = [
        "%FF",
        "%C3%28",
        "%zz",
        "%",
        "%00",
        "%0A",
        "%2F..%2F..",
        "%F0%9F%98%80",
        "%E2%80%AE",
        "*",
        "$",
        "it%27",
        &long,
        &number,
    ];
    let mut asked = 0;
    for line in OPERATIONS.lines().filter(|line| !line.starts_with('#')) {
        let [id, verb, template] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let right = path_of(template, "");
        for place in template.split('/').filter(|it| it.starts_with('{')) {
            for name in names {
                let path = path_of(&template.replace(place, name), "");
                let body: &[u8] = if verb == "GET" { b"" } else { b"{}" };
                let (status, answer) = hub.request(verb, &path, &[], body).await;
                found.check(&format!("{id}: {verb} {path}"), &right, status, &answer);
                asked += 1;
            }
        }
    }
    assert!(asked > 1000, "{asked}");
    found.none();
    assert_eq!(hub.get("/ready").await.0, 200);
}

#[tokio::test]
async fn wrong_types_in_every_field() {
    let (hub, mut found) = (Hub::start().await, Findings::default());
    let (mut asked, mut operations) = (0, 0);
    for line in OPERATIONS.lines().filter(|line| !line.starts_with('#')) {
        let [id, verb, template] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let Some(body) = body_of(id) else { continue };
        operations += 1;
        let path = path_of(template, "");
        for mutant in mutants(&body) {
            if asked % 50 == 0 {
                furnish(&hub).await;
            }
            asked += 1;
            for headers in [&[][..], &[("If-Match", "*")]] {
                let text = mutant.to_string();
                let (status, answer) = hub.request(verb, &path, headers, text.as_bytes()).await;
                found.check(&format!("{id}: {text}"), &path, status, &answer);
            }
        }
    }
    assert!(operations > 35 && asked > 4000, "{operations} {asked}");
    found.none();
    assert_eq!(hub.get("/ready").await.0, 200);
}

/// What is larger than anything that a service takes is refused, and not read to its end.
#[tokio::test]
async fn bodies_without_an_end() {
    let (hub, mut found) = (Hub::start().await, Findings::default());
    let large = vec![b' '; 20 << 20];
    let deep = "[".repeat(100_000);
    for line in OPERATIONS.lines().filter(|line| !line.starts_with('#')) {
        let [id, verb, template] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        if body_of(id).is_none() {
            continue;
        }
        furnish(&hub).await;
        let path = path_of(template, "");
        let (status, answer) = hub.request(verb, &path, &[], deep.as_bytes()).await;
        found.check(&format!("{id}: deep"), &path, status, &answer);
        assert!(status >= 400, "{id}: {answer}");
        let length = large.len().to_string();
        let headers = [("content-length", length.as_str())];
        let address = hub.emulator.http_addr();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{verb} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            headers[0].1
        );
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        stream.write_all(head.as_bytes()).await.unwrap();
        // The emulator may answer and close before all of it was written.
        let _ = stream.write_all(&large).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let told = String::from_utf8_lossy(&answer);
        assert!(
            told.is_empty() || told.starts_with("HTTP/1.1 4"),
            "{id}: {told}"
        );
    }
    found.none();
    assert_eq!(hub.get("/ready").await.0, 200);
}
