//! The device as C sees it: calls of the seam, and what its callbacks were told.

use std::{
    ffi::{CString, c_int},
    path::Path,
    ptr,
    sync::{
        Mutex, OnceLock,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use iothub_host::{Level, Network, Options, Record};
use ncs_sys as sys;

use super::{DEADLINE, HOST};

/// What a callback was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connack { code: u32, session_present: bool },
    Disconnect { result: i32, thread: String },
    Publish { topic: String, payload: Vec<u8> },
    Puback(u16),
    Suback { message_id: u16, codes: Vec<u8> },
    Pingresp,
    MessageTooLarge,
    Registration(u32),
    Pdn { event: u32, reason: i32 },
}

static SEEN: OnceLock<(Sender<Seen>, Mutex<Receiver<Seen>>)> = OnceLock::new();
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
static IN_PUBLISH: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);
static IN_DISCONNECT: Mutex<Option<fn()>> = Mutex::new(None);

fn channel() -> &'static (Sender<Seen>, Mutex<Receiver<Seen>>) {
    SEEN.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        (sender, Mutex::new(receiver))
    })
}

fn see(seen: Seen) {
    channel().0.send(seen).unwrap();
}

/// The next thing that a callback was told.
pub(crate) fn next() -> Seen {
    let seen = channel().1.lock().unwrap().recv_timeout(DEADLINE);
    seen.unwrap_or_else(|_| {
        panic!(
            "no callback within {DEADLINE:?}; log:\n{}",
            log().join("\n")
        )
    })
}

/// Nothing was told that was not taken by [`next`].
pub(crate) fn assert_silent() {
    let seen = channel().1.lock().unwrap().try_recv();
    assert!(seen.is_err(), "unexpected: {seen:?}");
}

/// Every log line until now.
pub(crate) fn log() -> Vec<String> {
    LOG.lock().unwrap().clone()
}

pub(crate) fn assert_logged(part: &str) {
    let log = log();
    assert!(
        log.iter().any(|line| line.contains(part)),
        "no {part:?} in\n{}",
        log.join("\n")
    );
}

/// What on_disconnect does besides telling, on the thread it is called on.
pub(crate) fn in_disconnect(action: fn()) {
    *IN_DISCONNECT.lock().unwrap() = Some(action);
}

/// What on_publish does before it tells.
pub(crate) fn in_publish(action: impl Fn() + Send + 'static) {
    *IN_PUBLISH.lock().unwrap() = Some(Box::new(action));
}

/// Options of a quick device over that folder, with the hub's name and port.
pub(crate) fn options(data: &Path, port: u16) -> Options {
    let mut options = Options::new(data);
    options.port = port;
    options.hosts = vec![(HOST.to_owned(), "127.0.0.1".parse().unwrap())];
    options.time_factor = 0.01;
    options.network = Network::Ipv6Only;
    options.log_level = Level::Debug;
    options.log = Box::new(|record: &Record<'_>| {
        LOG.lock().unwrap().push(record.to_string());
    });
    options
}

/// Starts, registers for PDN events, switches the modem on, and waits until what is asked for was
/// told.
pub(crate) fn attach(options: Options, last: &Seen) -> Vec<Seen> {
    iothub_host::start(options).unwrap();
    // SAFETY: no arguments.
    assert_eq!(unsafe { sys::nrf_modem_lib_init() }, 0);
    // SAFETY: the function lives as long as the process.
    assert_eq!(unsafe { sys::pdn_default_ctx_cb_reg(Some(on_pdn)) }, 0);
    assert_eq!(lte_on(), 0);
    until(last)
}

pub(crate) fn lte_on() -> c_int {
    // SAFETY: the function lives as long as the process.
    unsafe { sys::lte_lc_connect_async(Some(on_lte)) }
}

pub(crate) fn lte_off() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::lte_lc_power_off() }
}

/// Everything told up to and with `last`.
pub(crate) fn until(last: &Seen) -> Vec<Seen> {
    let mut all = Vec::new();
    while all.last() != Some(last) {
        all.push(next());
    }
    all
}

pub(crate) const IPV6_UP: Seen = Seen::Pdn {
    event: 3,
    reason: -1,
};

pub(crate) fn init() -> c_int {
    let mut cfg = sys::mqtt_helper_cfg {
        cb: sys::mqtt_helper_cfg__bindgen_ty_1 {
            on_all_events: Some(on_all_events),
            on_connack: Some(on_connack),
            on_disconnect: Some(on_disconnect),
            on_publish: Some(on_publish),
            on_puback: Some(on_puback),
            on_suback: None,
            on_pingresp: Some(on_pingresp),
            on_error: Some(on_error),
        },
    };
    // SAFETY: the functions live as long as the process, the struct for the call.
    unsafe { sys::mqtt_helper_init(&raw mut cfg) }
}

pub(crate) fn connect() -> c_int {
    connect_to(HOST)
}

pub(crate) fn connect_to(host: &str) -> c_int {
    let host = CString::new(host).unwrap();
    let mut params = sys::mqtt_helper_conn_params {
        hostname: sys::mqtt_helper_buf {
            ptr: host.as_ptr().cast_mut(),
            size: host.as_bytes().len(),
        },
        device_id: buffer(b"device-1"),
        user_name: buffer(b"my-hub.azure-devices.net/device-1/?api-version=2021-04-12"),
        password: buffer(b""),
    };
    // SAFETY: everything lives for the call, and the host name ends in 0.
    unsafe { sys::mqtt_helper_connect(&raw mut params) }
}

fn buffer(bytes: &[u8]) -> sys::mqtt_helper_buf {
    sys::mqtt_helper_buf {
        ptr: bytes.as_ptr().cast_mut().cast(),
        size: bytes.len(),
    }
}

