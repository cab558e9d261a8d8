//! A local Azure IoT Hub and Device Provisioning Service, for tests and for learning: MQTT over TLS
//! for devices, REST and AMQP for services, a web page for people.
//!
//! What of IoT Hub there is, over MQTT and over MQTT in WebSockets: X.509 devices behind registered
//! CA certificates, thumbprints and tokens; telemetry with property bags; twins; direct methods;
//! cloud-to-device messages; persistent sessions. Of the provisioning service: individual
//! enrollments and groups, with X.509 and with symmetric keys, over several hubs. Every refusal and
//! every close has a reason, in the event log. It shares no code with the device side of this
//! repository, since it is its judge.
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

mod amqp;
mod auth;
mod blobs;
mod clock;
mod code;
mod configurations;
mod dps;
mod emulator;
mod etag;
mod fault_timetable;
mod faults;
mod fields;
mod file;
mod firmware;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod http;
mod http_client;
mod hub;
mod id;
mod jobs;
mod journal;
mod management;
mod mqtt;
mod offline;
mod options;
mod properties;
mod random;
mod rest;
mod routing;
mod settings;
mod state;
mod stop;
mod store;
mod throttle;
mod websocket;

pub use emulator::Emulator;
pub use journal::LogFormat;
pub use offline::{export, import};
pub use options::{AmqpPort, Identity, Options, StartError};
pub use random::token as new_token;
pub use settings::{SettingError, Settings};
