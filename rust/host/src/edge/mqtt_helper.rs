//! `net/mqtt_helper.h`, and the three functions of `iothub_platform.h` that go with it.

use std::{
    ffi::{c_char, c_int},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ncs_sys as sys;

use super::{bytes, text, with_host};
use crate::{
    errno::{Errno, code},
    mqtt_helper::{Callbacks, ConnectParams, Event, Publish},
};

super::defines! {
    mqtt_helper_init,
    mqtt_helper_deinit,
    mqtt_helper_connect,
    mqtt_helper_disconnect,
    mqtt_helper_subscribe,
    mqtt_helper_publish,
    iothub_platform_mqtt_abort,
    iothub_platform_mqtt_discard,
    iothub_platform_mqtt_nodelay,
    iothub_platform_mqtt_release,
    iothub_platform_mqtt_peer,
}

/// The functions of a `struct mqtt_helper_cfg`.
struct Table(sys::mqtt_helper_cfg__bindgen_ty_1);

/// What on_all_events is given as the client, which is opaque: whether the message is to be
/// discarded.
struct Client(AtomicBool);

impl Callbacks for Table {
    fn all_events(&self, event: &mut Event<'_>) -> bool {
        let Some(function) = self.0.on_all_events else {
            return true;
        };
        let none = sys::mqtt_binstr {
            data: std::ptr::null_mut(),
            len: 0,
        };
        let client = Client(AtomicBool::new(false));
        let mut param = sys::mqtt_evt_param {
            suback: sys::mqtt_suback_param {
                message_id: 0,
                return_codes: none,
            },
        };
        let mut result = 0;
        let type_ = match event {
            Event::Connack { code } => {
                result = c_int::from(*code);
                sys::mqtt_evt_type::MQTT_EVT_CONNACK
            }
            Event::Disconnect { result: why } => {
                result = *why;
                sys::mqtt_evt_type::MQTT_EVT_DISCONNECT
            }
            Event::Publish {
                topic,
                length,
                message_id,
                ..
            } => {
                let mut publish = sys::mqtt_publish_param {
                    message_id: message_id.unwrap_or_default(),
                    ..Default::default()
                };
                publish.message.topic.topic = sys::mqtt_utf8 {
                    utf8: topic.as_ptr(),
                    size: u32::try_from(topic.len()).unwrap_or(u32::MAX),
                };
                publish.message.topic.qos = u8::from(message_id.is_some());
                publish.message.payload.len = u32::try_from(*length).unwrap_or(u32::MAX);
                param.publish = publish;
                sys::mqtt_evt_type::MQTT_EVT_PUBLISH
            }
            Event::Puback => sys::mqtt_evt_type::MQTT_EVT_PUBACK,
            Event::Suback { message_id, codes } => {
                let len = u32::try_from(codes.len()).unwrap_or(u32::MAX);
                param.suback = sys::mqtt_suback_param {
                    message_id: *message_id,
                    return_codes: sys::mqtt_binstr {
                        data: codes.as_mut_ptr(),
                        len,
                    },
                };
                sys::mqtt_evt_type::MQTT_EVT_SUBACK
            }
            Event::Pingresp => sys::mqtt_evt_type::MQTT_EVT_PINGRESP,
        };
        let of_c = sys::mqtt_evt {
            type_,
            param,
            result,
        };
        let pointer = std::ptr::from_ref(&client).cast_mut().cast();
        // SAFETY: the application's function, as its type says; client and event live for the call,
        // and only iothub_platform_mqtt_discard looks behind the client.
        let goes_further = unsafe { function(pointer, &raw const of_c) };
        if let Event::Publish { discarded, .. } = event {
            *discarded = client.0.into_inner();
        }
        goes_further
    }

    fn connack(&self, code: u8, session_present: bool) {
        if let Some(function) = self.0.on_connack {
            // SAFETY: the application's function, as its type says.
            unsafe { function(sys::mqtt_conn_return_code(code.into()), session_present) }
        }
    }

    fn disconnect(&self, result: i32) {
        if let Some(function) = self.0.on_disconnect {
            // SAFETY: the application's function, as its type says.
            unsafe { function(result) }
        }
    }

    fn publish(&self, topic: &mut [u8], payload: &mut [u8]) {
        if let Some(function) = self.0.on_publish {
            // SAFETY: the application's function, as its type says; the bytes live for the call.
            unsafe { function(buffer(topic), buffer(payload)) }
        }
    }

    fn puback(&self, message_id: u16, result: i32) {
        if let Some(function) = self.0.on_puback {
            // SAFETY: the application's function, as its type says.
            unsafe { function(message_id, result) }
        }
    }

    fn suback(&self, message_id: u16, result: i32) {
        if let Some(function) = self.0.on_suback {
            // SAFETY: the application's function, as its type says.
            unsafe { function(message_id, result) }
        }
    }

    fn pingresp(&self) {
        if let Some(function) = self.0.on_pingresp {
            // SAFETY: the application's function, as its type says.
            unsafe { function() }
        }
    }

    fn message_too_large(&self) {
        if let Some(function) = self.0.on_error {
            // SAFETY: the application's function, as its type says.
            unsafe { function(sys::mqtt_helper_error::MQTT_HELPER_ERROR_MSG_SIZE) }
        }
    }
}

fn buffer(bytes: &mut [u8]) -> sys::mqtt_helper_buf {
    sys::mqtt_helper_buf {
        ptr: bytes.as_mut_ptr().cast::<c_char>(),
        size: bytes.len(),
    }
}

/// The bytes of a `struct mqtt_helper_buf`.
///
/// # Safety
/// As for [`bytes`].
unsafe fn of_buffer<'a>(buffer: &sys::mqtt_helper_buf) -> &'a [u8] {
    // SAFETY: the caller answers for it.
    unsafe { bytes(buffer.ptr.cast_const().cast(), buffer.size) }
}

/// The bytes of a `struct mqtt_utf8`.
///
/// # Safety
/// As for [`bytes`].
unsafe fn of_utf8<'a>(text: &sys::mqtt_utf8) -> &'a [u8] {
    // SAFETY: the caller answers for it.
    unsafe { bytes(text.utf8, text.size as usize) }
}

/// Sets the callbacks: -EOPNOTSUPP while there is a connection.
///
/// # Safety
/// `cfg` is NULL or leads to a `struct mqtt_helper_cfg`, whose functions can be called from any
/// thread until the next call of this one.
#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_init(cfg: *mut sys::mqtt_helper_cfg) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(cfg) = (unsafe { cfg.as_ref() }) else {
        return Errno::INVAL.code();
    };
    let table = Arc::new(Table(cfg.cb));
    code(with_host(|host| host.helper.init(table)))
}

