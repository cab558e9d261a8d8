//! The order of a partition at the Event Hubs-compatible endpoint, however it is read.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;
use serde_json::json;
use tokio::sync::watch;

use crate::support::amqp::{Client, Frame, V};
use crate::support::{HUB, Hub, token};

async fn client(hub: &Hub) -> Client {
    let address = hub.emulator.amqp_addr().unwrap();
    let token = token(HUB, hub.emulator.service_key(), 3600, Some("service"));
    Client::open(address, &hub.server_ca, &token).await
}

fn partition() -> String {
    format!("iothub-ehub-{HUB}/ConsumerGroups/$Default/Partitions/0")
}

async fn next(reader: &mut Client, number: u32) -> Frame {
    let event = reader.expect(0x14).await;
    assert_eq!(event.sequence_number(), i64::from(number));
    assert!(event.has(&format!("<{number}>")) && event.has("roof"));
    event
}

/// The device sends more at once than is kept in memory for readers that are behind, and goes on
/// when the slow one has seen all: that one goes from memory to storage and back each time.
#[tokio::test]
async fn readers_see_the_same_whether_slow_fast_or_attached_again() {
    let hub = Hub::start_with(|options| {
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
        options.settings.set("eventHubPartitions", "1").unwrap();
    })
    .await;
    let mut device = hub.device("dev").await;
    let site = json!({"tags": {"site": "roof"}});
    hub.patch("/twins/dev", &site).await;
    let site = json!({"key": "site", "value": "$twin.tags.site", "endpointNames": ["events"]});
    hub.put("/admin/routing", &json!({"enrichments": [site]}))
        .await;
    let (mut slow, mut fast) = (client(&hub).await, client(&hub).await);
    let mut moving = client(&hub).await;
    for reader in [&mut slow, &mut fast] {
        reader.attach(2, true, &partition(), vec![]).await;
    }
    let (seen, mut seen_by_slow) = watch::channel(0);

    let device = async {
        for first in (0..ALL).step_by(BURST.into()) {
            for id in 1..=BURST {
                let body = format!("<{}>", first + u32::from(id) - 1);
                let topic = "devices/dev/messages/events/";
                device.publish(topic, &body, id).await;
            }
            for id in 1..=BURST {
                device.expect_puback(id).await;
            }
            let all = first + u32::from(BURST);
            seen_by_slow.wait_for(|it| *it == all).await.unwrap();
        }
    };
    let slow = async {
        for number in 0..ALL {
            if number % 7 == 0 {
                slow.credit(2, number, 7).await;
            }
            next(&mut slow, number).await;
            seen.send_replace(number + 1);
        }
    };
    let fast = async {
        fast.credit(2, 0, ALL).await;
        for number in 0..ALL {
            next(&mut fast, number).await;
        }
    };
    // Goes with messages of its link under way, and comes back behind the last one that it took.
    let moving = async {
        let (mut number, mut offset) = (0, "-1".to_owned());
        for handle in 2.. {
            let filter = format!("amqp.annotation.x-opt-offset > '{offset}'");
            moving.attach_from(handle, &partition(), &filter).await;
            moving.credit(handle, 0, 300).await;
            for _ in 0..150 {
                offset = next(&mut moving, number).await.offset();
                number += 1;
                if number == ALL {
                    return;
                }
            }
            let detach = V::list(0x16, vec![V::Uint(handle), V::Bool(true)]);
            moving.send(1, &detach, b"").await;
            moving.expect(0x16).await;
        }
    };
    tokio::join!(device, slow, fast, moving);
}

const BURST: u16 = 400;
const ALL: u32 = 2000;
