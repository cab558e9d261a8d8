//! What a device says to Azure IoT Hub and to its Device Provisioning Service, as a value: no clock, no
//! socket, no allocation, no unsafe, no callbacks.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod c2d;
mod client;
mod command;
mod config;
pub mod dps;
mod error;
mod event;
mod id;
mod methods;
pub mod network;
pub mod outbox;
mod properties;
pub mod reconnect;
mod status;
mod telemetry;
mod time;
pub mod twin;

pub use c2d::C2d;
pub use client::Client;
pub use command::{Command, Filter};
pub use config::{Config, Limits, Timeouts};
pub use error::{Capacity, ConfigError, ConnackCode, Disconnect, Error, InvalidRequest, PeerError};
pub use event::Event;
pub use id::{CommandId, Errno, MessageId, MethodId, RequestId};
pub use methods::{MethodRequest, MethodResponse};
pub use properties::Properties;
pub use status::{Counters, Phase, Status};
pub use telemetry::{Property, Qos, SystemProperties, Telemetry};
pub use time::Instant;
