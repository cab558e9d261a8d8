//! The functions of the C API in random order with random arguments, also from inside the handler,
//! and random answers of the network in between; the platform is the one below, whose clock and
//! whose driver thread go on when the target says so. Nothing panics or is read beyond its end, no
//! call hangs, each returns a documented number, and whatever happened the connection can be ended
//! and begun again.
#![no_main]

use std::{ffi::c_int, ptr};

use iothub_capi::{
    dps::*,
    hub::*,
    legacy,
    types::{azure_iot_hub_evt_type::*, *},
};
use libfuzzer_sys::fuzz_target;

#[path = "capi_calls/platform.rs"]
mod platform;

use platform::{Input, network};

fuzz_target!(|data: &[u8]| {
    platform::begin(data);
    while let Some(action) = platform::take() {
        match action % 24 {
            0..=7 => call(action % 8),
            8 => call_legacy(),
            action => network(action - 9),
        }
        platform::run_until_idle();
    }
    end();
});

/// What a function may return.
fn check(result: c_int, allowed: &[u32]) {
    assert!(
        result == 0 || allowed.iter().any(|&errno| result == -(errno as c_int)),
        "{result}"
    );
}

use ncs_sys::*;

const CONNECT: &[u32] = &[
    ENOENT,
    EALREADY,
    EINPROGRESS,
    EINVAL,
    EMSGSIZE,
    ETIMEDOUT,
    ECONNREFUSED,
    EHOSTUNREACH,
    ECANCELED,
    ECONNRESET,
    ECONNABORTED,
    EACCES,
    ENETDOWN,
];

fn call(which: u8) {
    match which {
        0 => {
            let none = platform::take() == Some(0);
            // SAFETY: the handler lives for ever.
            let result = unsafe { azure_iot_hub_init(if none { None } else { Some(handler) }) };
            check(result, &[EINVAL, EALREADY]);
        }
        1 => {
            let input = Input::next();
            let hostname = input.text(b"hub.example");
            let device_id = input.text(b"device");
            let config = azure_iot_hub_config {
                hostname: hostname.buf(),
                device_id: device_id.buf(),
                use_dps: input.flag(),
            };
            let config = if input.is_none() {
                ptr::null()
            } else {
                &raw const config
            };
            // SAFETY: NULL or valid.
            check(unsafe { azure_iot_hub_connect(config) }, CONNECT);
        }
        2 => check(azure_iot_hub_disconnect(), &[ENOTCONN]),
        3 => send(),
        4 => respond(),
        5 => {
            let input = Input::next();
            let (id_scope, reg_id) = (input.text(b"0ne1"), input.text(b"device"));
            let mut config = azure_iot_hub_dps_config {
                handler: (!input.is_none()).then_some(on_status as unsafe extern "C" fn(_)),
                id_scope: id_scope.buf(),
                reg_id: reg_id.buf(),
            };
            // SAFETY: valid.
            check(
                unsafe { azure_iot_hub_dps_init(&raw mut config) },
                &[EINVAL, EMSGSIZE, EACCES],
            );
        }
        6 => check(azure_iot_hub_dps_start(), CONNECT),
        _ => {
            let mut buf = azure_iot_hub_buf {
                ptr: ptr::null_mut(),
                size: 0,
            };
            // SAFETY: valid, and NULL.
            let results = unsafe {
                [
                    azure_iot_hub_dps_hostname_get(&raw mut buf),
                    azure_iot_hub_dps_device_id_get(ptr::null_mut()),
                ]
            };
            check(results[0], &[ENOENT]);
            check(results[1], &[EINVAL]);
            match platform::take() {
                Some(0) => check(azure_iot_hub_dps_reset(), &[]),
                Some(1) => check(azure_iot_hub_dps_hostname_delete(), &[]),
                Some(2) => check(azure_iot_hub_dps_device_id_delete(), &[]),
                _ => {}
            }
        }
    }
}

