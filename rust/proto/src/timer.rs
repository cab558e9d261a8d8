//! Timers as a table of data.

use crate::time::Instant;

/// Declares [`Timer`] and the lists of its variants.
macro_rules! timers {
    (
        client { $($(#[$client_doc:meta])* $client:ident,)* }
        connection { $($(#[$connection_doc:meta])* $connection:ident,)* }
    ) => {
        /// One wait each. In the order in which they are served when several have expired.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Timer {
            $($(#[$client_doc])* $client,)*
            $($(#[$connection_doc])* $connection,)*
        }

        impl Timer {
            const ALL: [Self; [$(Self::$client,)* $(Self::$connection,)*].len()] =
                [$(Self::$client,)* $(Self::$connection,)*];

            /// Timers that stop when the connection ends.
            const OF_CONNECTION: [Self; [$(Self::$connection,)*].len()] = [$(Self::$connection,)*];
        }
    };
}

timers! {
    client {
        /// No connect before this.
        Backoff,
        /// No `Attach` before this.
        Attach,
        /// No `Abort` before this.
        Abort,
    }
    connection {
        Connack,
        Suback,
        Puback,
        /// Nothing was received for a keep-alive, or for too long.
        Link,
        /// The connection counts as good.
        Stable,
        /// The twin's answer, or the next request for the twin.
        Twin,
        /// The answer to the oldest report.
        Report,
        /// DPS's answer, or the next request to DPS.
        Dps,
    }
}

/// When each timer expires.
#[derive(Debug)]
pub(crate) struct Timers([Instant; Timer::ALL.len()]);

impl Timers {
    pub(crate) const fn new() -> Self {
        Self([Instant::NEVER; Timer::ALL.len()])
    }

    pub(crate) fn start(&mut self, timer: Timer, at: Instant) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.start(timer, Instant::NEVER);
    }

    pub(crate) fn stop_connection(&mut self) {
        for timer in Timer::OF_CONNECTION {
            self.stop(timer);
        }
    }

    fn at(&self, timer: Timer) -> Instant {
        let at = self.0.get(timer as usize);
        at.copied().unwrap_or(Instant::NEVER)
    }

    pub(crate) fn is_off(&self, timer: Timer) -> bool {
        self.at(timer) == Instant::NEVER
    }

    /// Whether the timer runs and has not expired.
    pub(crate) fn is_waiting(&self, timer: Timer, now: Instant) -> bool {
        self.at(timer) > now
    }

    /// Stops and returns a timer that has expired.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Timer> {
        let expired = Timer::ALL
            .into_iter()
            .find(|timer| self.at(*timer).is_due(now))?;
        self.stop(expired);
        Some(expired)
    }

    pub(crate) fn next(&self) -> Instant {
        self.0.into_iter().fold(Instant::NEVER, Instant::or_before)
    }
}
