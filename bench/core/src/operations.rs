//! What `../main.c` calls. Each operation writes its result into the caller's buffer, a number as
//! it lies in memory, and returns its length; what azure-sdk-for-c makes of the same input has to
//! be the same.

use core::cell::UnsafeCell;
use core::hint::black_box;

use crate::dps::{self, Outcome, Registration};
use crate::id::RequestId;
use crate::identity::{Identity, Names};
use crate::properties::Properties;
use crate::telemetry::{Property, Telemetry};
use crate::topic::{self, Incoming};
use crate::writer::Writer;
use crate::{json, methods, pnp, twin};

struct State {
    identity: Identity,
    registration: Registration,
    assigned: Identity,
}

struct Shared(UnsafeCell<State>);

// SAFETY: there is one thread.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new(State {
    identity: Identity::new(),
    registration: Registration::new(),
    assigned: Identity::new(),
}));

fn state() -> &'static mut State {
    // SAFETY: there is one thread, and each operation takes the state once.
    unsafe { &mut *STATE.0.get() }
}

// The inputs that both sides get.
unsafe extern "C" {
    static assigned_body: Text;
    static assigning_body: Text;
    static twin_body: Text;
    static c2d_topic: Text;
    static method_topic: Text;
    static twin_topic: Text;
    static desired_topic: Text;
    static foreign_topic: Text;
    static dps_topic: Text;
}

const BODY: &[u8] = br#"{"temperature":21.5,"timestamp":1234567}"#;

#[repr(C)]
struct Text {
    start: *const u8,
    length: usize,
}

fn bytes(text: &'static Text) -> &'static [u8] {
    // SAFETY: main.c's constants.
    black_box(unsafe { core::slice::from_raw_parts(text.start, text.length) })
}

/// Defines one operation under the name that main.c knows.
macro_rules! operation {
    ($name:ident, |$writer:ident| $body:block) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name(output: *mut u8, size: usize) -> usize {
            // SAFETY: the caller's buffer.
            let buffer = unsafe { core::slice::from_raw_parts_mut(output, size) };
            let mut writer = Writer::new(buffer);
            let $writer = &mut writer;
            $body
            writer.len()
        }
    };
}

/// As it lies in memory: digits would be counted.
fn number(writer: &mut Writer<'_>, number: u32) {
    writer.bytes(&number.to_le_bytes());
}

#[unsafe(no_mangle)]
extern "C" fn ours_prepare() {
    let state = state();
    let names = Names {
        hostname: "contoso.azure-devices.net",
        device_id: "my-device-id1",
        module_id: "",
    };
    state.identity.set(&names, None, "iothub/0.1.0");
    state.registration.set(
        Some(&dps::Config::new("0ne00000000", "my-device-id1")),
        false,
    );
}

operation!(ours_nothing, |_writer| {});

operation!(ours_connect, |writer| {
    let identity = &black_box(state()).identity;
    identity.write_client_id(writer);
    identity.write_user_name(writer);
});

fn telemetry(message: &Telemetry<'_>, writer: &mut Writer<'_>) {
    if let Ok(properties) = message.check() {
        state().identity.write_telemetry_topic(writer);
        if properties > 0 {
            message.write_properties(writer);
        }
    }
}

operation!(ours_telemetry, |writer| {
    const fn property(name: &'static str, value: &'static str) -> Property<'static> {
        Property {
            name,
            value: Some(value),
        }
    }
    static PROPERTIES: [Property<'_>; 3] = [
        property("a", "\u{e9}"),
        property("b", "x y/&="),
        property("level", "storage"),
    ];
    static MESSAGE: Telemetry<'_> = {
        let mut message = Telemetry::json(BODY);
        message.properties = &PROPERTIES;
        message
    };
    telemetry(black_box(&MESSAGE), writer);
});

operation!(ours_telemetry_plain, |writer| {
    static MESSAGE: Telemetry<'_> = Telemetry::new(BODY);
    telemetry(black_box(&MESSAGE), writer);
});