fn send() {
    let input = Input::next();
    let texts = [
        input.text(b"key"),
        input.text(b"a b%"),
        input.text(b"{\"a\":1}"),
        input.text(b"rid"),
    ];
    let mut properties = vec![
        azure_iot_hub_property {
            key: texts[0].buf(),
            value: texts[1].buf(),
        };
        usize::from(input.number() % 3)
    ];
    // SAFETY: zeroes are valid for every member.
    let mut msg: azure_iot_hub_msg = unsafe { std::mem::zeroed() };
    platform::write_enum(&mut msg.topic.r#type, input.number());
    platform::write_enum(&mut msg.qos, input.number() % 4);
    msg.topic.properties = properties.as_mut_ptr();
    msg.topic.property_count = properties.len();
    msg.payload = texts[2].buf();
    msg.request_id = texts[3].buf();
    msg.message_id = input.number().into();
    msg.retain_flag = input.number() & 1;
    // SAFETY: valid.
    let result = unsafe { azure_iot_hub_send(&raw const msg) };
    check(
        result,
        &[EINVAL, ENOTCONN, ENOMSG, EMSGSIZE, ENOMEM, EFAULT],
    );
}

fn respond() {
    let input = Input::next();
    let (request_id, payload) = (input.text(b"1"), input.text(b"{}"));
    let mut result = azure_iot_hub_result {
        request_id: request_id.buf(),
        status: u32::from(input.number()) << (input.number() % 32),
        payload: payload.buf(),
    };
    // SAFETY: valid.
    let result = unsafe { azure_iot_hub_method_respond(&raw mut result) };
    check(result, &[EINVAL, ENOTCONN, EFAULT, ENXIO]);
}

fn call_legacy() {
    let input = Input::next();
    let mut payload = input.text(b"{\"a\":1}");
    let mut key = input.text(b"key");
    key.terminate();
    match input.number() % 4 {
        0 => {
            let mut bag = legacy::azure_iot_hub_prop_bag {
                key: key.buf().ptr,
                value: key.buf().ptr,
            };
            // SAFETY: zeroes are valid for every member.
            let mut data: legacy::azure_iot_hub_data = unsafe { std::mem::zeroed() };
            platform::write_enum(&mut data.topic.r#type, input.number() % 6);
            platform::write_enum(&mut data.qos, input.number() % 3);
            data.topic.prop_bag = &raw mut bag;
            data.topic.prop_bag_count = usize::from(input.flag());
            data.ptr = payload.buf().ptr;
            data.len = payload.buf().size;
            // SAFETY: valid.
            let result = unsafe { legacy::azure_iot_hub_legacy_send(&raw const data) };
            check(result, &[EINVAL, ENOTCONN, ENOMSG, EMSGSIZE, ENOMEM]);
        }
        1 => {
            let mut result = legacy::azure_iot_hub_result {
                rid: key.buf().ptr,
                status: 200,
                payload: payload.buf().ptr,
                payload_len: payload.buf().size,
            };
            // SAFETY: valid.
            let result = unsafe { legacy::azure_iot_hub_legacy_method_respond(&raw mut result) };
            check(result, &[EINVAL, ENOTCONN, EFAULT, ENXIO]);
        }
        2 => check(legacy::azure_iot_hub_legacy_ping(), &[ENOTCONN]),
        _ => {
            payload.terminate();
            let config = legacy::azure_iot_hub_config {
                socket: 0,
                device_id: payload.buf().ptr,
                device_id_len: payload.buf().size,
            };
            // SAFETY: valid; the handler lives for ever.
            let result = unsafe {
                legacy::azure_iot_hub_legacy_init(&raw const config, Some(legacy_handler))
            };
            check(result, &[EINVAL, EMSGSIZE, EALREADY]);
        }
    }
}

/// Reads all that belongs to the event, and calls functions, as handlers do.
unsafe extern "C" fn handler(event: *mut azure_iot_hub_evt) {
    // SAFETY: valid for the call.
    let event = unsafe { &*event };
    // SAFETY: the library sets it.
    let kind = unsafe { event.r#type.assume_init() };
    platform::read(&event.topic.name);
    if event.topic.property_count > 0 {
        // SAFETY: as many as it says.
        let properties = unsafe {
            std::slice::from_raw_parts(event.topic.properties, event.topic.property_count)
        };
        for property in properties {
            platform::read(&property.key);
            platform::read(&property.value);
        }
    }
    match kind {
        AZURE_IOT_HUB_EVT_DATA_RECEIVED
        | AZURE_IOT_HUB_EVT_TWIN_RECEIVED
        | AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED => {
            // SAFETY: the member of these events.
            let msg = unsafe { &event.data.msg };
            platform::read(&msg.payload);
            platform::read(&msg.request_id);
        }
        AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS | AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL => {
            // SAFETY: the member of these events.
            let result = unsafe { &event.data.result };
            platform::read(&result.request_id);
            platform::read(&result.payload);
        }
        AZURE_IOT_HUB_EVT_DIRECT_METHOD => {
            // SAFETY: the member of this event.
            let method = unsafe { &event.data.method };
            for text in [&method.name, &method.request_id, &method.payload] {
                platform::read(text);
            }
        }
        _ => {}
    }
    if !platform::is_driver()
        && let Some(action) = platform::take()
        && action < 5
    {
        call(action);
    }
}

unsafe extern "C" fn legacy_handler(event: *mut legacy::azure_iot_hub_evt) {
    // SAFETY: valid for the call.
    let topic = unsafe { &(*event).topic };
    platform::read(&azure_iot_hub_buf {
        ptr: topic.str,
        size: topic.len,
    });
}

unsafe extern "C" fn on_status(_: azure_iot_hub_dps_reg_status) {}

/// Whatever the state was: everything can be ended and begun again.
fn end() {
    check(azure_iot_hub_dps_reset(), &[]);
    check(azure_iot_hub_disconnect(), &[ENOTCONN]);
    platform::quieten();
    // SAFETY: the handler lives for ever.
    assert_eq!(
        unsafe { azure_iot_hub_init(Some(handler)) },
        0,
        "a state was lost"
    );
}
