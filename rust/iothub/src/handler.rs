//! What the application is told, and how.

use iothub_proto::{ConfigError, Event};

/// Who is told of events: a function, or a value of the application's that lives for ever and so is
/// the handler's context.
///
/// ```no_run
/// use core::sync::atomic::{AtomicU32, Ordering};
///
/// use iothub::{Event, Handler};
///
/// struct Counter(AtomicU32);
///
/// impl Handler for Counter {
///     fn on_event(&self, event: Event<'_>) {
///         if let Event::C2d(_) = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// static COUNTER: Counter = Counter(AtomicU32::new(0));
///
/// # fn main() -> Result<(), iothub::StartError> {
/// iothub::start(&COUNTER)
/// # }
/// ```
pub trait Handler: Sync {
    /// Called for each event, by one thread at a time: see the [crate docs](crate).
    fn on_event(&self, event: Event<'_>);

    /// Called in place of [`on_event`](Self::on_event), which it calls: for who wants to see the
    /// message that an event was read from.
    #[doc(hidden)]
    fn on_notice(&self, notice: Notice<'_>) {
        if let Notice::Event(event, _) = notice {
            self.on_event(event);
        }
    }
}

impl<F: Fn(Event<'_>) + Sync> Handler for F {
    fn on_event(&self, event: Event<'_>) {
        self(event);
    }
}

/// An event with where it came from.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// An event, and the message of the hub that it was read from.
    Event(Event<'a>, Option<Message<'a>>),
    /// The hub answered a ping.
    Pingresp,
}

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The topic.
    pub topic: &'a [u8],
    /// The body.
    pub payload: &'a [u8],
}

/// Why [`start`](crate::start) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work: the text of the log says which option it is.
    Config(ConfigError),
    /// It was started before.
    AlreadyStarted,
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Config(error) => {
                error.fmt(f)?;
                f.write_str(match error {
                    ConfigError::Hostname => ": see the setting iothub/hostname, CONFIG_IOTHUB_HOSTNAME",
                    ConfigError::DeviceId => ": see the setting iothub/device_id, CONFIG_IOTHUB_DEVICE_ID",
                    ConfigError::IdScope => {
                        ": see the setting iothub/dps/id_scope, CONFIG_IOTHUB_DPS_ID_SCOPE"
                    }
                    ConfigError::RegistrationId => {
                        ": see the setting iothub/dps/registration_id, CONFIG_IOTHUB_DPS_REGISTRATION_ID"
                    }
                    _ => "",
                })
            }
            Self::AlreadyStarted => f.write_str("the client was started before"),
        }
    }
}

impl core::error::Error for StartError {}
