//! The C programs of `c/`, linked with the C API and the Linux port. Each is one function that
//! returns when all is well and aborts the process when not; `tests/` runs each in a process of its
//! own, against a hub.

use std::{
    ffi::{CStr, c_char},
    ptr, slice,
};

use iothub_capi as _;
use iothub_host as _;

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)*) => {
        mod c {
            unsafe extern "C" {
                $(pub(super) fn $symbol();)*
            }
        }
        $(
            $(#[$doc])*
            pub fn $name() {
                // SAFETY: a C program of ours that takes nothing.
                unsafe { c::$symbol() }
            }
        )*

        /// The program of this name.
        pub fn find(name: &str) -> Option<fn()> {
            match name {
                $(stringify!($name) => Some($name),)*
                _ => None,
            }
        }
    };
}

programs! {
    /// A firmware update that the server of images refuses.
    fota_refused = c_fota_refused;
    /// Every function and every event of a session.
    session = c_session;
    /// Nordic's two-line use of names: a config on the stack, not terminated by 0.
    names_are_copied = c_names_are_copied;
    /// Three reports without request ids.
    unique_request_ids = c_unique_request_ids;
    /// A SUBACK of 0x80.
    refused_subscription = c_refused_subscription;
    /// A CONNACK of 5, then one of 0.
    refused_connection = c_refused_connection;
    /// No CONNACK at all.
    disconnect_while_connecting = c_disconnect_while_connecting;
    /// The hub goes away, and a message with it.
    lost_connection = c_lost_connection;
    /// A name that does not resolve.
    unknown_host = c_unknown_host;
    /// Connecting again from inside the handler.
    connect_in_handler = c_connect_in_handler;
    /// A topic that is none of the hub's.
    unknown_topic = c_unknown_topic;
    /// A message larger than the payload buffer.
    oversize = c_oversize;
    /// No CONNACK, and nobody who ends that.
    silent_hub = c_silent_hub;
    /// A message is kept, and the next connection is another device's.
    other_device = c_other_device;
    /// An answer to a ping.
    ping = c_ping;
    /// NULL, sizes and enum values that cannot be, and calls in every wrong state.
    bad_input = c_bad_input;
    /// Registers with DPS, in every state.
    dps_registers = c_dps_registers;
    /// After `dps_registers`, in another process.
    dps_is_remembered = c_dps_is_remembered;
    /// DPS by `azure_iot_hub_connect`.
    dps_in_connect = c_dps_in_connect;
    /// DPS refuses the device.
    dps_refused_in_connect = c_dps_refused_in_connect;
    /// DPS has no time.
    dps_throttled = c_dps_throttled;
    /// A reset while DPS is at work.
    dps_reset_while_running = c_dps_reset_while_running;
    /// The connection to DPS breaks.
    dps_lost_connection = c_dps_lost_connection;
    /// DPS takes a registration and never answers.
    dps_silent = c_dps_silent;
    /// Host name and device id out of the configuration.
    configured_names = c_configured_names;
    /// Payloads with the rest of others behind them.
    payloads_have_their_size = c_payloads_have_their_size;
    /// Four threads that answer.
    answers_from_several_threads = c_answers_from_several_threads;
    /// `use_dps` without an ID scope.
    dps_not_in_use = c_dps_not_in_use;
    /// What Nordic's library has stored of DPS.
    nordic_assignment = c_nordic_assignment;
    /// What it stored before NCS 2.3.
    nordic_assignment_before_2_3 = c_nordic_assignment_before_2_3;
    /// DPS with nothing but a handler.
    dps_configured = c_dps_configured;
    /// More messages at once than there is room for.
    burst = c_burst;
    /// A hub that acknowledges nothing.
    full = c_full;
    /// Large messages.
    batches = c_batches;
    /// Every function of `iothub_outbox.h`.
    outbox = c_outbox;
    /// Connecting with a lock held that the handler takes.
    connecting_with_a_lock = c_connecting_with_a_lock;
    /// Connecting inside DISCONNECTED, before the first connect has returned.
    connect_in_disconnected = c_connect_in_disconnected;
    /// More named twin requests than are kept.
    many_requests = c_many_requests;
    /// A report of nothing.
    empty_report = c_empty_report;
    /// What Nordic's unit tests send.
    nordic_cases = c_nordic_cases;
    /// DPS answers with what is no answer.
    dps_malformed = c_dps_malformed;
    /// As Nordic's sample.
    user_sample = c_user_sample;
    /// Names in the source, and `use_dps`.
    user_literal_names = c_user_literal_names;
    /// As a tracker's integration.
    user_tracker = c_user_tracker;
    /// Registered by Nordic's library, and connected again each time.
    user_work_queue = c_user_work_queue;
    /// Every function and event of the older form.
    legacy_session = c_legacy_session;
    /// As `bad_input`, of the older form.
    legacy_bad_input = c_legacy_bad_input;
    /// DPS in the older form.
    legacy_dps = c_legacy_dps;
    /// DPS refuses the device, in the older form.
    legacy_dps_refused = c_legacy_dps_refused;
    /// As `fota_refused`, of the older form.
    legacy_fota_refused = c_legacy_fota_refused;
    /// As `fota`, of the older form.
    legacy_fota = c_legacy_fota;
    /// Every event of the older form that tells of a failure.
    legacy_failures = c_legacy_failures;
    /// An application in the manner of Nordic's sample.
    sample = c_sample;
    /// The events of firmware updates.
    fota = c_fota;
    /// Eight threads that send, connect and disconnect.
    stress = c_stress;
}

/// The library's clock: a minute takes 60 ms from now on, or a minute again.
pub fn hurry(hurry: bool) {
    unsafe extern "C" {
        fn clock_hurry(hurry: bool);
    }
    // SAFETY: a C function of ours that takes a bool.
    unsafe { clock_hurry(hurry) }
}

mod tables {
    use std::ffi::{c_char, c_uint};

    pub(super) type Table =
        unsafe extern "C" fn(names: *mut *const *const c_char, count: *mut usize) -> *const c_uint;

    unsafe extern "C" {
        pub(super) fn c_layout(
            names: *mut *const *const c_char,
            count: *mut usize,
        ) -> *const c_uint;
        pub(super) fn c_legacy_layout(
            names: *mut *const *const c_char,
            count: *mut usize,
        ) -> *const c_uint;
    }
}

/// Sizes and offsets of the header as the C compiler has them.
pub fn layout() -> Vec<(String, usize)> {
    table(tables::c_layout)
}

/// As [`layout`], of the older form.
pub fn legacy_layout() -> Vec<(String, usize)> {
    table(tables::c_legacy_layout)
}

fn table(of: tables::Table) -> Vec<(String, usize)> {
    let mut names = ptr::null();
    let mut count = 0;
    // SAFETY: a C function of ours, whose two arguments can be written to.
    let numbers = unsafe { of(&raw mut names, &raw mut count) };
    // SAFETY: it has given an array of this length, for ever.
    let numbers = unsafe { slice::from_raw_parts(numbers, count) };
    // SAFETY: as above.
    let names = unsafe { slice::from_raw_parts(names, count) };
    let text = |name: &*const c_char| {
        // SAFETY: a string literal.
        let name = unsafe { CStr::from_ptr(*name) };
        name.to_string_lossy().into_owned()
    };
    let numbers = numbers.iter().map(|&number| number as usize);
    names.iter().map(text).zip(numbers).collect()
}
