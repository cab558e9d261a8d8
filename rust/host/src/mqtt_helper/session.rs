//! The helper's thread: its semaphore, its loop, and what it does with a packet.

use std::{
    io,
    sync::{Arc, PoisonError},
    thread,
    time::Duration,
};

use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1};

use super::{
    Event, Helper, State, TARGET,
    link::{Link, Waited},
    packets::{self, Inbox, Incoming},
};
use crate::{errno::Errno, log};

impl Helper {
    /// What the thread does once the semaphore is given.
    fn poll_loop(&self) {
        // Not in the condition: the lock would be held to the end of the block.
        let link = self.inner().link.clone();
        if let Some(link) = link {
            let mut session = Session {
                helper: self,
                inbox: Inbox::new(self.settings.rx_tx_buffer, self.settings.payload_buffer),
                payload: vec![0; self.settings.payload_buffer],
                undrained: false,
                ended: false,
                link,
            };
            while self.is_wanted() && session.step() {}
        }
        let last = {
            let inner = self.inner();
            if inner.state == State::Disconnecting {
                None
            } else {
                inner.link.clone()
            }
        };
        if let Some(link) = last {
            self.close(&link, Errno::CONNABORTED.code());
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(self.inner().state, State::Connecting | State::Connected)
    }

    /// How long until a ping is due.
    fn keep_alive_left(&self, link: &Link) -> Option<Duration> {
        let keep_alive = self.settings.keep_alive;
        (!keep_alive.is_zero()).then(|| keep_alive.saturating_sub(link.idle()))
    }

    fn take_semaphore(&self) {
        let mut inner = self.inner();
        inner.thread = Some(thread::current().id());
        inner.polling = false;
        self.changed.notify_all();
        let inner = self.changed.wait_while(inner, |inner| !inner.poll);
        let mut inner = inner.unwrap_or_else(PoisonError::into_inner);
        inner.poll = false;
        inner.polling = true;
    }
}

/// The helper's thread while it is in its loop.
struct Session<'a> {
    helper: &'a Helper,
    link: Arc<Link>,
    inbox: Inbox,
    payload: Vec<u8>,
    /// A payload without room was left in the stream.
    undrained: bool,
    /// The server sends nothing more.
    ended: bool,
}

