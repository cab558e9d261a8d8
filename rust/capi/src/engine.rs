//! States, waiting and events of the one connection, whatever the form of the API.

use core::{
    cell::Cell,
    ffi::c_int,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use critical_section::Mutex;
use iothub::{
    DeviceIdentity, Disconnect, Event, Options, Phase,
    capi_support::{Notice, c_api},
};

use crate::{
    c_event::{self, CEvent, Handler, Kind},
    errno,
};

/// Who is told of events, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Makes events of the form, and calls the application's handler.
    pub(crate) handler: Handler,
    /// The way by DPS has events of its own: then CONNECTING is the hub's alone, and
    /// `azure_iot_hub_connect` returns when DPS is reached.
    pub(crate) tells_dps: bool,
}

/// How a registration is getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// DPS is working on it.
    Assigning,
    /// DPS has named the hub.
    Assigned,
    /// The connection to DPS has ended.
    Ended,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// The hub, by way of DPS where that is asked for.
    Hub,
    /// DPS only.
    Provisioning(fn(Registration)),
}

impl Purpose {
    fn is_hub(self) -> bool {
        matches!(self, Self::Hub)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Disconnected,
    /// `azure_iot_hub_connect` was called. `begun`: the client has taken it up, so that an end is
    /// its end and not that of the connection `before`, whose end has not come.
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
    form: Option<Form>,
    state: State,
    purpose: Purpose,
    wait: Wait,
    /// The client has accepted the request to connect.
    accepted: bool,
    /// What was told of this attempt: that the hub, or DPS, is being connected to.
    announced: Option<Kind>,
    on_dps: bool,
}

static SHARED: Mutex<Cell<Shared>> = Mutex::new(Cell::new(Shared {
    form: None,
    state: State::Disconnected,
    purpose: Purpose::Hub,
    wait: Wait::Nobody,
    accepted: false,
    announced: None,
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

/// Whether a handler can be set: not from a connect to the end of the connection.
///
/// # Errors
/// EALREADY.
pub(crate) fn check_init() -> Result<(), c_int> {
    with(|shared| match shared.state {
        State::Disconnected => Ok(()),
        _ => Err(errno::EALREADY),
    })
}

/// Sets who is told.
///
/// # Errors
/// As [`check_init`].
pub(crate) fn init(form: Form) -> Result<(), c_int> {
    with(|shared| match shared.state {
        State::Disconnected => {
            shared.form = Some(form);
            Ok(())
        }
        _ => Err(errno::EALREADY),
    })
}

pub(crate) fn is_connected() -> bool {
    with(|shared| matches!(shared.state, State::Connected))
}

/// Connects to the hub, and waits for the transport unless the caller is inside the handler.
/// `by_dps`: it is DPS that is connected to first.
pub(crate) fn connect(who: &DeviceIdentity<'_>, by_dps: bool) -> c_int {
    open(who, Purpose::Hub, by_dps)
}

/// Registers with DPS, and waits as [`connect`] does. `progress` is called as the handler is.
pub(crate) fn register(who: &DeviceIdentity<'_>, progress: fn(Registration)) -> c_int {
    open(who, Purpose::Provisioning(progress), true)
}

fn open(who: &DeviceIdentity<'_>, purpose: Purpose, by_dps: bool) -> c_int {
    let waits = !iothub::in_handler();
    let entered = with(|shared| {
        if purpose.is_hub() && shared.form.is_none() {
            return Err(errno::ENOENT);
        }
        let before = shared.state;
        match before {
            State::Connected => return Err(errno::EALREADY),
            State::Connecting { .. } => return Err(errno::EINPROGRESS),
            State::Disconnected | State::Disconnecting => {}
        }
        if waits {
            // The thread of the attempt before has its result, and has not looked yet.
            if shared.wait != Wait::Nobody {
                return Err(errno::EINPROGRESS);
            }
            shared.wait = Wait::Waiting;
        }
        shared.state = State::Connecting {
            begun: false,
            before: matches!(before, State::Disconnecting).then_some(shared.purpose),
        };
        shared.purpose = purpose;
        shared.accepted = false;
        shared.announced = None;
        Ok(())
    });
    if let Err(errno) = entered {
        return errno;
    }
    let started = configure(who).and_then(|()| {
        announce(by_dps);
        iothub::connect().map_err(errno::of)
    });
    if let Err(errno) = started {
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
            if waits {
                shared.wait = Wait::Nobody;
            }
        });
        return errno;
    }
    with(|shared| shared.accepted = true);
    if waits { wait() } else { 0 }
}

/// How long the driver may take to begin. It can be held up by a handler that waits for what the
/// thread here holds.
const BEGIN: Duration = Duration::from_secs(10);

/// Waits for the transport. 0 also where the attempt has not begun in time: events tell the rest
/// then.
fn wait() -> c_int {
    let deadline = iothub::now() + BEGIN;
    loop {
        let late = iothub::now() >= deadline;
        let (done, begun) = with(|shared| {
            let begun = !matches!(shared.state, State::Connecting { begun: false, .. });
            let done = match shared.wait {
                Wait::Done(result) => Some(result),
                Wait::Waiting | Wait::Nobody => (late && !begun).then_some(0),
            };
            if done.is_some() {
                shared.wait = Wait::Nobody;
            }
            (done, begun)
        });
        if let Some(result) = done {
            return result;
        }
        iothub::wait((!begun).then_some(deadline));
    }
}

/// Tells on the caller's thread, as Nordic's library does, that a connection is being opened. Not
/// through the driver: its thread may be inside the handler, and wait there for what the caller
/// holds.
fn announce(by_dps: bool) {
    let told = with(|shared| {
        let form = shared.form.filter(|_| shared.purpose.is_hub())?;
        let kind = if by_dps && form.tells_dps {
            Kind::DpsConnecting
        } else {
            Kind::Connecting
        };
        shared.announced = Some(kind);
        Some((form, kind))
    });
    if let Some((form, kind)) = told {
        (form.handler)(&CEvent::new(kind, 0));
    }
}

/// One thread at a time: it is Connecting.
fn configure(who: &DeviceIdentity<'_>) -> Result<(), c_int> {
    if STARTED.load(Ordering::Acquire) {
        return iothub::reconfigure(who).map_err(errno::of_config);
    }
    Options::new(&Listener)
        .identity(*who)
        .attach(false)
        .reconnect(c_api::RECONNECT)
        .request_twin(c_api::TWIN_REQUEST)
        .outbox(c_api::OUTBOX)
        // As with Nordic's library, the restart is the application's.
        .firmware(iothub::Firmware::Application)
        .keep_alive_limit(Duration::from_secs(1767))
        .start()
        .map_err(errno::of_start)?;
    STARTED.store(true, Ordering::Release);
    Ok(())
}

pub(crate) fn disconnect() -> c_int {
    let told = with(|shared| {
        match shared.state {
            State::Connected => {}
            State::Connecting { .. } if shared.accepted => {}
            State::Disconnected | State::Connecting { .. } | State::Disconnecting => return None,
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

/// What the client tells.
struct Listener;

impl iothub::Handler for Listener {
    fn on_event(&self, event: Event<'_>) {
        self.on_notice(Notice::Event(event, None));
    }

    fn on_notice(&self, notice: Notice<'_>) {
        on_notice(notice);
    }
}

fn on_notice(notice: Notice<'_>) {
    // Each event can be the end of something that took room.
    c_api::room();
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
        Event::Provisioning(iothub::dps::Event::Assigning) => {
            tell_registration(Registration::Assigning);
        }
        Event::Provisioning(iothub::dps::Event::Assigned { .. }) => on_assigned(),
        Event::Oversize { .. } => tell_of(Kind::TooLarge, 0),
        event => c_event::of_event(&event, message, tell),
    }
}

fn on_connecting() {
    let on_dps = iothub::status().is_ok_and(|status| status.phase == Phase::Provisioning);
    let kind = with(|shared| {
        if let State::Connecting { begun, .. } = &mut shared.state {
            *begun = true;
        }
        shared.on_dps = on_dps;
        let form = shared.form.filter(|_| shared.purpose.is_hub())?;
        let kind = if on_dps && form.tells_dps {
            Kind::DpsConnecting
        } else {
            Kind::Connecting
        };
        (shared.announced.replace(kind) != Some(kind)).then_some(kind)
    });
    // Whoever waits for a beginning.
    iothub::wake();
    if let Some(kind) = kind {
        tell_of(kind, 0);
    }
}

/// The transport is up, to whomever `azure_iot_hub_connect` waits for.
fn on_transport() {
    let wake = with(|shared| {
        let waits_for_hub =
            shared.purpose.is_hub() && !shared.form.is_some_and(|form| form.tells_dps);
        let is_up = matches!(
            shared.state,
            // The address is told of a connect that has failed too; its end came before.
            State::Connecting { begun: true, .. } | State::Connected
        );
        is_up && !(shared.on_dps && waits_for_hub) && answer(shared, 0)
    });
    if wake {
        iothub::wake();
    }
}

fn on_connected(session_present: bool) {
    let on_dps = with(|shared| {
        if !shared.on_dps
            && let State::Connecting { begun: true, .. } = shared.state
        {
            shared.state = State::Connected;
        }
        shared.on_dps
    });
    on_transport();
    if on_dps {
        tell_of(Kind::DpsRegistering, 0);
    } else {
        tell_of(Kind::Connected, session_present.into());
    }
}

/// For DPS alone this was all; else the hub is next.
fn on_assigned() {
    tell_of(Kind::DpsAssigned, 0);
    tell_registration(Registration::Assigned);
    let is_all = with(|shared| {
        let overtaken = matches!(shared.state, State::Connecting { begun: false, .. });
        !shared.purpose.is_hub() && !overtaken
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
    c_event::void_requests(tell_hub);
    let requested = cause == Disconnect::Requested;
    let errno = errno::of_disconnect(cause);
    let end = with(|shared| {
        let on_dps = core::mem::take(&mut shared.on_dps);
        let mut end = End {
            purpose: shared.purpose,
            on_dps,
            returned: false,
        };
        match &mut shared.state {
            State::Connecting {
                begun: false,
                before: before @ Some(_),
            } => end.purpose = before.take().unwrap_or(shared.purpose),
            state => {
                *state = if last {
                    State::Disconnected
                } else {
                    State::Connecting {
                        begun: false,
                        before: None,
                    }
                };
                shared.announced = None;
                let failed = on_dps || matches!(cause, Disconnect::ConnectFailed(_));
                let result = match failed {
                    _ if requested => errno::ECANCELED,
                    true if last => errno,
                    _ => 0,
                };
                let waited = answer(shared, result);
                end.returned = waited && last && failed && !requested;
            }
        }
        end
    });
    // Before the handler is called: it may wait for what the thread in azure_iot_hub_connect()
    // holds.
    iothub::wake();
    if let Purpose::Provisioning(progress) = end.purpose {
        if !last && !requested {
            let _ = iothub::disconnect();
        }
        progress(Registration::Ended);
        return;
    }
    let tells_dps = with(|shared| shared.form).is_some_and(|form| form.tells_dps);
    let (kind, number) = match cause {
        _ if end.returned => return,
        _ if end.on_dps && !requested && tells_dps => (Kind::DpsFailed, 0),
        Disconnect::Connack(code) if !end.on_dps => (Kind::ConnectionFailed, code.as_wire().into()),
        _ => (Kind::Disconnected, errno),
    };
    tell_hub(&CEvent::new(kind, number));
}

/// What of a connection counts when it has ended.
struct End {
    purpose: Purpose,
    on_dps: bool,
    /// `azure_iot_hub_connect` has returned the error, which is no event then.
    returned: bool,
}

fn tell_of(kind: Kind, number: c_int) {
    tell(&CEvent::new(kind, number));
}

/// What is about the connection that there is.
fn tell(event: &CEvent<'_>) {
    if with(|shared| shared.purpose.is_hub()) {
        tell_hub(event);
    }
}

fn tell_hub(event: &CEvent<'_>) {
    if let Some(form) = with(|shared| shared.form) {
        (form.handler)(event);
    }
}

fn tell_registration(registration: Registration) {
    if let Purpose::Provisioning(progress) = with(|shared| shared.purpose) {
        progress(registration);
    }
}
