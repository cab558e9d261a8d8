//! The older form of `azure_iot_hub.h`, of NCS 1.5 to 1.9: types and functions under C's names, on
//! the same engine. Its header gives the functions their names by `#define`, since the newer form
//! has them too.
#![allow(non_camel_case_types, reason = "C's names")]

use core::{
    cell::{Cell, RefCell},
    ffi::{c_char, c_int},
    mem::MaybeUninit,
    ptr,
};

use critical_section::Mutex;
use heapless::String;
use iothub::{DeviceIdentity, capi_support::c_api};

use crate::{
    buffer::{self, NAME_MAX},
    c_event::{self, CEvent, Kind},
    dps,
    engine::{self, Form},
    errno,
    outgoing::{self, Outgoing},
    types::mqtt_qos,
};

/// What happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum azure_iot_hub_evt_type {
    /// A connection is being opened. No data.
    AZURE_IOT_HUB_EVT_CONNECTING = 1,
    /// The hub accepted the connection. data.persistent_session: it has kept the session.
    AZURE_IOT_HUB_EVT_CONNECTED,
    /// The hub refused the connection. data.err: the return code of CONNACK, 1 to 5. No
    /// AZURE_IOT_HUB_EVT_DISCONNECTED follows.
    AZURE_IOT_HUB_EVT_CONNECTION_FAILED,
    /// Every subscription is granted: messages, twin and methods arrive from now on. No data.
    AZURE_IOT_HUB_EVT_READY,
    /// The connection has ended. data.err: 0 after azure_iot_hub_disconnect(), else a negative
    /// errno.
    AZURE_IOT_HUB_EVT_DISCONNECTED,
    /// A cloud-to-device message: data.msg, topic with its properties, decoded.
    AZURE_IOT_HUB_EVT_DATA_RECEIVED,
    /// The hub has a QoS 1 message. data.message_id: the one given to azure_iot_hub_send().
    AZURE_IOT_HUB_EVT_PUBACK,
    /// The whole twin: data.msg, topic.
    AZURE_IOT_HUB_EVT_TWIN_RECEIVED,
    /// The desired properties have changed: data.msg, topic.
    AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED,
    /// The hub accepted reported properties: data.result, topic.
    AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS,
    /// A twin request failed: data.result with request id and status, also where no answer came
    /// (504).
    AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL,
    /// A connection to the provisioning service is being opened. No data.
    AZURE_IOT_HUB_EVT_DPS_CONNECTING,
    /// The provisioning service is working on it. No data.
    AZURE_IOT_HUB_EVT_DPS_REGISTERING,
    /// The provisioning service has named the hub. No data.
    AZURE_IOT_HUB_EVT_DPS_DONE,
    /// The provisioning service refused, did not answer, or was not reached. No data.
    AZURE_IOT_HUB_EVT_DPS_FAILED,
    /// The service calls a method: data.method, topic. To be answered with
    /// azure_iot_hub_method_respond().
    AZURE_IOT_HUB_EVT_DIRECT_METHOD,
    /// An image is being fetched. No data.
    AZURE_IOT_HUB_EVT_FOTA_START,
    /// The image is in place: a restart, which is the application's, runs it. No data.
    AZURE_IOT_HUB_EVT_FOTA_DONE,
    /// The slot cannot be erased while LTE is active. No data.
    AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING,
    /// The slot is erased. No data.
    AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE,
    /// The update came to nothing; the reported property firmware.reason says why. No data.
    AZURE_IOT_HUB_EVT_FOTA_ERROR,
    /// An accepted QoS 1 message had to be given up, or one from the hub was larger than the
    /// payload buffer (-EMSGSIZE). data.err: a negative errno.
    AZURE_IOT_HUB_EVT_ERROR,
}
use azure_iot_hub_evt_type::*;

/// Where a message belongs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum azure_iot_hub_topic_type {
    /// Received: a cloud-to-device message, and what arrives on no topic of the hub's.
    AZURE_IOT_HUB_TOPIC_DEVICEBOUND,
    /// To send: telemetry.
    AZURE_IOT_HUB_TOPIC_EVENT,
    /// Received: a change of the desired properties.
    AZURE_IOT_HUB_TOPIC_TWIN_DESIRED,
    /// To send: reported properties, a JSON object. Received: the answer to them.
    AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
    /// To send: a request for the twin. Received: the answer to it.
    AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
}
use azure_iot_hub_topic_type::*;

