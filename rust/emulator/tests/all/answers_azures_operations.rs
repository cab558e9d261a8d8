//! Every REST operation of Microsoft's specifications is asked once, and docs/emulator.md says what
//! each answered.
//!
//! `UPDATE_DOCS=1` writes the table there.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::Path;

use crate::support::{HUB, Hub};
use serde_json::{Value, json};

const OPERATIONS: &str = include_str!("../../src/rest/operations.txt");
const BEGIN: &str = "<!-- made by answers_azures_operations.rs -->\n";
const END: &str = "<!-- end of the operations -->\n";

/// What is there under the names with which the operations are asked.
async fn furnished() -> Hub {
    let hub = Hub::start().await;
    let sas = json!({"authentication": {"type": "sas"}});
    assert_eq!(hub.put("/devices/it", &sas).await.0, 200);
    let enrollment = json!({"attestation": {"type": "symmetricKey"}});
    for path in ["/enrollments/it", "/enrollmentGroups/it"] {
        assert_eq!(hub.put(path, &enrollment).await.0, 200);
    }
    hub
}

/// A path with something for each of its parameters.
fn path_of(template: &str) -> String {
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
    path
}

/// How it was answered, in a word: whatever is not said to be missing is there.
fn verdict(status: u16, answer: &Value) -> &'static str {
    let told = answer.to_string();
    match status {
        501 => "501",
        404 if told.contains("is not one of the paths here") => panic!("unknown: {told}"),
        405 => panic!("{told}"),
        500.. => panic!("{status} {told}"),
        _ => "there",
    }
}

#[tokio::test]
async fn each_operation_is_there_or_says_that_it_is_not() {
    let mut table = String::new();
    let mut count = (0, 0);
    for line in OPERATIONS.lines() {
        if let Some(service) = line.strip_prefix("# ") {
            table.push_str(&format!(
                "\n| {service} | method and path | here |\n|---|---|---|\n"
            ));
            continue;
        }
        let [id, method, template] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        // A hub for each, since some of them delete what the next ones need.
        let hub = furnished().await;
        let path = path_of(template);
        let body: &[u8] = if matches!(method, "GET" | "DELETE") {
            b""
        } else {
            b"{}"
        };
        let (status, answer) = hub.request(method, &path, &[], body).await;
        let here = verdict(status, &answer);
        if here == "501" {
            assert!(answer.to_string().contains(id), "{id}: {answer}");
            count.1 += 1;
        } else {
            count.0 += 1;
        }
        let short = template
            .replace("/subscriptions/{subscriptionId}", "…")
            .replace("/resourceGroups/{resourceGroupName}", "")
            .replace("/providers/Microsoft.Devices", "");
        table.push_str(&format!("| {id} | {method} `{short}` | {here} |\n"));
        hub.emulator.shutdown().await;
    }
    // Neither of the two is by accident.
    assert!(count.0 > 50 && count.1 > 10, "{count:?}");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/emulator.md");
    let text = std::fs::read_to_string(&document).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (held, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&document, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(held, table, "UPDATE_DOCS=1 writes the table anew");
}
