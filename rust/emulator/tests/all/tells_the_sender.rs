//! Feedback on cloud-to-device messages, as the service reads it.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support;
use crate::support::Hub;
use serde_json::{Value, json};

const FEEDBACK: &str = "/messages/serviceBound/feedback";

impl Hub {
    async fn ask_for_feedback(&self, message_id: &str, ack: &str) {
        let headers = [("iothub-messageid", message_id), ("iothub-ack", ack)];
        let path = "/devices/dev/messages/deviceBound";
        assert_eq!(self.request("POST", path, &headers, b"x").await.0, 201);
    }

    /// Lock token, and message id with status of each record.
    async fn feedback(&self) -> Option<(String, Vec<(String, String)>)> {
        let address = self.emulator.http_addr();
        let (status, head, body) = support::exchange(address, "GET", FEEDBACK, &[], b"").await;
        if status == 204 {
            return None;
        }
        assert!(head.contains("application/vnd.microsoft.iothub.feedback.json"));
        let token = head
            .lines()
            .find_map(|line| line.strip_prefix("etag: "))
            .unwrap()
            .trim_matches('"')
            .to_owned();
        let records: Vec<Value> = serde_json::from_str(&body).unwrap();
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        let all = records.iter().map(|record| {
            assert_eq!(record["deviceId"], "dev");
            assert_ne!(text(record, "deviceGenerationId"), "");
            (
                text(record, "originalMessageId"),
                text(record, "statusCode"),
            )
        });
        Some((token, all.collect()))
    }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    owned.collect()
}

#[tokio::test]
async fn as_much_as_was_asked_for_and_under_a_lock() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device
        .subscribe(&["devices/dev/messages/devicebound/#"])
        .await;
    for ack in ["none", "full", "positive", "negative"] {
        hub.ask_for_feedback(ack, ack).await;
        let message = device.message().await;
        device.puback(message.packet_id).await;
    }
    device.ping().await;
    let (token, records) = hub.feedback().await.unwrap();
    let done = pairs(&[("full", "Success"), ("positive", "Success")]);
    assert_eq!(records, done);
    assert_eq!(hub.feedback().await, None, "the batch is locked");
    let path = format!("{FEEDBACK}/{token}");
    assert_eq!(
        hub.request("POST", &format!("{path}/abandon"), &[], b"")
            .await
            .0,
        204
    );
    let (again, records) = hub.feedback().await.unwrap();
    assert_eq!(records, done);
    let (status, body) = hub.delete(&path).await;
    assert_eq!((status, &body["errorCode"]), (412, &json!(412002)));
    assert_eq!(hub.delete(&format!("{FEEDBACK}/{again}")).await.0, 204);
    assert_eq!(hub.feedback().await, None);
}

#[tokio::test]
async fn of_messages_that_came_to_nothing() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for ack in ["none", "full", "positive", "negative"] {
        hub.ask_for_feedback(ack, ack).await;
    }
    assert_eq!(hub.delete("/devices/dev/commands").await.0, 200);
    let (token, records) = hub.feedback().await.unwrap();
    assert_eq!(
        records,
        pairs(&[("full", "Purged"), ("negative", "Purged")])
    );
    let (_, letters) = hub.get("/admin/dead-letters?device=dev").await;
    assert_eq!(letters.as_array().unwrap().len(), 4);
    assert_eq!(letters[0]["reason"], "Purged");
    // A lock that runs out gives the batch back.
    assert_eq!(
        hub.put("/admin/clock", &json!({"shiftMs": 61_000})).await.0,
        200
    );
    assert_eq!(hub.feedback().await.unwrap().1.len(), 2);
    assert_eq!(hub.delete(&format!("{FEEDBACK}/{token}")).await.0, 412);
    // Nobody asks for two hours: it is thrown away.
    assert_eq!(
        hub.put("/admin/clock", &json!({"shiftMs": 7_200_000}))
            .await
            .0,
        200
    );
    let gone = async {
        while hub.feedback().await.is_some() {
            assert_eq!(
                hub.put("/admin/clock", &json!({"shiftMs": 7_400_000}))
                    .await
                    .0,
                200
            );
        }
    };
    support::within("the sweep", gone).await;
}