impl Session<'_> {
    /// One turn of the loop; `false` ends it.
    fn step(&mut self) -> bool {
        if self.undrained && !self.inbox.is_empty() {
            return self.stuck();
        }
        match self.inbox.next_packet() {
            Ok(Some(packet)) => self.handle(packet),
            Ok(None) if self.ended => self.fail(Errno::NOTCONN),
            Ok(None) => self.wait(),
            Err(errno) => self.fail(errno),
        }
    }

    fn wait(&mut self) -> bool {
        match self.link.wait(self.helper.keep_alive_left(&self.link)) {
            Waited::TimedOut => self.live(),
            Waited::Error => {
                log::error!(TARGET, "socket error: the connection was closed under it");
                false
            }
            Waited::Readable if self.undrained => {
                log::error!(
                    TARGET,
                    "input: the rest of a payload without room stands in the way"
                );
                false
            }
            Waited::Readable => match self.link.receive(self.inbox.bytes()) {
                Ok(more) => {
                    self.ended = !more;
                    true
                }
                Err(errno) => self.fail(errno),
            },
        }
    }

    /// The rest of a payload without room stands in the way: the real one gets EBUSY, and gives up.
    fn stuck(&self) -> bool {
        log::error!(TARGET, "input: the rest of a payload was not read");
        false
    }

    /// `mqtt_live`: a ping when it is due. A server that does not answer pings is not noticed.
    fn live(&self) -> bool {
        if self.helper.keep_alive_left(&self.link) != Some(Duration::ZERO) {
            return true;
        }
        let sent = if self.link.is_accepted() {
            self.helper.send(&self.link, &[&packets::pingreq()])
        } else {
            Err(Errno::NOTCONN)
        };
        if let Err(errno) = sent {
            log::error!(TARGET, "no ping could be sent: {errno}");
        }
        sent.is_ok()
    }

    /// The connection fails while reading.
    fn fail(&self, errno: Errno) -> bool {
        log::debug!(TARGET, "input: {errno}");
        self.helper.close(&self.link, errno.code());
        false
    }

    fn handle(&mut self, packet: Incoming) -> bool {
        match packet {
            Incoming::Connack {
                code,
                session_present,
            } => {
                if code == 0 {
                    self.link.accept();
                }
                self.helper.tell_connack(code, session_present);
                return code == 0 || self.fail(Errno::CONNREFUSED);
            }
            Incoming::Publish(publish) => self.publish(&publish),
            Incoming::Oversize {
                topic,
                length,
                message_id,
            } => self.oversize(&topic, length, message_id),
            Incoming::Puback { message_id } => {
                if let Some(callbacks) = self.helper.offer(&mut Event::Puback) {
                    callbacks.puback(message_id, 0);
                }
            }
            Incoming::Suback {
                message_id,
                mut codes,
            } => {
                let mut event = Event::Suback {
                    message_id,
                    codes: &mut codes,
                };
                if let Some(callbacks) = self.helper.offer(&mut event) {
                    callbacks.suback(message_id, 0);
                }
            }
            Incoming::Pingresp => {
                if let Some(callbacks) = self.helper.offer(&mut Event::Pingresp) {
                    callbacks.pingresp();
                }
            }
            Incoming::Other(kind) => log::debug!(TARGET, "{kind:?} is not handled"),
        }
        true
    }

    /// PUBACK goes out before the application sees the message; QoS 2 is not answered.
    fn publish(&mut self, publish: &v3_1_1::Publish) {
        let mut event = Event::Publish {
            topic: publish.topic_name(),
            length: publish.payload().as_slice().len(),
            message_id: publish.packet_id(),
            discarded: false,
        };
        let Some(callbacks) = self.helper.offer(&mut event) else {
            return;
        };
        if let (Qos::AtLeastOnce, Some(message_id)) = (publish.qos(), publish.packet_id()) {
            self.acknowledge(message_id);
        }
        let mut topic = publish.topic_name().as_bytes().to_vec();
        let bytes = publish.payload().as_slice();
        let payload = &mut self.payload[..bytes.len()];
        payload.copy_from_slice(bytes);
        callbacks.publish(&mut topic, payload);
    }

    fn acknowledge(&self, message_id: u16) {
        let sent =
            packets::puback(message_id).and_then(|packet| self.helper.send(&self.link, &[&packet]));
        if let Err(errno) = sent {
            log::warning!(TARGET, "PUBACK {message_id} could not be sent: {errno}");
        }
    }

    fn oversize(&mut self, topic: &str, length: usize, message_id: Option<u16>) {
        let mut event = Event::Publish {
            topic,
            length,
            message_id,
            discarded: false,
        };
        let offered = self.helper.offer(&mut event);
        if let Event::Publish {
            discarded: true, ..
        } = event
        {
            self.inbox.discard(length);
            if let Some(message_id) = message_id {
                self.acknowledge(message_id);
            }
            return;
        }
        self.undrained = true;
        let Some(callbacks) = offered else {
            return;
        };
        let room = self.payload.len();
        log::error!(
            TARGET,
            "a payload of {length} bytes does not fit the buffer of {room} \
             (CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN)"
        );
        callbacks.message_too_large();
    }
}

/// Starts the helper's thread.
pub(crate) fn run(helper: &Arc<Helper>) -> io::Result<()> {
    let helper = Arc::clone(helper);
    let run = move || {
        loop {
            helper.take_semaphore();
            helper.poll_loop();
        }
    };
    thread::Builder::new()
        .name("mqtt_helper".into())
        .spawn(run)
        .map(drop)
}