/// A property of a message: UTF-8. Sent percent-encoded; one that is percent-encoded already is
/// left so.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_prop_bag {
    /// The name, terminated by 0; not empty.
    pub key: *mut c_char,
    /// The value, terminated by 0: "" is sent as `key=`, NULL as `key`.
    pub value: *mut c_char,
}

/// Topic and properties.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct azure_iot_hub_topic_data {
    /// What kind of topic.
    pub r#type: MaybeUninit<azure_iot_hub_topic_type>,
    /// Received: the topic as it came; not terminated.
    pub str: *mut c_char,
    /// Its length.
    pub len: usize,
    /// The properties.
    pub prop_bag: *mut azure_iot_hub_prop_bag,
    /// How many.
    pub prop_bag_count: usize,
}

/// A message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct azure_iot_hub_data {
    /// Where it belongs.
    pub topic: azure_iot_hub_topic_data,
    /// The body; not terminated.
    pub ptr: *mut c_char,
    /// Its length.
    pub len: usize,
    /// 0 or 1.
    pub qos: MaybeUninit<mqtt_qos>,
    /// Comes back with AZURE_IOT_HUB_EVT_PUBACK. 0: one is made.
    pub message_id: u16,
    /// Without effect: repetitions are the library's business.
    pub dup_flag: u8,
    /// 1: the hub shows the property mqtt-retain with the message; it stores no message for that.
    pub retain_flag: u8,
}

/// A call of a direct method.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_method {
    /// Its name, terminated by 0.
    pub name: *const c_char,
    /// To be given back with the answer, terminated by 0; copy it to answer later.
    pub rid: *mut c_char,
    /// Its argument; not terminated.
    pub payload: *const c_char,
    /// Its length.
    pub payload_len: usize,
}

/// The answer to a method, or to a twin request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_result {
    /// What it answers, terminated by 0.
    pub rid: *mut c_char,
    /// As of HTTP.
    pub status: u32,
    /// The body; not terminated.
    pub payload: *const c_char,
    /// Its length.
    pub payload_len: usize,
}

/// What belongs to an event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union azure_iot_hub_evt_data {
    /// A message.
    pub msg: azure_iot_hub_data,
    /// A call.
    pub method: azure_iot_hub_method,
    /// An answer.
    pub result: azure_iot_hub_result,
    /// An error: see the type of the event.
    pub err: c_int,
    /// The hub has kept the session.
    pub persistent_session: bool,
    /// Which message.
    pub message_id: u16,
}

/// An event. It and all it leads to end when the handler returns.
#[repr(C)]
pub struct azure_iot_hub_evt {
    /// What happened.
    pub r#type: MaybeUninit<azure_iot_hub_evt_type>,
    /// What belongs to it.
    pub data: azure_iot_hub_evt_data,
    /// The topic of a received message.
    pub topic: azure_iot_hub_topic_data,
}

/// Is called for each event, by one thread at a time.
pub type azure_iot_hub_evt_handler_t = Option<unsafe extern "C" fn(evt: *mut azure_iot_hub_evt)>;

/// As whom to connect. Copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_config {
    /// Without effect: the socket is the library's business.
    pub socket: c_int,
    /// The device; NULL: CONFIG_AZURE_IOT_HUB_DEVICE_ID. Where DPS is asked, the registration id.
    pub device_id: *mut c_char,
    /// The length of device_id.
    pub device_id_len: usize,
}

static HANDLER: Mutex<Cell<azure_iot_hub_evt_handler_t>> = Mutex::new(Cell::new(None));
static DEVICE_ID: Mutex<RefCell<String<NAME_MAX>>> = Mutex::new(RefCell::new(String::new()));

/// Sets device id and handler. To be called before all else; again only while there is no
/// connection.
///
/// Returns 0; -EALREADY between azure_iot_hub_connect() and the end of the connection; -EINVAL for
/// no handler, or a device id that is NULL with a length or not UTF-8; -EMSGSIZE for one of more
/// than 128 bytes.
///
/// # Safety
/// `config` is NULL or valid, and so is its device id, until this returns; the handler may be
/// called until the next call of this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_legacy_init(
    config: *const azure_iot_hub_config,
    event_handler: azure_iot_hub_evt_handler_t,
) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let config = unsafe { config.as_ref() };
    let result = engine::check_init().and_then(|()| {
        if event_handler.is_none() {
            return Err(errno::EINVAL);
        }
        let buf = config.map(|config| buffer::raw(config.device_id, config.device_id_len));
        let device_id = match &buf {
            None => "",
            // SAFETY: as the caller promises.
            Some(buf) => unsafe { buffer::text(buf, NAME_MAX) }?,
        };
        engine::init(Form {
            handler: deliver,
            tells_dps: true,
        })?;
        critical_section::with(|cs| {
            HANDLER.borrow(cs).set(event_handler);
            *DEVICE_ID.borrow_ref_mut(cs) = String::try_from(device_id).unwrap_or_default();
        });
        Ok(())
    });
    errno::returned(result)
}

