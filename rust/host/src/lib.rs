//! The platform of `iothub` on Linux: every C function that `ncs-sys` declares, over TCP and
//! rustls, with a simulated nRF91 modem.
//!
//! Nothing above the seam knows that it is not a board. This crate knows nothing of Azure: a
//! program links it and starts it, and the driver finds the functions by their names.
//!
//! ```no_run
//! use iothub_host::{Network, Options};
//!
//! let mut options = Options::new("data/device-1");
//! options.network = Network::Ipv6Only;
//! options.hosts.push(("my-hub.azure-devices.net".into(), [127, 0, 0, 1].into()));
//! iothub_host::start(options)?;
//! # Ok::<(), iothub_host::StartError>(())
//! ```
//! A program that calls nothing of this crate must say `use iothub_host as _;`, or it is not
//! linked.
//!
//! # What each C function does
//! Before [`start`] every function that can say so returns -EPERM.
//!
//! | function | behaviour | difference to the real one |
//! |---|---|---|
//! | `mqtt_helper_init`, `_deinit` | set and forget the callbacks; -EOPNOTSUPP in any other state than disconnected | – |
//! | `mqtt_helper_connect` | DNS, TCP, TLS 1.2, CONNECT on the caller's thread; first address only; DNS errors are positive | TCP connect and handshake are bounded, see below; credentials are read anew each time |
//! | `mqtt_helper_subscribe`, `_publish` | one packet; message id 0 is -EINVAL; -ENOMEM for a packet (without payload) larger than the transmit buffer; a failed write calls `on_disconnect` on the caller's thread before the call returns | – |
//! | `mqtt_helper_disconnect` | connected only; DISCONNECT, then `on_disconnect(0)` on the caller's thread; where the write fails `on_disconnect` comes twice | a close_notify is sent |
//! | `on_all_events` | first of all, for every event; `false` keeps it from the others | only the type, the result and `suback` are filled in |
//! | `on_connack` | a refused CONNECT calls it with the code, then `on_disconnect(-ECONNREFUSED)` | – |
//! | `on_publish` | after the PUBACK of QoS 1; topic and payload are valid during the call | – |
//! | `on_error` | a payload larger than the buffer: not read, not acknowledged; the loop then ends with `on_disconnect(-ECONNABORTED)` | older releases may go on with a stream out of step |
//! | keep-alive | PINGREQ when nothing was written for that long; an answer that does not come is not noticed; in CONNECTING the helper gives up instead | – |
//! | `nrf_modem_lib_init` | always 0 | – |
//! | `lte_lc_connect_async` | CFUN=1; the events of [`Options::network`] follow; -EFAULT before the modem library's init, -EINPROGRESS while attaching, 0 when registered | the search has no end of its own |
//! | `lte_lc_power_off` | CFUN=0: not registered, PDN detached, sockets cut | – |
//! | `pdn_default_ctx_cb_reg` | every handler gets every event of context 0; a handler registered twice is logged as an error | the real one then keeps its lock for good (NCS 2.8 to 3.3) |
//! | `modem_key_mgmt_write`, `_delete` | -EPERM while CFUN is 1; replaces what is there | a PEM is looked at, not decoded; 8192 bytes at most |
//! | `modem_key_mgmt_read` | CA certificates only, else -EACCES | the real one's number for that is not documented |
//! | `modem_key_mgmt_exists` | at any time | – |
//! | `modem_jwt_generate`, `modem_jwt_get_uuids`, `modem_attest_token_get` | ES256 with the identity key in `<data>/modem/identity.pem`, made when first needed, or with the key under a tag; `iat` and `exp` while LTE is on | memory is not allocated: a NULL buffer is -ENOMEM; the UUIDs are derived from [`Options::hardware_id`] |
//! | `iothub_platform_uptime_ms`, `_wait`, `_wake`, `_lock`, `_unlock`, `_thread_start`, `_random` | pthreads, the monotonic clock, getrandom | – |
//! | `iothub_platform_log` | [`Options::log`], one record a call | – |
//! | `iothub_platform_settings_get`, `_set` | a file a key, replaced by renaming | – |
//! | `iothub_platform_flash_*` | a file of simulated sectors, `<data>/flash/outbox`; writes and erases are made in steps, so that a kill tears them | faults as [`FlashOptions`] says |
//! | `iothub_platform_modem_watch`, `_at`, `_apn_set` | nothing; credentials, identity, cell and battery are told, else -ENOTSUP; a log line | a modem has faults and takes every command |
//! | `iothub_platform_reboot` | [`Options::reboot`] | – |
//! | `iothub_platform_mqtt_abort` | closes the connection, `on_disconnect(-ECONNABORTED)` on the caller's thread, waits up to 10 s for the helper's thread; -EDEADLK from one of its callbacks | – |
//! | `iothub_platform_mqtt_nodelay` | the only way to TCP_NODELAY; header and payload are written apart, as Zephyr does | the modem has no such option |
//! | `iothub_platform_mqtt_peer` | the address as the device sees it: of a NAT64, not what is behind it | – |
//! | `iothub_platform_fota_start`, `_cancel` | one fragment a request (HTTP/1.1 ranges) over the simulated network, TLS with the CA certificates under the security tags; bytes are kept over a reboot | a server without ranges is taken, too |
//! | `iothub_platform_fota_apply`, `_confirm`, `_image` | two slot files with MCUboot's rules; the boot loader is part of [`start`], or [`boot`] | a swap is one rename; TLVs are checked by hash, not by signature |
//! | `iothub_platform_hardware_id`, `_led` | [`Options::hardware_id`], [`Options::led`] | – |
//! | `iothub_board_unix_time_ms`, `_sensor_read`, `_locate`, `_search_read`, `_assist` | [`Options::board`]; without one, the machine's clock and no sensors | a search ends in no time of its own |
//! | `iothub_board_watch` | told by [`Options::board_events`] | not in an interrupt |
//! | `iothub_board_motion_set`, `_buzz` | a log line | – |
//! | `iothub_board_name` | `linux` | – |
//! | `iothub_board_reset_cause` | a restart by software after a reboot, else power on | – |
//! | `iothub_board_last_fault`, `_coredump_*` | the watchdog's bite and a fault on purpose, in files of the data folder; the dump is a list of threads | no registers |
//! | `iothub_board_fault` | hangs, or is recorded and restarts | memory is not really touched |
//! | `iothub_board_radio` | connected from the first byte until 10 s after the last | [`Radio`] |
//! | `iothub_board_stack`, `_heap` | -ENOTSUP | – |
//!
//! # Threads
//! | callback | thread |
//! |---|---|
//! | of `mqtt_helper` | `mqtt_helper`; `on_disconnect` also the one that called publish, subscribe, disconnect or abort |
//! | of `lte_lc` and `pdn` | `sysworkq`, the simulated system workqueue |
//! | [`Options::log`], [`Options::led`] | whoever logs or switches |
//!
//! No lock of this crate is held while a callback or a hook runs.
//!
//! # What bounds a wait
//! [`Options::send_timeout`] (`CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC`, 60 s) bounds a write, a TCP
//! connect and, counted anew, a TLS handshake. On the board the helper sets that option after the
//! handshake, and nothing that is documented bounds the last two. Name resolution is bounded by the
//! system's resolver. A CONNECT that is not answered is bounded by the keep-alive time only, or by
//! `iothub_platform_mqtt_abort`.
//!
//! # Why a connection fails
//! | cause | `mqtt_helper_connect` returns |
//! |---|---|
//! | no such name / no PDN to ask over / no address of the PDN's family, and no DNS64 | 2 / 3 / 5: `-NRF_EAI_*`, positive as the real one's |
//! | no address of that family on the PDN | -ENETUNREACH |
//! | no CA under the sec tags, half a client's credentials, a key that is not the certificate's | -ECONNREFUSED |
//! | a server whose certificate is not accepted; a server that refuses ours; TCP RST | -ECONNREFUSED |
//! | PEM files that cannot be used; no TLS 1.2 or no cipher suite in common | -EOPNOTSUPP |
//! | nothing within the time | -ETIMEDOUT |
//! | the server closes in the handshake | -ECONNRESET |
//! | an abort from another thread | -ECONNABORTED |
//! | the PDN goes | -ENETDOWN |
//! | CONNECT exceeds the transmit buffer | -ENOMEM |
//!
//! -ECONNREFUSED for credentials is what the modem's changelog says; -EOPNOTSUPP for unusable ones
//! is what its users report. The numbers are Linux's. The reason is logged with the sec tag and the
//! file.
//!
//! # Credentials and settings on disk
//! `<data>/modem/credentials/<sec tag>/` has `ca.pem` (one or more CA certificates), `cert.pem`
//! (the device's certificate, then its intermediates), `key.pem` (PKCS#8, SEC1 or PKCS#1; mode
//! 0600), `psk.pem` and `identity.pem`; a tool may write them while the device is off.
//! `<data>/settings/<key>` is a file a setting. CA certificates of all sec tags count; the client's
//! certificate is the first tag's that has one.
//!
//! # The network
//! [`Network`] says what the modem finds; [`Modem`] lets a test or a demo take it away again. Where
//! the PDN has no IPv4, a name without an IPv6 address becomes an address of [`Options::nat64`],
//! and a connection to such an address goes to the IPv4 address inside; [`Options::routes`] carries
//! a public address on to this machine. On dual stack IPv6 comes first, once it is up. Delays are
//! those of real logs, times [`Options::time_factor`].
//!
//! # Options of the SDK
//! Only `iothub`'s build script reads Kconfig; this crate takes the same values by [`Options`], and
//! a test compares the defaults with `rust/ncs-sys/host-include/Kconfig.sdk`.

