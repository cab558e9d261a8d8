//! Incoming messages.

use super::wishes::push_answer;
use super::{Client, Duty, State, Target};
use crate::c2d::C2d;
use crate::dps;
use crate::event::Event;
use crate::id::RequestId;
use crate::methods::{self, MethodRequest};
use crate::outbox::Kind;
use crate::properties::Properties;
use crate::time::Instant;
use crate::timer::Timer;
use crate::topic::{self, Incoming};
use crate::twin::{self, Get, Verdict};

const BAD_REQUEST: i32 = 400;
const TOO_LARGE: i32 = 413;
const UNAVAILABLE: i32 = 503;

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// Fact: PUBLISH. The event borrows from topic and payload.
    pub fn handle_publish<'a>(
        &mut self,
        now: Instant,
        topic: &'a [u8],
        payload: &'a [u8],
    ) -> Option<Event<'a>> {
        self.handle_message(now, topic, Some(payload))
    }

    /// As [`Client::handle_publish`]. Without a payload: it was larger than the platform's buffer, was read away and
    /// acknowledged, and is lost; the caller of a method is told so (413).
    pub fn handle_message<'a>(
        &mut self,
        now: Instant,
        topic: &'a [u8],
        payload: Option<&'a [u8]>,
    ) -> Option<Event<'a>> {
        self.heard_or_wrote(now);
        let bytes = topic.len() + payload.unwrap_or_default().len();
        let counters = &mut self.counters;
        counters.bytes_received = counters.bytes_received.wrapping_add(bytes as u32);
        let on_hub = matches!(
            self.state,
            State::Opening(Target::Hub)
                | State::Greeting(Target::Hub)
                | State::Open(Target::Hub, _)
        );
        let incoming = topic::read(topic, &self.identity.device_id);
        if let Some(Incoming::Method { name, request }) = incoming
            && on_hub
        {
            return self.handle_method(now, topic, name, request, payload);
        }
        let Some(payload) = payload else {
            return Some(self.too_large());
        };
        match incoming {
            // Acknowledged already: handed on in whatever state.
            Some(Incoming::C2d { bag }) => Some(Event::C2d(C2d {
                properties: Properties::new(bag),
                payload,
            })),
            Some(Incoming::TwinAnswer {
                status,
                request,
                version,
            }) if on_hub => self.handle_twin_answer(now, status, request, version, payload),
            Some(Incoming::Desired { version }) if on_hub => self.handle_desired(version, payload),
            Some(Incoming::DpsAnswer {
                status,
                request,
                retry_after,
            }) if WITH_DPS => self.handle_dps_answer(now, status, request, retry_after, payload),
            Some(_) => {
                log::debug!("a message that came after its connection is ignored");
                None
            }
            None => Some(Event::UnknownTopic(topic)),
        }
    }

    fn handle_method<'a>(
        &mut self,
        now: Instant,
        topic: &'a [u8],
        name: &'a [u8],
        rid: &'a [u8],
        payload: Option<&'a [u8]>,
    ) -> Option<Event<'a>> {
        let answerable = core::str::from_utf8(rid).is_ok()
            && !rid.iter().any(|byte| matches!(byte, b'+' | b'#' | 0..b' '));
        if !answerable {
            return Some(Event::UnknownTopic(topic));
        }
        let payload = payload.filter(|payload| payload.len() <= methods::BODY_MAX);
        let refusal = match (core::str::from_utf8(name), payload) {
            (Err(_), _) => BAD_REQUEST,
            (_, None) => TOO_LARGE,
            (Ok(name), Some(payload)) => {
                let deadline = now + self.settings.timeouts.method;
                if let Some(id) = self.calls.insert(rid, deadline) {
                    let (component, name) = methods::split_name(name);
                    return Some(Event::Method(MethodRequest {
                        id,
                        name,
                        component,
                        payload,
                    }));
                }
                UNAVAILABLE
            }
        };
        log::warn!("a method call is refused without asking the application");
        let limits = &self.settings.limits;
        if push_answer(&mut self.outbox, limits, refusal, rid, &[]).is_err() {
            log::error!("no room in the outbox for the answer to a method");
        }
        payload.is_none().then(|| self.too_large())
    }

    /// Counts a message that was read away.
    fn too_large<'a>(&mut self) -> Event<'a> {
        self.counters.oversize = self.counters.oversize.wrapping_add(1);
        Event::Oversize {
            discarded: true,
            count: self.oversize,
        }
    }

    fn handle_twin_answer<'a>(
        &mut self,
        now: Instant,
        status: u16,
        request: Option<u32>,
        version: Option<u64>,
        payload: &'a [u8],
    ) -> Option<Event<'a>> {
        let unmatched = Event::UnmatchedAnswer { status, request };
        let Some(request) = request.map(RequestId) else {
            return Some(unmatched);
        };
        let getting = match self.get {
            Get::Sent(id) => id == request,
            Get::Due(id) => id == request && self.takes_in_hand(Duty::Get(id)),
            Get::Idle | Get::Again => false,
        };
        if getting {
            return self.handle_document(now, status, request, payload);
        }
        let in_hand = self.in_hand;
        let report = self.outbox.find(&mut |record| {
            record.kind == Kind::Report
                && record.id == request.0
                && (record.in_flight || in_hand == Duty::Record(record.packet))
        });
        let Some(record) = report else {
            return Some(unmatched);
        };
        self.outbox.remove(&record);
        self.restart(now, Timer::Report, Kind::Report);
        Some(if (200..300).contains(&status) {
            Event::Reported { request, version }
        } else {
            Event::ReportFailed {
                request,
                reason: twin::Failure::Status(status),
            }
        })
    }

    fn handle_document<'a>(
        &mut self,
        now: Instant,
        status: u16,
        request: RequestId,
        payload: &'a [u8],
    ) -> Option<Event<'a>> {
        if status != 200 {
            self.get_failed(now, request, twin::Failure::Status(status));
            return None;
        }
        let Some(document) = twin::Document::read(request, payload) else {
            self.get_failed(now, request, twin::Failure::Malformed);
            return None;
        };
        self.get = Get::Idle;
        self.get_failures = 0;
        self.timers.stop(Timer::Twin);
        if !self.tracker.document(document.version) {
            log::info!("the twin's document is older than its last change: it is got again");
            self.get = Get::Due(request);
            return None;
        }
        Some(Event::Twin(document))
    }

    fn handle_desired<'a>(&mut self, version: Option<u64>, payload: &'a [u8]) -> Option<Event<'a>> {
        let Some(desired) = twin::Desired::read(version, payload) else {
            log::warn!("a change of the desired properties that is no JSON object is ignored");
            return None;
        };
        match self.tracker.change(desired.version) {
            Verdict::Old => {
                log::debug!("a change of the desired properties that is known is ignored");
                return None;
            }
            Verdict::Gap if self.settings.request_twin && self.get == Get::Idle => {
                log::info!("changes of the desired properties were missed: the twin is got again");
                self.want_twin();
            }
            Verdict::Gap | Verdict::Apply => {}
        }
        Some(Event::Desired(desired))
    }

    fn handle_dps_answer<'a>(
        &mut self,
        now: Instant,
        status: u16,
        request: Option<u32>,
        retry_after: Option<u32>,
        payload: &'a [u8],
    ) -> Option<Event<'a>> {
        let on_dps = matches!(self.state, State::Open(Target::Dps, _));
        let awaited = match (self.dps().map(|registration| registration.step), request) {
            (Some(dps::Step::Answer(id)), Some(request)) => id.0 == request,
            (Some(dps::Step::Request), Some(request)) => {
                self.takes_in_hand(Duty::Register(RequestId(request)))
            }
            _ => false,
        };
        if !on_dps || !awaited {
            return Some(Event::UnmatchedAnswer { status, request });
        }
        let outcome = self
            .registration
            .answer(status, retry_after, payload, &mut self.identity);
        self.provisioned(now, outcome)
    }

    /// Whether this duty is in hand: its answer has overtaken its completion, which then does nothing.
    fn takes_in_hand(&mut self, duty: Duty) -> bool {
        let taken = self.in_hand == duty;
        if taken {
            self.in_hand = Duty::Nothing;
        }
        taken
    }
}
