//! The functions of `azure_iot_hub.h`.

use core::{ffi::c_int, mem::MaybeUninit, ptr};

use critical_section::Mutex;
use iothub::{DeviceIdentity, capi_support::c_api};

use crate::{
    buffer::{self, NAME_MAX},
    c_event::{self, CEvent, Kind},
    dps,
    engine::{self, Form},
    errno,
    outgoing::{self, Outgoing},
    types::{
        azure_iot_hub_config, azure_iot_hub_evt, azure_iot_hub_evt_handler_t,
        azure_iot_hub_evt_type::{self, *},
        azure_iot_hub_method, azure_iot_hub_msg, azure_iot_hub_property, azure_iot_hub_result,
        azure_iot_hub_topic_type,
        azure_iot_hub_topic_type::*,
    },
};

static HANDLER: Mutex<core::cell::Cell<azure_iot_hub_evt_handler_t>> =
    Mutex::new(core::cell::Cell::new(None));

/// Sets the handler. To be called before all else; again only while there is no connection.
///
/// Returns 0; -EALREADY between azure_iot_hub_connect() and the end of the connection; else -EINVAL
/// for NULL.
///
/// # Safety
/// The handler may be called until the next call of this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_init(event_handler: azure_iot_hub_evt_handler_t) -> c_int {
    let form = Form {
        handler: deliver,
        tells_dps: false,
    };
    let result = engine::check_init().and_then(|()| {
        if event_handler.is_none() {
            return Err(errno::EINVAL);
        }
        engine::init(form)?;
        critical_section::with(|cs| HANDLER.borrow(cs).set(event_handler));
        Ok(())
    });
    errno::returned(result)
}

/// Connects. AZURE_IOT_HUB_EVT_CONNECTING comes inside this call, on the caller's thread. Returns
/// when the connection is up on the transport level, which takes as long as name resolution, TCP
/// and TLS (and DPS); called from inside the handler it returns at once, and after 10 s where the
/// handler does not let it begin. NULL: everything as configured.
///
/// use_dps without DPS in the build, or without an ID scope, stands for the last assignment of DPS
/// if there is one, else for the host name.
///
/// Returns 0; -ENOENT before azure_iot_hub_init(); -EALREADY when connected; -EINPROGRESS when
/// connecting; -EINVAL for NULL with a size or texts that are no names; -EMSGSIZE for names of more
/// than 128 bytes; -ETIMEDOUT where no answer came; -ECONNREFUSED where TLS or DPS refused;
/// -EHOSTUNREACH where the name could not be resolved; -ECANCELED after azure_iot_hub_disconnect()
/// on another thread; else what the socket says. Never positive.
///
/// # Safety
/// `config` is NULL or valid, and so are its buffers, until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_connect(config: *const azure_iot_hub_config) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(config) = (unsafe { config.as_ref() }) else {
        return engine::connect(&DeviceIdentity::Configured, false);
    };
    // SAFETY: as the caller promises.
    let device_id = unsafe { buffer::text(&config.device_id, NAME_MAX) };
    // SAFETY: as the caller promises.
    let hostname = unsafe { buffer::text(&config.hostname, NAME_MAX) };
    let (hostname, device_id) = match (hostname, device_id) {
        (Ok(hostname), Ok(device_id)) => (hostname, device_id),
        (Err(errno), _) | (_, Err(errno)) => return errno,
    };
    if config.use_dps && c_api::DPS {
        if c_api::has_id_scope() {
            let who = DeviceIdentity::Provisioned {
                id_scope: "",
                registration_id: device_id,
            };
            return engine::connect(&who, true);
        }
        if dps::is_assigned() {
            return dps::connect_to_assigned();
        }
    }
    let who = DeviceIdentity::Hub {
        hostname,
        device_id,
    };
    engine::connect(&who, false)
}

/// Ends the connection, or the attempt at one; AZURE_IOT_HUB_EVT_DISCONNECTED follows.
///
/// Returns 0; -ENOTCONN when neither connected nor connecting.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_disconnect() -> c_int {
    engine::disconnect()
}

