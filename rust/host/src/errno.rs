//! Error numbers, as C returns them.

use std::{fmt, io};

/// A positive error number of Linux; [`Errno::code`] is what a C function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident = $value:ident),* $(,)?) => {
        impl Errno {
            $(pub(crate) const $name: Self = Self(ncs_sys::$value as i32);)*
        }
    };
}

errnos! {
    ACCES = EACCES,
    AGAIN = EAGAIN,
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
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl From<&io::Error> for Errno {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::AGAIN,
            io::ErrorKind::TimedOut => Self::TIMEDOUT,
            _ => error.raw_os_error().map_or(Self::IO, Self),
        }
    }
}

/// `Ok` as 0, an error as its negative number.
pub(crate) fn code(result: Result<(), Errno>) -> i32 {
    result.err().map_or(0, Errno::code)
}