/// Connects to the hub, by way of DPS where that is configured and has not named the hub yet. The
/// event that says whom is connected to, AZURE_IOT_HUB_EVT_DPS_CONNECTING or _CONNECTING, comes
/// inside this call, on the caller's thread. Returns when the connection to that one is up on the
/// transport level, which takes as long as name resolution, TCP and TLS; called from inside the
/// handler it returns at once, and after 10 s where the handler does not let it begin.
///
/// Returns 0; -ENOENT before azure_iot_hub_init(); -EALREADY when connected; -EINPROGRESS when
/// connecting; -EINVAL for names that are none; -ETIMEDOUT where no answer came; -ECONNREFUSED
/// where TLS refused; -EHOSTUNREACH where the name could not be resolved; -ECANCELED after
/// azure_iot_hub_disconnect() on another thread; else what the socket says. Never positive.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_legacy_connect() -> c_int {
    let device_id = critical_section::with(|cs| DEVICE_ID.borrow_ref(cs).clone());
    let by_dps = c_api::DPS && c_api::has_id_scope() && !dps::has_hub();
    engine::connect(&DeviceIdentity::Device(&device_id), by_dps)
}

/// Ends the connection, or the attempt at one; AZURE_IOT_HUB_EVT_DISCONNECTED follows.
///
/// Returns 0; -ENOTCONN when neither connected nor connecting.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_legacy_disconnect() -> c_int {
    engine::disconnect()
}

/// Hands over telemetry, reported properties or a request for the twin. Everything is copied. Where
/// there is no room it waits for that, but not inside the handler, and no longer than
/// CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC. A QoS 1 message is kept until the hub has it.
///
/// Returns 0; -EINVAL for NULL, NULL with a length, a QoS other than 0 and 1, a property that is
/// empty or not UTF-8, reported properties that are no JSON object (empty ones stand for {});
/// -ENOTCONN when not connected; -ENOMSG for another type of topic; -EMSGSIZE where properties or
/// payload are larger than CONFIG_IOTHUB_MESSAGE_SIZE; -ENOMEM where there was no room in time, or
/// inside the handler.
///
/// # Safety
/// `tx_data` is NULL or valid, and so is all it leads to, until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_legacy_send(tx_data: *const azure_iot_hub_data) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(data) = (unsafe { tx_data.as_ref() }) else {
        return errno::EINVAL;
    };
    if !engine::is_connected() {
        return errno::ENOTCONN;
    }
    // SAFETY: as the caller promises.
    errno::returned(unsafe { send(data) })
}

/// # Safety
/// As [`azure_iot_hub_legacy_send`].
unsafe fn send(data: &azure_iot_hub_data) -> Result<(), c_int> {
    // SAFETY: C initialises its structs.
    let topic = unsafe { buffer::number(&data.topic.r#type) };
    // SAFETY: as the caller promises.
    let payload = unsafe { buffer::of(&buffer::raw(data.ptr, data.len), iothub::MESSAGE_MAX) }?;
    // SAFETY: C initialises its structs.
    let qos = outgoing::qos(unsafe { buffer::number(&data.qos) })?;
    if topic == AZURE_IOT_HUB_TOPIC_EVENT as u32 {
        // SAFETY: as the caller promises.
        let properties = unsafe {
            buffer::bytes(
                data.topic.prop_bag.cast_const(),
                data.topic.prop_bag_count,
                outgoing::PROPERTIES_MAX,
            )
        }?;
        let mut room = [0; outgoing::DECODED];
        let mut message = Outgoing::new(payload, qos, data.message_id, &mut room);
        for property in properties {
            // SAFETY: as the caller promises.
            let key = unsafe { buffer::terminated(property.key, iothub::MESSAGE_MAX) }?;
            // SAFETY: as the caller promises.
            let value = unsafe { buffer::terminated(property.value, iothub::MESSAGE_MAX) }?;
            message.property(key.unwrap_or_default(), value)?;
        }
        if data.retain_flag != 0 {
            message.property(b"mqtt-retain", Some(b"true"))?;
        }
        message.send()
    } else if topic == AZURE_IOT_HUB_TOPIC_TWIN_REPORTED as u32 {
        outgoing::report(payload, "", qos, data.message_id)
    } else if topic == AZURE_IOT_HUB_TOPIC_TWIN_REQUEST as u32 {
        outgoing::request_twin("")
    } else {
        Err(errno::ENOMSG)
    }
}

/// Without effect: what the hub sends is received by itself. Returns 0; -ENOTCONN when not
/// connected.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_legacy_input() -> c_int {
    connected()
}

/// Without effect: the connection is kept alive by itself. Returns 0; -ENOTCONN when not connected.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_legacy_ping() -> c_int {
    connected()
}

