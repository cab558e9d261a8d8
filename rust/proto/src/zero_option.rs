//! `Option` for fields of a client in static memory.

/// As `Option`, but `None` is all zeros whatever `T` is: a client in static memory then lies in
/// .bss and takes no flash. The layout of `Option` does not promise this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ZeroOption<T> {
    None,
    Some(T),
}

impl<T: Copy> ZeroOption<T> {
    pub(crate) const fn get(&self) -> Option<T> {
        match self {
            Self::None => None,
            Self::Some(value) => Some(*value),
        }
    }
}