pub(crate) fn publish(topic: &str, payload: &[u8], qos: u8, message_id: u16) -> c_int {
    let topic_size = u32::try_from(topic.len()).unwrap();
    let param = sys::mqtt_publish_param {
        message: sys::mqtt_publish_message {
            topic: sys::mqtt_topic {
                topic: sys::mqtt_utf8 {
                    utf8: topic.as_ptr(),
                    size: topic_size,
                },
                qos,
            },
            payload: sys::mqtt_binstr {
                data: payload.as_ptr().cast_mut(),
                len: u32::try_from(payload.len()).unwrap(),
            },
        },
        message_id,
        ..Default::default()
    };
    // SAFETY: everything lives for the call.
    unsafe { sys::mqtt_helper_publish(&raw const param) }
}

pub(crate) fn subscribe(filters: &[(&str, u8)], message_id: u16) -> c_int {
    let topic = |(filter, qos): &(&str, u8)| sys::mqtt_topic {
        topic: sys::mqtt_utf8 {
            utf8: filter.as_ptr(),
            size: u32::try_from(filter.len()).unwrap(),
        },
        qos: *qos,
    };
    let mut topics: Vec<_> = filters.iter().map(topic).collect();
    let mut list = sys::mqtt_subscription_list {
        list: topics.as_mut_ptr(),
        list_count: u16::try_from(topics.len()).unwrap(),
        message_id,
    };
    // SAFETY: everything lives for the call.
    unsafe { sys::mqtt_helper_subscribe(&raw mut list) }
}

pub(crate) fn disconnect() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::mqtt_helper_disconnect() }
}

pub(crate) fn deinit() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::mqtt_helper_deinit() }
}

pub(crate) fn abort() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::iothub_platform_mqtt_abort() }
}

pub(crate) fn nodelay() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::iothub_platform_mqtt_nodelay() }
}

/// The address that the device sees.
pub(crate) fn peer() -> Result<Vec<u8>, c_int> {
    let mut address = [0; 16];
    // SAFETY: there are 16 bytes.
    let length = unsafe { sys::iothub_platform_mqtt_peer(address.as_mut_ptr()) };
    usize::try_from(length)
        .map(|length| address[..length].to_vec())
        .map_err(|_| length)
}

/// A negative errno.
pub(crate) fn errno(number: u32) -> c_int {
    -c_int::try_from(number).unwrap()
}

pub(crate) fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

unsafe extern "C" fn on_all_events(
    client: *mut sys::mqtt_client,
    event: *const sys::mqtt_evt,
) -> bool {
    assert!(!client.is_null());
    // SAFETY: the event lives for the call.
    let event = unsafe { &*event };
    if event.type_ == sys::mqtt_evt_type::MQTT_EVT_SUBACK {
        // SAFETY: the type says which member it is.
        let suback = unsafe { event.param.suback };
        let codes = suback.return_codes;
        // SAFETY: the bytes live for the call.
        let codes = unsafe { std::slice::from_raw_parts(codes.data, codes.len as usize) };
        see(Seen::Suback {
            message_id: suback.message_id,
            codes: codes.to_vec(),
        });
        return false;
    }
    true
}

unsafe extern "C" fn on_connack(code: sys::mqtt_conn_return_code, session_present: bool) {
    see(Seen::Connack {
        code: code.0,
        session_present,
    });
}

unsafe extern "C" fn on_disconnect(result: c_int) {
    see(Seen::Disconnect {
        result,
        thread: thread_name(),
    });
    let action = *IN_DISCONNECT.lock().unwrap();
    if let Some(action) = action {
        action();
    }
}

unsafe extern "C" fn on_publish(topic: sys::mqtt_helper_buf, payload: sys::mqtt_helper_buf) {
    let bytes = |buffer: sys::mqtt_helper_buf| {
        assert_ne!(buffer.ptr, ptr::null_mut());
        // SAFETY: the bytes live for the call.
        unsafe { std::slice::from_raw_parts(buffer.ptr.cast::<u8>(), buffer.size) }.to_vec()
    };
    if let Some(action) = &*IN_PUBLISH.lock().unwrap() {
        action();
    }
    let topic = String::from_utf8(bytes(topic)).unwrap();
    see(Seen::Publish {
        topic,
        payload: bytes(payload),
    });
}

unsafe extern "C" fn on_puback(message_id: u16, result: c_int) {
    assert_eq!(result, 0);
    see(Seen::Puback(message_id));
}

unsafe extern "C" fn on_pingresp() {
    see(Seen::Pingresp);
}

unsafe extern "C" fn on_error(error: sys::mqtt_helper_error) {
    assert_eq!(error, sys::mqtt_helper_error::MQTT_HELPER_ERROR_MSG_SIZE);
    see(Seen::MessageTooLarge);
}

unsafe extern "C" fn on_lte(event: *const sys::lte_lc_evt) {
    // SAFETY: the event lives for the call.
    let event = unsafe { &*event };
    assert_eq!(event.type_, sys::lte_lc_evt_type::LTE_LC_EVT_NW_REG_STATUS);
    assert_eq!(thread_name(), "sysworkq");
    // SAFETY: the type says which member it is.
    let status = unsafe { event.__bindgen_anon_1.nw_reg_status };
    see(Seen::Registration(status.0));
}

unsafe extern "C" fn on_pdn(cid: u8, event: sys::pdn_event, reason: c_int) {
    assert_eq!(cid, 0);
    assert_eq!(thread_name(), "sysworkq");
    see(Seen::Pdn {
        event: event.0,
        reason,
    });
}
