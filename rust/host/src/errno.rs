//! Error numbers, as C returns them.

use std::{fmt, io};

/// A positive error number of Linux; [`Errno::code`] is what a C function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident = $value:ident),* $(,)?) => {
        impl Errno {
            $(#[allow(dead_code)]
            pub(crate) const $name: Self = Self(ncs_sys::$value as i32);)*

            /// As C names it.
            #[cfg(not(target_os = "linux"))]
            fn name(self) -> Option<&'static str> {
                [$((Self::$name, stringify!($value))),*].iter().find(|(it, _)| *it == self).map(|(_, name)| *name)
            }
        }
    };
}

errnos! {
    ACCES = EACCES,
    AGAIN = EAGAIN,
    ALREADY = EALREADY,
    BUSY = EBUSY,
    BADF = EBADF,
    CONNABORTED = ECONNABORTED,
    CONNREFUSED = ECONNREFUSED,
    CONNRESET = ECONNRESET,
    DEADLK = EDEADLK,
    FAULT = EFAULT,
    INPROGRESS = EINPROGRESS,
    INVAL = EINVAL,
    IO = EIO,
    MSGSIZE = EMSGSIZE,
    NETDOWN = ENETDOWN,
    NETUNREACH = ENETUNREACH,
    NODATA = ENODATA,
    NOENT = ENOENT,
    NOEXEC = ENOEXEC,
    NOMEM = ENOMEM,
    NOSPC = ENOSPC,
    NOTCONN = ENOTCONN,
    NOTSUP = ENOTSUP,
    OPNOTSUPP = EOPNOTSUPP,
    PERM = EPERM,
    RANGE = ERANGE,
    TIMEDOUT = ETIMEDOUT,
    TOO_BIG = E2BIG,
}

impl Errno {
    /// The number as a C function returns it: negative.
    pub const fn code(self) -> i32 {
        -self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(target_os = "linux")]
        return io::Error::from_raw_os_error(self.0).fmt(f);
        #[cfg(not(target_os = "linux"))]
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl From<&io::Error> for Errno {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::AGAIN,
            io::ErrorKind::TimedOut => Self::TIMEDOUT,
            #[cfg(target_os = "linux")]
            _ => error.raw_os_error().map_or(Self::IO, Self),
            #[cfg(not(target_os = "linux"))]
            kind => Self::of(kind),
        }
    }
}

#[cfg(any(not(target_os = "linux"), test))]
impl Errno {
    /// The number of Linux for what another system names by numbers of its own.
    fn of(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::NOENT,
            io::ErrorKind::PermissionDenied => Self::ACCES,
            io::ErrorKind::ConnectionRefused => Self::CONNREFUSED,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::CONNRESET,
            io::ErrorKind::ConnectionAborted => Self::CONNABORTED,
            io::ErrorKind::NotConnected => Self::NOTCONN,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Self::NETUNREACH,
            io::ErrorKind::NetworkDown => Self::NETDOWN,
            io::ErrorKind::InvalidInput => Self::INVAL,
            io::ErrorKind::StorageFull => Self::NOSPC,
            io::ErrorKind::OutOfMemory => Self::NOMEM,
            _ => Self::IO,
        }
    }
}

/// `Ok` as 0, an error as its negative number.
pub(crate) fn code(result: Result<(), Errno>) -> i32 {
    result.err().map_or(0, Errno::code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kind_means_is_what_linux_says_by_number() {
        for errno in [
            Errno::NOENT,
            Errno::ACCES,
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::CONNABORTED,
            Errno::NOTCONN,
            Errno::NETUNREACH,
            Errno::NETDOWN,
            Errno::INVAL,
            Errno::NOSPC,
            Errno::NOMEM,
        ] {
            let kind = io::Error::from_raw_os_error(errno.0).kind();
            assert_eq!(Errno::of(kind), errno, "{kind:?}");
        }
    }
}
