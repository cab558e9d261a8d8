//! What the device says in its log, as scenarios and tests wait for it: the only place where they
//! rely on its wording. What a test is about is looked for where it is a field: in the hub's
//! events, in the twin, in a method's answer.

/// LTE is being switched on.
pub const ATTACHING: &str = "attaching to LTE";
/// A network is there: its families follow.
pub const NETWORK_UP: &str = "network up: ";
/// A connection is being opened: the host's name follows.
pub const CONNECTING: &str = "connecting to ";
/// An IPv4 address was reached over IPv6.
pub const BEHIND_NAT64: &str = "behind a NAT64";
/// Every subscription is granted.
pub const READY: &str = "ready: every subscription is granted";
/// A connection has ended.
pub const DISCONNECTED: &str = "disconnected";
/// A connection has ended, and there will be another one.
pub const RETRY: &str = "next attempt in";
/// A batch was accepted: before it its number, behind it the batch.
pub const QUEUED: &str = " queued: ";
/// A message was too large for the payload buffer.
pub const TOO_LARGE: &str = "larger than the payload buffer";
/// Nothing waits in the outbox in flash.
pub const OUTBOX_EMPTY: &str = "outbox: 0 messages";
/// A new image runs that the boot loader would take back.
pub const ON_TRIAL: &str = "on trial";
/// A method asks for a restart.
pub const RESTARTING: &str = "restarting, as a method asks";
/// The interval that counts from now on, in seconds, follows.
pub const INTERVAL: &str = "telemetry every ";
