//! The direct method `led`, and the answer to every other one.

use iothub::{MethodRequest, MethodResponse};

pub(crate) fn on_method(request: &MethodRequest<'_>) {
    let (status, payload) = answer(request.component, request.name, request.payload);
    let answer = MethodResponse {
        request: request.id,
        status,
        payload: payload.as_bytes(),
    };
    if let Err(error) = iothub::respond(&answer) {
        log::warn!("no answer to method {}: {error}", request.name);
    }
}

fn answer(component: Option<&str>, name: &str, payload: &[u8]) -> (i32, &'static str) {
    if component.is_some() || name != "led" {
        return (404, r#"{"error":"no such method"}"#);
    }
    let on = match payload.trim_ascii() {
        b"1" => true,
        b"0" => false,
        _ => return (400, r#"{"error":"led takes 0 or 1"}"#),
    };
    iothub::set_led(on);
    (200, if on { r#"{"led":1}"# } else { r#"{"led":0}"# })
}
