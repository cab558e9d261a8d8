//! The MQTT connection: `net/mqtt_helper.h`, and what `iothub_platform.h` adds to it.
//!
//! There is one connection. Its credentials are those of the security tags that the SDK's
//! `CONFIG_MQTT_HELPER_SEC_TAG` and `_SECONDARY_SEC_TAG` name.

use core::{
    ffi::{CStr, c_char, c_int},
    slice,
};

use crate::{
    Errno,
    errno::{check, length},
    platform::Slot,
};

/// What to call when. See the table in the [crate docs](crate) for threads and lifetimes.
#[derive(Debug)]
pub struct Callbacks {
    /// The hub's answer to CONNECT: the return code of MQTT 3.1.1 (3.2.2.3), and whether it kept a
    /// session.
    pub on_connack: fn(code: u8, session_present: bool),
    /// The connection is gone: 0 or a negative errno.
    pub on_disconnect: fn(result: i32),
    /// A message; both slices are gone when it returns. `None`: the payload was larger than
    /// `CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN`, so it was read away and acknowledged, and is lost.
    pub on_publish: fn(topic: &[u8], payload: Option<&[u8]>),
    /// The hub has a QoS 1 message.
    pub on_puback: fn(message_id: u16),
    /// The answer to SUBSCRIBE: whether every filter was granted. mqtt_helper before NCS 2.6 does
    /// not show the return codes; there it is always true.
    pub on_suback: fn(message_id: u16, granted: bool),
    /// The answer to a ping.
    pub on_pingresp: fn(),
    /// A message was larger than `CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN`, and could not be read
    /// away (mqtt_helper before NCS 2.6): the stream behind it is not to be trusted, and the hub
    /// will send it again.
    pub on_oversize: fn(),
}

/// A topic filter to subscribe to, and the highest QoS to receive at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// The filter.
    pub topic: &'a str,
    /// 0 or 1.
    pub qos: u8,
}

/// A message to publish.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Packet identifier: not 0, whatever the QoS.
    pub message_id: u16,
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// 0 or 1.
    pub qos: u8,
    /// Sent before, and not acknowledged.
    pub dup: bool,
}

/// Most filters in one [`subscribe`]; IoT Hub allows five subscriptions a device.
pub const FILTERS: usize = 5;

/// Most bytes of all filters of one [`subscribe`], with a byte more for each.
pub const FILTER_BYTES: usize = 384;

/// Hands mqtt_helper our callbacks. Allowed while there is no connection.
///
/// # Errors
/// EOPNOTSUPP while there is one. (NCS, `mqtt_helper_init`.)
pub fn init(callbacks: &'static Callbacks) -> Result<(), Errno> {
    CALLBACKS.set(callbacks);
    let mut config = ncs_sys::mqtt_helper_cfg::default();
    #[cfg(has_on_all_events)]
    {
        config.cb.on_all_events = Some(trampoline::on_all_events);
    }
    config.cb.on_connack = Some(trampoline::on_connack);
    config.cb.on_disconnect = Some(trampoline::on_disconnect);
    config.cb.on_publish = Some(trampoline::on_publish);
    config.cb.on_puback = Some(trampoline::on_puback);
    config.cb.on_suback = Some(trampoline::on_suback);
    config.cb.on_pingresp = Some(trampoline::on_pingresp);
    config.cb.on_error = Some(trampoline::on_error);
    // SAFETY: mqtt_helper copies the configuration; the functions in it live for ever.
    check(unsafe { ncs_sys::mqtt_helper_init(&mut config) })
}

/// Resolves the name, connects TCP and TLS and sends CONNECT. Blocks until that has happened, which
/// takes seconds on LTE-M and tens of seconds on NB-IoT; the answer arrives at
/// [`on_connack`](Callbacks::on_connack).
///
/// # Errors
/// ETIMEDOUT when mqtt_helper is still busy with the connection before; a [resolver's
/// error](Errno::is_resolver); what the socket says. (NCS, `mqtt_helper_connect`.)
pub fn connect(hostname: &CStr, client_id: &str, user_name: &str) -> Result<(), Errno> {
    let mut parameters = ncs_sys::mqtt_helper_conn_params {
        hostname: ncs_sys::mqtt_helper_buf {
            ptr: hostname.as_ptr().cast_mut(),
            size: hostname.count_bytes(),
        },
        device_id: buffer(client_id),
        user_name: buffer(user_name),
        ..Default::default()
    };
    // Its thread ends the connection before with an abort, which would hit this one.
    abort()?;
    // SAFETY: the strings outlive the call, mqtt_helper does not write to them, and the host name
    // ends in a 0 byte.
    check(unsafe { ncs_sys::mqtt_helper_connect(&mut parameters) })
}

/// Sends DISCONNECT and closes.
///
/// # Errors
/// EOPNOTSUPP unless the hub has accepted the connection: see [`abort`]. (NCS,
/// `mqtt_helper_disconnect`.)
pub fn disconnect() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::mqtt_helper_disconnect() })
}