fn connected() -> c_int {
    if engine::is_connected() {
        0
    } else {
        errno::ENOTCONN
    }
}

/// Answers a direct method, from inside the handler or later, once, within
/// CONFIG_IOTHUB_METHOD_TIMEOUT_S.
///
/// Returns 0; -EINVAL for NULL, NULL with a length, a status above INT_MAX, a payload that is not
/// JSON; -ENOTCONN when not connected; -EFAULT where no call waits under this request id, or the
/// answer is larger than the buffers; -ENXIO where there was no room in time (as with
/// azure_iot_hub_send()).
///
/// # Safety
/// `result` is NULL or valid, and so is all it leads to, until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_legacy_method_respond(
    result: *mut azure_iot_hub_result,
) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(result) = (unsafe { result.as_ref() }) else {
        return errno::EINVAL;
    };
    if !engine::is_connected() {
        return errno::ENOTCONN;
    }
    // SAFETY: as the caller promises.
    let rid = unsafe { buffer::terminated(result.rid, NAME_MAX) };
    let rid = rid.and_then(|rid| rid.ok_or(errno::EINVAL));
    let payload = buffer::raw(result.payload.cast_mut(), result.payload_len);
    // SAFETY: as the caller promises.
    let payload = unsafe { buffer::of(&payload, iothub::MESSAGE_MAX) };
    outgoing::respond(rid, result.status, payload)
}

/// How long the connection lives without a word, in milliseconds: within that the library sends
/// one. -1 without a keep-alive.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_legacy_keepalive_time_left() -> c_int {
    match c_api::KEEP_ALIVE_S {
        0 => -1,
        seconds => c_int::try_from(seconds.saturating_mul(1000)).unwrap_or(c_int::MAX),
    }
}

/// Forgets the hub and the device id that the provisioning service has assigned: the next connect
/// asks it again.
///
/// Returns 0; -EFAULT where the settings fail.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_legacy_dps_reset() -> c_int {
    dps::azure_iot_hub_dps_reset()
}

/// Hands an event to the application's handler.
fn deliver(event: &CEvent<'_>) {
    let Some(handler) = critical_section::with(|cs| HANDLER.borrow(cs).get()) else {
        return;
    };
    let mut texts = [0; c_event::TEXTS];
    let mut properties = [azure_iot_hub_prop_bag {
        key: ptr::null_mut(),
        value: ptr::null_mut(),
    }; c_api::PROPERTIES];
    // SAFETY: zeroes are valid for every member: pointers, numbers, and enums that are MaybeUninit.
    let mut evt = unsafe { MaybeUninit::<azure_iot_hub_evt>::zeroed().assume_init() };
    if fill(&mut evt, event, &mut texts, &mut properties).is_some() {
        // SAFETY: the event is valid for the call; the handler is what the application has given.
        unsafe { handler(&raw mut evt) }
    }
}

