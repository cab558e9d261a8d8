//! States, waiting and events of the one connection, whatever the form of the API.

use core::{
    cell::Cell,
    ffi::c_int,
    sync::atomic::{AtomicBool, Ordering},
};

use critical_section::Mutex;
use iothub::{Disconnect, Event, Notice, Options, Phase, Who, c_api};

use crate::{
    dps, errno,
    happening::{self, Happening, Kind, Sink},
    outgoing,
};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The hub, by way of DPS where that is asked for.
    Hub,
    /// DPS only.
    Provisioning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Disconnected,
    /// `azure_iot_hub_connect` was called. `begun`: the client has taken it up, so that an end is its end and not that
    /// of the connection `before`, whose end has not come.
    Connecting {
        begun: bool,
        before: Option<Purpose>,
    },
    Connected,
    Disconnecting,
}

/// The thread that waits in `azure_iot_hub_connect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Nobody,
    Waiting,
    Done(c_int),
}

#[derive(Clone, Copy)]
struct Shared {
    sink: Option<Sink>,
    state: State,
    purpose: Purpose,
    wait: Wait,
    /// The client has accepted the wish to connect.
    accepted: bool,
    /// CONNECTING was told for this attempt.
    announced: bool,
    on_dps: bool,
}

static SHARED: Mutex<Cell<Shared>> = Mutex::new(Cell::new(Shared {
    sink: None,
    state: State::Disconnected,
    purpose: Purpose::Hub,
    wait: Wait::Nobody,
    accepted: false,
    announced: false,
    on_dps: false,
}));

/// The client exists.
static STARTED: AtomicBool = AtomicBool::new(false);

/// One look at the state, and maybe a change of it. Nothing else happens meanwhile.
fn with<R>(f: impl FnOnce(&mut Shared) -> R) -> R {
    critical_section::with(|cs| {
        let cell = SHARED.borrow(cs);
        let mut shared = cell.get();
        let result = f(&mut shared);
        cell.set(shared);
        result
    })
}

pub(crate) fn init(sink: Sink) -> c_int {
    with(|shared| {
        if shared.state != State::Disconnected {
            return errno::EALREADY;
        }
        shared.sink = Some(sink);
        0
    })
}

pub(crate) fn is_connected() -> bool {
    with(|shared| shared.state == State::Connected)
}

/// Connects, and waits for the transport unless the caller is inside the handler.
pub(crate) fn connect(who: &Who<'_>, purpose: Purpose) -> c_int {
    let waits = !iothub::in_handler();
    let entered = with(|shared| {
        if purpose == Purpose::Hub && shared.sink.is_none() {
            return Err(errno::ENOENT);
        }
        let before = shared.state;
        match before {
            State::Connected => return Err(errno::EALREADY),
            State::Connecting { .. } => return Err(errno::EINPROGRESS),
            State::Disconnected | State::Disconnecting => {}
        }
        // The one before has been told, and has not looked yet.
        if shared.wait != Wait::Nobody {
            return Err(errno::EINPROGRESS);
        }
        shared.state = State::Connecting {
            begun: false,
            before: (before == State::Disconnecting).then_some(shared.purpose),
        };
        shared.purpose = purpose;
        shared.accepted = false;
        shared.wait = if waits { Wait::Waiting } else { Wait::Nobody };
        Ok(())
    });
    if let Err(errno) = entered {
        return errno;
    }
    if let Err(errno) = start(who) {
        with(|shared| {
            if let State::Connecting { before, .. } = shared.state {
                shared.state = match before {
                    None => State::Disconnected,
                    Some(before) => {
                        shared.purpose = before;
                        State::Disconnecting
                    }
                };
            }
            shared.wait = Wait::Nobody;
        });
        return errno;
    }
    with(|shared| shared.accepted = true);
    if !waits {
        return 0;
    }
    loop {
        let done = with(|shared| match shared.wait {
            Wait::Done(result) => {
                shared.wait = Wait::Nobody;
                Some(result)
            }
            Wait::Waiting | Wait::Nobody => None,
        });
        if let Some(result) = done {
            return result;
        }
        iothub::wait(None);
    }
}

/// One thread at a time: it is Connecting.
fn start(who: &Who<'_>) -> Result<(), c_int> {
    if STARTED.load(Ordering::Acquire) {
        iothub::reconfigure(who).map_err(errno::of_config)?;
    } else {
        Options::with_notices(on_notice)
            .who(*who)
            .attach(false)
            .reconnect(c_api::RECONNECT)
            .request_twin(c_api::TWIN_REQUEST)
            // As with Nordic's library, the restart is the application's.
            .firmware(iothub::Firmware::Application)
            .keep_alive_limit(core::time::Duration::from_secs(1767))
            .start()
            .map_err(errno::of_start)?;
        STARTED.store(true, Ordering::Release);
    }
    iothub::connect().map_err(errno::of)
}

pub(crate) fn disconnect() -> c_int {
    let told = with(|shared| {
        match shared.state {
            State::Connected => {}
            State::Connecting { .. } if shared.accepted => {}
            _ => return None,
        }
        shared.state = State::Disconnecting;
        Some(answer(shared, errno::ECANCELED))
    });
    let Some(wake) = told else {
        return errno::ENOTCONN;
    };
    if wake {
        iothub::wake();
    }
    // An error says that it has ended by itself, and that event is on its way.
    let _ = iothub::disconnect();
    0
}

/// Tells the thread that waits; whether there is one.
fn answer(shared: &mut Shared, result: c_int) -> bool {
    let waits = shared.wait == Wait::Waiting;
    if waits {
        shared.wait = Wait::Done(result);
    }
    waits
}