#![deny(unsafe_code)]

mod board;
#[allow(unsafe_code)]
mod edge;
mod errno;
mod error;
mod flash;
mod fota;
mod health;
mod log;
mod modem;
mod mqtt_helper;
mod nat64;
mod options;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
mod radio;
mod settings;
mod sync;
mod system;
mod tls;

use critical_section as _;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

pub(crate) use crate::sync::lock;
pub use crate::{
    board::{
        Assistance, Board, BoardEvent, BoardEvents, Cell, Methods, Neighbour, Predictions, Sensor,
        Survey, Unavailable,
    },
    errno::Errno,
    error::StartError,
    flash::FlashOptions,
    fota::Firmware,
    log::{Level, LogHook, Record},
    modem::{Event, Loss, Modem, ModemError, Network, NetworkError, Registration, Step},
    mqtt_helper::packets,
    nat64::{Nat64Prefix, Nat64PrefixError},
    options::{LedHook, Options, Reboot},
    radio::{Radio, RadioUsage},
};
use crate::{
    flash::SimulatedFlash,
    fota::{Fota, Slots},
    health::Health,
    modem::Simulated,
    mqtt_helper::Helper,
    settings::Settings,
};

/// What the C functions work on.
struct Host {
    helper: Arc<Helper>,
    modem: Arc<Simulated>,
    fota: Arc<Fota>,
    settings: Settings,
    flash: SimulatedFlash,
    health: Health,
    hardware_id: Option<String>,
    board: Arc<dyn Board>,
    board_events: BoardEvents,
    led: LedHook,
    reboot: Reboot,
}

