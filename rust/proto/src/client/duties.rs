//! What the driver must do, and how it went.

use core::ffi::CStr;

use super::wishes::decimal_len;
use super::{AssignmentDuty, Attach, Client, Duty, State, Subscription, Target, WINDOW};
use crate::command::{Command, Filter};
use crate::config::Subscriptions;
use crate::dps;
use crate::error::Disconnect;
use crate::event::Event;
use crate::id::{CommandId, Errno, MessageId, RequestId};
use crate::outbox::{Kind, Record};
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::Get;
use crate::writer::{Full, Writer, str_of};

pub(super) const REPORT_TOPIC: &str = "$iothub/twin/PATCH/properties/reported/?$rid=";
pub(super) const ANSWER_TOPIC: &str = "$iothub/methods/res/";
const GET_TOPIC: &str = "$iothub/twin/GET/?$rid=";

const ANSWERS: Filter = Filter {
    topic: "$iothub/twin/res/#",
    qos: 0,
};
const DESIRED: Filter = Filter {
    topic: "$iothub/twin/PATCH/properties/desired/#",
    qos: 0,
};
const METHODS: Filter = Filter {
    topic: "$iothub/methods/POST/#",
    qos: 0,
};
const C2D: Filter = Filter {
    topic: "devices/+/messages/devicebound/#",
    qos: 1,
};
const HUB_FILTERS: [Filter; 4] = [ANSWERS, DESIRED, METHODS, C2D];
/// Each choice with the answers in it is a run of this list or of the one above.
const OTHER_FILTERS: [Filter; 4] = [DESIRED, C2D, ANSWERS, METHODS];
const DPS_FILTERS: &[Filter] = &[Filter {
    topic: "$dps/registrations/res/#",
    qos: 1,
}];

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// Duty: the next event that borrows nothing. Drain after every other call.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.events.pop()
    }

    /// Duty: the next call to make; what it needs is copied into `buffer`, which is as long as
    /// [`Limits::transmit`](crate::Limits) says. One command is out at a time: `None` also until the last one
    /// is completed. See the [drain rule](crate#the-drain-rule).
    pub fn poll_command<'b>(
        &mut self,
        now: Instant,
        buffer: &'b mut [u8],
    ) -> Option<(CommandId, Command<'b>)> {
        if self.in_hand != Duty::Nothing {
            return None;
        }
        let (duty, command) = self.next_duty(now, Writer::new(buffer))?;
        self.command = self.command.wrapping_add(1);
        self.in_hand = duty;
        Some((CommandId(self.command), command))
    }

    /// Duty: how that call went. The state advances here, and only if no fact has overtaken the command: then
    /// this does nothing.
    pub fn complete(&mut self, now: Instant, id: CommandId, result: Result<(), Errno>) {
        if id.0 != self.command {
            return;
        }
        let duty = core::mem::replace(&mut self.in_hand, Duty::Nothing);
        match (duty, result) {
            (Duty::Nothing, _) => log::debug!("a completed command had been overtaken"),
            (Duty::Attach, Ok(())) => self.attach = Attach::Done,
            (Duty::Attach, Err(_)) => {
                log::error!("the modem cannot be switched on; it is tried again");
                self.pause(now, Timer::Attach);
            }
            (Duty::Assignment, Ok(())) => {}
            (Duty::Assignment, Err(_)) => {
                log::error!("the DPS assignment cannot be stored: the next boot asks DPS again");
            }
            (Duty::Abort, Ok(())) => self.state = State::Idle,
            (Duty::Abort, Err(_)) => {
                log::error!("the connection cannot be ended; it is tried again");
                self.pause(now, Timer::Abort);
            }
            (Duty::Connect, Ok(())) => {
                if let State::Opening(target) = self.state {
                    self.state = State::Greeting(target);
                    self.timers
                        .start(Timer::Connack, now + self.settings.timeouts.connack);
                }
            }
            (Duty::Connect, Err(errno)) => self.end(now, Disconnect::ConnectFailed(errno)),
            (Duty::Disconnect, _) => {
                if let State::Leaving(_, cause) = self.state {
                    self.end(now, cause);
                }
            }
            (duty, Ok(())) => {
                self.heard_or_wrote(now);
                self.written(now, duty);
            }
            (_, Err(errno)) => {
                let cause = match self.state {
                    State::Leaving(_, cause) => cause,
                    _ => Disconnect::WriteFailed(errno),
                };
                self.end(now, cause);
            }
        }
    }

    /// When to call `handle_timeout`, unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.timers.next().or_before(self.gate.next());
        Some(next.or_before(self.calls.next())).filter(|next| *next != Instant::NEVER)
    }

    fn next_duty<'b>(&mut self, now: Instant, writer: Writer<'b>) -> Option<(Duty, Command<'b>)> {
        if WITH_DPS && self.assignment != AssignmentDuty::None {
            return self.assignment_duty(writer);
        }
        match self.state {
            State::Idle if self.wanted => self.start_duty(now, writer),
            State::Open(target, subscription) => self.session_duty(target, subscription, writer),
            State::Leaving(target, cause) => self.leave_duty(target, cause, writer),
            State::Ending if !self.timers.is_waiting(Timer::Abort, now) => {
                Some((Duty::Abort, Command::Abort))
            }
            _ => None,
        }
    }

    fn assignment_duty<'b>(&mut self, mut writer: Writer<'b>) -> Option<(Duty, Command<'b>)> {
        let command = if self.assignment == AssignmentDuty::Erase {
            Command::EraseAssignment
        } else {
            let (hostname, device_id) = (&self.identity.hostname, &self.identity.device_id);
            writer.texts(&[hostname, device_id]);
            let (hostname, device_id) =
                fits(writer.into_str())?.split_at_checked(hostname.len())?;
            Command::StoreAssignment {
                hostname,
                device_id,
            }
        };
        self.assignment = AssignmentDuty::None;
        Some((Duty::Assignment, command))
    }

    fn start_duty<'b>(
        &mut self,
        now: Instant,
        mut writer: Writer<'b>,
    ) -> Option<(Duty, Command<'b>)> {
        if self.attach == Attach::Due
            && self.gate.wants_attach()
            && !self.timers.is_waiting(Timer::Attach, now)
        {
            return Some((Duty::Attach, Command::Attach));
        }
        if !self.gate.is_open() || self.timers.is_waiting(Timer::Backoff, now) {
            return None;
        }
        let target = match self.dps() {
            Some(registration) if registration.is_due() => {
                registration.begin();
                Target::Dps
            }
            _ => Target::Hub,
        };
        let (hostname_end, client_id_end) = self.write_connect(target, &mut writer);
        let (hostname, rest) = fits(writer.into_str())?.split_at_checked(hostname_end)?;
        let (client_id, user_name) = rest.split_at_checked(client_id_end - hostname_end)?;
        self.state = State::Opening(target);
        self.timers.stop(Timer::Backoff);
        self.last_connect = Some(now);
        self.over_v6 = false;
        self.counters.connects = self.counters.connects.wrapping_add(1);
        self.events.push(Event::Connecting {
            attempt: self.attempts.saturating_add(1),
        });
        let command = Command::Connect {
            hostname: CStr::from_bytes_with_nul(hostname.as_bytes()).unwrap_or_default(),
            client_id,
            user_name,
        };
        Some((Duty::Connect, command))
    }

    /// Host name with its 0 byte, client id, user name; returns where the first two end.
    fn write_connect(&mut self, target: Target, writer: &mut Writer<'_>) -> (usize, usize) {
        let client_type = self.identity.client_type();
        match self.dps() {
            Some(registration) if target == Target::Dps => {
                writer.texts(&[registration.hostname(), "\0"]);
                let hostname_end = writer.len();
                writer.text(registration.registration_id());
                let client_id_end = writer.len();
                registration.write_user_name(client_type, writer);
                (hostname_end, client_id_end)
            }
            _ => {
                writer.texts(&[&self.identity.hostname, "\0"]);
                let hostname_end = writer.len();
                self.identity.write_client_id(writer);
                let client_id_end = writer.len();
                self.identity.write_user_name(writer);
                (hostname_end, client_id_end)
            }
        }
    }

    fn session_duty<'b>(
        &mut self,
        target: Target,
        subscription: Subscription,
        writer: Writer<'b>,
    ) -> Option<(Duty, Command<'b>)> {
        if subscription == Subscription::Due {
            let message_id = self.packet_id();
            let filters = match target {
                Target::Dps => DPS_FILTERS,
                Target::Hub => hub_filters(Subscriptions {
                    c2d: self.settings.subscriptions.c2d
                        && !self.identity.is_module()
                        && !self.avoids_c2d(),
                    ..self.settings.subscriptions
                }),
            };
            let command = Command::Subscribe {
                message_id,
                filters,
            };
            return Some((Duty::Subscribe(message_id), command));
        }
        match (target, self.get) {
            (Target::Dps, _) if subscription == Subscription::Granted => self.register_duty(writer),
            (Target::Dps, _) => None,
            (Target::Hub, Get::Due(request)) => self.get_duty(request, writer),
            (Target::Hub, _) => self.record_duty(writer),
        }
    }

    fn register_duty<'b>(&mut self, mut writer: Writer<'b>) -> Option<(Duty, Command<'b>)> {
        if self.dps()?.step != dps::Step::Request {
            return None;
        }
        let request = self.request_id();
        let registration = self.dps()?;
        registration.write_topic(request, &mut writer);
        let topic_end = writer.len();
        registration.write_body(&mut writer);
        let message_id = self.packet_id();
        let command = publish(message_id, writer, topic_end, 1, false)?;
        Some((Duty::Register(request), command))
    }

    fn get_duty<'b>(
        &mut self,
        request: RequestId,
        mut writer: Writer<'b>,
    ) -> Option<(Duty, Command<'b>)> {
        writer.text(GET_TOPIC);
        writer.number(u64::from(request.0));
        let topic_end = writer.len();
        let message_id = self.packet_id();
        let command = publish(message_id, writer, topic_end, 0, false)?;
        Some((Duty::Get(request), command))
    }

    /// What was accepted before `disconnect` is written before DISCONNECT, as far as the window allows.
    fn leave_duty<'b>(
        &mut self,
        target: Target,
        cause: Disconnect,
        writer: Writer<'b>,
    ) -> Option<(Duty, Command<'b>)> {
        let flushes = matches!((target, cause), (Target::Hub, Disconnect::Requested));
        if flushes && self.next_record().is_some() {
            return self.record_duty(writer);
        }
        Some((Duty::Disconnect, Command::Disconnect))
    }

    fn record_duty<'b>(&mut self, mut writer: Writer<'b>) -> Option<(Duty, Command<'b>)> {
        let record = self.next_record()?;
        let (head, body) = self.outbox.content(&record);
        let prefix = prefix(record.kind);
        let qos = u8::from(record.kind == Kind::Kept);
        if prefix.is_empty() {
            self.identity.write_telemetry_topic(&mut writer);
        }
        writer.text(prefix);
        writer.bytes(head);
        let topic_end = writer.len();
        writer.bytes(body);
        let message_id = match record.packet {
            0 => self.packet_id(),
            packet => packet,
        };
        self.outbox.set_packet(&record, message_id);
        let dup = record.dup && qos == 1;
        let command = publish(message_id, writer, topic_end, qos, dup)?;
        Some((Duty::Record(message_id), command))
    }

    /// Answers first, since someone waits; then in order. Telemetry keeps its order, and so do reports.
    fn next_record(&self) -> Option<Record> {
        let (mut messages, mut reports) = (0, 0);
        for record in self.outbox.records() {
            match record.kind {
                Kind::Answer => return Some(record),
                Kind::Kept => messages += usize::from(record.in_flight),
                Kind::Report => reports += usize::from(record.in_flight),
                _ => {}
            }
        }
        let mut blocked = false;
        self.outbox.find(&mut |record| match record.kind {
            _ if record.in_flight => false,
            Kind::Report => reports < WINDOW,
            Kind::Kept if messages >= WINDOW => {
                blocked = true;
                false
            }
            _ => !blocked,
        })
    }

    fn written(&mut self, now: Instant, duty: Duty) {
        let timeouts = self.settings.timeouts;
        match duty {
            Duty::Subscribe(packet) => {
                if let State::Open(_, subscription @ Subscription::Due) = &mut self.state {
                    *subscription = Subscription::Sent(packet);
                    self.timers.start(Timer::Suback, now + timeouts.suback);
                }
            }
            Duty::Get(request) if self.get == Get::Due(request) => {
                self.get = Get::Sent(request);
                self.timers.start(Timer::Twin, now + timeouts.response);
                self.count_published(GET_TOPIC.len() + decimal_len(request.0));
            }
            Duty::Register(request) => {
                if let Some(registration) = self.dps() {
                    registration.step = dps::Step::Answer(request);
                    self.timers.start(Timer::Dps, now + timeouts.response);
                }
            }
            Duty::Record(packet) => {
                let found = self
                    .outbox
                    .find(&mut |record| record.packet == packet && !record.in_flight);
                if let Some(record) = found {
                    self.record_written(now, &record);
                }
            }
            _ => {}
        }
    }

    fn record_written(&mut self, now: Instant, record: &Record) {
        let timeouts = self.settings.timeouts;
        let topic = match prefix(record.kind) {
            "" => self.identity.names().telemetry_topic_len(),
            prefix => prefix.len(),
        };
        self.count_published(topic + record.head_len() + record.body_len());
        if record.dup {
            self.counters.resent = self.counters.resent.wrapping_add(1);
        }
        match record.kind {
            Kind::Kept => {
                self.outbox.set_in_flight(record);
                if self.timers.is_off(Timer::Puback) {
                    self.timers.start(Timer::Puback, now + timeouts.puback);
                }
                self.measured.get_or_insert((record.packet, now));
            }
            Kind::Report => {
                self.outbox.set_in_flight(record);
                if self.timers.is_off(Timer::Report) {
                    self.timers.start(Timer::Report, now + timeouts.response);
                }
            }
            Kind::Once => {
                self.outbox.remove(record);
                self.events.push(Event::Sent(MessageId(record.id)));
            }
            Kind::Answer | Kind::Dead => self.outbox.remove(record),
        }
    }

    fn count_published(&mut self, bytes: usize) {
        let counters = &mut self.counters;
        counters.published = counters.published.wrapping_add(1);
        counters.bytes_sent = counters.bytes_sent.wrapping_add(bytes as u32);
    }

    /// A packet id that no record has; never 0.
    fn packet_id(&mut self) -> u16 {
        loop {
            let id = self.next_packet;
            self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
            if self
                .outbox
                .find(&mut |record| record.packet == id)
                .is_none()
            {
                return id;
            }
        }
    }
}