/// Forgets the callbacks: -EOPNOTSUPP unless disconnected.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_deinit() -> c_int {
    code(with_host(|host| host.helper.deinit()))
}

/// DNS, TCP, TLS and the CONNECT packet, on this thread.
///
/// # Safety
/// `params` is NULL or leads to a `struct mqtt_helper_conn_params` whose buffers live for the call;
/// `hostname.ptr` ends in a 0 byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_connect(params: *mut sys::mqtt_helper_conn_params) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(params) = (unsafe { params.as_ref() }) else {
        return Errno::INVAL.code();
    };
    // SAFETY: as the caller promises; the real one does not look at its size either.
    let hostname = match unsafe { text(params.hostname.ptr) } {
        Ok(hostname) => hostname,
        Err(errno) => return errno.code(),
    };
    let params = ConnectParams {
        hostname,
        // SAFETY: as the caller promises.
        device_id: unsafe { of_buffer(&params.device_id) },
        // SAFETY: as the caller promises.
        user_name: unsafe { of_buffer(&params.user_name) },
        // SAFETY: as the caller promises.
        password: unsafe { of_buffer(&params.password) },
    };
    with_host(|host| Ok(host.helper.connect(&params))).unwrap_or_else(Errno::code)
}

/// DISCONNECT, and the end of the connection: -EOPNOTSUPP unless connected.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_disconnect() -> c_int {
    code(with_host(|host| host.helper.disconnect()))
}

