//! The seam for `capi_calls`: a clock that stands still, a driver thread that runs only in
//! `run_until_idle`, and a mqtt_helper whose calls succeed or fail as the input says.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    mem::MaybeUninit,
    slice,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

use critical_section as _;
use iothub_capi::types::azure_iot_hub_buf;
use ncs_sys::*;

const NONE: i64 = i64::MAX;
const APPLICATION: usize = IOTHUB_WAITER_APPLICATION as usize;
const SENDER: usize = IOTHUB_WAITER_SENDER as usize;
const WAITERS: usize = SENDER + 1;

struct World {
    input: VecDeque<u8>,
    now: i64,
    woken: [bool; WAITERS],
    /// The driver waits, until then.
    idle: Option<i64>,
    callbacks: Option<mqtt_helper_cfg>,
    connected: bool,
    subscribed: u16,
    sent: VecDeque<(String, u16)>,
    settings: BTreeMap<Vec<u8>, Vec<u8>>,
}

static WORLD: Mutex<World> = Mutex::new(World {
    input: VecDeque::new(),
    now: 0,
    woken: [false; WAITERS],
    idle: None,
    callbacks: None,
    connected: false,
    subscribed: 0,
    sent: VecDeque::new(),
    settings: BTreeMap::new(),
});
static CHANGED: Condvar = Condvar::new();

std::thread_local! {
    static IS_DRIVER: Cell<bool> = const { Cell::new(false) };
}

fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(|_| std::process::abort())
}

pub fn begin(data: &[u8]) {
    let mut world = world();
    world.input = data.iter().copied().collect();
    // `reconnect` wants a moment between two connections.
    world.now += 3_600_000;
}

pub fn take() -> Option<u8> {
    world().input.pop_front()
}

fn yes() -> bool {
    take().unwrap_or(0) & 3 != 3
}

pub fn is_driver() -> bool {
    IS_DRIVER.get()
}

/// Lets the driver run until it waits for something that is to come.
pub fn run_until_idle() {
    let mut world = world();
    loop {
        match (world.idle, &world.callbacks) {
            // It was not started.
            (None, None) => return,
            (Some(deadline), _) if !world.woken[0] && world.now < deadline => return,
            _ => {}
        }
        CHANGED.notify_all();
        world = CHANGED
            .wait_timeout(world, Duration::from_millis(100))
            .unwrap_or_else(|_| std::process::abort())
            .0;
    }
}

/// Lets time pass, timer by timer, until there is none, or only those of an hour and more.
pub fn quieten() {
    for _ in 0..64 {
        run_until_idle();
        if !pass(3_600_000) {
            return;
        }
    }
}

/// To the driver's next timer; false where there is none so soon.
fn pass(most: i64) -> bool {
    let mut world = world();
    match world.idle {
        Some(deadline) if deadline != NONE && deadline <= world.now.saturating_add(most) => {
            world.now = world.now.max(deadline);
            true
        }
        _ => false,
    }
}

/// Numbers and texts from the input.
pub struct Input(Cell<u32>);

impl Input {
    pub fn next() -> Self {
        let bytes = [(); 4].map(|()| take().unwrap_or(0));
        Self(Cell::new(u32::from_le_bytes(bytes)))
    }

    pub fn number(&self) -> u8 {
        let state = self.0.get();
        // Which bits come next is up to the input: zeroes stay zeroes.
        self.0.set(state.rotate_right(5));
        (state & 0xff) as u8
    }

    pub fn flag(&self) -> bool {
        self.number() & 1 == 1
    }

    pub fn is_none(&self) -> bool {
        self.number() & 7 == 7
    }

    /// Mostly the text, in a place of exactly its size.
    pub fn text(&self, usual: &[u8]) -> Text {
        match self.number() & 15 {
            0..=9 => Text::Bytes(usual.to_vec()),
            10 => Text::Bytes(Vec::new()),
            11 => Text::Null(4),
            12 => Text::Null(0),
            13 => Text::Bytes(vec![b'a'; usize::from(self.number()) * 17]),
            14 => Text::Bytes(
                (0..self.number() & 31)
                    .map(|_| take().unwrap_or(0))
                    .collect(),
            ),
            _ => Text::Huge(usual.to_vec()),
        }
    }
}

pub enum Text {
    Bytes(Vec<u8>),
    Null(usize),
    /// A size that cannot be.
    Huge(Vec<u8>),
}

