//! What a device says to Azure IoT Hub and to its Device Provisioning Service, as a value: no clock, no
//! socket, no allocation, no unsafe, no callbacks. Time and randomness are arguments.
//!
//! # The calling contract
//! [`Client`] has four kinds of methods:
//! - **wishes** are plain verbs: `connect`, `disconnect`, `send`, `report`, `request_twin`, `respond`;
//! - **facts** are `handle_*`: what the network, the MQTT library and the clock did. An event that comes back
//!   from a fact borrows from that input, never from the client;
//! - **duties** are `poll_event`, `poll_command` with `complete`, and `poll_timeout`: what the caller must do now;
//! - **views**: `status`, `hostname`, `device_id`.
//!
//! Any of them may be called at any time and in any order; what does not fit the state is ignored and logged.
//!
//! # The drain rule
//! One thread, the driver, drains: it hands in the facts that have arrived, takes a command (copied into its
//! buffer while it holds the lock), lets go of the lock, makes the call, and [`complete`](Client::complete)s
//! it; until there is none. Then it waits for a fact or for [`poll_timeout`](Client::poll_timeout), whichever
//! is first. One command is out at a time. Events are taken after each call.
//!
//! # Invariants
//! - **State advances after success.** Handing out a command changes nothing but that it is out. `complete` moves
//!   on, unless a fact has overtaken it: a disconnect in the middle of a command makes its `complete` do nothing,
//!   a CONNACK, SUBACK, PUBACK or answer that comes first has done its work.
//! - **No two connects closer than the minimum**: between two [`Command::Connect`] lies at least
//!   [`reconnect::Policy::min`], whatever happens, and between a failure and the next connect the back-off.
//! - **Abort before connect**: each connection, however it ended, is followed by one [`Command::Abort`] that
//!   succeeded, before the next [`Command::Connect`]. mqtt_helper's thread has then left its loop, so that a late
//!   disconnect cannot end the next connection; one that arrives later still is ignored.
//! - **A failed command is an input** with a transition of its own, never a loop: it ends the connection, or
//!   starts a timer.
//! - **Progress or a timer**: while connected is what the application wants, there is a command to make, a timer
//!   that runs, or the network is awaited.
//! - **Nothing accepted is dropped silently**: a QoS 1 message is kept until its PUBACK and a report until its
//!   answer, over reconnects and moves to another hub, in order, sent again with DUP; what is given up is an event.
//! - **Nothing waits that need not**: after CONNACK the subscription, the request for the twin and the first
//!   messages follow each other without waiting for SUBACK. [`Event::Ready`] waits for it.
//!
//! ```
//! use iothub_proto::{Client, Command, Config, Event, Instant, Telemetry};
//!
//! let mut config = Config::new("contoso.azure-devices.net", "thingy");
//! config.gate.enabled = false;
//! let mut client = Client::<2048>::new(&config)?;
//! let now = Instant::from_millis(0);
//! client.send(now, &Telemetry::json(br#"{"temperature":21}"#))?;
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
mod maybe;
mod methods;
pub mod network;
pub mod outbox;
mod percent;
pub mod pnp;
mod properties;
pub mod reconnect;
mod status;
mod telemetry;
mod time;
mod timer;
mod topic;
pub mod twin;
mod writer;

pub use c2d::C2d;
pub use client::Client;
pub use command::{Command, Filter};
pub use config::{Config, Limits, Subscriptions, Timeouts};
pub use error::{Capacity, ConfigError, ConnackCode, Disconnect, Error, InvalidRequest, PeerError};
pub use event::Event;
pub use id::{CommandId, Errno, MessageId, MethodId, RequestId};
pub use methods::{MethodRequest, MethodResponse};
pub use properties::{Properties, ReceivedProperty};
pub use status::{Counters, Phase, Status};
pub use telemetry::{Property, Qos, SystemProperties, Telemetry};
pub use time::Instant;