/// One SUBSCRIBE packet: -EINVAL for message id 0, -EOPNOTSUPP unless connected.
///
/// # Safety
/// `list` is NULL or leads to a `struct mqtt_subscription_list` with `list_count` topics; all live
/// for the call.
#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_subscribe(list: *mut sys::mqtt_subscription_list) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(list) = (unsafe { list.as_ref() }) else {
        return Errno::INVAL.code();
    };
    let topics = if list.list.is_null() {
        &[]
    } else {
        // SAFETY: it is not NULL, and the rest is as the caller promises.
        unsafe { std::slice::from_raw_parts(list.list, list.list_count.into()) }
    };
    let filters = topics.iter().map(|topic| {
        // SAFETY: as the caller promises.
        let filter = unsafe { of_utf8(&topic.topic) };
        (filter, topic.qos)
    });
    let filters: Vec<_> = filters.collect();
    code(with_host(|host| {
        host.helper.subscribe(list.message_id, &filters)
    }))
}

/// One PUBLISH packet: -EINVAL for message id 0, at QoS 0 too; -EOPNOTSUPP unless connected.
///
/// # Safety
/// `param` is NULL or leads to a `struct mqtt_publish_param` whose topic and payload live for the
/// call.
#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_publish(param: *const sys::mqtt_publish_param) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(param) = (unsafe { param.as_ref() }) else {
        return Errno::INVAL.code();
    };
    let payload = &param.message.payload;
    let message = Publish {
        // SAFETY: as the caller promises.
        topic: unsafe { of_utf8(&param.message.topic.topic) },
        // SAFETY: as the caller promises.
        payload: unsafe { bytes(payload.data, payload.len as usize) },
        message_id: param.message_id,
        qos: param.message.topic.qos,
        dup: param.dup_flag() != 0,
        retain: param.retain_flag() != 0,
    };
    code(with_host(|host| host.helper.publish(&message)))
}

/// Out of any state; see `iothub_platform.h`.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_mqtt_abort() -> c_int {
    code(with_host(|host| host.helper.abort()))
}

/// Marks a message that has no room to be read away; see `iothub_platform.h`.
///
/// # Safety
/// From on_all_events, with its own arguments and a PUBLISH event.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_mqtt_discard(
    client: *mut sys::mqtt_client,
    event: *const sys::mqtt_evt,
) -> c_int {
    // SAFETY: NULL, or a client that `all_events` has made, as the caller promises.
    let client = unsafe { client.cast::<Client>().as_ref() };
    // SAFETY: NULL, or the event of the call, as the caller promises.
    let event = unsafe { event.as_ref() };
    let (Some(client), Some(event)) = (client, event) else {
        return Errno::INVAL.code();
    };
    // SAFETY: the caller says that it is a PUBLISH event, of which this is the member.
    let length = unsafe { event.param.publish.message.payload.len };
    let fits = with_host(|host| Ok(host.helper.has_room_for(length as usize))).unwrap_or(true);
    if !fits {
        client.0.store(true, Ordering::Relaxed);
    }
    c_int::from(!fits)
}

/// TCP_NODELAY; see `iothub_platform.h`.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_mqtt_nodelay() -> c_int {
    code(with_host(|host| host.helper.nodelay()))
}

/// There is no radio; see `iothub_platform.h`.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_mqtt_release() -> c_int {
    code(Err(Errno::OPNOTSUPP))
}

/// The address that the device sees; see `iothub_platform.h`.
///
/// # Safety
/// `addr` is NULL or leads to 16 bytes that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_mqtt_peer(addr: *mut u8) -> c_int {
    // SAFETY: as the caller promises.
    let room = unsafe { super::bytes_mut(addr, 16) };
    let mut put = |octets: &[u8], length| {
        room.get_mut(..octets.len())
            .ok_or(Errno::INVAL)?
            .copy_from_slice(octets);
        Ok(length)
    };
    let length = with_host(|host| match host.helper.peer() {
        None => Err(Errno::NOTCONN),
        Some(IpAddr::V4(address)) => put(&address.octets(), 4),
        Some(IpAddr::V6(address)) => put(&address.octets(), 16),
    });
    length.unwrap_or_else(Errno::code)
}
