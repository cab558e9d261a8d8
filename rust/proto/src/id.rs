//! Ids of requests, messages and commands.

/// The platform's error, as a rule a negative errno of Zephyr's. The core passes it through unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// An accepted telemetry message, until [`Event::Sent`](crate::Event::Sent) or
/// [`Event::Dropped`](crate::Event::Dropped) names it. Not the packet id on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub(crate) u32);

impl MessageId {
    /// A number of the application's own, for [`Client::send_as`](crate::Client::send_as).
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, for logs and for C.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// A twin request: the `$rid` on the wire, a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub(crate) u32);

impl RequestId {
    /// A request with this number, for requests that no client made.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// A direct method that waits for a response. Valid until the response, until the deadline, and for
/// this connection only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodId {
    pub(crate) slot: u8,
    pub(crate) generation: u32,
}

/// A command that the driver executes, until [`Client::complete`](crate::Client::complete).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(pub(crate) u32);
