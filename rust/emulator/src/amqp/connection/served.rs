//! A device that a connection serves, and what the hub has for it.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::outlet::{Command, Outlet, Settlement, Step};
use crate::amqp::codec::message;
use crate::clock::UnixMs;
use crate::hub::c2d::{self, LockToken};
use crate::hub::connections::{self, Handle};
use crate::hub::service::Service;
use crate::journal::Event;

/// A device that the connection serves.
#[derive(Debug)]
pub(super) struct Device {
    /// Its place in the hub's table.
    pub handle: Arc<Handle>,
    /// When its token ends, if it came with one.
    pub until: Option<UnixMs>,
    /// Rings when there may be a cloud-to-device message.
    mailbox: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Device {
    /// A device that has been entered in the hub's table; what is asked of it there becomes a command
    /// of the connection.
    pub(super) fn new(
        id: &str,
        handle: Arc<Handle>,
        until: Option<UnixMs>,
        queue: mpsc::Receiver<connections::Command>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        let mailbox = Arc::new(Notify::new());
        let task = tokio::spawn(pass_on(
            id.to_owned(),
            queue,
            Arc::clone(&mailbox),
            commands,
        ));
        Self {
            handle,
            until,
            mailbox,
            task: task.abort_handle(),
        }
    }

    /// The task that hands its waiting messages out.
    pub(super) fn hand_out(
        &self,
        service: Arc<Service>,
        hub: &str,
        id: &str,
        outlet: Outlet,
    ) -> AbortHandle {
        let mailbox = Mailbox {
            service,
            hub: hub.to_owned(),
            id: id.to_owned(),
            number: self.handle.number,
            bell: Arc::clone(&self.mailbox),
        };
        tokio::spawn(mailbox.run(outlet)).abort_handle()
    }
}

/// Passes on what the hub asks of a device, until the device is told to go.
async fn pass_on(
    id: String,
    mut queue: mpsc::Receiver<connections::Command>,
    mailbox: Arc<Notify>,
    commands: mpsc::UnboundedSender<Command>,
) {
    while let Some(command) = queue.recv().await {
        match command {
            connections::Command::Mailbox => mailbox.notify_one(),
            other => {
                let _ = commands.send(Command::Hub(id.clone(), other));
            }
        }
    }
}

/// Hands out a device's waiting messages.
struct Mailbox {
    service: Arc<Service>,
    hub: String,
    id: String,
    number: u64,
    bell: Arc<Notify>,
}

impl Mailbox {
    async fn run(self, mut outlet: Outlet) {
        let end = outlet.end();
        loop {
            let room = outlet.room().await.min(MAX_FLYING);
            let (hub, id, number) = (self.hub.clone(), self.id.clone(), self.number);
            let (policy, now) = (self.service.settings.c2d, self.service.clock.now());
            let locked = self
                .service
                .store
                .run(move |c| c2d::lock(c, &hub, &id, number, room, policy, now));
            let locked = match locked.await {
                Ok(locked) => locked,
                Err(refusal) => return end.detach((&refusal).into()),
            };
            if locked.is_empty() {
                tokio::select! {
                    () = self.bell.notified() => {}
                    step = outlet.idle() => if step == Step::Gone { return },
                }
                continue;
            }
            for message in locked {
                let token = LockToken {
                    number,
                    seq: message.seq,
                };
                let event = format!("message '{}' handed out", message.message_id);
                let event = Event::info("c2d", event).of(&self.hub, &self.id);
                self.service.journal.record(event);
                let out = encode(&self.id, &message);
                let how = Settlement::Message(self.id.clone(), token);
                outlet.send_unsettled(out, how).await;
            }
            outlet.flush().await;
        }
    }
}

fn encode(id: &str, message: &c2d::Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.body.len() + 512);
    let system = |name: &str| {
        let mut all = message.system.iter();
        all.find_map(|(wire, value)| (wire == name).then_some(value.as_str()))
    };
    message::annotations(&mut out, |map| {
        map.symbol("x-opt-sequence-number").long(message.seq);
        map.symbol("iothub-enqueuedtime")
            .timestamp(message.enqueued);
        let count = u32::try_from(message.delivery_count).unwrap_or(u32::MAX);
        map.symbol("iothub-deliverycount").uint(count);
    });
    message::properties(&mut out, |list| {
        list.string(&message.message_id);
        match system("$.uid") {
            Some(user) => list.binary(user.as_bytes()),
            None => list.null(),
        };
        list.string(&format!("/devices/{id}/messages/deviceBound"))
            .nulls(2);
        list.string_or_null(system("$.cid"));
        list.symbol_or_null(system("$.ct"))
            .symbol_or_null(system("$.ce"));
        list.timestamp(message.expiry).nulls(4);
    });
    message::application(&mut out, |map| {
        if message.ack != "none" {
            map.string("iothub-ack").string(&message.ack);
        }
        for (name, value) in &message.properties {
            map.string(name).string_or_null(value.as_deref());
        }
    });
    message::data(&mut out, &message.body);
    out
}

/// Cloud-to-device messages that are locked together.
const MAX_FLYING: usize = 16;
