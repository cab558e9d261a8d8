//! The direct methods `led` and `config`, and the answer to every other one.

use iothub::{MethodRequest, MethodResponse, twin};

use crate::interval;

pub(crate) fn on_method(request: &MethodRequest<'_>) {
    let (status, payload) = match (request.component, request.name) {
        (None, "led") => led(request.payload),
        (None, "config") => config(request.payload),
        _ => (404, r#"{"error":"no such method"}"#),
    };
    let answer = MethodResponse {
        request: request.id,
        status,
        payload: payload.as_bytes(),
    };
    if let Err(error) = iothub::respond(&answer) {
        log::warn!("no answer to method {}: {error}", request.name);
    }
}

fn led(payload: &[u8]) -> (i32, &'static str) {
    let on = match payload.trim_ascii() {
        b"1" => true,
        b"0" => false,
        _ => return (400, r#"{"error":"led takes 0 or 1"}"#),
    };
    iothub::set_led(on);
    (200, if on { r#"{"led":1}"# } else { r#"{"led":0}"# })
}

/// Only what cannot take the device off the air.
fn config(payload: &[u8]) -> (i32, &'static str) {
    let wish = twin::View::new(payload);
    let is_alone = wish.members().count() == 1;
    let value = wish.raw("telemetryInterval").filter(|_| is_alone);
    let Some(seconds) = value.and_then(interval::seconds) else {
        return (
            400,
            r#"{"error":"config takes {\"telemetryInterval\":1 to 86400} and nothing else"}"#,
        );
    };
    match interval::store(seconds) {
        Ok(()) => (200, r#"{"stored":"telemetryInterval"}"#),
        Err(_) => (507, r#"{"error":"the settings cannot be written"}"#),
    }
}
