//! Errors as negative errnos: the platform's numbers, which differ between Linux and Zephyr.

use core::ffi::c_int;

use iothub::{Capacity, ConfigError, Disconnect, Error, InvalidRequest, StartError};

const fn negative(errno: u32) -> c_int {
    -(errno as c_int)
}

pub(crate) const EACCES: c_int = negative(ncs_sys::EACCES);
pub(crate) const EALREADY: c_int = negative(ncs_sys::EALREADY);
pub(crate) const ECANCELED: c_int = negative(ncs_sys::ECANCELED);
pub(crate) const ECONNREFUSED: c_int = negative(ncs_sys::ECONNREFUSED);
pub(crate) const ECONNRESET: c_int = negative(ncs_sys::ECONNRESET);
pub(crate) const EFAULT: c_int = negative(ncs_sys::EFAULT);
pub(crate) const EHOSTUNREACH: c_int = negative(ncs_sys::EHOSTUNREACH);
pub(crate) const EINPROGRESS: c_int = negative(ncs_sys::EINPROGRESS);
pub(crate) const EINVAL: c_int = negative(ncs_sys::EINVAL);
pub(crate) const EIO: c_int = negative(ncs_sys::EIO);
pub(crate) const EMSGSIZE: c_int = negative(ncs_sys::EMSGSIZE);
pub(crate) const ENETDOWN: c_int = negative(ncs_sys::ENETDOWN);
pub(crate) const ENOENT: c_int = negative(ncs_sys::ENOENT);
pub(crate) const ENOMEM: c_int = negative(ncs_sys::ENOMEM);
pub(crate) const ENOMSG: c_int = negative(ncs_sys::ENOMSG);
pub(crate) const ENOTCONN: c_int = negative(ncs_sys::ENOTCONN);
pub(crate) const ENXIO: c_int = negative(ncs_sys::ENXIO);
pub(crate) const ETIMEDOUT: c_int = negative(ncs_sys::ETIMEDOUT);

/// What a function of C's returns.
pub(crate) fn returned(result: Result<(), c_int>) -> c_int {
    result.map_or_else(|errno| errno, |()| 0)
}

/// What a request was refused with.
pub(crate) fn of(error: Error) -> c_int {
    match error {
        Error::NotReady | Error::Disconnected => ENOTCONN,
        Error::InvalidRequest(reason) => match reason {
            InvalidRequest::AlreadyStarted => EINPROGRESS,
            InvalidRequest::MessageSize => EMSGSIZE,
            InvalidRequest::UnknownMethod => EFAULT,
            _ => EINVAL,
        },
        Error::Capacity(Capacity::Outbox) => ENOMEM,
        Error::Capacity(_) => EMSGSIZE,
        _ => EFAULT,
    }
}

/// What `azure_iot_hub_method_respond` returns for it, whose header names these only.
pub(crate) fn of_response(errno: c_int) -> c_int {
    match errno {
        ENOMEM => ENXIO,
        EMSGSIZE => EFAULT,
        other => other,
    }
}

/// What an identity was refused with.
pub(crate) fn of_config(error: ConfigError) -> c_int {
    match error {
        ConfigError::Started => EINPROGRESS,
        ConfigError::PacketBuffer | ConfigError::TransmitBuffer => EMSGSIZE,
        _ => EINVAL,
    }
}

/// What the start was refused with.
pub(crate) fn of_start(error: StartError) -> c_int {
    match error {
        StartError::Config(error) => of_config(error),
        _ => EALREADY,
    }
}

/// Why a connection ended: 0 for as requested, never positive.
pub(crate) fn of_disconnect(cause: Disconnect) -> c_int {
    match cause {
        Disconnect::Requested | Disconnect::Provisioned => 0,
        // mqtt_helper turns a resolver's error into a positive number.
        Disconnect::ConnectFailed(errno) if errno.0 > 0 => EHOSTUNREACH,
        Disconnect::ConnectFailed(errno) | Disconnect::WriteFailed(errno) => errno.0.min(-1),
        Disconnect::Closed(errno) if errno.0 < 0 => errno.0,
        Disconnect::Closed(_) => ECONNRESET,
        Disconnect::Connack(_) | Disconnect::ProvisioningFailed(_) => ECONNREFUSED,
        Disconnect::SubscribeRefused => EACCES,
        Disconnect::NetworkLost => ENETDOWN,
        Disconnect::Oversize => EMSGSIZE,
        _ => ETIMEDOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every error that can reach C, against the `@retval` lines of the headers.
    #[test]
    fn each_error_has_its_errno() {
        let send = [
            (Error::NotReady, ENOTCONN),
            (Error::Disconnected, ENOTCONN),
            (Error::InvalidRequest(InvalidRequest::MessageSize), EMSGSIZE),
            (Error::InvalidRequest(InvalidRequest::PropertyName), EINVAL),
            (Error::InvalidRequest(InvalidRequest::Patch), EINVAL),
            (Error::Capacity(Capacity::Topic), EMSGSIZE),
            (Error::Capacity(Capacity::Message), EMSGSIZE),
            (Error::Capacity(Capacity::Outbox), ENOMEM),
        ];
        for (error, errno) in send {
            assert_eq!(of(error), errno, "{error:?}");
        }
        let respond = [
            (Error::InvalidRequest(InvalidRequest::UnknownMethod), EFAULT),
            (Error::InvalidRequest(InvalidRequest::MethodAnswer), EINVAL),
            (Error::Capacity(Capacity::Topic), EFAULT),
            (Error::Capacity(Capacity::Message), EFAULT),
            (Error::Capacity(Capacity::Outbox), ENXIO),
        ];
        for (error, errno) in respond {
            assert_eq!(of_response(of(error)), errno, "{error:?}");
        }
    }

    #[test]
    fn a_disconnect_is_never_positive() {
        for errno in [-111, -1, 0, 2, 101] {
            let errno = iothub::Errno(errno);
            for cause in [
                Disconnect::ConnectFailed(errno),
                Disconnect::WriteFailed(errno),
                Disconnect::Closed(errno),
            ] {
                assert!(of_disconnect(cause) < 0, "{cause:?} {errno:?}");
            }
        }
        assert_eq!(of_disconnect(Disconnect::Requested), 0);
    }
}
