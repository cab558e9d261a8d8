//! A device's connection to the provisioning service: register, then ask until it is assigned.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::code::{ErrorCode, Refusal};
use crate::dps::{Dps, Request};
use crate::journal::Event;
use crate::mqtt::link::{Link, read_refusal, refused};
use crate::mqtt::topic::{Feature, Topic};
use crate::mqtt::wire::{Connect, Packet, Publish, write};
use crate::stop::stopped;

/// Serves a device until its connection ends.
pub(crate) async fn serve(
    dps: Arc<Dps>,
    number: u64,
    mut link: Link,
    connect: Connect,
    (id_scope, registration_id, api_version): (String, String, String),
    stop: watch::Receiver<bool>,
) {
    let token = connect
        .password
        .as_deref()
        .and_then(|text| std::str::from_utf8(text).ok());
    let request = Arc::new(Request {
        id_scope,
        registration_id,
        api_version,
        certificates: link.certificates.clone(),
        token: token.filter(|token| !token.is_empty()).map(str::to_owned),
    });
    let peer = link.peer;
    let event = |event: Event| {
        let named = Event {
            device_id: Some(request.registration_id.clone()),
            ..event
        };
        dps.hub.journal.record(named.on(number, peer));
    };
    let admitted = match connect.client_id == request.registration_id {
        true => dps.admit(Arc::clone(&request)).await,
        false => Err(Refusal::new(
            ErrorCode::Unauthorized,
            format!(
                "the client id is '{}', and the user name says '{}'",
                connect.client_id, request.registration_id
            ),
        )),
    };
    if let Err(refusal) = admitted {
        event(Event::refusal(
            "refused",
            &Refusal::new(refusal.code, format!("provisioning: {}", refusal.reason)),
        ));
        link.writer.push(&write::connack(false, refused(&refusal)));
        link.writer.close().await;
        return;
    }
    event(Event::info("connected", "provisioning"));
    link.writer.push(&write::connack(false, 0));
    link.reader.set_limit(MAX_PACKET);
    let mut session = Session {
        dps: Arc::clone(&dps),
        request: Arc::clone(&request),
        link,
        subscribed: false,
    };
    let end = session.run(connect.keep_alive, stop).await;
    match &end {
        None => event(Event::info(
            "closed",
            "provisioning: the device sent DISCONNECT",
        )),
        Some(refusal) => event(Event::refusal(
            "closed",
            &Refusal::new(refusal.code, format!("provisioning: {}", refusal.reason)),
        )),
    }
    session.link.writer.close().await;
}

struct Session {
    dps: Arc<Dps>,
    request: Arc<Request>,
    link: Link,
    subscribed: bool,
}

impl Session {
    /// `None` is an orderly end.
    async fn run(&mut self, keep_alive: u16, mut stop: watch::Receiver<bool>) -> Option<Refusal> {
        loop {
            if let Err(refusal) = self.link.writer.flush().await {
                return Some(refusal);
            }
            let silence = match keep_alive {
                0 => MAX_SILENCE,
                seconds => Duration::from_millis(u64::from(seconds) * 1500).min(MAX_SILENCE),
            };
            let packet = tokio::select! {
                packet = self.link.reader.next() => packet,
                () = tokio::time::sleep(silence) => {
                    return Some(Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, "nothing was heard for one and a half times the keep-alive"));
                }
                () = stopped(&mut stop) => {
                    return Some(Refusal::new(ErrorCode::ServiceUnavailable, "the emulator is stopping"));
                }
            };
            let step = match packet {
                Ok(Packet::Publish(publish)) => self.receive(publish).await,
                Ok(Packet::Subscribe(packet_id, filters)) => self.subscribe(packet_id, &filters),
                Ok(Packet::Unsubscribe(packet_id, _)) => {
                    self.subscribed = false;
                    self.link.writer.push(&write::unsuback(packet_id));
                    Ok(())
                }
                Ok(Packet::Pingreq) => {
                    self.link.writer.push(&write::pingresp());
                    Ok(())
                }
                Ok(Packet::Disconnect) => return None,
                Ok(Packet::Connect(_) | Packet::Puback(_)) => Err(Refusal::new(
                    ErrorCode::InvalidOperation,
                    "a packet that has no place here",
                )),
                Err(error) => Err(read_refusal(&error)),
            };
            if let Err(refusal) = step {
                return Some(refusal);
            }
        }
    }

    fn subscribe(&mut self, packet_id: u16, filters: &[(String, u8)]) -> Result<(), Refusal> {
        let mut granted = Vec::new();
        for (filter, qos) in filters {
            Feature::parse(None, filter)?;
            granted.push((*qos).min(1));
        }
        self.subscribed = true;
        self.link.writer.push(&write::suback(packet_id, &granted));
        Ok(())
    }

    async fn receive(&mut self, publish: Publish) -> Result<(), Refusal> {
        if publish.qos == 2 {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                "PUBLISH with QoS 2: the service has no QoS 2",
            ));
        }
        let topic = Topic::parse_provisioning(&publish.topic)?;
        let (rid, answer) = match topic {
            Topic::Register { rid } => {
                let answer = self.dps.register(&self.request, &publish.payload);
                (rid, answer.await)
            }
            Topic::OperationStatus { rid, operation_id } => {
                let answer = self.dps.status(&self.request, operation_id);
                (rid, answer)
            }
            _ => return Ok(()),
        };
        if publish.qos == 1 {
            self.link.writer.push(&write::puback(publish.packet_id));
        }
        if self.subscribed {
            let retry = answer
                .retry_after
                .map(|seconds| format!("&retry-after={seconds}"))
                .unwrap_or_default();
            let topic = format!(
                "$dps/registrations/res/{}/?$rid={rid}{retry}",
                answer.status
            );
            self.link.writer.push(&write::publish(
                &topic,
                answer.body.to_string().as_bytes(),
                None,
                false,
            ));
        }
        Ok(())
    }
}

const MAX_PACKET: usize = 96 * 1024;
const MAX_SILENCE: Duration = Duration::from_secs(1767);
