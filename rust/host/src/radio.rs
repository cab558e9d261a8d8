//! How long the modem's radio is in use, as a network makes it: what is sent or received connects
//! the modem to the cell, and the network lets it go again once nothing was carried for a while.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Counts; time is an argument and never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Radio {
    inactivity: Duration,
    usage: RadioUsage,
    /// Since when it is connected, and until when if nothing more comes.
    connected: Option<(Duration, Duration)>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RadioUsage {
    /// Connected to the cell.
    pub connected: Duration,
    /// How often it has connected.
    pub connections: u32,
    /// Bytes.
    pub sent: u64,
    /// Bytes.
    pub received: u64,
    /// Whether it is connected now.
    pub is_on: bool,
}

/// Of TCP over IPv4 and of a TLS 1.2 record with AES-GCM, for each piece that is written.
const OVERHEAD: u64 = 40 + 29;

impl Radio {
    /// A common setting of networks.
    pub const INACTIVITY: Duration = Duration::from_secs(10);

    /// With the network's inactivity timer.
    pub const fn new(inactivity: Duration) -> Self {
        Self {
            inactivity,
            usage: RadioUsage {
                connected: Duration::ZERO,
                connections: 0,
                sent: 0,
                received: 0,
                is_on: false,
            },
            connected: None,
        }
    }

    /// Bytes of the application are carried; of none nothing is.
    pub fn carry(&mut self, now: Duration, sent: u64, received: u64) {
        for (bytes, sum) in [
            (sent, &mut self.usage.sent),
            (received, &mut self.usage.received),
        ] {
            if bytes > 0 {
                *sum += bytes + OVERHEAD;
            }
        }
        if sent + received == 0 {
            return;
        }
        let until = now + self.inactivity;
        match &mut self.connected {
            Some((_, end)) if now < *end => *end = until,
            span => {
                if let Some((since, end)) = span.replace((now, until)) {
                    self.usage.connected += end - since;
                }
                self.usage.connections += 1;
            }
        }
    }

    /// Until now.
    pub fn usage(&self, now: Duration) -> RadioUsage {
        let mut usage = self.usage;
        if let Some((since, end)) = self.connected {
            usage.connected += now.min(end).saturating_sub(since);
            usage.is_on = now < end;
        }
        usage
    }
}

/// The device's: there is one a process.
static RADIO: Mutex<Radio> = Mutex::new(Radio::new(Radio::INACTIVITY));

/// Calls `f` with the device's radio.
pub(crate) fn with<R>(f: impl FnOnce(&mut Radio) -> R) -> R {
    f(&mut RADIO.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn is_connected_from_the_first_byte_until_nothing_came_for_a_while() {
        let mut radio = Radio::new(at(10));
        radio.carry(at(100), 0, 0);
        assert_eq!(radio.usage(at(100)), RadioUsage::default());
        radio.carry(at(100), 31, 0);
        radio.carry(at(104), 0, 4);
        let usage = radio.usage(at(110));
        assert_eq!((usage.connected, usage.is_on), (at(10), true));
        assert_eq!((usage.sent, usage.received), (100, 73));
        radio.carry(at(114), 1, 0);
        let usage = radio.usage(at(1000));
        assert_eq!((usage.connected, usage.is_on), (at(14 + 10), false));
        assert_eq!(usage.connections, 2);
    }
}