impl Text {
    pub fn buf(&self) -> azure_iot_hub_buf {
        let (ptr, size) = match self {
            Self::Bytes(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len()),
            Self::Null(size) => (std::ptr::null_mut(), *size),
            Self::Huge(bytes) => (bytes.as_ptr().cast_mut().cast(), usize::MAX),
        };
        azure_iot_hub_buf { ptr, size }
    }

    /// A C string.
    pub fn terminate(&mut self) {
        if let Self::Bytes(bytes) | Self::Huge(bytes) = self {
            bytes.push(0);
        }
    }
}

/// Any number, as C can write it.
pub fn write_enum<E: Copy>(place: &mut MaybeUninit<E>, number: u8) {
    let number = u32::from(number).to_le_bytes();
    let len = size_of::<E>().min(4);
    // SAFETY: as large as the enum, which is never read as such.
    unsafe {
        place
            .as_mut_ptr()
            .cast::<u8>()
            .copy_from(number.as_ptr(), len)
    }
}

/// Reads every byte.
pub fn read(buf: &azure_iot_hub_buf) {
    if buf.size > 0 {
        // SAFETY: the library says so; the sanitizer looks.
        let bytes = unsafe { slice::from_raw_parts(buf.ptr.cast::<u8>(), buf.size) };
        std::hint::black_box(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
    }
}

/// Something comes from the network, or time passes.
pub fn network(what: u8) {
    let (cb, connected, subscribed, sent) = {
        let mut world = world();
        let Some(callbacks) = &world.callbacks else {
            return;
        };
        (
            callbacks.cb,
            world.connected,
            world.subscribed,
            if what == 2 {
                world.sent.pop_front()
            } else {
                world.sent.back().cloned()
            },
        )
    };
    let byte = take().unwrap_or(0);
    // SAFETY: the functions that were registered, with arguments as mqtt_helper has them.
    unsafe {
        match what {
            0 if connected => {
                let code = mqtt_conn_return_code(u32::from(byte % 7));
                cb.on_connack.unwrap()(code, byte & 8 == 8);
            }
            1 if connected => suback(&cb, subscribed, byte),
            2 if connected => {
                let id = sent.map_or(u16::from(byte), |(_, id)| id);
                cb.on_puback.unwrap()(id, 0);
            }
            3..=7 if connected => publish(&cb, what, byte, sent),
            8 if connected => {
                world().connected = false;
                cb.on_disconnect.unwrap()(-c_int::from(byte));
            }
            9 if connected => cb.on_pingresp.unwrap()(),
            10 if connected => cb.on_error.unwrap()(mqtt_helper_error::MQTT_HELPER_ERROR_MSG_SIZE),
            11 => {
                pass(3_600_000);
            }
            // Straight to READY.
            _ if connected => {
                cb.on_connack.unwrap()(mqtt_conn_return_code(0), false);
                run_until_idle();
                let subscribed = world().subscribed;
                suback(&cb, subscribed, 0);
            }
            _ => {}
        }
    }
}

/// # Safety
/// The functions that were registered.
unsafe fn suback(cb: &mqtt_helper_cfg__bindgen_ty_1, message_id: u16, byte: u8) {
    let mut codes = [0, 0, 0, if byte == 1 { 0x80 } else { 1 }];
    // SAFETY: zeroes are valid for every member.
    let mut event: mqtt_evt = unsafe { std::mem::zeroed() };
    event.type_ = mqtt_evt_type::MQTT_EVT_SUBACK;
    event.param.suback = mqtt_suback_param {
        message_id,
        return_codes: mqtt_binstr {
            data: codes.as_mut_ptr(),
            len: 4,
        },
    };
    // SAFETY: as the caller promises.
    unsafe { cb.on_all_events.unwrap()(std::ptr::null_mut(), &raw const event) };
}

/// # Safety
/// The functions that were registered.
unsafe fn publish(
    cb: &mqtt_helper_cfg__bindgen_ty_1,
    what: u8,
    byte: u8,
    sent: Option<(String, u16)>,
) {
    let asked = sent.map(|(topic, _)| topic).unwrap_or_default();
    let rid = asked
        .split("$rid=")
        .nth(1)
        .and_then(|rest| rest.split('&').next())
        .unwrap_or("1");
    let own: String = (0..byte & 15)
        .map(|_| char::from(take().unwrap_or(b'x')))
        .collect();
    let (topic, payload) = match what {
        3 => (format!("devices/device/messages/devicebound/{own}"), own),
        4 => (format!("$iothub/methods/POST/led/?$rid={}", byte & 3), own),
        5 => (format!("$iothub/twin/res/{}/?$rid={rid}&$version=3", 200 + u16::from(byte & 4)), r#"{"desired":{"$version":1},"reported":{}}"#.to_owned()),
        6 if asked.starts_with("$dps/") && byte & 1 == 0 => (
            format!("$dps/registrations/res/202/?$rid={rid}&retry-after=1"),
            r#"{"operationId":"4.d0","status":"assigning"}"#.to_owned(),
        ),
        6 if asked.starts_with("$dps/") => (
            format!("$dps/registrations/res/200/?$rid={rid}"),
            r#"{"operationId":"4.d0","status":"assigned","registrationState":{"assignedHub":"hub.example","deviceId":"device","status":"assigned"}}"#.to_owned(),
        ),
        6 => ("$iothub/twin/PATCH/properties/desired/?$version=2".to_owned(), r#"{"a":1,"$version":2}"#.to_owned()),
        _ => (own.clone(), own),
    };
    // Places of exactly the size.
    let mut topic = topic.into_bytes().into_boxed_slice();
    let mut payload = payload.into_bytes().into_boxed_slice();
    let buf = |bytes: &mut [u8]| mqtt_helper_buf {
        ptr: bytes.as_mut_ptr().cast(),
        size: bytes.len(),
    };
    // SAFETY: as the caller promises.
    unsafe { cb.on_publish.unwrap()(buf(&mut topic), buf(&mut payload)) };
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_uptime_ms() -> i64 {
    world().now
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_wait(waiter: c_uint, deadline: i64) {
    let own = waiter as usize;
    let mut rounds = 0;
    let mut guard = world();
    loop {
        if std::mem::take(&mut guard.woken[own]) || guard.now >= deadline {
            guard.idle = if own == 0 { None } else { guard.idle };
            return;
        }
        if own == 0 {
            guard.idle = Some(deadline);
        }
        CHANGED.notify_all();
        if (own == APPLICATION || own == SENDER) && !is_driver() {
            // A thread that waits for a connection or for room: the driver goes on, and time.
            drop(guard);
            run_until_idle();
            guard = world();
            if !guard.woken[own] {
                match guard.idle.unwrap_or(NONE).min(deadline) {
                    NONE => {
                        rounds += 1;
                        assert!(rounds < 8, "a call that nothing would end");
                    }
                    next => guard.now = guard.now.max(next),
                }
            }
            continue;
        }
        guard = CHANGED
            .wait(guard)
            .unwrap_or_else(|_| std::process::abort());
    }
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_wake(waiter: c_uint) {
    world().woken[waiter as usize] = true;
    CHANGED.notify_all();
}

static LOCKED: Mutex<bool> = Mutex::new(false);
static UNLOCKED: Condvar = Condvar::new();

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_lock() {
    let mut locked = LOCKED.lock().unwrap();
    while *locked {
        locked = UNLOCKED.wait(locked).unwrap();
    }
    *locked = true;
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_unlock() {
    *LOCKED.lock().unwrap() = false;
    UNLOCKED.notify_one();
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_thread_start(entry: Option<unsafe extern "C" fn()>) -> c_int {
    let entry = entry.unwrap();
    std::thread::spawn(move || {
        IS_DRIVER.set(true);
        // SAFETY: the driver's own function.
        unsafe { entry() }
    });
    // Until it waits for the first time.
    let mut world = world();
    while world.idle.is_none() || world.callbacks.is_none() {
        world = CHANGED
            .wait(world)
            .unwrap_or_else(|_| std::process::abort());
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_thread_id() -> usize {
    if is_driver() { 2 } else { 1 }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_random(buf: *mut c_void, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { buf.cast::<u8>().write_bytes(7, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_settings_get(
    key: *const c_char,
    buf: *mut c_void,
    len: *mut usize,
) -> c_int {
    // SAFETY: as the caller promises.
    let key = unsafe { CStr::from_ptr(key) };
    // SAFETY: as the caller promises.
    let room = unsafe { &mut *len };
    match world().settings.get(key.to_bytes()) {
        None => -(ENOENT as c_int),
        Some(value) if value.len() > *room => -(ENOSPC as c_int),
        Some(value) => {
            // SAFETY: there is so much room.
            unsafe { buf.cast::<u8>().copy_from(value.as_ptr(), value.len()) };
            *room = value.len();
            0
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_settings_set(
    key: *const c_char,
    buf: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: as the caller promises.
    let key = unsafe { CStr::from_ptr(key) }.to_bytes().to_vec();
    let mut world = world();
    if buf.is_null() {
        world.settings.remove(&key);
    } else {
        // SAFETY: as the caller promises.
        let value = unsafe { slice::from_raw_parts(buf.cast::<u8>(), len) };
        world.settings.insert(key, value.to_vec());
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_log(
    _: c_uint,
    _: *const c_char,
    _: usize,
    _: *const c_char,
    _: usize,
) {
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_reboot() {
    std::process::abort();
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_mqtt_abort() -> c_int {
    ended(-(ECONNABORTED as c_int));
    0
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_mqtt_nodelay() -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_mqtt_release() -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_mqtt_discard(_: *mut mqtt_client, _: *const mqtt_evt) -> c_int {
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_mqtt_peer(addr: *mut u8) -> c_int {
    // SAFETY: 16 bytes.
    unsafe { addr.write_bytes(1, 4) };
    4
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_hardware_id(_: *mut c_char, _: usize) -> c_int {
    -(ENOTSUP as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_led(_: bool) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_at(_: *const c_char, _: *mut c_char, _: usize) -> c_int {
    -(ENOTSUP as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_modem_watch() {}

#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_init(cfg: *mut mqtt_helper_cfg) -> c_int {
    // SAFETY: as the caller promises.
    world().callbacks = Some(unsafe { *cfg });
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_connect(_: *mut mqtt_helper_conn_params) -> c_int {
    match take().unwrap_or(0) & 7 {
        6 => -(ETIMEDOUT as c_int),
        7 => 2,
        _ => {
            world().connected = true;
            0
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn mqtt_helper_disconnect() -> c_int {
    ended(0);
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_subscribe(list: *mut mqtt_subscription_list) -> c_int {
    // SAFETY: as the caller promises.
    world().subscribed = unsafe { (*list).message_id };
    if yes() {
        0
    } else {
        ended(-(ECONNRESET as c_int))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mqtt_helper_publish(param: *const mqtt_publish_param) -> c_int {
    // SAFETY: as the caller promises.
    let param = unsafe { &*param };
    let topic = param.message.topic.topic;
    // SAFETY: as the caller promises.
    let topic = unsafe { slice::from_raw_parts(topic.utf8, topic.size as usize) };
    let topic = String::from_utf8_lossy(topic).into_owned();
    world().sent.push_back((topic, param.message_id));
    if yes() {
        0
    } else {
        ended(-(ECONNRESET as c_int))
    }
}

#[unsafe(no_mangle)]
extern "C" fn mqtt_helper_deinit() -> c_int {
    0
}

/// The connection has ended, which the caller's thread is told before the call returns.
fn ended(result: c_int) -> c_int {
    let callback = {
        let mut world = world();
        world.sent.clear();
        let was = std::mem::take(&mut world.connected);
        world
            .callbacks
            .filter(|_| was)
            .and_then(|callbacks| callbacks.cb.on_disconnect)
    };
    if let Some(callback) = callback {
        // SAFETY: the function that was registered.
        unsafe { callback(result) };
    }
    result
}

macro_rules! not_here {
    ($($name:ident)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name() -> c_int {
            -(ENOTSUP as c_int)
        })*
    };
}
not_here! {
    iothub_platform_fota_start iothub_platform_fota_cancel iothub_platform_fota_apply iothub_platform_fota_confirm
    iothub_platform_fota_image
}

macro_rules! of_the_modem {
    ($($name:ident)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name() -> c_int {
            0
        })*
    };
}
of_the_modem! {
    nrf_modem_lib_init nrf_modem_lib_shutdown iothub_platform_apn_set pdn_default_ctx_cb_reg lte_lc_connect_async lte_lc_register_handler lte_lc_power_off
    modem_key_mgmt_write modem_key_mgmt_delete modem_key_mgmt_read modem_key_mgmt_exists
}

/// No partition: the outbox is in RAM alone, so that nothing else of it is called.
#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_open(_: *mut iothub_flash_geometry) -> c_int {
    -(ENODEV as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_read(_: u32, _: *mut c_void, _: usize) -> c_int {
    -(ENODEV as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_write(_: u32, _: *const c_void, _: usize) -> c_int {
    -(ENODEV as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_erase(_: u32, _: usize) -> c_int {
    -(ENODEV as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_sync() -> c_int {
    -(ENODEV as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_lock() {}

#[unsafe(no_mangle)]
extern "C" fn iothub_platform_flash_unlock() {}
