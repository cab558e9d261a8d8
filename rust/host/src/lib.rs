//! Nordic's SDK on Linux, as far as `iothub` calls it.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod edge;
mod errno;
mod log;
mod modem;
mod mqtt_helper;
mod nat64;
mod options;
mod settings;
mod tls;

use critical_section as _;
use std::{
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

pub use crate::{
    log::{Level, LogHook, Record},
    modem::{Event, Loss, Modem, ModemError, Network, NetworkError, Registration, Step},
    nat64::{Nat64Prefix, Nat64PrefixError},
    options::{LedHook, Options, Reboot},
};
use crate::{modem::Simulated, mqtt_helper::Helper, settings::Settings};

/// What the C functions work on.
struct Host {
    helper: Arc<Helper>,
    modem: Arc<Simulated>,
    settings: Settings,
    hardware_id: Option<String>,
    led: LedHook,
    reboot: Reboot,
}

static HOST: OnceLock<Host> = OnceLock::new();

/// Switches the simulated device on: makes the data folder and starts the helper's thread and the system
/// workqueue. Once per process, before the first call of a C function.
///
/// # Errors
/// [`StartError::AlreadyStarted`] the second time, [`StartError::Option`] for a value that cannot be, and
/// [`StartError::Data`] where the data folder or a thread cannot be made.
pub fn start(options: Options) -> Result<(), StartError> {
    static STARTING: Mutex<()> = Mutex::new(());

    let _one_at_a_time = lock(&STARTING);
    if HOST.get().is_some() {
        return Err(StartError::AlreadyStarted);
    }
    options.check()?;
    let data = options.data.clone();
    let failed = |source| StartError::Data {
        path: data.clone(),
        source,
    };
    fs::create_dir_all(&data).map_err(failed)?;

    let modem = Arc::new(Simulated::new(&options));
    let helper = Arc::new(Helper::new(&options, Arc::clone(&modem)));
    log::install(options.log_level, options.log);
    modem::run(&modem).map_err(failed)?;
    mqtt_helper::run(&helper).map_err(failed)?;
    let host = Host {
        helper,
        modem,
        settings: Settings::new(data.join("settings")),
        hardware_id: options.hardware_id,
        led: options.led,
        reboot: options.reboot,
    };
    HOST.set(host).map_err(|_| StartError::AlreadyStarted)
}

/// The simulated modem, to be told what happens to the network.
///
/// # Errors
/// [`ModemError::NotStarted`] before [`start`].
pub fn modem() -> Result<Modem, ModemError> {
    HOST.get()
        .map(|host| Modem::of(&host.modem))
        .ok_or(ModemError::NotStarted)
}

/// Why the device did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// There is one device a process.
    AlreadyStarted,
    /// The data folder, or a thread, could not be made.
    Data {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An option has a value that cannot be.
    Option {
        /// Which one.
        name: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyStarted => {
                f.write_str("the device was started before: there is one a process")
            }
            Self::Data { path, source } => {
                write!(
                    f,
                    "the device cannot start over the folder {}: {source}",
                    path.display()
                )
            }
            Self::Option { name, reason } => write!(f, "option {name}: {reason}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data { source, .. } => Some(source),
            Self::AlreadyStarted | Self::Option { .. } => None,
        }
    }
}

/// Locks, also after a panic elsewhere: what the locks here guard is whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