/// Hands over telemetry, reported properties or a request for the twin. Everything is copied. Where
/// there is no room it waits for that, but not inside the handler, and no longer than
/// CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC. A QoS 1 message is kept until the hub has it, over
/// reconnects of this device too.
///
/// Returns 0; -EINVAL for NULL, NULL with a size, a QoS other than 0 and 1, a property that is
/// empty or not UTF-8, reported properties that are no JSON object (empty ones stand for {});
/// -ENOTCONN when not connected; -ENOMSG for another type of topic; -EMSGSIZE where properties or
/// payload are larger than CONFIG_IOTHUB_MESSAGE_SIZE; -ENOMEM where there was no room in time, or
/// inside the handler; -EFAULT for a request id of more than 36 bytes.
///
/// # Safety
/// `tx_data` is NULL or valid, and so are its buffers, until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_send(tx_data: *const azure_iot_hub_msg) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(msg) = (unsafe { tx_data.as_ref() }) else {
        return errno::EINVAL;
    };
    if !engine::is_connected() {
        return errno::ENOTCONN;
    }
    // SAFETY: as the caller promises.
    errno::returned(unsafe { send(msg) })
}

/// # Safety
/// As [`azure_iot_hub_send`].
unsafe fn send(msg: &azure_iot_hub_msg) -> Result<(), c_int> {
    // SAFETY: C initialises its structs.
    let topic = unsafe { buffer::number(&msg.topic.r#type) };
    // SAFETY: as the caller promises.
    let payload = unsafe { buffer::of(&msg.payload, iothub::MESSAGE_MAX) }?;
    // SAFETY: as the caller promises.
    let request_id = unsafe { buffer::text(&msg.request_id, NAME_MAX) }.map_err(|errno| {
        if errno == errno::EMSGSIZE {
            errno::EFAULT
        } else {
            errno
        }
    });
    // SAFETY: C initialises its structs.
    let qos = outgoing::qos(unsafe { buffer::number(&msg.qos) })?;
    if topic == AZURE_IOT_HUB_TOPIC_EVENT as u32 {
        // SAFETY: as the caller promises.
        let properties = unsafe {
            buffer::bytes(
                msg.topic.properties.cast_const(),
                msg.topic.property_count,
                outgoing::PROPERTIES_MAX,
            )
        }?;
        let mut room = [0; outgoing::DECODED];
        let mut message = Outgoing::new(payload, qos, msg.message_id, &mut room);
        for property in properties {
            // SAFETY: as the caller promises.
            let key = unsafe { buffer::of(&property.key, iothub::MESSAGE_MAX) }?;
            // SAFETY: as the caller promises.
            let value = unsafe { buffer::of(&property.value, iothub::MESSAGE_MAX) }?;
            message.property(key, Some(value))?;
        }
        if msg.retain_flag != 0 {
            message.property(b"mqtt-retain", Some(b"true"))?;
        }
        message.send()
    } else if topic == AZURE_IOT_HUB_TOPIC_TWIN_REPORTED as u32 {
        outgoing::report(payload, request_id?, qos, msg.message_id)
    } else if topic == AZURE_IOT_HUB_TOPIC_TWIN_REQUEST as u32 {
        outgoing::request_twin(request_id?)
    } else {
        Err(errno::ENOMSG)
    }
}

/// Answers a direct method, from inside the handler or later, once, within
/// CONFIG_IOTHUB_METHOD_TIMEOUT_S.
///
/// Returns 0; -EINVAL for NULL, NULL with a size, a status above INT_MAX, a payload that is not
/// JSON; -ENOTCONN when not connected; -EFAULT where no call waits under this request id, or the
/// answer is larger than the buffers; -ENXIO where there was no room in time (as with
/// azure_iot_hub_send()).
///
/// # Safety
/// `result` is NULL or valid, and so are its buffers, until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_method_respond(result: *mut azure_iot_hub_result) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(result) = (unsafe { result.as_ref() }) else {
        return errno::EINVAL;
    };
    if !engine::is_connected() {
        return errno::ENOTCONN;
    }
    // SAFETY: as the caller promises.
    let request_id = unsafe { buffer::of(&result.request_id, NAME_MAX) };
    // SAFETY: as the caller promises.
    let payload = unsafe { buffer::of(&result.payload, iothub::MESSAGE_MAX) };
    outgoing::respond(request_id, result.status, payload)
}

