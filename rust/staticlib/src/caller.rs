//! Uses each function of the library once, with arguments that the compiler does not know: what the
//! library costs an application, without one. `take` and `give` are C's.

use core::time::Duration;

use iothub::{Event, MethodResponse, Property, Telemetry, network};

unsafe extern "C" {
    safe fn take(value: usize);
    safe fn give() -> &'static [u8; 64];
}

pub(crate) fn run() {
    take(usize::from(iothub::start(&on_event).is_ok()));
    take(usize::from(iothub::connect().is_ok()));
    let ready = |event: &Event<'static>| matches!(event, Event::Ready).then_some(());
    take(usize::from(iothub::EventQueue::new().wait_for(Duration::from_secs(60), ready).is_some()));
    loop {
        let (text, number) = (text(), give()[0]);
        let property = Property {
            name: text,
            value: Some(text),
        };
        let properties = [property; 3];
        let mut message = Telemetry::json(give());
        message.system.message_id = Some(text);
        message.properties = &properties;
        take(iothub::send(&message).map_or(0, |id| id.as_u32() as usize));
        let id = iothub::report(give(), Some(u64::from(number)));
        take(id.map_or(0, |id| id.as_u32() as usize));
        take(usize::from(iothub::request_twin().is_ok()));
        if let Ok(status) = iothub::status() {
            take(status.outbox_used);
            take(status.counters.dropped as usize);
        }
        if number == 0 {
            take(usize::from(iothub::disconnect().is_ok()));
        }
    }
}

fn on_event(event: Event<'_>) {
    match event {
        Event::C2d(message) => {
            take(message.payload.len());
            let mut buffer = [0; 64];
            for property in message.properties.iter() {
                take(property.name(&mut buffer).map_or(0, str::len));
                take(property.value(&mut buffer).ok().flatten().map_or(0, str::len));
            }
        }
        Event::Twin(twin) => take(twin.desired().raw(text()).map_or(0, <[u8]>::len)),
        Event::Desired(desired) => {
            take(desired.properties().number(text()).unwrap_or(0) as usize);
        }
        Event::Method(request) => {
            take(request.name.len());
            let answer = MethodResponse {
                request: request.id,
                status: i32::from(give()[0]),
                payload: give(),
            };
            take(usize::from(iothub::respond(&answer).is_ok()));
        }
        Event::Disconnected { retry_in, .. } => {
            take(retry_in.map_or(0, |wait| wait.as_secs() as usize));
        }
        Event::Reported { request, .. } | Event::ReportFailed { request, .. } => {
            take(request.as_u32() as usize);
        }
        Event::Sent(id) | Event::Dropped(id) => take(id.as_u32() as usize),
        Event::Ready => take(1),
        Event::Network(network::Event::Up(_)) => take(2),
        _ => {}
    }
}

fn text() -> &'static str {
    core::str::from_utf8(give()).unwrap_or_default()
}
