//! The device's answers to methods.

use serde_json::Value;

use super::Session;
use crate::code::{ErrorCode, Refusal};
use crate::hub::connections::MethodAnswer;
use crate::journal::Event;

impl Session {
    pub(super) fn method_response(&mut self, status: i64, rid: &str, payload: &[u8]) {
        let answer = match payload {
            [] => Ok(Value::Null),
            body => serde_json::from_slice(body).map_err(|error| {
                let reason = format!("the device's answer to request '{rid}' is not JSON: {error}");
                Refusal::new(ErrorCode::InvalidResponseWhileProxying, reason)
            }),
        };
        let answer = answer.map(|payload| MethodAnswer { status, payload });
        if !self.handle.answer(rid, answer) {
            let reason = format!("an answer to request '{rid}', for which nobody waits");
            let refusal = Refusal::new(ErrorCode::InvalidOperation, reason);
            self.record(Event::refusal("method", &refusal));
        }
    }
}
