//! Messages that are handed out one by one, each under a lock that only its token opens.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, params};

use super::{Outcome, settle};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::settings::C2dPolicy;

/// What opens the lock of one message: as text `{connection}-{sequence number}`, both in
/// hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockToken {
    /// The number under which the message was locked.
    pub number: u64,
    /// The message.
    pub seq: i64,
}

impl LockToken {
    /// Ends the message, if its lock is still held.
    pub(crate) fn settle(
        self,
        c: &Connection,
        hub: &str,
        device: &str,
        outcome: Outcome,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        self.check(c, hub, device, now)?;
        settle(c, hub, device, self.seq, outcome, now).map(|_| ())
    }

    /// Gives the message back to the queue, if its lock is still held.
    pub(crate) fn abandon(
        self,
        c: &Connection,
        hub: &str,
        device: &str,
        policy: C2dPolicy,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        self.check(c, hub, device, now)?;
        c.execute(
            "UPDATE c2d SET connection = NULL, locked_until = NULL, delivery_count = delivery_count + ?2 \
             WHERE seq = ?1",
            params![self.seq, !policy.counts_deliveries],
        )?;
        Ok(())
    }

    fn check(self, c: &Connection, hub: &str, device: &str, now: UnixMs) -> Result<(), Refusal> {
        let held: i64 = c.query_row(
            "SELECT count(*) FROM c2d WHERE seq = ?1 AND hub = ?2 AND device = ?3 AND connection = ?4 \
             AND locked_until > ?5",
            params![self.seq, hub, device, i64::try_from(self.number).unwrap_or(i64::MAX), now],
            |row| row.get(0),
        )?;
        match held {
            0 => Err(Refusal::new(
                ErrorCode::DeviceMessageLockLost,
                format!("no message of device '{device}' is locked under '{self}'"),
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.number, self.seq)
    }
}

impl FromStr for LockToken {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let parts = text.split_once('-').and_then(|(number, seq)| {
            Some(Self {
                number: u64::from_str_radix(number, 16).ok()?,
                seq: i64::from_str_radix(seq, 16).ok()?,
            })
        });
        parts.ok_or_else(|| {
            Refusal::new(
                ErrorCode::DeviceMessageLockLost,
                format!("'{text}' is no lock token"),
            )
        })
    }
}