fn publish(
    message_id: u16,
    writer: Writer<'_>,
    topic_end: usize,
    qos: u8,
    dup: bool,
) -> Option<Command<'_>> {
    let (topic, payload) = fits(writer.finish())?.split_at_checked(topic_end)?;
    Some(Command::Publish {
        message_id,
        topic: str_of(topic),
        payload,
        qos,
        dup,
    })
}

/// The caller's buffer is smaller than it said in [`Limits`](crate::Limits).
fn fits<T>(written: Result<T, Full>) -> Option<T> {
    if written.is_err() {
        log::error!("the buffer of poll_command is smaller than Limits::transmit");
    }
    written.ok()
}

/// What the topic of a record begins with; that of telemetry, which has the device's names in it, is written elsewhere.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Report => REPORT_TOPIC,
        Kind::Answer => ANSWER_TOPIC,
        _ => "",
    }
}

const fn hub_filters(chosen: Subscriptions) -> &'static [Filter] {
    const fn run(list: &'static [Filter], from: usize, to: usize) -> &'static [Filter] {
        list.split_at(to).0.split_at(from).1
    }
    match (chosen.desired, chosen.methods, chosen.c2d) {
        (false, false, false) => const { run(&HUB_FILTERS, 0, 1) },
        (true, false, false) => const { run(&HUB_FILTERS, 0, 2) },
        (true, true, false) => const { run(&HUB_FILTERS, 0, 3) },
        (true, true, true) => const { run(&HUB_FILTERS, 0, 4) },
        (false, true, false) => const { run(&OTHER_FILTERS, 2, 4) },
        (false, false, true) => const { run(&OTHER_FILTERS, 1, 3) },
        (false, true, true) => const { run(&OTHER_FILTERS, 1, 4) },
        (true, false, true) => const { run(&OTHER_FILTERS, 0, 3) },
    }
}

/// What SUBSCRIBE with all filters takes.
pub(super) const SUBSCRIBE_LEN: usize = {
    let mut len = 5 + 2;
    let mut at = 0;
    while at < HUB_FILTERS.len() {
        len += 2 + HUB_FILTERS[at].topic.len() + 1;
        at += 1;
    }
    len
};
