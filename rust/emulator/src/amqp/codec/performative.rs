//! Performatives: their codes, and how they are written. Part 2, "Transport", and part 5,
//! "Security", of the standard.

use super::MAX_FRAME;
use super::encode::{Items, described_list};
use super::value::Value;
use crate::code::{ErrorCode, Refusal};

pub(in crate::amqp) const OPEN: u64 = 0x10;
pub(in crate::amqp) const BEGIN: u64 = 0x11;
pub(in crate::amqp) const ATTACH: u64 = 0x12;
pub(in crate::amqp) const FLOW: u64 = 0x13;
pub(in crate::amqp) const TRANSFER: u64 = 0x14;
pub(in crate::amqp) const DISPOSITION: u64 = 0x15;
pub(in crate::amqp) const DETACH: u64 = 0x16;
pub(in crate::amqp) const END: u64 = 0x17;
pub(in crate::amqp) const CLOSE: u64 = 0x18;
pub(in crate::amqp) const SASL_INIT: u64 = 0x41;

pub(in crate::amqp) const ACCEPTED: u64 = 0x24;
pub(in crate::amqp) const REJECTED: u64 = 0x25;

/// Why a link, a session or a connection ends, or a message is rejected.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::amqp) struct Fault {
    /// The condition that clients look at.
    pub condition: &'static str,
    /// For people.
    pub description: String,
    /// What else there is to say.
    pub info: Vec<(&'static str, Value)>,
}

impl Fault {
    /// A condition and a sentence.
    pub(in crate::amqp) fn new(condition: &'static str, description: impl Into<String>) -> Self {
        Self {
            condition,
            description: description.into(),
            info: Vec::new(),
        }
    }

    fn write(&self, error: &mut Items<'_>) {
        error.symbol(self.condition).string(&self.description);
        match self.info.is_empty() {
            true => error.null(),
            false => error.map(|map| {
                for (name, value) in &self.info {
                    map.symbol(name).value(value);
                }
            }),
        };
    }
}

impl From<&Refusal> for Fault {
    /// The conditions that the service SDKs translate back (azure-iot-amqp-base
    /// `amqp_common_errors`).
    fn from(refusal: &Refusal) -> Self {
        let condition = match refusal.code {
            ErrorCode::Unauthorized | ErrorCode::IotHubUnauthorized => UNAUTHORIZED,
            ErrorCode::DeviceNotFound | ErrorCode::NotFound => NOT_FOUND,
            ErrorCode::DeviceDisabled => UNAUTHORIZED,
            ErrorCode::DeviceMaximumQueueDepthExceeded => "amqp:resource-limit-exceeded",
            ErrorCode::MessageTooLarge => "amqp:link:message-size-exceeded",
            ErrorCode::ArgumentInvalid => "com.microsoft:argument-error",
            ErrorCode::IotHubFormatError => "amqp:decode-error",
            ErrorCode::ThrottlingException => "com.microsoft:device-container-throttled",
            ErrorCode::DeviceMessageLockLost => "com.microsoft:message-lock-lost",
            ErrorCode::PreconditionFailed => "com.microsoft:precondition-failed",
            ErrorCode::ServiceUnavailable => "amqp:connection:forced",
            ErrorCode::InvalidOperation => "amqp:not-allowed",
            ErrorCode::ConnectionForcefullyClosedOnNewConnection => "amqp:link:stolen",
            _ => "amqp:internal-error",
        };
        Self::new(condition, refusal.to_string())
    }
}

pub(in crate::amqp) const UNAUTHORIZED: &str = "amqp:unauthorized-access";
pub(in crate::amqp) const NOT_FOUND: &str = "amqp:not-found";

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::amqp) enum Outcome {
    /// It was taken.
    Accepted,
    /// It was turned down, for good.
    Rejected(Option<Fault>),
}

impl Outcome {
    fn write(&self, items: &mut Items<'_>) {
        match self {
            Self::Accepted => items.described(0x24, |_| {}),
            Self::Rejected(None) => items.described(0x25, |_| {}),
            Self::Rejected(Some(fault)) => items.described(0x25, |list| {
                list.described(0x1d, |error| fault.write(error));
            }),
        };
    }
}

/// The numbers of a session that go with each flow.
#[derive(Clone, Copy, Debug)]
pub(in crate::amqp) struct Window {
    /// The number of the next transfer that is expected.
    pub next_incoming: u32,
    /// How many may come.
    pub incoming: u32,
    /// The number of the next transfer that is sent.
    pub next_outgoing: u32,
}

/// The numbers of a link that go with a flow.
#[derive(Clone, Copy, Debug)]
pub(in crate::amqp) struct LinkFlow {
    pub handle: u32,
    pub delivery_count: u32,
    pub credit: u32,
    pub drain: bool,
}

/// What an attach is answered with.
#[derive(Debug)]
pub(in crate::amqp) struct Attach<'a> {
    pub name: &'a str,
    pub handle: u32,
    /// Whether this side sends.
    pub sends: bool,
    pub sender_mode: &'a Value,
    pub receiver_mode: &'a Value,
    pub source: &'a Value,
    pub target: &'a Value,
    /// The largest message that is taken; of no meaning where this side sends.
    pub max_message: u64,
    pub properties: &'a Value,
}

