//! Inputs: what the network, the MQTT library and the modem report.

use super::{Client, Pending, Probe, State, Subscription, Target};
use crate::address::{self, Prefixes};
use crate::dps;
use crate::error::{ConnackCode, Disconnect};
use crate::event::Event;
use crate::id::{Errno, MessageId};
use crate::network::{Change, Input, Peer, PeerView};
use crate::outbox::Kind;
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::VersionTracker;
use crate::zero_option::ZeroOption;

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// A report of the modem. Allowed at any time, also before `connect` and before `Attach`.
    pub fn handle_network(&mut self, now: Instant, input: Input) {
        let events = &mut self.events;
        let change = self.network.handle(now, input, &mut |event| {
            events.push(Event::Network(event));
        });
        let family_lost = input == Input::Ipv6Down && self.over_v6;
        if change == Change::Lost {
            self.prefixes = Prefixes::new();
        }
        if change == Change::Lost || family_lost {
            self.end_connection(now, Disconnect::NetworkLost);
        }
    }

    /// The address of the last connect.
    pub fn handle_peer(&mut self, peer: Peer) {
        self.over_v6 = matches!(peer, Peer::V6(_));
        self.events
            .push(Event::Peer(PeerView::new(peer, &self.prefixes)));
    }

    /// The AAAA records of `ipv4only.arpa`, from which NAT64 is recognised (RFC 7050); none where
    /// there is no NAT64. The prefixes are kept until the network is lost, since the next network
    /// may have another prefix.
    pub fn handle_ipv4only(&mut self, records: &[address::V6]) {
        self.prefixes = Prefixes::discover(records);
    }

    /// CONNACK. May arrive before its `Connect` is completed.
    pub fn handle_connack(&mut self, now: Instant, code: u8, session_present: bool) {
        let (State::Connecting(target) | State::AwaitingConnack(target)) = self.state else {
            log::debug!("CONNACK without a connection is ignored");
            return;
        };
        if let Some(code) = ConnackCode::from_wire(code) {
            self.end_connection(now, Disconnect::Connack(code));
            return;
        }
        self.pending = Pending::None;
        self.state = State::Connected(target, Subscription::Due);
        self.timers.stop(Timer::Connack);
        self.received(now);
        self.counters.connected = self.counters.connected.wrapping_add(1);
        self.events.push(Event::Connected { session_present });
        self.twin_version = VersionTracker::new();
        self.twin_get_failures = 0;
        if target == Target::Hub && self.settings.request_twin {
            if self.skips_twin() {
                log::warn!(
                    "the twin is left out once: a message was too large for the payload buffer"
                );
            } else {
                self.queue_twin_get();
            }
        }
    }

    /// SUBACK; `granted` is false if one of its return codes was 0x80.
    pub fn handle_suback(&mut self, now: Instant, message_id: u16, granted: bool) {
        let is_probe = self.probe == Probe::Sent(message_id);
        self.received(now);
        let overtakes = self.pending == Pending::Subscribe(message_id);
        let State::Connected(target, subscription) = self.state else {
            return;
        };
        if !(overtakes || is_probe) && subscription != Subscription::Sent(message_id) {
            log::warn!("a SUBACK that matches no SUBSCRIBE is ignored");
            return;
        }
        if !granted {
            self.end_connection(now, Disconnect::SubscribeRefused);
            return;
        }
        if overtakes {
            self.pending = Pending::None;
        }
        if is_probe || subscription == Subscription::Granted {
            return;
        }
        self.state = State::Connected(target, Subscription::Granted);
        self.timers.stop(Timer::Suback);
        if target == Target::Dps {
            self.events
                .push(Event::Provisioning(dps::Event::Registering));
            return;
        }
        if let Some(registration) = self.dps() {
            registration.confirm();
        }
        self.failures.refused_by_hub = 0;
        self.failures.refused_by_dps = 0;
        self.timers
            .start(Timer::Stable, now + self.settings.backoff.stable_after);
        self.events.push(Event::Ready);
    }

    /// PUBACK.
    pub fn handle_puback(&mut self, now: Instant, message_id: u16) {
        self.received(now);
        let pending = self.pending;
        let acknowledged = self.outbox.find(&mut |record| {
            record.kind == Kind::Qos1
                && record.packet == message_id
                && (record.in_flight() || pending == Pending::Record(message_id))
        });
        let Some(record) = acknowledged else {
            return;
        };
        if let Some((_, written)) = self.measured.take_if(|(packet, _)| *packet == message_id) {
            self.round_trip = ZeroOption::Some(now.saturating_duration_since(written));
        }
        self.outbox.remove(&record);
        self.acknowledged();
        self.counters.acknowledged = self.counters.acknowledged.wrapping_add(1);
        self.events.push(Event::Sent(MessageId(record.id)));
        self.restart_timer(now, Timer::Puback, Kind::Qos1);
    }

    /// PINGRESP.
    pub fn handle_pingresp(&mut self, now: Instant) {
        self.received(now);
    }

    /// A message was larger than the payload buffer and could not be
    /// [discarded](Client::handle_message). It was not acknowledged and comes back, so after two in
    /// a row one connection is made without C2D.
    pub fn handle_oversize(&mut self, now: Instant) {
        self.counters.oversize = self.counters.oversize.wrapping_add(1);
        self.oversize = self.oversize.saturating_add(1);
        self.events.push(Event::Oversize {
            discarded: false,
            count: self.oversize,
        });
        self.end_connection(now, Disconnect::Oversize);
    }

    /// The connection has ended. Ignored where there is no connection.
    pub fn handle_disconnect(&mut self, now: Instant, cause: Errno) {
        let cause = match self.state {
            State::Connecting(_) => Disconnect::ConnectFailed(cause),
            State::Disconnecting(_, cause) => cause,
            _ => Disconnect::Closed(cause),
        };
        self.end_connection(now, cause);
    }
}
