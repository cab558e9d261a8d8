//! The C programs of `c/`, linked with the C API and the Linux port. Each is one function that returns when all is
//! well and aborts the process when not; `tests/` runs each in a process of its own, against a hub.

use iothub_capi as _;
use iothub_host as _;

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)*) => {
        mod c {
            unsafe extern "C" {
                $(pub(super) fn $symbol();)*
            }
        }
        $(
            $(#[$doc])*
            pub fn $name() {
                // SAFETY: a C program of ours that takes nothing.
                unsafe { c::$symbol() }
            }
        )*

        /// The program of this name.
        pub fn find(name: &str) -> Option<fn()> {
            match name {
                $(stringify!($name) => Some($name),)*
                _ => None,
            }
        }
    };
}

programs! {
    /// Every function and every event of a session.
    session = c_session;
    /// Nordic's two-line use of names: a config on the stack, not terminated by 0.
    names_are_copied = c_names_are_copied;
    /// Three reports without request ids.
    unique_request_ids = c_unique_request_ids;
    /// A SUBACK of 0x80.
    refused_subscription = c_refused_subscription;
    /// A CONNACK of 5, then one of 0.
    refused_connection = c_refused_connection;
    /// No CONNACK at all.
    disconnect_while_connecting = c_disconnect_while_connecting;
    /// The hub goes away, and a message with it.
    lost_connection = c_lost_connection;
    /// A name that does not resolve.
    unknown_host = c_unknown_host;
    /// Connecting again from inside the handler.
    connect_in_handler = c_connect_in_handler;
    /// A topic that is none of the hub's.
    unknown_topic = c_unknown_topic;
    /// A message larger than the payload buffer.
    oversize = c_oversize;
    /// An answer to a ping.
    ping = c_ping;
    /// NULL, sizes and enum values that cannot be, and calls in every wrong state.
    bad_input = c_bad_input;
    /// Prints sizes and offsets, for comparison with another compiler's.
    layout = c_layout;
    /// Registers with DPS, in every state.
    dps_registers = c_dps_registers;
    /// After `dps_registers`, in another process.
    dps_is_remembered = c_dps_is_remembered;
    /// DPS by `azure_iot_hub_connect`.
    dps_in_connect = c_dps_in_connect;
    /// DPS refuses the device.
    dps_refused_in_connect = c_dps_refused_in_connect;
    /// DPS has no time.
    dps_throttled = c_dps_throttled;
    /// A reset while DPS is at work.
    dps_reset_while_running = c_dps_reset_while_running;
    /// The connection to DPS breaks.
    dps_lost_connection = c_dps_lost_connection;
    /// Host name and device id out of the configuration.
    configured_names = c_configured_names;
    /// Payloads with the rest of others behind them.
    payloads_have_their_size = c_payloads_have_their_size;
    /// Four threads that answer.
    answers_from_several_threads = c_answers_from_several_threads;
    /// An application in the manner of Nordic's sample.
    sample = c_sample;
    /// Eight threads that send, connect and disconnect.
    stress = c_stress;
}