fn on_notice(notice: Notice<'_>) {
    let Notice::Event(event, message) = notice else {
        tell_of(Kind::Pingresp, 0);
        return;
    };
    match event {
        Event::Connecting { .. } => on_connecting(),
        Event::Peer(_) => on_transport(),
        Event::Connected { session_present } => on_connected(session_present),
        Event::Ready => tell_of(Kind::Ready, 0),
        Event::Disconnected { cause, retry_in } => on_disconnected(cause, retry_in.is_none()),
        Event::Provisioning(iothub::dps::Event::Assigning) => tell_dps(Kind::DpsRegistering),
        Event::Provisioning(iothub::dps::Event::Assigned { .. }) => on_assigned(),
        Event::Sent(id) => {
            if let Some(message_id) = outgoing::acknowledged(id) {
                tell_of(Kind::Puback, message_id.into());
            }
        }
        Event::Dropped(id) => {
            if outgoing::acknowledged(id).is_some() {
                tell_of(Kind::Error, errno::EIO);
            }
        }
        Event::Oversize { .. } => tell_of(Kind::TooLarge, 0),
        event => happening::of_event(&event, message, tell),
    }
}

fn on_connecting() {
    let on_dps = iothub::status().is_ok_and(|status| status.phase == Phase::Provisioning);
    let (announce, purpose) = with(|shared| {
        if let State::Connecting { begun, .. } = &mut shared.state {
            *begun = true;
        }
        shared.on_dps = on_dps;
        let announce = !shared.announced;
        shared.announced = true;
        (announce, shared.purpose)
    });
    if announce && purpose == Purpose::Hub {
        tell_of(Kind::Connecting, 0);
    }
    if on_dps {
        tell_dps(Kind::DpsConnecting);
    }
}

/// The transport is up, to whomever is the last on the way.
fn on_transport() {
    let wake = with(|shared| {
        let is_last = !shared.on_dps || shared.purpose == Purpose::Provisioning;
        let is_up = iothub_is_up(shared);
        is_last && is_up && answer(shared, 0)
    });
    if wake {
        iothub::wake();
    }
}

/// The address is told of a connect that has failed too; its end came before.
fn iothub_is_up(shared: &Shared) -> bool {
    matches!(
        shared.state,
        State::Connecting { begun: true, .. } | State::Connected
    ) && shared.announced
}

fn on_connected(session_present: bool) {
    let hub = with(|shared| {
        if shared.on_dps {
            return false;
        }
        if let State::Connecting { begun: true, .. } = shared.state {
            shared.state = State::Connected;
        }
        true
    });
    on_transport();
    if hub {
        tell_of(Kind::Connected, session_present.into());
    }
}

/// For DPS alone this was all; else the hub is next.
fn on_assigned() {
    tell_dps(Kind::DpsAssigned);
    let is_all = with(|shared| {
        let overtaken = matches!(shared.state, State::Connecting { begun: false, .. });
        shared.purpose == Purpose::Provisioning && !overtaken
    });
    if is_all {
        let _ = iothub::disconnect();
    }
}

fn on_disconnected(cause: Disconnect, last: bool) {
    if cause == Disconnect::Provisioned {
        with(|shared| shared.on_dps = false);
        return;
    }
    happening::void_requests(tell_hub);
    let requested = cause == Disconnect::Requested;
    let errno = errno::of_disconnect(cause);
    let (purpose, was_dps, told, wake) = with(|shared| {
        let was_dps = core::mem::take(&mut shared.on_dps);
        shared.announced = false;
        let mut purpose = shared.purpose;
        let mut told = false;
        let mut wake = false;
        match &mut shared.state {
            State::Connecting {
                begun: false,
                before,
            } => purpose = before.take().unwrap_or(purpose),
            state => {
                *state = if last {
                    State::Disconnected
                } else {
                    State::Connecting {
                        begun: true,
                        before: None,
                    }
                };
                let failed = was_dps || matches!(cause, Disconnect::ConnectFailed(_));
                let result = match failed {
                    _ if requested => errno::ECANCELED,
                    true if last => errno,
                    _ => 0,
                };
                wake = answer(shared, result);
                // The thread that waits is told by what connect returns.
                told = wake && last && failed && !requested;
            }
        }
        (purpose, was_dps, told, wake)
    });
    if purpose == Purpose::Provisioning {
        if !last && !requested {
            let _ = iothub::disconnect();
        }
        dps::ended();
    } else {
        if was_dps && !requested {
            tell_hub(&Happening::new(Kind::DpsFailed, 0));
        }
        match cause {
            Disconnect::Connack(code) if !was_dps => {
                let code = code.as_wire().into();
                tell_hub(&Happening::new(Kind::ConnectionFailed, code));
            }
            _ if told => {}
            _ => tell_hub(&Happening::new(Kind::Disconnected, errno)),
        }
    }
    if wake {
        iothub::wake();
    }
}

fn tell_of(kind: Kind, number: c_int) {
    tell(&Happening::new(kind, number));
}

/// What is about the connection that there is.
fn tell(happening: &Happening<'_>) {
    if with(|shared| shared.purpose) == Purpose::Hub {
        tell_hub(happening);
    }
}

fn tell_hub(happening: &Happening<'_>) {
    if let Some(sink) = with(|shared| shared.sink) {
        sink(happening);
    }
}

fn tell_dps(progress: Kind) {
    if with(|shared| shared.purpose) == Purpose::Provisioning {
        dps::progress(progress);
    } else {
        tell_hub(&Happening::new(progress, 0));
    }
}
