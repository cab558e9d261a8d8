//! An application of its own that uses the crate `iothub`: telemetry at an interval that the twin
//! sets, and the method `led`.
#![no_std]

use core::{
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use iothub::{Event, MethodResponse, Property, Telemetry, twin};
use zephyr as _;

static INTERVAL_S: AtomicU32 = AtomicU32::new(20);

/// Called by the `main` of zephyr-lang-rust.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    if let Err(error) = iothub::start(&on_event) {
        log::error!("{error}");
        return;
    }
    if let Err(error) = iothub::connect() {
        log::error!("{error}");
    }
    loop {
        let interval = INTERVAL_S.load(Ordering::Relaxed);
        send();
        let due = iothub::now() + Duration::from_secs(u64::from(interval));
        while iothub::now() < due && INTERVAL_S.load(Ordering::Relaxed) == interval {
            iothub::wait(Some(due));
        }
    }
}

fn send() {
    let mut payload = heapless::String::<64>::new();
    let timestamp = iothub::now().as_millis();
    if write!(payload, r#"{{"temperature":25.1,"timestamp":{timestamp}}}"#).is_err() {
        return;
    }
    let properties = [Property {
        name: "kind",
        value: Some("climate"),
    }];
    let mut message = Telemetry::json(payload.as_bytes());
    message.properties = &properties;
    if let Err(error) = iothub::send(&message) {
        log::warn!("{error}");
    }
}

fn on_event(event: Event<'_>) {
    match event {
        Event::Twin(twin) => on_desired(&twin.desired()),
        Event::Desired(desired) => on_desired(&desired.properties()),
        Event::Method(request) => {
            let (status, payload) = match request.name {
                "led" => (200, &br#"{"it":"worked"}"#[..]),
                _ => (404, &b"null"[..]),
            };
            let answer = MethodResponse {
                request: request.id,
                status,
                payload,
            };
            if let Err(error) = iothub::respond(&answer) {
                log::warn!("{error}");
            }
        }
        _ => {}
    }
}

fn on_desired(desired: &twin::View<'_>) {
    let interval = desired.number("telemetryInterval");
    let Some(seconds) = interval
        .and_then(|seconds| u32::try_from(seconds).ok())
        .filter(|&seconds| seconds > 0)
    else {
        return;
    };
    INTERVAL_S.store(seconds, Ordering::Relaxed);
    iothub::wake();
    let mut report = heapless::String::<48>::new();
    if write!(report, r#"{{"telemetryInterval":{seconds}}}"#).is_ok()
        && let Err(error) = iothub::report(report.as_bytes(), None)
    {
        log::warn!("{error}");
    }
}
