//! A device that records a reading a minute, as fast as it can, and keeps each in flash: for the
//! scenario of an outage.

use std::{process::ExitCode, time::Duration};

use iothub::{
    Delivery, Error as ClientError, Event, Keep, MethodResponse, Options, Priority, Telemetry,
};

use crate::Error;

/// Which minutes are recorded.
pub(crate) type Minutes = std::ops::Range<u32>;

/// A reading a minute.
pub(crate) const DAY: u32 = 24 * 60;

/// When a reading was made: minutes of a March.
pub(crate) fn time_of(minute: u32) -> String {
    let (day, minute) = (1 + minute / DAY, minute % DAY);
    format!(
        "2026-03-{day:02}T{:02}:{:02}:00.000Z",
        minute / 60,
        minute % 60
    )
}

/// Records these minutes, then sends what there is to send until it is ended. Says of each reading
/// that it was accepted, and now and then what the outbox holds. Method `alarm` has it send one,
/// with its payload in it.
pub(crate) fn run(minutes: Minutes) -> Result<ExitCode, Error> {
    Options::new(&on_event)
        .request_twin(false)
        .start()
        .map_err(Error::new)?;
    iothub::connect().map_err(Error::new)?;
    for minute in minutes {
        record(minute)?;
        println!("recorded {minute}");
    }
    let mut shown = String::new();
    loop {
        let status = iothub::outbox_status().to_string();
        if status != shown {
            println!("outbox: {}", status.replace('\n', "; "));
            shown = status;
        }
        std::thread::sleep(LOOK);
    }
}

/// How often to look at the outbox.
const LOOK: Duration = Duration::from_millis(200);

fn on_event(event: Event<'_>) {
    if let Event::Method(request) = event {
        let is_alarm = request.name == "alarm" && raise(request.payload).is_ok();
        // Whoever asked sees where there is none.
        let _ = iothub::respond(&MethodResponse {
            request: request.id,
            status: if is_alarm { 200 } else { 400 },
            payload: b"null",
        });
    }
}

fn raise(number: &[u8]) -> Result<(), ClientError> {
    let body = [br#"{"alarm":"#, number, b"}"].concat();
    let mut message = Telemetry::json(&body);
    message.delivery = Delivery {
        priority: Priority::High,
        keep: Some(Keep::Always),
        ..Delivery::default()
    };
    iothub::send(&message).map(drop)
}

fn record(minute: u32) -> Result<(), Error> {
    let (body, time) = (format!(r#"{{"minute":{minute}}}"#), time_of(minute));
    let mut message = Telemetry::json(body.as_bytes());
    message.system.creation_time = Some(&time);
    message.delivery = Delivery {
        keep: Some(Keep::Always),
        ..Delivery::default()
    };
    match iothub::send(&message) {
        Ok(_) => Ok(()),
        Err(error @ ClientError::Capacity(_)) => {
            Err(Error::new(format!("minute {minute}: {error}")))
        }
        Err(error) => Err(Error::new(error)),
    }
}
