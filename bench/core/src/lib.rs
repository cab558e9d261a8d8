//! Single operations of rust/proto, whose files are compiled once more here, so that what is
//! private there can be called.
#![no_std]
#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "most of the core is not called here"
)]

mod operations;

#[path = "../../../rust/proto/src/address.rs"]
pub mod address;
#[path = "../../../rust/proto/src/c2d.rs"]
pub mod c2d;
#[path = "../../../rust/proto/src/client/mod.rs"]
pub mod client;
#[path = "../../../rust/proto/src/command.rs"]
pub mod command;
#[path = "../../../rust/proto/src/config.rs"]
pub mod config;
#[path = "../../../rust/proto/src/dps.rs"]
pub mod dps;
#[path = "../../../rust/proto/src/error.rs"]
pub mod error;
#[path = "../../../rust/proto/src/event.rs"]
pub mod event;
#[path = "../../../rust/proto/src/fota/mod.rs"]
pub mod fota;
#[path = "../../../rust/proto/src/id.rs"]
pub mod id;
#[path = "../../../rust/proto/src/identity.rs"]
pub mod identity;
#[path = "../../../rust/proto/src/json.rs"]
pub mod json;
#[path = "../../../rust/proto/src/methods.rs"]
pub mod methods;
#[path = "../../../rust/proto/src/network.rs"]
pub mod network;
#[path = "../../../rust/proto/src/outbox.rs"]
pub mod outbox;
#[path = "../../../rust/proto/src/percent.rs"]
pub mod percent;
#[path = "../../../rust/proto/src/pnp.rs"]
pub mod pnp;
#[path = "../../../rust/proto/src/properties.rs"]
pub mod properties;
#[path = "../../../rust/proto/src/reconnect.rs"]
pub mod reconnect;
#[path = "../../../rust/proto/src/scan.rs"]
pub mod scan;
#[path = "../../../rust/proto/src/status.rs"]
pub mod status;
#[path = "../../../rust/proto/src/store/mod.rs"]
pub mod store;
#[path = "../../../rust/proto/src/telemetry.rs"]
pub mod telemetry;
#[path = "../../../rust/proto/src/time.rs"]
pub mod time;
#[path = "../../../rust/proto/src/timer.rs"]
pub mod timer;
#[path = "../../../rust/proto/src/topic.rs"]
pub mod topic;
#[path = "../../../rust/proto/src/twin.rs"]
pub mod twin;
#[path = "../../../rust/proto/src/writer.rs"]
pub mod writer;
#[path = "../../../rust/proto/src/zero_option.rs"]
pub mod zero_option;

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
