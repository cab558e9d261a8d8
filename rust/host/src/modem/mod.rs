//! A simulated nRF91 modem: registration, PDN, name resolution, sockets and the credential store.
//!
//! Events reach the callbacks on one thread, the "system workqueue", and no lock is held meanwhile.

pub(crate) mod commands;
pub(crate) mod credentials;
pub(crate) mod identity;
mod network;
mod queue;
mod sockets;

use std::{
    fmt, io,
    net::IpAddr,
    sync::{Arc, Mutex, Weak},
    thread,
};

pub use network::{Event, Loss, Network, NetworkError, Registration, Step};
pub(crate) use sockets::Socket;

use crate::{Nat64Prefix, Options, errno::Errno, lock, log};
use credentials::Credentials;
use identity::Identity;
use queue::Queue;

/// Log target.
const TARGET: &str = "modem";

/// What `lte_lc_connect_async` was given.
pub(crate) type RegistrationHandler = Arc<dyn Fn(Registration) + Send + Sync>;

/// What `pdn_default_ctx_cb_reg` was given, with an identity to recognise it by.
#[derive(Clone)]
pub(crate) struct PdnHandler {
    pub(crate) identity: usize,
    pub(crate) call: Arc<dyn Fn(Event) + Send + Sync>,
}

/// The modem.
pub(crate) struct Simulated {
    state: Mutex<State>,
    queue: Queue,
    pub(crate) credentials: Credentials,
    pub(crate) identity: Identity,
    network: Network,
    time_factor: f64,
    hosts: Vec<(String, IpAddr)>,
    routes: Vec<(IpAddr, IpAddr)>,
    nat64: Option<Nat64Prefix>,
}

#[derive(Default)]
struct State {
    initialised: bool,
    /// CFUN is 1.
    online: bool,
    registration: Option<Registration>,
    ipv4: bool,
    ipv6: bool,
    on_registration: Option<RegistrationHandler>,
    on_pdn: Vec<PdnHandler>,
    sockets: Vec<Weak<Socket>>,
}

impl Simulated {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            state: Mutex::default(),
            queue: Queue::default(),
            credentials: Credentials::new(options.data.join("modem/credentials")),
            identity: Identity::new(&options.data, options.hardware_id.as_deref()),
            network: options.network,
            time_factor: options.time_factor,
            hosts: options.hosts.clone(),
            routes: options.routes.clone(),
            nat64: options.nat64,
        }
    }

    /// `nrf_modem_lib_init`.
    pub(crate) fn init(&self) {
        lock(&self.state).initialised = true;
    }

    /// `lte_lc_connect_async`: CFUN=1. Answers at once, events follow.
    pub(crate) fn connect(&self, handler: RegistrationHandler) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        if !state.initialised {
            drop(state);
            log::error!("lte_lc", "nrf_modem_lib_init() was not called");
            return Err(Errno::FAULT);
        }
        if state.registration.is_some_and(Registration::is_registered) {
            state.on_registration = Some(handler);
            return Ok(());
        }
        if state.online {
            return Err(Errno::INPROGRESS);
        }
        state.online = true;
        state.on_registration = Some(handler);
        drop(state);
        log::debug!("lte_lc", "CFUN=1, the network is {}", self.network);
        self.queue.add(&self.network.attach(), self.time_factor);
        Ok(())
    }

    /// `lte_lc_power_off`: CFUN=0.
    pub(crate) fn power_off(&self) -> Result<(), Errno> {
        let was_online = {
            let mut state = lock(&self.state);
            if !state.initialised {
                return Err(Errno::FAULT);
            }
            std::mem::take(&mut state.online)
        };
        if was_online {
            self.queue.clear();
            self.queue.add(&Loss::Detached.steps(), 0.0);
        }
        Ok(())
    }

    /// `pdn_default_ctx_cb_reg`. Each handler is called for each event.
    pub(crate) fn on_pdn(&self, handler: PdnHandler) {
        let mut state = lock(&self.state);
        if state
            .on_pdn
            .iter()
            .any(|known| known.identity == handler.identity)
        {
            drop(state);
            log::error!(
                "pdn",
                "this handler is registered already: from NCS 2.8 to 3.3 that call keeps the library's \
                 lock, and the PDN events of every handler end there"
            );
            return;
        }
        state.on_pdn.push(handler);
    }

    /// What AT commands can ask for, but for what the board says.
    pub(crate) fn snapshot(&self) -> commands::Snapshot<'_> {
        let state = lock(&self.state);
        commands::Snapshot {
            imei: None,
            cell: None,
            is_roaming: state.registration == Some(Registration::Roaming),
            ipv4: state.ipv4,
            ipv6: state.ipv6,
            battery_mv: None,
        }
    }

    /// Whether the network has taken the device.
    pub(crate) fn is_registered(&self) -> bool {
        lock(&self.state)
            .registration
            .is_some_and(Registration::is_registered)
    }

    /// Whether CFUN is 1, so that no credential can change.
    pub(crate) fn is_online(&self) -> bool {
        lock(&self.state).online
    }

    fn happen(&self, event: Event) {
        let mut state = lock(&self.state);
        let registration = match event {
            Event::Registration(registration) => {
                state.registration = Some(registration);
                Some(registration)
            }
            Event::Activated { reason } => {
                (state.ipv4, state.ipv6) = (reason != Some(1), false);
                None
            }
            Event::Deactivated | Event::NetworkDetach => {
                (state.ipv4, state.ipv6) = (false, false);
                None
            }
            Event::Ipv6Up => {
                state.ipv6 = true;
                None
            }
            Event::Ipv6Down => {
                state.ipv6 = false;
                None
            }
            Event::EsmCause(_) => None,
        };
        let cut = sockets::without_network(&mut state);
        let on_registration = state.on_registration.clone();
        let on_pdn = state.on_pdn.clone();
        drop(state);

        log::debug!(TARGET, "{event}");
        for socket in cut {
            socket.cut();
        }
        match registration {
            Some(registration) => {
                if let Some(handler) = on_registration {
                    handler(registration);
                }
            }
            None => on_pdn.iter().for_each(|handler| (handler.call)(event)),
        }
    }
}

