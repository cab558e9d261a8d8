//! The device's answers to methods.

use serde_json::Value;

use super::Session;
use crate::code::{ErrorCode, Refusal};
use crate::connections::MethodAnswer;
use crate::journal::Event;
use crate::wire::Publish;

impl Session {
    pub(super) fn method_response(&mut self, status: i64, rid: &str, publish: &Publish) {
        let payload = match publish.payload.as_slice() {
            [] => Value::Null,
            body => match serde_json::from_slice(body) {
                Ok(payload) => payload,
                Err(error) => {
                    let reason = format!("the answer to request '{rid}' is not JSON: {error}");
                    let refusal = Refusal::new(ErrorCode::ArgumentInvalid, reason);
                    self.record(Event::refusal("method", &refusal));
                    return;
                }
            },
        };
        if !self.handle.answer(rid, MethodAnswer { status, payload }) {
            let reason = format!("an answer to request '{rid}', for which nobody waits");
            let refusal = Refusal::new(ErrorCode::InvalidOperation, reason);
            self.record(Event::refusal("method", &refusal));
        }
    }
}
