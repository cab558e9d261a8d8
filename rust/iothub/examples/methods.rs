//! The direct method `count` is answered with how often it was called, and every other one with
//! 404.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use iothub::{Event, Handler, MethodResponse};

/// The handler's context.
struct Counter {
    calls: AtomicU32,
}

impl Handler for Counter {
    fn on_event(&self, event: Event<'_>) {
        let Event::Method(request) = event else {
            return;
        };
        let (status, payload) = match request.name {
            "count" => {
                let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
                (200, format!(r#"{{"calls":{calls}}}"#))
            }
            _ => (404, r#"{"error":"no such method"}"#.to_owned()),
        };
        // Within the time that the caller gave; from another thread it may be answered later, with
        // `request.id`.
        let answer = MethodResponse {
            request: request.id,
            status,
            payload: payload.as_bytes(),
        };
        if let Err(error) = iothub::respond(&answer) {
            log::warn!("no answer to {}: {error}", request.name);
        }
    }
}

static COUNTER: Counter = Counter {
    calls: AtomicU32::new(0),
};

fn main() -> Result<(), Box<dyn Error>> {
    // On Linux this crate stands for the SDK, with its data in a folder; on a board there is no
    // such line.
    iothub_host::start(iothub_host::Options::new("data"))?;
    iothub::start(&COUNTER)?;
    iothub::connect()?;
    loop {
        iothub::wait(None);
    }
}
