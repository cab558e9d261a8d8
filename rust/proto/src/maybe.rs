//! `Option` for what lies in static memory.

/// As `Option`; but nothing is zeros, whatever something is, so that a client in static memory takes no flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Maybe<T> {
    Nothing,
    Some(T),
}

impl<T: Copy> Maybe<T> {
    pub(crate) const fn get(&self) -> Option<T> {
        match self {
            Self::Nothing => None,
            Self::Some(value) => Some(*value),
        }
    }
}