/// The event for it, if there is one.
#[inline(never)]
fn type_of(kind: Kind) -> Option<azure_iot_hub_evt_type> {
    Some(match kind {
        Kind::Connecting => AZURE_IOT_HUB_EVT_CONNECTING,
        Kind::Connected => AZURE_IOT_HUB_EVT_CONNECTED,
        Kind::ConnectionFailed => AZURE_IOT_HUB_EVT_CONNECTION_FAILED,
        Kind::Ready => AZURE_IOT_HUB_EVT_READY,
        Kind::Disconnected => AZURE_IOT_HUB_EVT_DISCONNECTED,
        Kind::Message | Kind::UnknownTopic => AZURE_IOT_HUB_EVT_DATA_RECEIVED,
        Kind::Puback => AZURE_IOT_HUB_EVT_PUBACK,
        Kind::Twin => AZURE_IOT_HUB_EVT_TWIN_RECEIVED,
        Kind::Desired => AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED,
        Kind::ReportAccepted => AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS,
        Kind::TwinFailed => AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL,
        Kind::DpsConnecting => AZURE_IOT_HUB_EVT_DPS_CONNECTING,
        Kind::DpsRegistering => AZURE_IOT_HUB_EVT_DPS_REGISTERING,
        Kind::DpsAssigned => AZURE_IOT_HUB_EVT_DPS_DONE,
        Kind::DpsFailed => AZURE_IOT_HUB_EVT_DPS_FAILED,
        Kind::Method => AZURE_IOT_HUB_EVT_DIRECT_METHOD,
        Kind::FotaStart => AZURE_IOT_HUB_EVT_FOTA_START,
        Kind::FotaDone => AZURE_IOT_HUB_EVT_FOTA_DONE,
        Kind::FotaErasePending => AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING,
        Kind::FotaEraseDone => AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE,
        Kind::FotaError => AZURE_IOT_HUB_EVT_FOTA_ERROR,
        Kind::Error | Kind::TooLarge => AZURE_IOT_HUB_EVT_ERROR,
        Kind::Pingresp => return None,
    })
}

/// The topic of a received message; the first for what has none.
#[inline(never)]
fn topic_of(kind: Kind) -> azure_iot_hub_topic_type {
    match kind {
        Kind::Twin => AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
        Kind::Desired => AZURE_IOT_HUB_TOPIC_TWIN_DESIRED,
        Kind::ReportAccepted | Kind::TwinFailed => AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
        _ => AZURE_IOT_HUB_TOPIC_DEVICEBOUND,
    }
}

/// Sets an event of zeroes; `None`: there is none to be told.
#[inline(never)]
fn fill(
    evt: &mut azure_iot_hub_evt,
    event: &CEvent<'_>,
    texts: &mut [u8],
    properties: &mut [azure_iot_hub_prop_bag],
) -> Option<()> {
    let kind = event.kind;
    let topic = event.message.topic;
    evt.r#type = MaybeUninit::new(type_of(kind)?);
    evt.topic.r#type = MaybeUninit::new(topic_of(kind));
    if !topic.is_empty() {
        evt.topic.str = buffer::view(topic).ptr;
        evt.topic.len = topic.len();
    }
    let payload = buffer::view(event.message.payload);
    match kind {
        Kind::Connected => evt.data.persistent_session = event.number != 0,
        Kind::ConnectionFailed | Kind::Disconnected | Kind::Error => {
            evt.data.err = event.number;
        }
        Kind::TooLarge => evt.data.err = errno::EMSGSIZE,
        Kind::Puback => evt.data.message_id = event.number as u16,
        Kind::Message | Kind::UnknownTopic | Kind::Twin | Kind::Desired => {
            evt.topic.prop_bag = properties.as_mut_ptr();
            evt.topic.prop_bag_count =
                c_event::decode(event.name, texts, properties, |key, value| {
                    azure_iot_hub_prop_bag {
                        key: buffer::view(key).ptr,
                        value: value.map_or(ptr::null_mut(), |value| buffer::view(value).ptr),
                    }
                });
            evt.data.msg.topic = evt.topic;
            evt.data.msg.ptr = payload.ptr;
            evt.data.msg.len = payload.size;
        }
        Kind::ReportAccepted | Kind::TwinFailed => {
            let (rid, _) = c_event::terminated(event.request_id, texts)?;
            evt.data.result = azure_iot_hub_result {
                rid: buffer::view(rid).ptr,
                status: event.number as u32,
                payload: payload.ptr,
                payload_len: payload.size,
            };
        }
        Kind::Method => {
            let (name, rest) = c_event::terminated(event.name, texts)?;
            let (rid, _) = c_event::terminated(event.request_id, rest)?;
            evt.data.method = azure_iot_hub_method {
                name: buffer::view(name).ptr,
                rid: buffer::view(rid).ptr,
                payload: payload.ptr,
                payload_len: payload.size,
            };
        }
        _ => {}
    }
    Some(())
}
