//! Inputs: incoming messages.

use super::requests::push_method_response;
use super::{Client, Pending, State, Target};
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
use crate::twin::{self, GetState, VersionCheck};

const BAD_REQUEST: i32 = 400;
const TOO_LARGE: i32 = 413;
const UNAVAILABLE: i32 = 503;

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// PUBLISH. The event borrows from topic and payload.
    pub fn handle_publish<'a>(
        &mut self,
        now: Instant,
        topic: &'a [u8],
        payload: &'a [u8],
    ) -> Option<Event<'a>> {
        self.handle_message(now, topic, Some(payload))
    }

    /// As [`Client::handle_publish`]. `None` as payload: the payload was larger than the platform's
    /// buffer, and was acknowledged and discarded; the caller of a method gets 413.
    pub fn handle_message<'a>(
        &mut self,
        now: Instant,
        topic: &'a [u8],
        payload: Option<&'a [u8]>,
    ) -> Option<Event<'a>> {
        self.received(now);
        let bytes = topic.len() + payload.unwrap_or_default().len();
        let counters = &mut self.counters;
        counters.bytes_received = counters.bytes_received.wrapping_add(bytes as u32);
        let on_hub = matches!(
            self.state,
            State::Connecting(Target::Hub)
                | State::AwaitingConnack(Target::Hub)
                | State::Connected(Target::Hub, _)
        );
        let incoming = topic::read(topic, &self.identity.device_id);
        if let Some(Incoming::Method { name, request }) = incoming
            && on_hub
        {
            return self.handle_method(now, topic, name, request, payload);
        }
        let Some(payload) = payload else {
            return Some(self.count_oversize());
        };
        match incoming {
            // Acknowledged already, and so given to the application in every state.
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
                if let Some(id) = self.methods.insert(rid, deadline) {
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
        if push_method_response(&mut self.outbox, limits, refusal, rid, &[]).is_err() {
            log::error!("no room in the outbox for the answer to a method");
        }
        payload.is_none().then(|| self.count_oversize())
    }

    /// Counts a message that was discarded.
    fn count_oversize<'a>(&mut self) -> Event<'a> {
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
        let is_document = match self.twin_get {
            GetState::Sent(id) => id == request,
            GetState::Due(id) => id == request && self.take_pending(Pending::GetTwin(id)),
            GetState::Idle | GetState::Retry => false,
        };
        if is_document {
            return self.handle_document(now, status, request, payload);
        }
        let pending = self.pending;
        let report = self.outbox.find(&mut |record| {
            record.kind == Kind::Report
                && record.id == request.0
                && (record.in_flight() || pending == Pending::Record(record.packet))
        });
        let Some(record) = report else {
            return Some(unmatched);
        };
        self.outbox.remove(&record);
        self.restart_timer(now, Timer::Report, Kind::Report);
        Some(if (200..300).contains(&status) {
            self.acknowledged();
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
            self.twin_get_failed(now, request, twin::Failure::Status(status));
            return None;
        }
        let Some(document) = twin::Document::read(request, payload) else {
            self.twin_get_failed(now, request, twin::Failure::Malformed);
            return None;
        };
        self.twin_get = GetState::Idle;
        self.twin_get_failures = 0;
        self.timers.stop(Timer::Twin);
        if !self.twin_version.accept_document(document.version) {
            log::info!("the twin is older than its last change: it is requested again");
            self.twin_get = GetState::Due(request);
            return None;
        }
        self.acknowledged();
        Some(Event::Twin(document))
    }

    fn handle_desired<'a>(&mut self, version: Option<u64>, payload: &'a [u8]) -> Option<Event<'a>> {
        let Some(desired) = twin::Desired::read(version, payload) else {
            log::warn!("a change of the desired properties is not a JSON object: ignored");
            return None;
        };
        match self.twin_version.check_patch(desired.version) {
            VersionCheck::Known => {
                log::debug!("a change of the desired properties is known: ignored");
                return None;
            }
            VersionCheck::Gap if self.settings.request_twin && self.twin_get == GetState::Idle => {
                log::info!(
                    "changes of the desired properties were missed: the twin is requested again"
                );
                self.queue_twin_get();
            }
            VersionCheck::Gap | VersionCheck::Next => {}
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
        let on_dps = matches!(self.state, State::Connected(Target::Dps, _));
        let is_expected = match (self.dps().map(|registration| registration.step), request) {
            (Some(dps::Step::AwaitingAnswer(id)), Some(request)) => id.0 == request,
            (Some(dps::Step::Request), Some(request)) => {
                self.take_pending(Pending::Register(RequestId(request)))
            }
            _ => false,
        };
        if !on_dps || !is_expected {
            return Some(Event::UnmatchedAnswer { status, request });
        }
        let outcome = self
            .registration
            .answer(status, retry_after, payload, &mut self.identity);
        self.handle_dps_outcome(now, outcome)
    }

    /// Whether this command is pending: its answer has overtaken its completion, which then does
    /// nothing.
    fn take_pending(&mut self, command: Pending) -> bool {
        let taken = self.pending == command;
        if taken {
            self.pending = Pending::None;
        }
        taken
    }
}
