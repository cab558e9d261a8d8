//! What the platform says when it refuses.

use core::{ffi::c_int, fmt, num::NonZeroI32};

use crate::{Decimal, Plain};

/// The result of a C function that failed: a negative errno of the platform, or, from
/// [`mqtt::connect`](crate::mqtt::connect) alone, the positive number into which mqtt_helper turns
/// an error of the name resolver.
///
/// The numbers are the platform's own: ETIMEDOUT is 110 on Linux and 116 on Zephyr.
/// [`Errno::explain`] gives the symbol.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(NonZeroI32);

impl Errno {
    /// The number as the C function returned it.
    pub const fn get(self) -> i32 {
        self.0.get()
    }

    /// The name could not be resolved.
    pub const fn is_resolver(self) -> bool {
        self.0.get() > 0
    }

    /// Whether this is the errno with the given positive number, such as `ncs_sys::ENOENT`.
    pub const fn is(self, errno: u32) -> bool {
        self.0.get() < 0 && self.0.get().unsigned_abs() == errno
    }

    /// The symbol, as in "ETIMEDOUT", and in a few words what it means here. For a log line.
    pub fn explain(self) -> (&'static str, &'static str) {
        if self.is_resolver() {
            return (
                "EAI",
                "the host name could not be resolved: check it, and that the network has DNS",
            );
        }
        EXPLAINED
            .iter()
            .find(|(errno, ..)| self.is(*errno))
            .map_or(("errno", "no further explanation"), |(_, name, text)| {
                (name, text)
            })
    }
}

/// 0 and positive results of functions that return a length are for the caller to look at first.
pub(crate) fn check(result: c_int) -> Result<(), Errno> {
    match NonZeroI32::new(result) {
        None => Ok(()),
        Some(code) => Err(Errno(code)),
    }
}

/// For a function that returns a length or a negative errno.
pub(crate) fn length(result: c_int) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno(NonZeroI32::new(result).unwrap_or(NonZeroI32::MIN)))
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.get(), self.explain().0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, text) = self.explain();
        let number = Decimal::from(self.get());
        write!(f, "{} ({number}): {}", Plain(name), Plain(text))
    }
}

/// The causes are those that the nRF91 modem's socket documentation and its users report for TLS.
const EXPLAINED: &[(u32, &str, &str)] = &[
    (ncs_sys::ENOENT, "ENOENT", "there is none"),
    (
        ncs_sys::EPERM,
        "EPERM",
        "not allowed while the modem is on, or before it is initialised",
    ),
    (ncs_sys::ENOEXEC, "ENOEXEC", "the modem refused the command"),
    (
        ncs_sys::E2BIG,
        "E2BIG",
        "too large for the buffer, or for the modem",
    ),
    (ncs_sys::EBADMSG, "EBADMSG", "the answer is not understood"),
    (ncs_sys::EIO, "EIO", "input or output failed"),
    (ncs_sys::ENOMEM, "ENOMEM", "out of memory"),
    (
        ncs_sys::ENOSPC,
        "ENOSPC",
        "there is no room left: the settings are full",
    ),
    (
        ncs_sys::EBUSY,
        "EBUSY",
        "another TLS handshake is under way",
    ),
    (ncs_sys::EINVAL, "EINVAL", "an argument is not valid"),
    (
        ncs_sys::EPIPE,
        "EPIPE",
        "the connection was closed by the peer",
    ),
    (
        ncs_sys::EMSGSIZE,
        "EMSGSIZE",
        "the message is too large for the buffer",
    ),
    (
        ncs_sys::EOPNOTSUPP,
        "EOPNOTSUPP",
        "not possible in this state; from a TLS connect also: the credentials under the security tag are missing or \
         unusable",
    ),
    (
        ncs_sys::ENOTSUP,
        "ENOTSUP",
        "this platform does not have it",
    ),
    (
        ncs_sys::ENETDOWN,
        "ENETDOWN",
        "the packet data network went down",
    ),
    (
        ncs_sys::ENETUNREACH,
        "ENETUNREACH",
        "there is no way to that address from here",
    ),
    (
        ncs_sys::EHOSTUNREACH,
        "EHOSTUNREACH",
        "the host cannot be reached",
    ),
    (
        ncs_sys::ECONNABORTED,
        "ECONNABORTED",
        "the connection was aborted; from a TLS connect by mbedTLS: nobody listens there, or the handshake failed (a \
         missing or wrong certificate or key)",
    ),
    (
        ncs_sys::ECONNRESET,
        "ECONNRESET",
        "the peer reset the connection",
    ),
    (ncs_sys::ENOTCONN, "ENOTCONN", "not connected"),
    (ncs_sys::ETIMEDOUT, "ETIMEDOUT", "no answer in time"),
    (
        ncs_sys::ECONNREFUSED,
        "ECONNREFUSED",
        "refused: nobody listens there, or the TLS handshake failed (a missing or wrong certificate or key)",
    ),
    (ncs_sys::EALREADY, "EALREADY", "already done"),
    (ncs_sys::EACCES, "EACCES", "access denied"),
    (
        ncs_sys::EROFS,
        "EROFS",
        "nothing can be written there: it is read-only",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_store_is_explained() {
        let errno = check(-30).unwrap_err();
        let (name, text) = errno.explain();
        assert_eq!(name, "EROFS");
        assert!(text.contains("read-only"), "{text}");
    }
}
