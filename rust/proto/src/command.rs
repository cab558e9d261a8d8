//! Commands for the driver.

use core::ffi::CStr;

/// A topic filter with the quality of service it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The filter; a device id in it is written `+`, so that it is static.
    pub topic: &'static str,
    /// 0 or 1.
    pub qos: u8,
}

/// One call of the platform. Its texts and bytes lie in the buffer given to
/// [`Client::poll_command`](crate::Client::poll_command).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'b> {
    /// Switch the modem on and let it attach, without waiting. The modem's reports arrive as
    /// [`network::Input`](crate::network::Input)s.
    Attach,
    /// Open the connection: resolve, TCP, TLS, write CONNECT. There is no password.
    Connect {
        /// Terminated by a 0 byte, as mqtt_helper needs it.
        hostname: &'b CStr,
        /// `{device}` or `{device}/{module}`; for DPS the registration id.
        client_id: &'b str,
        /// User name with API version, client type and model id.
        user_name: &'b str,
    },
    /// All filters in one packet.
    Subscribe {
        /// Never 0.
        message_id: u16,
        /// The filters.
        filters: &'static [Filter],
    },
    /// One message.
    Publish {
        /// Never 0, not even at QoS 0.
        message_id: u16,
        /// The topic.
        topic: &'b str,
        /// The body; may be empty.
        payload: &'b [u8],
        /// 0 or 1.
        qos: u8,
        /// The message was sent on an earlier connection and not acknowledged.
        dup: bool,
    },
    /// Write DISCONNECT and close.
    Disconnect,
    /// Close the socket, whatever its state, and return once mqtt_helper's thread has left its
    /// loop.
    Abort,
    /// Store DPS's assignment for the next boot.
    StoreAssignment {
        /// The hub's host name.
        hostname: &'b str,
        /// The device id at that hub.
        device_id: &'b str,
    },
    /// Erase the stored assignment.
    EraseAssignment,
}
