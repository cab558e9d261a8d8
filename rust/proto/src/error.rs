//! Errors, by who is to blame: [`ConfigError`] before the start, [`Error`] afterwards.

use core::fmt;

use crate::id::Errno;

/// The configuration cannot work. Caused by the author of the configuration.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No host name and no DPS, a host name over 128 bytes, or one with characters no host name
    /// has.
    Hostname,
    /// Empty, over 128 bytes, or with a character that IoT Hub refuses, or `/`, `+`, `#`, which
    /// MQTT topics cannot carry.
    DeviceId,
    /// As [`ConfigError::DeviceId`], for the module; over 128 bytes.
    ModuleId,
    /// The ID scope is empty or over 32 bytes or not of letters, digits and `-`.
    IdScope,
    /// The registration id is empty, over 128 bytes, has other characters than letters, digits,
    /// `-._:`, or ends in one of `._:`.
    RegistrationId,
    /// DPS is configured for a client that was built without DPS.
    NoProvisioning,
    /// DPS's custom payload is over 256 bytes or is not JSON.
    ProvisioningPayload,
    /// Over 1767 s, or over 1177 s where [`Config::keep_alive_limit`](crate::Config) was not
    /// raised: the hub drops a client after 1.5 times its keep-alive, and after 29.45 minutes at
    /// the latest.
    KeepAlive,
    /// A back-off whose minimum is zero or above its maximum.
    Backoff,
    /// CONNECT, SUBSCRIBE or the longest topic without properties does not fit the packet buffer:
    /// enlarge it (`CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE`).
    PacketBuffer,
    /// The transmit buffer does not hold host name, client id and user name of a CONNECT: enlarge
    /// it.
    TransmitBuffer,
    /// The client is connected or connecting: disconnect it first.
    Started,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hostname => "the hub's host name is missing, too long or not a host name",
            Self::DeviceId => {
                "the device id is empty, too long or has a character that is not allowed"
            }
            Self::ModuleId => {
                "the module id is empty, too long or has a character that is not allowed"
            }
            Self::IdScope => {
                "the DPS id scope is empty, too long or has a character that is not allowed"
            }
            Self::RegistrationId => {
                "the DPS registration id is empty, too long or has a character that is not allowed"
            }
            Self::NoProvisioning => "this client was built without DPS: set CONFIG_IOTHUB_DPS",
            Self::ProvisioningPayload => "the DPS payload is over 256 bytes or is not JSON",
            Self::KeepAlive => "the keep-alive is above the hub's limit of 1177 s",
            Self::Backoff => "the minimum back-off is zero or above the maximum",
            Self::PacketBuffer => "the MQTT packet buffer is too small for this identity",
            Self::TransmitBuffer => "the transmit buffer is too small for this identity",
            Self::Started => "the client is connected or connecting: disconnect it first",
        })
    }
}

impl core::error::Error for ConfigError {}

/// A request of the application was not accepted. Nothing was sent and nothing was kept.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request needs a connection that is ready. Wait for
    /// [`Event::Ready`](crate::Event::Ready).
    NotReady,
    /// There is no connection that the request could belong to.
    Disconnected,
    /// The application's mistake.
    InvalidRequest(InvalidRequest),
    /// The peer's mistake.
    Peer(PeerError),
    /// There is no room for the request; try again later or make it smaller.
    Capacity(Capacity),
}

/// What is wrong with a request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidRequest {
    /// `connect` was called before.
    AlreadyStarted,
    /// Body and properties together are over 256 KB, the limit of IoT Hub.
    MessageSize,
    /// A message id over 128 bytes or with a character outside the hub's list.
    MessageId,
    /// A property without a name.
    PropertyName,
    /// A reported patch that is not a JSON object, is nested too deep or is over 32 KB.
    Patch,
    /// The method was answered before, its deadline has passed, or there was no such method.
    UnknownMethod,
    /// The answer to a method is over 128 KB or is not JSON.
    MethodAnswer,
    /// This client has no DPS.
    NoProvisioning,
}

/// What is wrong with a message of the peer.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerError {
    /// Not JSON, or not the JSON that the protocol asks for.
    Malformed,
    /// A percent-encoding that is broken or is not UTF-8.
    Encoding,
}

/// What is too small or full.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// The outbox is full.
    Outbox,
    /// The message is larger than the whole outbox, or than the driver's transmit buffer, and will
    /// never fit.
    Message,
    /// The topic with its properties is larger than the MQTT packet buffer.
    Topic,
    /// The caller's buffer is too small.
    Buffer,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "the connection is not ready",
            Self::Disconnected => "there is no connection",
            Self::InvalidRequest(reason) => match reason {
                InvalidRequest::AlreadyStarted => "already started",
                InvalidRequest::MessageSize => "body and properties are over 256 KB",
                InvalidRequest::MessageId => {
                    "message id is over 128 bytes or has a character that is not allowed"
                }
                InvalidRequest::PropertyName => "a property has no name",
                InvalidRequest::Patch => {
                    "the reported patch is not a JSON object within the twin's limits"
                }
                InvalidRequest::UnknownMethod => "the method is no longer waiting for an answer",
                InvalidRequest::MethodAnswer => "the method's answer is over 128 KB or not JSON",
                InvalidRequest::NoProvisioning => "DPS is not configured",
            },
            Self::Peer(PeerError::Malformed) => "the peer sent a malformed message",
            Self::Peer(PeerError::Encoding) => "the peer sent a broken percent-encoding",
            Self::Capacity(what) => match what {
                Capacity::Outbox => "the outbox is full",
                Capacity::Message => "the message is larger than the outbox or the transmit buffer",
                Capacity::Topic => "topic and properties are larger than the MQTT packet buffer",
                Capacity::Buffer => "the buffer is too small",
            },
        })
    }
}

