//! What the store knows of its sectors and queues, in RAM.

use super::layout::{HEADER, Header};
use super::message::Lane;

/// In 8 bytes: 64 of them are most of the store's RAM.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sector {
    /// Of what it holds, where it is used.
    pub(super) first: u32,
    /// From the lowest bit on: its state in 3, its repeat in 5, its erases in 24. All zeros is
    /// [`State::Dirty`], so that a store in static memory takes no flash.
    pub(super) bits: u32,
}

impl Sector {
    /// `repeat` makes sectors with the same first sequence follow each other.
    pub(super) const fn new(state: State, first: u32, erases: u32, repeat: u8) -> Self {
        let repeat = if repeat > REPEAT_MAX {
            REPEAT_MAX
        } else {
            repeat
        };
        Self {
            first,
            bits: state.code() | (repeat as u32) << 3 | erases << 8,
        }
    }

    pub(super) fn is(&self, state: State) -> bool {
        self.bits & 7 == state.code()
    }

    pub(super) fn is_free(&self) -> bool {
        self.is(State::Dirty) || self.is(State::Ready)
    }

    pub(super) fn is_used(&self) -> bool {
        self.bits & 7 >= State::Used(Lane::Normal).code()
    }

    pub(super) fn repeat(&self) -> u8 {
        (self.bits >> 3) as u8 & REPEAT_MAX
    }

    pub(super) fn erases(&self) -> u32 {
        self.bits >> 8
    }
}

/// First sequence, repeat, number.
pub(super) type Order = (u32, u8, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be erased before use.
    Dirty,
    /// Erased.
    Ready,
    /// Refused a write or an erase: not used again before the next mount.
    Bad,
    Used(Lane),
}

impl State {
    pub(super) const fn code(self) -> u32 {
        match self {
            Self::Dirty => 0,
            Self::Ready => 1,
            Self::Bad => 2,
            Self::Used(lane) => 3 + lane as u32,
        }
    }
}

/// A place: sector and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sector: usize,
    pub(super) at: usize,
}

impl Place {
    /// Where the content of the record is that begins here.
    pub(super) fn content(self) -> Self {
        Self {
            at: self.at + HEADER,
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    /// The sequence of the next message.
    pub(super) next: u32,
    /// Nothing below it is needed.
    pub(super) released: u32,
    /// The next one to be read.
    pub(super) unread: u32,
    /// Where the next record goes.
    pub(super) end: Option<Place>,
    /// Where reading goes on; `None`: at the oldest that is not released.
    pub(super) position: Option<Place>,
}

impl Queue {
    pub(super) const EMPTY: Self = Self {
        next: 0,
        released: 0,
        unread: 0,
        end: None,
        position: None,
    };
}

/// What the scan has found at the end of a queue's newest sector.
#[derive(Clone, Copy, Default)]
pub(super) struct Newest {
    pub(super) last: Option<(Place, Header)>,
    /// There is something behind it that is no record.
    pub(super) torn: bool,
}

/// Where damage has taken the number of erases; what is known stays below.
pub(super) const UNKNOWN: u32 = (1 << 24) - 1;
pub(super) const REPEAT_MAX: u8 = 31;
