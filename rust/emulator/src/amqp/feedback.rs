//! What services are told: what became of cloud-to-device messages at
//! `/messages/serviceBound/feedback`, and files that devices have uploaded at
//! `/messages/serviceBound/filenotifications`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::codec::message;
use super::connection::outlet::{Outlet, Settlement, Step};
use crate::hub::feedback;
use crate::hub::files;
use crate::hub::locked_records::Records;
use crate::hub::service::Service;

/// Records that services receive, and how their messages look.
#[derive(Debug)]
pub(super) struct Told {
    records: Records,
    address: &'static str,
    content_type: &'static str,
}

/// Batches of what became of messages.
pub(super) const FEEDBACK: Told = Told {
    records: feedback::FEEDBACK,
    address: "/messages/serviceBound/feedback",
    content_type: "application/vnd.microsoft.iothub.feedback.json",
};

/// Files, one at a time.
pub(super) const FILES: Told = Told {
    records: files::NOTIFICATIONS,
    address: "/messages/serviceBound/filenotifications",
    content_type: "application/vnd.microsoft.iothub.filenotification.json",
};

/// Sends batches as they come, each under a lock until the peer has settled it.
pub(super) async fn send(
    service: Arc<Service>,
    hub: String,
    mut outlet: Outlet,
    told: &'static Told,
) {
    let records = told.records;
    let end = outlet.end();
    loop {
        outlet.room().await;
        let (of, now) = (hub.clone(), service.clock.now());
        match service
            .store
            .run(move |c| records.receive(c, &of, now))
            .await
        {
            Err(refusal) => return end.detach((&refusal).into()),
            Ok(Some(mut batch)) => {
                let mut out = Vec::new();
                message::annotations(&mut out, |map| {
                    map.symbol("iothub-enqueuedtime").timestamp(now);
                });
                message::properties(&mut out, |list| {
                    list.string(&batch.lock_token).null();
                    list.string(told.address).nulls(3);
                    list.symbol(told.content_type).symbol("utf-8").nulls(5);
                });
                let body = match records.batch {
                    1 => batch.records.pop().unwrap_or_default(),
                    _ => Value::Array(batch.records),
                };
                message::data(&mut out, body.to_string().as_bytes());
                let how = Settlement::Records(records, batch.lock_token);
                outlet.send_unsettled(out, how).await;
                outlet.flush().await;
            }
            Ok(None) => {
                let waited = tokio::time::timeout(EVERY, outlet.idle()).await;
                if waited == Ok(Step::Gone) {
                    return;
                }
            }
        }
    }
}

/// How often the storage is asked.
const EVERY: Duration = Duration::from_millis(500);
