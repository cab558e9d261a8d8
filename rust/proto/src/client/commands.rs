//! Commands for the driver, and their completion.

use core::ffi::CStr;

use super::{
    AssignmentUpdate, Attach, Client, Pending, Probe, State, Subscription, Target, WINDOW,
};
use crate::command::{Command, Filter};
use crate::config::Subscriptions;
use crate::dps;
use crate::error::Disconnect;
use crate::event::Event;
use crate::id::{CommandId, Errno, MessageId, RequestId};
use crate::outbox::{Kind, Record};
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::GetState;
use crate::writer::{Full, Writer, decimal_len, str_of};

pub(super) const REPORT_TOPIC: &str = "$iothub/twin/PATCH/properties/reported/?$rid=";
pub(super) const RESPONSE_TOPIC: &str = "$iothub/methods/res/";
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
/// The same filters in another order: every combination that has [`ANSWERS`] in it is a run of one
/// of the two lists, so that [`hub_filters`] returns a slice of eight filters in flash and not of
/// one list a combination.
const OTHER_FILTERS: [Filter; 4] = [DESIRED, C2D, ANSWERS, METHODS];
const DPS_FILTERS: &[Filter] = &[Filter {
    topic: "$dps/registrations/res/#",
    qos: 1,
}];

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// The next event that borrows nothing. To be drained after every other call.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.events.pop()
    }

    /// The next call to make; its texts and bytes are copied into `buffer`, which must be as long
    /// as [`Limits::transmit`](crate::Limits). One command is pending at a time: `None` also until
    /// the last one is completed. See the [drain rule](crate#the-drain-rule).
    pub fn poll_command<'b>(
        &mut self,
        now: Instant,
        buffer: &'b mut [u8],
    ) -> Option<(CommandId, Command<'b>)> {
        if self.pending != Pending::None {
            return None;
        }
        let (pending, command) = self.next_command(now, Writer::new(buffer))?;
        self.command = self.command.wrapping_add(1);
        self.pending = pending;
        Some((CommandId(self.command), command))
    }

    /// The result of the command. The state advances here, unless an input has overtaken the
    /// command: then this does nothing.
    pub fn complete(&mut self, now: Instant, id: CommandId, result: Result<(), Errno>) {
        if id.0 != self.command {
            return;
        }
        match (core::mem::replace(&mut self.pending, Pending::None), result) {
            (Pending::None, _) => log::debug!("a completed command had been overtaken"),
            (Pending::Attach, Ok(())) => {
                self.attach = Attach::Done;
                self.failed_calls = 0;
            }
            (Pending::Attach, Err(_)) => {
                log::error!("the modem cannot be switched on: retrying");
                self.retry_later(now, Timer::Attach);
            }
            (Pending::Assignment, Ok(())) => {}
            (Pending::Assignment, Err(_)) => {
                log::error!("the DPS assignment cannot be stored: the next boot asks DPS again");
            }
            (Pending::Abort, Ok(())) => {
                self.state = State::Idle;
                self.failed_calls = 0;
            }
            (Pending::Abort, Err(_)) => {
                log::error!("the connection cannot be ended: retrying");
                self.retry_later(now, Timer::Abort);
            }
            (Pending::Connect, Ok(())) => {
                if let State::Connecting(target) = self.state {
                    self.state = State::AwaitingConnack(target);
                    self.timers
                        .start(Timer::Connack, now + self.settings.timeouts.connack);
                }
            }
            (Pending::Connect, Err(errno)) => {
                self.end_connection(now, Disconnect::ConnectFailed(errno))
            }
            (Pending::Disconnect, _) => {
                if let State::Disconnecting(_, cause) = self.state {
                    self.end_connection(now, cause);
                }
            }
            (pending, Ok(())) => {
                if self.probe == Probe::NotNeeded {
                    self.probe = Probe::Needed;
                }
                self.written(now, pending);
            }
            (_, Err(errno)) => {
                let cause = match self.state {
                    State::Disconnecting(_, cause) => cause,
                    _ => Disconnect::WriteFailed(errno),
                };
                self.end_connection(now, cause);
            }
        }
    }

    /// When to call `handle_timeout`, unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.timers.next().or_before(self.network.deadline());
        Some(next.or_before(self.methods.next())).filter(|next| *next != Instant::NEVER)
    }

    fn next_command<'b>(
        &mut self,
        now: Instant,
        writer: Writer<'b>,
    ) -> Option<(Pending, Command<'b>)> {
        if WITH_DPS && self.assignment != AssignmentUpdate::None {
            return self.assignment_command(writer);
        }
        match self.state {
            State::Idle if self.wanted => self.start_command(now, writer),
            State::Connected(target, subscription) => {
                self.session_command(target, subscription, writer)
            }
            State::Disconnecting(target, cause) => self.disconnect_command(target, cause, writer),
            State::Aborting if !self.timers.is_waiting(Timer::Abort, now) => {
                Some((Pending::Abort, Command::Abort))
            }
            _ => None,
        }
    }

    fn assignment_command<'b>(&mut self, mut writer: Writer<'b>) -> Option<(Pending, Command<'b>)> {
        let command = if self.assignment == AssignmentUpdate::Erase {
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
        self.assignment = AssignmentUpdate::None;
        Some((Pending::Assignment, command))
    }

    fn start_command<'b>(
        &mut self,
        now: Instant,
        mut writer: Writer<'b>,
    ) -> Option<(Pending, Command<'b>)> {
        if self.attach == Attach::Due
            && self.network.needs_attach()
            && !self.timers.is_waiting(Timer::Attach, now)
        {
            return Some((Pending::Attach, Command::Attach));
        }
        if !self.network.is_up() || self.timers.is_waiting(Timer::Backoff, now) {
            return None;
        }
        let target = match self.dps() {
            Some(registration) if registration.is_required() => {
                registration.begin();
                Target::Dps
            }
            _ => Target::Hub,
        };
        let (hostname_end, client_id_end) = self.write_connect(target, &mut writer);
        let (hostname, rest) = fits(writer.into_str())?.split_at_checked(hostname_end)?;
        let (client_id, user_name) = rest.split_at_checked(client_id_end - hostname_end)?;
        self.state = State::Connecting(target);
        self.timers.stop(Timer::Backoff);
        self.last_connect = Some(now);
        self.over_v6 = false;
        self.counters.connects = self.counters.connects.wrapping_add(1);
        self.events.push(Event::Connecting {
            attempt: self.failures.total().saturating_add(1),
        });
        let command = Command::Connect {
            hostname: CStr::from_bytes_with_nul(hostname.as_bytes()).unwrap_or_default(),
            client_id,
            user_name,
        };
        Some((Pending::Connect, command))
    }

    /// Writes host name with its 0 byte, client id and user name; returns where the first two end.
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

    fn session_command<'b>(
        &mut self,
        target: Target,
        subscription: Subscription,
        writer: Writer<'b>,
    ) -> Option<(Pending, Command<'b>)> {
        if subscription == Subscription::Due || self.probe == Probe::Due {
            let message_id = self.packet_id();
            let filters = match target {
                Target::Dps => DPS_FILTERS,
                Target::Hub if subscription != Subscription::Due => {
                    hub_filters(Subscriptions::NONE)
                }
                Target::Hub => hub_filters(Subscriptions {
                    c2d: self.settings.subscriptions.c2d
                        && !self.identity.is_module()
                        && !self.skips_c2d(),
                    ..self.settings.subscriptions
                }),
            };
            let command = Command::Subscribe {
                message_id,
                filters,
            };
            return Some((Pending::Subscribe(message_id), command));
        }
        match (target, self.twin_get) {
            (Target::Dps, _) if subscription == Subscription::Granted => {
                self.register_command(writer)
            }
            (Target::Dps, _) => None,
            (Target::Hub, GetState::Due(request)) => self.twin_command(request, writer),
            (Target::Hub, _) => self.record_command(writer),
        }
    }

    fn register_command<'b>(&mut self, mut writer: Writer<'b>) -> Option<(Pending, Command<'b>)> {
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
        Some((Pending::Register(request), command))
    }

    fn twin_command<'b>(
        &mut self,
        request: RequestId,
        mut writer: Writer<'b>,
    ) -> Option<(Pending, Command<'b>)> {
        writer.text(GET_TOPIC);
        writer.number(u64::from(request.0));
        let topic_end = writer.len();
        let message_id = self.packet_id();
        let command = publish(message_id, writer, topic_end, 0, false)?;
        Some((Pending::GetTwin(request), command))
    }

    /// Messages accepted before `disconnect` are written before DISCONNECT, as far as the window
    /// allows.
    fn disconnect_command<'b>(
        &mut self,
        target: Target,
        cause: Disconnect,
        writer: Writer<'b>,
    ) -> Option<(Pending, Command<'b>)> {
        let flushes = matches!((target, cause), (Target::Hub, Disconnect::Requested));
        if flushes && self.next_record().is_some() {
            return self.record_command(writer);
        }
        Some((Pending::Disconnect, Command::Disconnect))
    }

    fn record_command<'b>(&mut self, mut writer: Writer<'b>) -> Option<(Pending, Command<'b>)> {
        let record = self.next_record()?;
        let (topic, payload) = self.outbox.content(&record);
        let prefix = prefix(record.kind);
        let qos = u8::from(record.kind == Kind::Qos1);
        if prefix.is_empty() {
            self.identity.write_telemetry_topic(&mut writer);
        }
        writer.text(prefix);
        writer.bytes(topic);
        let topic_end = writer.len();
        writer.bytes(payload);
        let message_id = match record.packet {
            0 => self.packet_id(),
            packet => packet,
        };
        self.outbox.set_packet(&record, message_id);
        let dup = record.dup() && qos == 1;
        let command = publish(message_id, writer, topic_end, qos, dup)?;
        Some((Pending::Record(message_id), command))
    }

    /// The record to write next: responses to methods first, since a caller waits; then the oldest
    /// alarm; then the oldest. Telemetry keeps its order within its priority, and so do reports.
    fn next_record(&self) -> Option<Record> {
        let (mut messages, mut reports, mut has_alarm) = (0, 0, false);
        for record in self.outbox.records() {
            has_alarm |= record.is_high() && !record.in_flight();
            match record.kind {
                Kind::MethodResponse => return Some(record),
                Kind::Qos1 => messages += usize::from(record.in_flight()),
                Kind::Report => reports += usize::from(record.in_flight()),
                _ => {}
            }
        }
        let mut blocked = false;
        self.outbox.find(&mut |record| match record.kind {
            _ if record.in_flight() => false,
            _ if has_alarm && !record.is_high() => false,
            Kind::Report => reports < WINDOW,
            Kind::Qos1 if messages >= WINDOW + usize::from(record.is_high()) => {
                blocked = true;
                false
            }
            _ => !blocked,
        })
    }

    fn written(&mut self, now: Instant, pending: Pending) {
        let timeouts = self.settings.timeouts;
        match pending {
            Pending::Subscribe(packet) => {
                if let State::Connected(_, subscription @ Subscription::Due) = &mut self.state {
                    *subscription = Subscription::Sent(packet);
                    self.timers.start(Timer::Suback, now + timeouts.suback);
                } else {
                    self.probe = Probe::Sent(packet);
                }
            }
            Pending::GetTwin(request) if self.twin_get == GetState::Due(request) => {
                self.twin_get = GetState::Sent(request);
                self.timers.start(Timer::Twin, now + timeouts.response);
                self.count_published(GET_TOPIC.len() + decimal_len(request.0));
            }
            Pending::Register(request) => {
                if let Some(registration) = self.dps() {
                    registration.step = dps::Step::AwaitingAnswer(request);
                    self.timers.start(Timer::Dps, now + timeouts.response);
                }
            }
            Pending::Record(packet) => {
                let found = self
                    .outbox
                    .find(&mut |record| record.packet == packet && !record.in_flight());
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
        self.count_published(topic + record.topic_len() + record.payload_len());
        if record.dup() {
            self.counters.resent = self.counters.resent.wrapping_add(1);
        }
        match record.kind {
            Kind::Qos1 => {
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
            Kind::Qos0 => {
                self.outbox.remove(record);
                self.events.push(Event::Sent(MessageId(record.id)));
            }
            Kind::MethodResponse | Kind::Removed => self.outbox.remove(record),
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

/// `None`, with an error in the log, where the caller's buffer is smaller than
/// [`Limits`](crate::Limits) says.
fn fits<T>(written: Result<T, Full>) -> Option<T> {
    if written.is_err() {
        log::error!("the buffer of poll_command is smaller than Limits::transmit");
    }
    written.ok()
}

/// The beginning of a record's topic; empty for telemetry, whose topic begins with the device's
/// names.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Report => REPORT_TOPIC,
        Kind::MethodResponse => RESPONSE_TOPIC,
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

/// Length of a SUBSCRIBE with all filters.
pub(super) const SUBSCRIBE_LEN: usize = {
    let mut len = 5 + 2;
    let mut at = 0;
    while at < HUB_FILTERS.len() {
        len += 2 + HUB_FILTERS[at].topic.len() + 1;
        at += 1;
    }
    len
};