impl core::error::Error for Error {}

/// Why a connection ended or could not be made. One variant a cause.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The application asked for it.
    Requested,
    /// The hub refused CONNECT.
    Connack(ConnackCode),
    /// The connection could not be opened: name resolution, TCP or TLS.
    ConnectFailed(Errno),
    /// The platform reported the end: closed by the peer, or a failed read.
    Closed(Errno),
    /// A write failed.
    WriteFailed(Errno),
    /// No CONNACK in time.
    ConnackTimeout,
    /// No SUBACK in time.
    SubackTimeout,
    /// No PUBACK in time.
    PubackTimeout,
    /// No answer of DPS in time.
    ProvisioningTimeout,
    /// The hub refused a subscription.
    SubscribeRefused,
    /// Nothing received for too long.
    LinkSilent,
    /// The network went away.
    NetworkLost,
    /// A message larger than the payload buffer.
    Oversize,
    /// DPS has assigned a hub, and the connection to DPS is not needed any more.
    Provisioned,
    /// DPS refused; [`dps::Event::Failed`](crate::dps::Event) says the same.
    ProvisioningFailed(ProvisioningFailure),
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "as requested",
            Self::Connack(code) => code.advice(),
            Self::ConnectFailed(_) => {
                "could not connect: name, network, or TLS (certificates under the sec tag)"
            }
            Self::Closed(_) => "closed by the peer or the network",
            Self::WriteFailed(_) => "a write failed",
            Self::ConnackTimeout => "the hub accepted the connection and said nothing (no CONNACK)",
            Self::SubackTimeout => "no answer to SUBSCRIBE",
            Self::PubackTimeout => "no acknowledgement of a message",
            Self::ProvisioningTimeout => "no answer from DPS",
            Self::SubscribeRefused => "a subscription was refused",
            Self::LinkSilent => "nothing was received for longer than the keep-alive",
            Self::NetworkLost => "the network is gone",
            Self::Oversize => "a message was larger than the payload buffer",
            Self::Provisioned => "assigned by DPS, going on to the hub",
            Self::ProvisioningFailed(_) => "DPS refused",
        })
    }
}

/// Why DPS did not assign.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisioningFailure {
    /// The service refused with an error code of its own: 401002 wrong or unknown certificate,
    /// 404201 not enrolled, 429001 throttled, 400207 and up for allocation; 0 where the answer has
    /// none.
    Refused {
        /// The HTTP-like status in the topic.
        status: u16,
        /// `errorCode`
        code: u32,
    },
    /// Registration state `failed`.
    Failed {
        /// `errorCode`
        code: u32,
    },
    /// The enrollment is disabled.
    Disabled,
    /// The assigned hub does not speak the classic protocol (`connectionProfile`).
    ConnectionProfile,
    /// A malformed answer, or a name over 128 bytes.
    Malformed,
    /// No answer in time, or DPS had not assigned a hub after the last poll.
    Timeout,
}

/// The return code of CONNACK, MQTT 3.1.1 table 3.1.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnackCode {
    /// 1: the MQTT level is refused.
    ProtocolVersion,
    /// 2: the client id is refused.
    Identifier,
    /// 3: busy or throttled; try later.
    ServerUnavailable,
    /// 4: user name or password malformed.
    BadUserName,
    /// 5: IoT Hub's answer to nearly every refusal: unknown or disabled device, wrong certificate.
    NotAuthorised,
    /// A code that MQTT 3.1.1 does not have.
    Unknown(u8),
}

impl ConnackCode {
    /// From the wire; `None` for 0, accepted.
    pub const fn from_wire(code: u8) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::ProtocolVersion,
            2 => Self::Identifier,
            3 => Self::ServerUnavailable,
            4 => Self::BadUserName,
            5 => Self::NotAuthorised,
            other => Self::Unknown(other),
        })
    }

    /// The number on the wire.
    pub const fn as_wire(self) -> u8 {
        match self {
            Self::ProtocolVersion => 1,
            Self::Identifier => 2,
            Self::ServerUnavailable => 3,
            Self::BadUserName => 4,
            Self::NotAuthorised => 5,
            Self::Unknown(code) => code,
        }
    }

    /// Whether the code refuses the device's identity, so that an early retry is of no use.
    pub const fn is_authorisation(self) -> bool {
        matches!(
            self,
            Self::Identifier | Self::BadUserName | Self::NotAuthorised
        )
    }

    /// What the code means and what to do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "CONNACK 1: MQTT 3.1.1 refused: is this host an IoT Hub?",
            Self::Identifier => "CONNACK 2: client id refused: check the device id",
            Self::ServerUnavailable => "CONNACK 3: hub busy or throttling: it is tried again later",
            Self::BadUserName => "CONNACK 4: user name refused: check host name and device id",
            Self::NotAuthorised => {
                "CONNACK 5: not authorised: is the device registered and enabled, its CN the device id, its CA verified at the hub? It is X.509 only, no SAS keys"
            }
            Self::Unknown(_) => {
                "CONNACK with a code that MQTT 3.1.1 does not have: is this host an IoT Hub?"
            }
        }
    }
}
