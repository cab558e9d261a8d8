//! Azure IoT Hub's error codes, and [`Refusal`]: a code together with a sentence that says why.
//!
//! Numbers and names are those of Microsoft's page "Common REST API error codes" and of the
//! service SDKs' `ErrorCode`.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $status:literal;)*) => {
        /// One of Azure's error codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// The six-digit number, for example 401003.
            pub(crate) fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }

            /// Azure's name, for example `IotHubUnauthorized`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The HTTP status that goes with it.
            pub(crate) fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The protocol level is not the one that the service speaks.
    InvalidProtocolVersion = 400001, 400;
    /// The operation makes no sense here.
    InvalidOperation = 400003, 400;
    /// A body or an argument cannot be parsed or is out of bounds.
    ArgumentInvalid = 400004, 400;
    /// Something is not in the form that the service defines.
    IotHubFormatError = 400006, 400;
    /// Another connection with the same device id took over.
    ConnectionForcefullyClosedOnNewConnection = 400027, 400;
    /// The gateway closed the connection; reconnect.
    GatewayFailureCoreReceive = 400029, 400;
    /// The webhook of an enrollment did not say where a device goes.
    CustomAllocationFailed = 400207, 400;
    /// A provisioning request without a hub to give.
    NoHubAvailable = 400208, 400;
    /// No valid identity at all.
    Unauthorized = 401002, 401;
    /// The identity is known, and is not allowed in.
    IotHubUnauthorized = 401003, 401;
    /// Fifty cloud-to-device messages are waiting already.
    DeviceMaximumQueueDepthExceeded = 403004, 403;
    /// Ten uploads of files of the device are going on already.
    DeviceMaximumActiveFileUploadLimitExceeded = 403006, 403;
    /// The device is disabled in the registry.
    DeviceDisabled = 403012, 403;
    /// There is no such device.
    DeviceNotFound = 404001, 404;
    /// There is no such job.
    JobNotFound = 404002, 404;
    /// There is no such configuration. The name is Microsoft's; the number is on none of their
    /// pages.
    ConfigurationNotFound = 404011, 404;
    /// There is no such module.
    ModuleNotFound = 404010, 404;
    /// The device is not connected, or has not subscribed to methods.
    DeviceNotOnline = 404103, 404;
    /// The device closed the connection while it was answering.
    DeviceConnectionClosedRemotely = 404104, 404;
    /// There is no such enrollment.
    EnrollmentNotFound = 404201, 404;
    /// There is no such thing of another kind.
    NotFound = 404003, 404;
    /// The path is there, and the method is none that it has.
    MethodNotAllowed = 405001, 405;
    /// What is asked for is at odds with what is there.
    Conflict = 409002, 409;
    /// There is a device of that id, and the request does not say that it may be changed.
    DeviceAlreadyExists = 409001, 409;
    /// There is an enrollment of that id. The name is Microsoft's; the number is on none of their
    /// pages.
    EnrollmentConflict = 409204, 409;
    /// There is a configuration of that id, and the request does not say that it may be changed.
    ConfigurationAlreadyExists = 409401, 409;
    /// There is a job of that id.
    JobAlreadyExists = 409104, 409;
    /// There is a module of that id, and the request does not say that it may be changed.
    ModuleAlreadyExistsOnDevice = 409301, 409;
    /// The entity tag is not the current one.
    PreconditionFailed = 412001, 412;
    /// The lock of a cloud-to-device message ran out or belongs to another.
    DeviceMessageLockLost = 412002, 412;
    /// The message is larger than 256 KiB, or a request larger than its limit.
    MessageTooLarge = 413001, 413;
    /// Too many requests.
    ThrottlingException = 429001, 429;
    /// The service failed.
    ServerError = 500001, 500;
    /// An operation of Azure's that is not emulated.
    NotImplemented = 501001, 501;
    /// The answer of a device to a method is not JSON. The name is Microsoft's; the number is on
    /// none of their pages.
    InvalidResponseWhileProxying = 502001, 502;
    /// The service is not available at the moment.
    ServiceUnavailable = 503001, 503;
    /// The device did not answer a method in time.
    GatewayTimeout = 504101, 504;
}

/// Why something was turned down or closed: Azure's code and a sentence that names the thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Azure's code.
    pub code: ErrorCode,
    /// Lower-case prose without a full stop.
    pub reason: String,
}

impl Refusal {
    /// A refusal with its reason.
    pub(crate) fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.code.number(),
            self.code.name(),
            self.reason
        )
    }
}

impl std::error::Error for Refusal {}
