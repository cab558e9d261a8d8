//! The options, as the build script read them from Kconfig.

use core::time::Duration;

use iothub_proto::outbox::Keep;

use crate::clock::{milliseconds, seconds};

#[allow(
    dead_code,
    reason = "every option is there; not each is used on this side of the seam"
)]
mod options {
    include!(concat!(env!("OUT_DIR"), "/kconfig.rs"));
}
pub(crate) use options::*;

/// `CONFIG_IOTHUB_LOG_LEVEL`.
pub const LOG_LEVEL: log::LevelFilter = match IOTHUB_LOG_LEVEL {
    0 => log::LevelFilter::Off,
    1 => log::LevelFilter::Error,
    2 => log::LevelFilter::Warn,
    3 => log::LevelFilter::Info,
    4 => log::LevelFilter::Debug,
    _ => log::LevelFilter::Trace,
};

/// `CONFIG_IOTHUB_TELEMETRY_INTERVAL_S`.
pub const TELEMETRY_INTERVAL: Duration = seconds(IOTHUB_TELEMETRY_INTERVAL_S);

/// `CONFIG_IOTHUB_READINGS`: how many readings of the application wait in RAM.
pub const READINGS: usize = IOTHUB_READINGS as usize;

/// `CONFIG_IOTHUB_OUTBOX_BATTERY_LOW_MV`: below it everything is to be in flash.
pub const BATTERY_LOW_MV: u16 = IOTHUB_OUTBOX_BATTERY_LOW_MV as u16;

/// `CONFIG_IOTHUB_HOLD`: the application connects only when it is told.
pub const HOLD: bool = IOTHUB_HOLD;

/// `CONFIG_IOTHUB_FAULT_COMMAND`: whether a method may bring a fault about.
pub const FAULT_COMMAND: bool = IOTHUB_FAULT_COMMAND;

/// `CONFIG_IOTHUB_SURVEY`: whether cells and access points are left to a back end where satellites
/// are not found.
pub const SURVEY: bool = IOTHUB_SURVEY;

/// `CONFIG_IOTHUB_ASSISTANCE`: whether a back end is asked for data with which satellites are found
/// faster.
pub const ASSISTANCE: bool = IOTHUB_ASSISTANCE;

/// The largest message with its topic in bytes: `CONFIG_IOTHUB_MESSAGE_SIZE`.
pub const MESSAGE_MAX: usize = MESSAGE;

/// The options of the C API.
pub(crate) mod c_api {
    /// `CONFIG_IOTHUB_C_API_RECONNECT`.
    pub const RECONNECT: bool = super::IOTHUB_C_API_RECONNECT;
    /// `CONFIG_IOTHUB_C_API_TWIN_REQUEST`.
    pub const TWIN_REQUEST: bool = super::IOTHUB_C_API_TWIN_REQUEST;
    /// `CONFIG_IOTHUB_C_API_PROPERTIES`.
    pub const PROPERTIES: usize = super::IOTHUB_C_API_PROPERTIES as usize;
    /// Whether the C API has the outbox in flash: `CONFIG_IOTHUB_OUTBOX_FLASH` in a build of it.
    pub const OUTBOX: bool = super::IOTHUB_C_API && super::IOTHUB_OUTBOX_FLASH;
    /// `CONFIG_IOTHUB_DPS`.
    pub const DPS: bool = super::IOTHUB_DPS;
    /// `CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC`.
    pub const SEND_TIMEOUT: core::time::Duration =
        super::seconds(super::MQTT_HELPER_SEND_TIMEOUT_SEC);
    /// `CONFIG_MQTT_KEEPALIVE` in seconds.
    pub const KEEP_ALIVE_S: i64 = super::MQTT_KEEPALIVE;
}

/// Modem and network are the application's business where that is in C: a build without their
/// functions links then.
pub(crate) const MAY_ATTACH: bool = !IOTHUB_C_API;

/// Time before another look for a SIM. No option: a modem looks once by itself.
pub(crate) const SIM_RETRY: Duration = Duration::from_secs(300);

/// What becomes of messages that say nothing of it: `CONFIG_IOTHUB_OUTBOX_FLASH_ALWAYS`,
/// `_ON_REQUEST`.
pub const KEEP: Keep = match (IOTHUB_OUTBOX_FLASH_ALWAYS, IOTHUB_OUTBOX_FLASH_ON_REQUEST) {
    (true, _) => Keep::Always,
    (false, true) => Keep::Never,
    (false, false) => Keep::Spill,
};

/// `CONFIG_IOTHUB_OUTBOX_SPILL_AFTER_S`.
pub(crate) const SPILL_AFTER: Duration = seconds(IOTHUB_OUTBOX_SPILL_AFTER_S);

pub(crate) const OUTBOX: usize = IOTHUB_OUTBOX_SIZE as usize;
pub(crate) const MESSAGE: usize = IOTHUB_MESSAGE_SIZE as usize;

const _: () = assert!(
    !IOTHUB_C_API || OUTBOX >= MESSAGE + 528,
    "CONFIG_IOTHUB_OUTBOX_SIZE is less than CONFIG_IOTHUB_MESSAGE_SIZE and 528 bytes: the largest message would never be accepted"
);

/// `CONFIG_IOTHUB_SUBSCRIBE_*`.
pub(crate) const SUBSCRIPTIONS: iothub_proto::Subscriptions = iothub_proto::Subscriptions {
    desired: IOTHUB_SUBSCRIBE_DESIRED,
    methods: IOTHUB_SUBSCRIBE_METHODS,
    c2d: IOTHUB_SUBSCRIBE_C2D,
};

pub(crate) const fn back_off() -> iothub_proto::reconnect::Policy {
    iothub_proto::reconnect::Policy {
        min: milliseconds(IOTHUB_RECONNECT_MIN_MS),
        max: seconds(IOTHUB_RECONNECT_MAX_S),
        authorisation_min: seconds(IOTHUB_RECONNECT_AUTH_MIN_S),
        authorisation_max: seconds(IOTHUB_RECONNECT_AUTH_MAX_S),
        ..iothub_proto::reconnect::Policy::new()
    }
}