/// Hands an event to the application's handler.
fn deliver(event: &CEvent<'_>) {
    let Some(handler) = critical_section::with(|cs| HANDLER.borrow(cs).get()) else {
        return;
    };
    let mut texts = [0; c_event::TEXTS];
    let mut properties = [azure_iot_hub_property {
        key: buffer::raw(ptr::null_mut(), 0),
        value: buffer::raw(ptr::null_mut(), 0),
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
        Kind::Pingresp => AZURE_IOT_HUB_EVT_PINGRESP,
        Kind::Twin => AZURE_IOT_HUB_EVT_TWIN_RECEIVED,
        Kind::Desired => AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED,
        Kind::ReportAccepted => AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS,
        Kind::TwinFailed => AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL,
        Kind::Method => AZURE_IOT_HUB_EVT_DIRECT_METHOD,
        Kind::TooLarge => AZURE_IOT_HUB_EVT_ERROR_MSG_SIZE,
        Kind::FotaStart => AZURE_IOT_HUB_EVT_FOTA_START,
        Kind::FotaDone => AZURE_IOT_HUB_EVT_FOTA_DONE,
        Kind::FotaErasePending => AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING,
        Kind::FotaEraseDone => AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE,
        Kind::FotaError => AZURE_IOT_HUB_EVT_FOTA_ERROR,
        Kind::Error => AZURE_IOT_HUB_EVT_ERROR,
        Kind::DpsConnecting | Kind::DpsRegistering | Kind::DpsAssigned | Kind::DpsFailed => {
            return None;
        }
    })
}

/// The topic of a received message; the first for what has none.
#[inline(never)]
fn topic_of(kind: Kind) -> azure_iot_hub_topic_type {
    match kind {
        Kind::UnknownTopic => AZURE_IOT_HUB_TOPIC_UNKNOWN,
        Kind::Twin | Kind::ReportAccepted | Kind::TwinFailed => {
            AZURE_IOT_HUB_TOPIC_TWIN_REQUEST_RESULT
        }
        Kind::Desired => AZURE_IOT_HUB_TOPIC_TWIN_DESIRED,
        Kind::Method => AZURE_IOT_HUB_TOPIC_DIRECT_METHOD,
        _ => AZURE_IOT_HUB_TOPIC_DEVICEBOUND,
    }
}

/// Sets an event of zeroes; `None`: there is none to be told.
#[inline(never)]
fn fill(
    evt: &mut azure_iot_hub_evt,
    event: &CEvent<'_>,
    texts: &mut [u8],
    properties: &mut [azure_iot_hub_property],
) -> Option<()> {
    let kind = event.kind;
    evt.r#type = MaybeUninit::new(type_of(kind)?);
    evt.topic.r#type = MaybeUninit::new(topic_of(kind));
    if !event.message.topic.is_empty() {
        evt.topic.name = buffer::view(event.message.topic);
    }
    let request_id = buffer::view(event.request_id);
    let payload = buffer::view(event.message.payload);
    match kind {
        Kind::Connected => evt.data.persistent_session = event.number != 0,
        Kind::ConnectionFailed | Kind::Disconnected | Kind::Error => {
            evt.data.err = event.number;
        }
        Kind::Puback => evt.data.message_id = event.number as u16,
        Kind::Message | Kind::UnknownTopic | Kind::Twin | Kind::Desired => {
            evt.topic.properties = properties.as_mut_ptr();
            evt.topic.property_count =
                c_event::decode(event.name, texts, properties, |key, value| {
                    azure_iot_hub_property {
                        key: buffer::view(key),
                        value: buffer::view(value.unwrap_or_default()),
                    }
                });
            evt.data.msg.payload = payload;
            evt.data.msg.request_id = request_id;
        }
        Kind::ReportAccepted | Kind::TwinFailed => {
            evt.data.result = azure_iot_hub_result {
                request_id,
                status: event.number as u32,
                payload,
            };
        }
        Kind::Method => {
            evt.data.method = azure_iot_hub_method {
                name: buffer::view(event.name),
                request_id,
                payload,
            };
        }
        _ => {}
    }
    Some(())
}