/// Starts the system workqueue.
pub(crate) fn run(modem: &Arc<Simulated>) -> io::Result<()> {
    let modem = Arc::clone(modem);
    let run = move || {
        loop {
            let event = modem.queue.next();
            modem.happen(event);
        }
    };
    thread::Builder::new()
        .name("sysworkq".into())
        .spawn(run)
        .map(drop)
}

/// Says what happens to the simulated modem's network. What it causes comes by the callbacks, on
/// the system workqueue.
#[derive(Clone)]
pub struct Modem {
    simulated: Arc<Simulated>,
}

impl Modem {
    pub(crate) fn of(simulated: &Arc<Simulated>) -> Self {
        Self {
            simulated: Arc::clone(simulated),
        }
    }

    /// The network is lost, at once. Sockets of an address family that goes are cut, as a modem
    /// does (`ENETDOWN`).
    ///
    /// # Errors
    /// [`ModemError`] while the modem is off.
    pub fn lose(&self, loss: Loss) -> Result<(), ModemError> {
        self.script(&loss.steps())
    }

    /// The modem attaches once more, to this network; what was still to happen does not.
    ///
    /// # Errors
    /// [`ModemError`] while the modem is off.
    pub fn attach(&self, network: Network) -> Result<(), ModemError> {
        self.check()?;
        self.simulated.queue.clear();
        self.script(&network.attach())
    }

    /// These events happen, beside those that are still to come.
    ///
    /// # Errors
    /// [`ModemError`] while the modem is off.
    pub fn script(&self, steps: &[Step]) -> Result<(), ModemError> {
        self.check()?;
        self.simulated.queue.add(steps, self.simulated.time_factor);
        Ok(())
    }

    fn check(&self) -> Result<(), ModemError> {
        if self.simulated.is_online() {
            Ok(())
        } else {
            Err(ModemError::Off)
        }
    }
}

impl fmt::Debug for Modem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modem").finish_non_exhaustive()
    }
}

/// Why the modem cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModemError {
    /// [`start`](crate::start) comes first.
    NotStarted,
    /// The modem is off: nothing can happen to it before `lte_lc_connect_async`.
    Off,
}

impl fmt::Display for ModemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "there is no modem before iothub_host::start",
            Self::Off => "the modem is off: lte_lc_connect_async comes first",
        })
    }
}

impl std::error::Error for ModemError {}
