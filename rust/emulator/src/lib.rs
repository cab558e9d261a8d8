//! A local Azure IoT Hub and Device Provisioning Service, for tests and for learning: MQTT over TLS for devices, REST for services,
//! a web page for people.
//!
//! What of IoT Hub there is: X.509 devices behind registered CA certificates, thumbprints and tokens;
//! telemetry with property bags; twins; direct methods; cloud-to-device messages; persistent
//! sessions. Of the provisioning service: individual enrolments and groups, with X.509 and with
//! symmetric keys, over several hubs. Every refusal and every close has a reason, in the event log. It shares no code with
//! the device side of this repository, since it is its judge.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use iothub_emulator::{Emulator, Options};
//!
//! let mut options = Options::new("hub.localhost");
//! options.mqtt = "127.0.0.1:0".parse()?;
//! options.http = "127.0.0.1:0".parse()?;
//! let emulator = Emulator::start(options).await?;
//! println!("devices: {}, page: http://{}/", emulator.mqtt_addr(), emulator.http_addr());
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod authenticate;
mod c2d;
mod certificates;
mod clock;
mod code;
mod connections;
mod dps;
mod emulator;
mod enrollments;
mod faults;
mod feedback;
mod fields;
mod firmware;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod identity;
mod journal;
mod link;
mod listener;
mod offline;
mod options;
mod properties;
mod provisioning;
mod query;
mod registry;
mod rest;
mod sas;
mod schedule;
mod service;
mod session;
mod settings;
mod state;
mod store;
mod telemetry;
mod throttle;
mod tls;
mod topic;
mod twin;
mod username;
mod webhook;
mod wire;
mod x509;

pub use emulator::Emulator;
pub use journal::LogFormat;
pub use offline::{export, import};
pub use options::{Identity, Options, StartError};
pub use settings::Settings;
