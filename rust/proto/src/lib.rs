//! The device's side of Azure IoT Hub and of its Device Provisioning Service, as a value: no clock,
//! no socket, no allocation, no unsafe, no callbacks. Time and randomness are arguments.
//!
//! # The calling contract
//! [`Client`] has four kinds of methods:
//! - **requests** of the application are plain verbs: `connect`, `disconnect`, `send`, `report`,
//!   `request_twin`, `respond`;
//! - **inputs** are `handle_*`: what the network, the MQTT library and the clock report. An event
//!   that an input returns borrows from that input, never from the client;
//! - **outputs** are `poll_event`, `poll_command` with `complete`, and `poll_timeout`: what the
//!   caller must do now;
//! - **views**: `status`, `hostname`, `device_id`.
//!
//! Any of them may be called at any time and in any order; an input that does not fit the state is
//! ignored and logged.
//!
//! # The drain rule
//! One thread, the driver, drains: it hands in the inputs that have arrived, takes a command
//! (copied into its buffer while it holds the lock), releases the lock, makes the call, and
//! [`complete`](Client::complete)s the command; until there is none. Then it waits for an input or
//! for [`poll_timeout`](Client::poll_timeout), whichever is first. One command is pending at a
//! time. Events are taken after each call.
//!
//! # Invariants
//! - **State advances after success.** Taking a command only marks it as pending. `complete`
//!   advances the state, unless an input has overtaken the command: after a disconnect in the
//!   middle of a command its `complete` does nothing, and a CONNACK, SUBACK, PUBACK or answer that
//!   comes first has already advanced the state.
//! - **No two connects closer than the minimum**: between two [`Command::Connect`] lies at least
//!   [`reconnect::Policy::min`], whatever happens, and between a failure and the next connect the
//!   back-off.
//! - **Abort before connect**: each connection, however it ended, is followed by one
//!   [`Command::Abort`] that succeeded, before the next [`Command::Connect`]. mqtt_helper's thread
//!   has then left its loop, so that a late disconnect cannot end the next connection; a disconnect
//!   after the abort is ignored.
//! - **A failed command is an input** with a transition of its own, never a loop: the connection
//!   ends, or a timer starts.
//! - **Progress or a timer**: from `connect` to `disconnect` there is a command to make, a timer
//!   that runs, or the client waits for the network.
//! - **Nothing accepted is dropped silently**: a QoS 1 message is kept until its PUBACK and a
//!   report until its answer, over reconnects and moves to another hub, in order, and sent again
//!   with DUP; each message that is given up is an event.
//! - **No needless round trip**: after CONNACK the subscription, the request for the twin and the
//!   first messages follow each other without waiting for SUBACK. [`Event::Ready`] waits for it.
//!
//! ```
//! use iothub_proto::{Client, Command, Config, Event, Instant, Telemetry};
//!
//! let mut config = Config::new("contoso.azure-devices.net", "thingy");
//! config.network.enabled = false;
//! let mut client = Client::<2048>::new(&config)?;
//! let now = Instant::from_millis(0);
//! client.send(&Telemetry::json(br#"{"temperature":21}"#))?;
//! client.connect(now)?;
//!
//! let mut buffer = [0; 4096];
//! let (id, command) = client.poll_command(now, &mut buffer).expect("a command is due");
//! let Command::Connect { hostname, .. } = command else { panic!() };
//! assert_eq!(hostname, c"contoso.azure-devices.net");
//! client.complete(now, id, Ok(()));
//! assert_eq!(client.poll_event(), Some(Event::Connecting { attempt: 1 }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod address;
mod c2d;
mod client;
mod command;
mod config;
pub mod dps;
mod error;
mod event;
pub mod fota;
mod id;
mod identity;
mod json;
mod methods;
pub mod network;
pub mod outbox;
mod percent;
pub mod pnp;
mod properties;
pub mod reconnect;
mod scan;
mod status;
pub mod store;
mod telemetry;
mod time;
mod timer;
mod topic;
pub mod twin;
mod writer;
mod zero_option;

pub use c2d::C2d;
pub use client::Client;
pub use command::{Command, Filter};
pub use config::{Config, Limits, Subscriptions, Timeouts};
pub use error::{
    Capacity, ConfigError, ConnackCode, Disconnect, Error, InvalidRequest, PeerError,
    ProvisioningFailure,
};
pub use event::Event;
pub use id::{CommandId, Errno, MessageId, MethodId, RequestId};
pub use identity::{is_hostname, is_id};
pub use methods::{MethodRequest, MethodResponse};
pub use properties::{Properties, ReceivedProperty};
pub use status::{Counters, Phase, Status};
pub use telemetry::{Delivery, Property, Qos, SystemProperties, Telemetry};
pub use time::Instant;