/// The SASL mechanisms, of which the peer takes one.
pub(in crate::amqp) fn sasl_mechanisms(out: &mut Vec<u8>, names: &[&str]) {
    let names = names.iter().map(|name| Value::Symbol((*name).to_owned()));
    let names = Value::Array(names.collect());
    frame(out, SASL_FRAME, 0, |out| {
        described_list(out, 0x40, |list| {
            list.value(&names);
        });
    });
}

/// What came of SASL: 0 if the peer may go on, 1 if not.
pub(in crate::amqp) fn sasl_outcome(out: &mut Vec<u8>, code: u8) {
    frame(out, SASL_FRAME, 0, |out| {
        described_list(out, 0x44, |list| {
            list.ubyte(code).null();
        });
    });
}

pub(in crate::amqp) fn open(out: &mut Vec<u8>, container: &str, channel_max: u16, idle_ms: u32) {
    frame(out, AMQP_FRAME, 0, |out| {
        described_list(out, 0x10, |list| {
            list.string(container).null();
            list.uint(u32::try_from(MAX_FRAME).unwrap_or(u32::MAX));
            list.ushort(channel_max).uint(idle_ms).nulls(5);
        });
    });
}

pub(in crate::amqp) fn begin(out: &mut Vec<u8>, channel: u16, window: Window, handle_max: u32) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x11, |list| {
            list.ushort(channel).uint(window.next_outgoing);
            list.uint(window.incoming).uint(OUTGOING_WINDOW);
            list.uint(handle_max).nulls(3);
        });
    });
}

pub(in crate::amqp) fn attach(out: &mut Vec<u8>, channel: u16, attach: &Attach<'_>) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x12, |list| {
            list.string(attach.name).uint(attach.handle);
            list.bool(!attach.sends);
            list.value(attach.sender_mode).value(attach.receiver_mode);
            list.value(attach.source).value(attach.target);
            list.null().bool(false);
            list.uint_or_null(attach.sends.then_some(0));
            list.ulong(attach.max_message).nulls(2);
            list.value(attach.properties);
        });
    });
}

pub(in crate::amqp) fn flow(
    out: &mut Vec<u8>,
    channel: u16,
    window: Window,
    link: Option<LinkFlow>,
) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x13, |list| {
            list.uint(window.next_incoming).uint(window.incoming);
            list.uint(window.next_outgoing).uint(OUTGOING_WINDOW);
            match link {
                None => list.nulls(4).bool(false),
                Some(link) => list
                    .uint(link.handle)
                    .uint(link.delivery_count)
                    .uint(link.credit)
                    .null()
                    .bool(link.drain),
            };
            list.bool(false).null();
        });
    });
}

/// One frame of a delivery.
#[derive(Clone, Copy, Debug)]
pub(in crate::amqp) struct Transfer {
    pub handle: u32,
    /// Of the delivery.
    pub id: u32,
    pub settled: bool,
    /// Whether the payload goes on in the next frame.
    pub more: bool,
}

/// The delivery's tag is its number.
pub(in crate::amqp) fn transfer(
    out: &mut Vec<u8>,
    channel: u16,
    transfer: Transfer,
    payload: &[u8],
) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x14, |list| {
            list.uint(transfer.handle).uint(transfer.id);
            list.binary(&transfer.id.to_be_bytes()).uint(0);
            list.bool(transfer.settled).bool(transfer.more);
            list.nulls(2).bool(false).bool(false).bool(false);
        });
        out.extend_from_slice(payload);
    });
}

/// The bytes of a transfer beside its payload, at the most.
pub(in crate::amqp) const TRANSFER_HEAD: usize = 64;

/// Settles a delivery: one that came in (`receiver`), or one of this side that the peer has said
/// its outcome of.
pub(in crate::amqp) fn disposition(
    out: &mut Vec<u8>,
    channel: u16,
    receiver: bool,
    id: u32,
    outcome: &Outcome,
) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x15, |list| {
            list.bool(receiver).uint(id).uint(id).bool(true);
            outcome.write(list);
            list.bool(false);
        });
    });
}

pub(in crate::amqp) fn detach(out: &mut Vec<u8>, channel: u16, handle: u32, fault: Option<&Fault>) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x16, |list| {
            list.uint(handle).bool(true);
            error(list, fault);
        });
    });
}

pub(in crate::amqp) fn end(out: &mut Vec<u8>, channel: u16, fault: Option<&Fault>) {
    frame(out, AMQP_FRAME, channel, |out| {
        described_list(out, 0x17, |list| error(list, fault));
    });
}

pub(in crate::amqp) fn close(out: &mut Vec<u8>, fault: Option<&Fault>) {
    frame(out, AMQP_FRAME, 0, |out| {
        described_list(out, 0x18, |list| error(list, fault));
    });
}

/// A frame that only says that this side is still there.
pub(in crate::amqp) fn empty(out: &mut Vec<u8>) {
    frame(out, AMQP_FRAME, 0, |_| {});
}

fn error(list: &mut Items<'_>, fault: Option<&Fault>) {
    match fault {
        None => list.null(),
        Some(fault) => list.described(0x1d, |error| fault.write(error)),
    };
}

fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    let [high, low] = channel.to_be_bytes();
    out.extend([0, 0, 0, 0, 2, kind, high, low]);
    body(out);
    let size = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
    out[begin..begin + 4].copy_from_slice(&size.to_be_bytes());
}

const AMQP_FRAME: u8 = 0;
const SASL_FRAME: u8 = 1;

/// Nothing here waits for the peer's window of transfers but the peer's own number.
const OUTGOING_WINDOW: u32 = 5000;
