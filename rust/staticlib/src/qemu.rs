//! What runs on the emulated Cortex-M33: the vectors, judged as on the host, and each call of the
//! library, so that `qemu/main.c` can measure the stack that it takes.

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::format;
use iothub::{Error, Event, MethodResponse, Property, Telemetry};

#[path = "../../proto/tests/vectors/expect.rs"]
mod expect;
#[path = "../../proto/tests/vectors/checksum.rs"]
mod checksum;

unsafe extern "C" {
    /// A line for the terminal.
    fn tell(text: *const u8, length: usize);
    safe fn give_up() -> !;
}

fn say(text: &str) {
    // SAFETY: pointer and length are those of one text, read only during the call.
    unsafe { tell(text.as_ptr(), text.len()) }
}

#[unsafe(no_mangle)]
extern "C" fn check_vectors() {
    for (name, subject) in expect::SUBJECTS {
        say(&checksum::checksum(name, *subject));
    }
}

#[unsafe(no_mangle)]
extern "C" fn call_start() {
    let _ = log::set_logger(&iothub::Logger);
    log::set_max_level(iothub::LOG_LEVEL);
    must(iothub::start(&on_event).map_err(|error| format!("{error}")));
}

#[unsafe(no_mangle)]
extern "C" fn call_connect() {
    must(iothub::connect());
}

#[unsafe(no_mangle)]
extern "C" fn call_send() {
    let properties = [Property {
        name: "alert \u{e9}",
        value: Some("a/b"),
    }];
    let mut message = Telemetry::json(br#"{"temperature":25.1}"#);
    message.system.message_id = Some("1");
    message.properties = &properties;
    must(iothub::send(&message));
}

#[unsafe(no_mangle)]
extern "C" fn call_report() {
    must(iothub::report(br#"{"a":{"b":[1,"x",null]}}"#, Some(3)));
}

#[unsafe(no_mangle)]
extern "C" fn call_status() {
    must(iothub::status());
}

#[unsafe(no_mangle)]
extern "C" fn call_request_twin() {
    must(iothub::request_twin());
}

fn on_event(event: Event<'_>) {
    match event {
        Event::Method(request) => must(iothub::respond(&MethodResponse {
            request: request.id,
            status: 200,
            payload: request.payload,
        })),
        Event::Twin(twin) => {
            let _ = twin.desired().number("interval");
            say("told twin");
        }
        Event::C2d(message) => {
            let mut buffer = [0; 32];
            let value = message.properties.find("a b").map(|found| {
                let value = found.value(&mut buffer);
                value == Ok(Some("c/d"))
            });
            say(if value == Some(true) { "told C2D" } else { "!C2D" });
        }
        Event::Desired(_) => say("told desired"),
        Event::Sent(_) => say("told sent"),
        Event::Reported { .. } => say("told reported"),
        Event::Ready => say("told ready"),
        Event::UnknownTopic(_) => say("told unknown topic"),
        Event::Disconnected { .. } => say("told disconnected"),
        _ => {}
    }
}

fn must<T, E: core::fmt::Debug>(result: Result<T, E>) {
    if let Err(error) = result {
        panic!("{error:?}");
    }
}

const _: fn(Result<(), Error>) = must;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say(&format!("{info}"));
    give_up()
}

/// Hands out memory from the front, and begins again once all is given back.
struct Heap {
    bytes: UnsafeCell<[u8; SIZE]>,
    next: AtomicUsize,
    live: AtomicUsize,
}

const SIZE: usize = 1 << 20;

// SAFETY: there is one thread.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap {
    bytes: UnsafeCell::new([0; SIZE]),
    next: AtomicUsize::new(0),
    live: AtomicUsize::new(0),
};

// SAFETY: what is handed out lies inside `bytes`, is aligned, and overlaps nothing that is still in
// use.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get() as usize;
        let start = (base + self.next.load(Ordering::Relaxed)).next_multiple_of(layout.align());
        let end = start - base + layout.size();
        if end > SIZE {
            return core::ptr::null_mut();
        }
        self.next.store(end, Ordering::Relaxed);
        self.live
            .store(self.live.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        let live = self.live.load(Ordering::Relaxed) - 1;
        self.live.store(live, Ordering::Relaxed);
        if live == 0 {
            self.next.store(0, Ordering::Relaxed);
        }
    }
}