operation!(ours_c2d, |writer| {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &c2d_topic });
    if let Some(Incoming::C2d { bag }) = topic::read(topic, &state().identity.device_id) {
        number(writer, bag.len() as u32);
    }
});

operation!(ours_property, |writer| {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &c2d_topic });
    let bag = topic.get(43..).unwrap_or_default();
    if let Some(found) = black_box(Properties::new(bag)).find("level")
        && let (_, Some(value)) = found.raw()
    {
        writer.bytes(value);
    }
});

operation!(ours_method, |writer| {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &method_topic });
    if let Some(Incoming::Method { name, request }) =
        topic::read(topic, &state().identity.device_id)
    {
        number(writer, (name.len() * 100 + request.len()) as u32);
    }
});

operation!(ours_response, |writer| {
    writer.text("$iothub/methods/res/");
    methods::write_response_topic(writer, black_box(200), black_box(b"17"));
});

operation!(ours_twin_answer, |writer| {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &twin_topic });
    if let Some(Incoming::TwinAnswer { status, .. }) =
        topic::read(topic, &state().identity.device_id)
    {
        number(writer, status.into());
    }
});

operation!(ours_desired, |writer| {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &desired_topic });
    if let Some(Incoming::Desired {
        version: Some(version),
    }) = topic::read(topic, &state().identity.device_id)
    {
        number(writer, version as u32);
    }
});

operation!(ours_foreign, |writer| {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &foreign_topic });
    if topic::read(topic, &state().identity.device_id).is_none() {
        number(writer, 7);
    }
});

operation!(ours_twin_document, |writer| {
    // SAFETY: main.c's constant.
    let body = bytes(unsafe { &twin_body });
    if let Some(document) = twin::Document::read(RequestId(1), body) {
        number(writer, document.version as u32);
    }
});

operation!(ours_json, |writer| {
    // SAFETY: main.c's constant.
    if json::is_valid(bytes(unsafe { &twin_body })) {
        number(writer, 1);
    }
});

operation!(ours_acknowledge, |writer| {
    let mut buffer = [0; 128];
    let answer = pnp::Acknowledgement {
        description: Some("ok"),
        ..pnp::Acknowledgement::accepted(pnp::Value::Number(black_box(5)), black_box(7))
    };
    let written = pnp::Patch::new(&mut buffer)
        .and_then(|mut patch| patch.acknowledge("interval", &answer).and(Ok(patch)))
        .and_then(pnp::Patch::finish);
    writer.bytes(written.unwrap_or_default());
});

operation!(ours_dps_user_name, |writer| {
    let state = black_box(state());
    writer.text(state.registration.registration_id());
    state
        .registration
        .write_user_name(state.identity.client_type(), writer);
});

operation!(ours_dps_topic, |writer| {
    let registration = &mut black_box(state()).registration;
    registration.begin();
    registration.write_topic(RequestId(1), writer);
});

fn dps_answer(body: &'static Text, writer: &mut Writer<'_>) {
    // SAFETY: main.c's constant.
    let topic = bytes(unsafe { &dps_topic });
    let state = state();
    let Some(Incoming::DpsAnswer {
        status,
        retry_after,
        ..
    }) = topic::read(topic, &state.identity.device_id)
    else {
        return;
    };
    state.registration.begin();
    let outcome = state
        .registration
        .answer(status, retry_after, bytes(body), &mut state.assigned);
    match outcome {
        Outcome::Assigned { .. } => writer.text(state.assigned.names().hostname),
        Outcome::Retry { seconds, .. } => number(writer, seconds.into()),
        Outcome::Failed(_) => writer.text("failed"),
    }
}

operation!(ours_dps_assigned, |writer| {
    // SAFETY: main.c's constant.
    dps_answer(unsafe { &assigned_body }, writer);
});

operation!(ours_dps_assigning, |writer| {
    // SAFETY: main.c's constant.
    dps_answer(unsafe { &assigning_body }, writer);
});

unsafe extern "C" {
    safe fn give_up() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    give_up()
}
