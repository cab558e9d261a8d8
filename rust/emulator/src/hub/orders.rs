//! Orders of the list of devices that no index has.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A column of the list whose order no index has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// The id, from the other end.
    Id,
    /// Connected, not connected, refused, never seen, disabled.
    State,
    /// Why it was let in or turned down last.
    Reason,
    /// The tags as JSON.
    Tags,
    /// The version that the device says it runs.
    Firmware,
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The least.
    Ascending,
    /// The greatest.
    Descending,
}

/// Orders that no index has. The first page of a list makes its own; the pages behind it find it
/// here, so that they cost what is on them, and a device that changes meanwhile stands in no two of
/// them.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<Vec<(Of, Instant, Arc<Placed>)>>);

/// What an order is of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Of {
    pub hub: String,
    pub find: String,
    pub is_refused: bool,
    pub column: Column,
    pub direction: Direction,
}

impl Orders {
    /// The order, if its first page was asked for a short while ago.
    pub(crate) fn find(&self, of: &Of) -> Option<Arc<Placed>> {
        let kept = self.kept();
        let found = kept.iter().find(|(it, ..)| it == of)?;
        Some(Arc::clone(&found.2))
    }

    /// Keeps one for the pages behind the first.
    pub(crate) fn keep(&self, of: Of, placed: Arc<Placed>) {
        let mut kept = self.kept();
        kept.retain(|(it, ..)| *it != of);
        if kept.len() == MOST_ORDERS {
            kept.remove(0);
        }
        kept.push((of, Instant::now(), placed));
    }

    /// Those that are not too old, the oldest first.
    fn kept(&self) -> MutexGuard<'_, Vec<(Of, Instant, Arc<Placed>)>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, made, _)| made.elapsed() < KEPT);
        kept
    }
}

/// Place and id of each device, in order.
#[derive(Debug)]
pub(crate) struct Placed {
    direction: Direction,
    rows: Vec<(String, String)>,
}

impl Placed {
    pub(crate) fn new(direction: Direction, mut rows: Vec<(String, String)>) -> Self {
        rows.sort_unstable_by(|one, other| order(direction, one, other));
        Self { direction, rows }
    }

    /// Those behind a place and an id; all of them behind no id.
    pub(crate) fn behind(&self, place: &str, id: &str) -> &[(String, String)] {
        let mark = (place.to_owned(), id.to_owned());
        let begin = match mark.1.is_empty() {
            true => 0,
            false => self
                .rows
                .partition_point(|row| order(self.direction, row, &mark).is_le()),
        };
        self.rows.get(begin..).unwrap_or_default()
    }
}

fn order(direction: Direction, one: &(String, String), other: &(String, String)) -> Ordering {
    let by_place = match direction {
        Direction::Ascending => one.0.cmp(&other.0),
        Direction::Descending => other.0.cmp(&one.0),
    };
    let empty = one.0.is_empty().cmp(&other.0.is_empty());
    empty.then(by_place).then_with(|| one.1.cmp(&other.1))
}

/// So many orders are kept, each for so long.
const MOST_ORDERS: usize = 4;
const KEPT: Duration = Duration::from_secs(120);