static HOST: OnceLock<Host> = OnceLock::new();

/// Switches the simulated device on: makes the data folder and starts the helper's thread and the
/// system workqueue. Once per process, before the first call of a C function.
///
/// # Errors
/// [`StartError::AlreadyStarted`] the second time, [`StartError::Option`] for a value that cannot
/// be, and [`StartError::Data`] where the data folder or a thread cannot be made.
pub fn start(mut options: Options) -> Result<(), StartError> {
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

    let hook = std::mem::replace(&mut options.log, Box::new(|_| {}));
    log::install(options.log_level, hook);
    boot(&data, &options.firmware)?;
    let booted = lock(&BOOTED).take().filter(|booted| booted.data == data);
    let Some(Booted {
        slots, firmware, ..
    }) = booted
    else {
        return Err(StartError::AlreadyStarted);
    };
    let modem = Arc::new(Simulated::new(&options));
    let helper = Arc::new(Helper::new(&options, Arc::clone(&modem)));
    modem::run(&modem).map_err(failed)?;
    mqtt_helper::run(&helper).map_err(failed)?;
    let sec_tags: Vec<u32> = std::iter::once(options.sec_tag)
        .chain(options.secondary_sec_tag)
        .collect();
    let fota = Fota::new(
        (slots, firmware),
        Arc::clone(&modem),
        sec_tags,
        options.send_timeout,
    );
    let host = Host {
        helper,
        modem,
        fota: Arc::new(fota),
        settings: Settings::new(data.join("settings")),
        flash: SimulatedFlash::new(data.join("flash/outbox"), options.flash),
        health: Health::new(data.join("board")),
        hardware_id: options.hardware_id,
        board: options.board,
        board_events: options.board_events,
        led: options.led,
        reboot: options.reboot,
    };
    HOST.set(host).map_err(|_| StartError::AlreadyStarted)?;
    edge::board::supervise(options.watchdog).map_err(failed)
}

struct Booted {
    data: PathBuf,
    slots: Slots,
    firmware: Firmware,
}

static BOOTED: Mutex<Option<Booted>> = Mutex::new(None);

/// What the boot loader does: swaps the slots where that is asked for, or back, and says what runs.
/// [`start`] does it by itself; a program whose image has a say in its options calls it before,
/// with the same folder. `factory` is [`Options::firmware`].
///
/// # Errors
/// [`StartError::Data`] where the slots cannot be read or written.
pub fn boot(data: &Path, factory: &str) -> Result<Firmware, StartError> {
    let mut booted = lock(&BOOTED);
    if let Some(booted) = booted.as_ref().filter(|booted| booted.data == data) {
        return Ok(booted.firmware.clone());
    }
    let (slots, firmware) = fota::boot(data, factory).map_err(|source| StartError::Data {
        path: data.join("firmware"),
        source,
    })?;
    *booted = Some(Booted {
        data: data.to_owned(),
        slots,
        firmware: firmware.clone(),
    });
    Ok(firmware)
}

/// An image for [`boot`]'s slots, in MCUboot's format as imgtool writes it. `None` where the
/// version is not of the form `1.2.3` or `1.2.3+4`.
pub fn firmware_image(version: &str, body: &[u8]) -> Option<Vec<u8>> {
    fota::image::make(version, body)
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
