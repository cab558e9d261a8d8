//! An nRF91 modem over its AT commands: finding it, asking it, and writing credentials into it.
//!
//! [`Session`] is the line: it finds out by itself which firmware answers, paces what it writes,
//! and never sends a command before the last one has ended. [`Modem`] is the modem: identity,
//! functional mode, credentials, keys.

mod codes;
mod credentials;
mod detection;
mod device;
mod port;
mod session;
mod slips;
mod trace;
mod writing;

pub use codes::{CodeText, explain};
pub use credentials::{Credential, Slot, check_tag, limit, name_of};
pub use device::{GeneratedRequest, Modem, Stored, check_key_name, check_quoted};
pub use port::{Found, LineReader, list_ports};
pub use session::{Ending, Framing, Session};
pub use trace::Trace;
pub use writing::{Outcome, write_all};
