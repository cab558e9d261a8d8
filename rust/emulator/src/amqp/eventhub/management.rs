//! The node `$management` of an event hub: READ of the hub and of its partitions.
//!
//! Microsoft, "AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide".

use std::sync::Arc;

use crate::amqp::address::is_event_hub;
use crate::amqp::codec::encode::Items;
use crate::amqp::codec::message::{self, Message, place};
use crate::amqp::codec::value::Value;
use crate::code::{ErrorCode, Refusal};
use crate::hub::partitions::{Partition, event_hub};
use crate::hub::service::Service;

/// Answers a request.
pub(in crate::amqp) async fn answer(
    service: Arc<Service>,
    hub: String,
    request: Message,
) -> Vec<u8> {
    let id = request.properties.at(place::MESSAGE_ID).clone();
    match read(&service, &hub, &request).await {
        Ok(body) => {
            let mut out = head(&id, 200, "OK", None);
            out.extend(body);
            out
        }
        Err(refusal) => {
            let condition = match refusal.code {
                ErrorCode::NotFound => "amqp:not-found",
                _ => "com.microsoft:argument-error",
            };
            let mut out = head(&id, refusal.code.status(), &refusal.reason, Some(condition));
            message::value_map(&mut out, |_| {});
            out
        }
    }
}

/// Everything before the body of an answer to a request of that id, which comes back as it was.
pub(in crate::amqp) fn head(
    id: &Value,
    status: u16,
    text: &str,
    condition: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::new();
    message::properties(&mut out, |list| {
        list.nulls(place::CORRELATION_ID).value(id).nulls(7);
    });
    message::application(&mut out, |map| {
        map.string("status-code").int(status.into());
        map.string("status-description").string(text);
        if let Some(condition) = condition {
            map.string("error-condition").symbol(condition);
        }
    });
    out
}

async fn read(service: &Service, hub: &str, request: &Message) -> Result<Vec<u8>, Refusal> {
    let text = |name: &str| {
        request
            .property(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let of = service.ring.partitions.count(hub);
    let name = text("name");
    if !is_event_hub(name, hub) {
        return Err(Refusal::new(
            ErrorCode::NotFound,
            format!(
                "there is no event hub '{name}' here, but '{}'",
                event_hub(hub)
            ),
        ));
    }
    let mut body = Vec::new();
    match (text("operation"), text("type")) {
        ("READ", "com.microsoft:eventhub") => {
            let numbers = (0..of).map(|number| Value::String(number.to_string()));
            let numbers = Value::Array(numbers.collect());
            message::value_map(&mut body, |map| {
                named(map, hub, "com.microsoft:eventhub");
                map.string("created_at").timestamp(0);
                map.string("partition_count")
                    .int(of.try_into().unwrap_or(i32::MAX));
                map.string("partition_ids").value(&numbers);
            });
        }
        ("READ", "com.microsoft:partition") => {
            let number = match request.property("partition") {
                Some(Value::String(text)) => text.parse().ok(),
                Some(number) => number.as_u64(),
                None => None,
            };
            let number = number.and_then(|number| u32::try_from(number).ok());
            let partition = Partition {
                hub: hub.to_owned(),
                number: check(number, of)?,
            };
            let number = partition.number.to_string();
            let ends = service.store.read(move |c| partition.ends(c)).await?;
            message::value_map(&mut body, |map| {
                named(map, hub, "com.microsoft:partition");
                map.string("partition").string(&number);
                map.string("begin_sequence_number").long(ends.first);
                map.string("last_enqueued_sequence_number");
                map.long(ends.last.sequence);
                map.string("last_enqueued_offset");
                map.string(&ends.last.offset.to_string());
                map.string("last_enqueued_time_utc");
                map.timestamp(ends.last.enqueued);
                map.string("is_partition_empty").bool(ends.is_empty);
            });
        }
        (operation, kind) => {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                format!(
                    "operation '{operation}' of type '{kind}': only READ of com.microsoft:eventhub and com.microsoft:partition is known"
                ),
            ));
        }
    }
    Ok(body)
}

/// A partition that there is.
pub(in crate::amqp) fn check(number: Option<u32>, of: u32) -> Result<u32, Refusal> {
    let number = number.filter(|number| *number < of);
    number.ok_or_else(|| {
        Refusal::new(
            ErrorCode::NotFound,
            format!(
                "there is no such partition: they are 0 to {}",
                of.saturating_sub(1)
            ),
        )
    })
}

fn named(map: &mut Items<'_>, hub: &str, kind: &str) {
    map.string("name").string(&event_hub(hub));
    map.string("type").string(kind);
}