/// Leaves whatever state the connection is in, CONNECTING included, and returns once mqtt_helper
/// accepts a new [`connect`]. Not from a callback.
///
/// # Errors
/// ETIMEDOUT when mqtt_helper's thread did not leave its loop in time.
pub fn abort() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::iothub_platform_mqtt_abort() })
}

/// Subscribes to `filters`, at most [`FILTERS`], in one packet; the answer arrives at
/// [`on_suback`](Callbacks::on_suback).
///
/// # Errors
/// EMSGSIZE for more than [`FILTER_BYTES`]; EINVAL for message id 0; EOPNOTSUPP while not
/// connected; what the socket says. (NCS, `mqtt_helper_subscribe`.)
pub fn subscribe(message_id: u16, filters: &[Filter<'_>]) -> Result<(), Errno> {
    // mqtt_helper logs each filter as a string of C, whatever its size says.
    let mut terminated = heapless::String::<FILTER_BYTES>::new();
    for filter in filters {
        let done = terminated.push_str(filter.topic).is_ok() && terminated.push('\0').is_ok();
        if !done {
            return check(-(ncs_sys::EMSGSIZE as c_int));
        }
    }
    let mut topics = [const { topic("", 0) }; FILTERS];
    let count = filters.len().min(FILTERS);
    let mut rest = terminated.as_str();
    for (slot, filter) in topics.iter_mut().zip(filters) {
        let (text, next) = rest
            .split_at_checked(filter.topic.len())
            .unwrap_or_default();
        *slot = topic(text, filter.qos);
        rest = next.get(1..).unwrap_or_default();
    }
    let mut list = ncs_sys::mqtt_subscription_list {
        list: topics.as_mut_ptr(),
        list_count: u16::try_from(count).unwrap_or(0),
        message_id,
    };
    // SAFETY: the list and the topics live until the call returns; `count` of them are there.
    check(unsafe { ncs_sys::mqtt_helper_subscribe(&mut list) })
}

/// Publishes a message; copied to the socket before it returns.
///
/// # Errors
/// EINVAL for message id 0; EOPNOTSUPP while not connected; ENOMEM when the topic does not fit
/// `CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE`; what the socket says. (NCS, `mqtt_helper_publish`.)
pub fn publish(message: &Publish<'_>) -> Result<(), Errno> {
    let mut parameters = ncs_sys::mqtt_publish_param::default();
    parameters.message.topic = topic(message.topic, message.qos);
    parameters.message.payload.data = message.payload.as_ptr().cast_mut();
    parameters.message.payload.len = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
    parameters.message_id = message.message_id;
    parameters.set_dup_flag(u8::from(message.dup));
    // SAFETY: topic and payload live until the call returns, and are only read.
    check(unsafe { ncs_sys::mqtt_helper_publish(&parameters) })
}

/// Asks the stack not to hold back small writes.
///
/// # Errors
/// ENOTSUP where the stack has no such option, as the nRF91 modem's.
pub fn nodelay() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::iothub_platform_mqtt_nodelay() })
}

/// Tells the modem that nothing is on its way for now, so that it need not keep the radio on
/// (release assistance).
///
/// # Errors
/// ENOTSUP where the SDK has no such option. What the modem says: an older one, or a network,
/// without it.
pub fn release() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::iothub_platform_mqtt_release() })
}

