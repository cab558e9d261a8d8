//! What the world did.

use super::{Client, Duty, State, Subscription, Target};
use crate::address::{self, Prefixes};
use crate::dps;
use crate::error::{ConnackCode, Disconnect};
use crate::event::Event;
use crate::id::{Errno, MessageId};
use crate::maybe::Maybe;
use crate::network::{Change, Fact, Peer, PeerView};
use crate::outbox::Kind;
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::Tracker;

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// Fact: the modem reported something. May come at any time, before `connect` and before `Attach` too.
    pub fn handle_network(&mut self, now: Instant, fact: Fact) {
        let change = self.gate.handle(now, fact, &mut self.events);
        let family_lost = fact == Fact::Ipv6Down && self.over_v6;
        if change == Change::Lost {
            self.prefixes = Prefixes::new();
        }
        if change == Change::Lost || family_lost {
            self.end(now, Disconnect::NetworkLost);
        }
    }

    /// Fact: the address of the last connect.
    pub fn handle_peer(&mut self, now: Instant, peer: Peer) {
        let _ = now;
        self.over_v6 = matches!(peer, Peer::V6(_));
        self.events
            .push(Event::Peer(PeerView::new(peer, &self.prefixes)));
    }

    /// Fact: the AAAA records of `ipv4only.arpa`, by which NAT64 is recognised (RFC 7050); none where there
    /// is no NAT64. What they say counts until the network is lost, since the next one may have another prefix.
    pub fn handle_ipv4only(&mut self, now: Instant, records: &[address::V6]) {
        let _ = now;
        self.prefixes = Prefixes::discover(records);
    }

    /// Fact: CONNACK. Also counts where it comes before its `Connect` is completed.
    pub fn handle_connack(&mut self, now: Instant, code: u8, session_present: bool) {
        let (State::Opening(target) | State::Greeting(target)) = self.state else {
            log::debug!("CONNACK without a connection is ignored");
            return;
        };
        if let Some(code) = ConnackCode::from_wire(code) {
            self.end(now, Disconnect::Connack(code));
            return;
        }
        self.in_hand = Duty::Nothing;
        self.state = State::Open(target, Subscription::Due);
        self.timers.stop(Timer::Connack);
        self.heard_or_wrote(now);
        self.counters.connected = self.counters.connected.wrapping_add(1);
        self.events.push(Event::Connected { session_present });
        self.tracker = Tracker::new();
        self.get_failures = 0;
        if target == Target::Hub && self.settings.request_twin {
            if self.avoids_twin() {
                log::warn!(
                    "the twin is left out once: a message was too large for the payload buffer"
                );
            } else {
                self.want_twin();
            }
        }
    }

    /// Fact: SUBACK; `granted` is false if there was a 0x80 in it.
    pub fn handle_suback(&mut self, now: Instant, message_id: u16, granted: bool) {
        self.heard_or_wrote(now);
        let in_hand = self.in_hand == Duty::Subscribe(message_id);
        let State::Open(target, subscription) = self.state else {
            return;
        };
        if !in_hand && subscription != Subscription::Sent(message_id) {
            log::warn!("a SUBACK for no SUBSCRIBE of ours is ignored");
            return;
        }
        if !granted {
            self.end(now, Disconnect::SubscribeRefused);
            return;
        }
        if in_hand {
            self.in_hand = Duty::Nothing;
        }
        self.state = State::Open(target, Subscription::Granted);
        self.timers.stop(Timer::Suback);
        if target == Target::Dps {
            self.events
                .push(Event::Provisioning(dps::Event::Registering));
            return;
        }
        if let Some(registration) = self.dps() {
            registration.confirm();
        }
        self.timers
            .start(Timer::Stable, now + self.settings.backoff.stable_after);
        self.events.push(Event::Ready);
    }

    /// Fact: PUBACK.
    pub fn handle_puback(&mut self, now: Instant, message_id: u16) {
        self.heard_or_wrote(now);
        let in_hand = self.in_hand;
        let acknowledged = self.outbox.find(&mut |record| {
            record.kind == Kind::Kept
                && record.packet == message_id
                && (record.in_flight || in_hand == Duty::Record(message_id))
        });
        let Some(record) = acknowledged else {
            return;
        };
        if let Some((_, written)) = self.measured.take_if(|(packet, _)| *packet == message_id) {
            self.round_trip = Maybe::Some(now.saturating_duration_since(written));
        }
        self.outbox.remove(&record);
        self.counters.acknowledged = self.counters.acknowledged.wrapping_add(1);
        self.events.push(Event::Sent(MessageId(record.id)));
        self.restart(now, Timer::Puback, Kind::Kept);
    }

    /// Fact: PINGRESP.
    pub fn handle_pingresp(&mut self, now: Instant) {
        self.heard_or_wrote(now);
    }

    /// Fact: a message was larger than the payload buffer, and could not be [read away](Client::handle_message). It was
    /// not acknowledged and comes back, so after two in a row one connection is made without C2D.
    pub fn handle_oversize(&mut self, now: Instant) {
        self.counters.oversize = self.counters.oversize.wrapping_add(1);
        self.oversize = self.oversize.saturating_add(1);
        self.events.push(Event::Oversize {
            discarded: false,
            count: self.oversize,
        });
        self.end(now, Disconnect::Oversize);
    }

    /// Fact: the connection has ended. Ignored where that is known already.
    pub fn handle_disconnect(&mut self, now: Instant, cause: Errno) {
        let cause = match self.state {
            State::Opening(_) => Disconnect::ConnectFailed(cause),
            State::Leaving(_, wanted) => wanted,
            _ => Disconnect::Closed(cause),
        };
        self.end(now, cause);
    }
}
