//! What threads meet at. One place, so that `tests/interleavings.rs` can put others there and try
//! every order.

pub(crate) use critical_section::with;
pub(crate) use ncs::platform::{Waiter, thread_id};