/// Where the last [`connect`] went: 4 or 16 bytes in network order, written to `buffer`.
///
/// # Errors
/// ENOTCONN if there was none.
pub fn peer(buffer: &mut [u8; 16]) -> Result<&[u8], Errno> {
    // SAFETY: the buffer has the 16 bytes that the function may write.
    let result = unsafe { ncs_sys::iothub_platform_mqtt_peer(buffer.as_mut_ptr()) };
    let length = length(result)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

const fn topic(text: &str, qos: u8) -> ncs_sys::mqtt_topic {
    // A topic of 4 GiB does not exist: MQTT's limit is 65,535 bytes.
    let topic = ncs_sys::mqtt_utf8 {
        utf8: text.as_ptr(),
        size: text.len() as u32,
    };
    ncs_sys::mqtt_topic { topic, qos }
}

fn buffer(text: &str) -> ncs_sys::mqtt_helper_buf {
    ncs_sys::mqtt_helper_buf {
        ptr: text.as_ptr().cast::<c_char>().cast_mut(),
        size: text.len(),
    }
}

static CALLBACKS: Slot<&'static Callbacks> = Slot::new();

mod trampoline {
    use super::*;

    fn call(f: impl FnOnce(&Callbacks)) {
        if let Some(callbacks) = CALLBACKS.get() {
            f(callbacks);
        }
    }

    #[cfg(has_session_present)]
    pub(super) unsafe extern "C" fn on_connack(
        code: ncs_sys::mqtt_conn_return_code,
        session_present: bool,
    ) {
        call(|callbacks| (callbacks.on_connack)(return_code(code), session_present));
    }

    #[cfg(not(has_session_present))]
    pub(super) unsafe extern "C" fn on_connack(code: ncs_sys::mqtt_conn_return_code) {
        call(|callbacks| (callbacks.on_connack)(return_code(code), false));
    }

    #[allow(
        clippy::useless_conversion,
        reason = "the integer behind an enum has another size on Arm"
    )]
    fn return_code(code: ncs_sys::mqtt_conn_return_code) -> u8 {
        u8::try_from(code.0).unwrap_or(u8::MAX)
    }

    pub(super) unsafe extern "C" fn on_disconnect(result: c_int) {
        call(|callbacks| (callbacks.on_disconnect)(result));
    }

    pub(super) unsafe extern "C" fn on_publish(
        topic: ncs_sys::mqtt_helper_buf,
        payload: ncs_sys::mqtt_helper_buf,
    ) {
        // SAFETY: mqtt_helper's buffers, valid and unchanged until this returns.
        let topic = unsafe { bytes(topic.ptr.cast(), topic.size) };
        // SAFETY: as above.
        let payload = unsafe { bytes(payload.ptr.cast(), payload.size) };
        call(|callbacks| (callbacks.on_publish)(topic, Some(payload)));
    }

    pub(super) unsafe extern "C" fn on_puback(message_id: u16, _result: c_int) {
        call(|callbacks| (callbacks.on_puback)(message_id));
    }

    /// Reached only where `on_all_events` has not taken the SUBACK.
    pub(super) unsafe extern "C" fn on_suback(message_id: u16, result: c_int) {
        call(|callbacks| (callbacks.on_suback)(message_id, result == 0));
    }

    pub(super) unsafe extern "C" fn on_pingresp() {
        call(|callbacks| (callbacks.on_pingresp)());
    }

    pub(super) unsafe extern "C" fn on_error(error: ncs_sys::mqtt_helper_error) {
        if error == ncs_sys::mqtt_helper_error::MQTT_HELPER_ERROR_MSG_SIZE {
            call(|callbacks| (callbacks.on_oversize)());
        }
    }

    /// Takes the SUBACK, whose return codes `on_suback` does not get, and messages that are too
    /// large; false means that the event has been taken.
    #[cfg(has_on_all_events)]
    pub(super) unsafe extern "C" fn on_all_events(
        client: *mut ncs_sys::mqtt_client,
        event: *const ncs_sys::mqtt_evt,
    ) -> bool {
        // SAFETY: mqtt_helper passes a valid event for the duration of the call.
        let Some(event) = (unsafe { event.as_ref() }) else {
            return true;
        };
        match event.type_ {
            ncs_sys::mqtt_evt_type::MQTT_EVT_SUBACK => {
                on_suback_event(event);
                false
            }
            ncs_sys::mqtt_evt_type::MQTT_EVT_PUBLISH => {
                // SAFETY: mqtt_helper's own client and event, inside its callback.
                let discarded =
                    unsafe { ncs_sys::iothub_platform_mqtt_discard(client, event) } == 1;
                if discarded {
                    on_discarded(event);
                }
                !discarded
            }
            _ => true,
        }
    }

    #[cfg(has_on_all_events)]
    fn on_discarded(event: &ncs_sys::mqtt_evt) {
        // SAFETY: the type of the event says that this member of the union is the valid one.
        let topic = unsafe { event.param.publish.message.topic.topic };
        let length = usize::try_from(topic.size).unwrap_or(0);
        // SAFETY: the topic stands in the receive buffer until this returns; the payload was read
        // elsewhere.
        let topic = unsafe { bytes(topic.utf8, length) };
        call(|callbacks| (callbacks.on_publish)(topic, None));
    }

    #[cfg(has_on_all_events)]
    fn on_suback_event(event: &ncs_sys::mqtt_evt) {
        // SAFETY: the type of the event says that this member of the union is the valid one.
        let suback = unsafe { event.param.suback };
        let length = usize::try_from(suback.return_codes.len).unwrap_or(0);
        // SAFETY: the codes stand in the receive buffer until this returns.
        let codes = unsafe { bytes(suback.return_codes.data, length) };
        let granted =
            event.result == 0 && !codes.is_empty() && codes.iter().all(|code| *code < 0x80);
        call(|callbacks| (callbacks.on_suback)(suback.message_id, granted));
    }

    /// # Safety
    /// `pointer` is null, or `length` bytes can be read there for as long as `'a`.
    unsafe fn bytes<'a>(pointer: *const u8, length: usize) -> &'a [u8] {
        if pointer.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: not null, and the rest is the caller's promise.
        unsafe { slice::from_raw_parts(pointer, length) }
    }
}
