//! The types of `azure_iot_hub.h`, under C's names.
#![allow(non_camel_case_types, reason = "C's names")]

use core::{ffi::c_char, ffi::c_int, mem::MaybeUninit};

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
    /// The hub answered a ping. No data.
    AZURE_IOT_HUB_EVT_PINGRESP,
    /// The whole twin: data.msg, topic.
    AZURE_IOT_HUB_EVT_TWIN_RECEIVED,
    /// The desired properties have changed: data.msg, topic.
    AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED,
    /// The hub accepted reported properties: data.result, topic.
    AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS,
    /// A twin request failed: data.result with request id and status, also where no answer came
    /// (504).
    AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL,
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
    /// A message was larger than the payload buffer and is lost. No data; the connection is ended.
    AZURE_IOT_HUB_EVT_ERROR_MSG_SIZE,
    /// An accepted QoS 1 message had to be given up. data.err: a negative errno.
    AZURE_IOT_HUB_EVT_ERROR,
}

/// Where a message belongs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum azure_iot_hub_topic_type {
    /// Received: a cloud-to-device message.
    AZURE_IOT_HUB_TOPIC_DEVICEBOUND,
    /// Received: a direct method.
    AZURE_IOT_HUB_TOPIC_DIRECT_METHOD,
    /// Received: a change of the desired properties.
    AZURE_IOT_HUB_TOPIC_TWIN_DESIRED,
    /// Received: the answer to a twin request.
    AZURE_IOT_HUB_TOPIC_TWIN_REQUEST_RESULT,
    /// Not used.
    AZURE_IOT_HUB_TOPIC_DPS,
    /// To send: telemetry.
    AZURE_IOT_HUB_TOPIC_EVENT,
    /// To send: reported properties, a JSON object.
    AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
    /// To send: a request for the twin.
    AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
    /// Received on a topic that is none of the hub's.
    AZURE_IOT_HUB_TOPIC_UNKNOWN,
}

/// Zephyr's, declared in its own header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mqtt_qos {
    /// At most once.
    MQTT_QOS_0_AT_MOST_ONCE,
    /// At least once.
    MQTT_QOS_1_AT_LEAST_ONCE,
    /// Exactly once: not with IoT Hub.
    MQTT_QOS_2_EXACTLY_ONCE,
}

/// Bytes; not terminated by 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_buf {
    /// The first byte; may be NULL where the size is 0.
    pub ptr: *mut c_char,
    /// How many.
    pub size: usize,
}

/// A property of a message: UTF-8. Sent percent-encoded; one that is percent-encoded already is
/// left so.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_property {
    /// The name; not empty.
    pub key: azure_iot_hub_buf,
    /// The value; may be empty.
    pub value: azure_iot_hub_buf,
}

/// Topic and properties.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct azure_iot_hub_topic_data {
    /// What kind of topic.
    pub r#type: MaybeUninit<azure_iot_hub_topic_type>,
    /// Received: the topic as it came.
    pub name: azure_iot_hub_buf,
    /// The properties.
    pub properties: *mut azure_iot_hub_property,
    /// How many.
    pub property_count: usize,
}

/// A message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct azure_iot_hub_msg {
    /// Where it belongs.
    pub topic: azure_iot_hub_topic_data,
    /// The body.
    pub payload: azure_iot_hub_buf,
    /// Of a twin request: comes back with its answer. Empty: a unique one is made.
    pub request_id: azure_iot_hub_buf,
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
    /// Its name.
    pub name: azure_iot_hub_buf,
    /// To be given back with the answer; copy it to answer later.
    pub request_id: azure_iot_hub_buf,
    /// Its argument.
    pub payload: azure_iot_hub_buf,
}

/// The answer to a method, or to a twin request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_result {
    /// What it answers.
    pub request_id: azure_iot_hub_buf,
    /// As of HTTP.
    pub status: u32,
    /// The body.
    pub payload: azure_iot_hub_buf,
}

/// What belongs to an event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union azure_iot_hub_evt_data {
    /// A message.
    pub msg: azure_iot_hub_msg,
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

/// Whom to connect to, and as whom. Copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_config {
    /// The hub; empty: CONFIG_AZURE_IOT_HUB_HOSTNAME. Not used with use_dps.
    pub hostname: azure_iot_hub_buf,
    /// The device; empty: CONFIG_AZURE_IOT_HUB_DEVICE_ID. With use_dps the registration id.
    pub device_id: azure_iot_hub_buf,
    /// Let DPS say the hub and the device id, unless it has said so before.
    pub use_dps: bool,
}
