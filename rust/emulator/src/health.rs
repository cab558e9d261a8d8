//! `iothub-emulator health`: a container without any other program asks with it.

use std::fmt;
use std::net::SocketAddr;

use crate::ask::{self, AskError};

/// Why it counts as not ready.
#[derive(Debug)]
pub(crate) enum NotReady {
    Ask(AskError),
    /// It answers with this status.
    Status(SocketAddr, u16),
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(error) => error.fmt(f),
            Self::Status(at, status) => {
                write!(f, "{at} is not ready: it answers with {status}")
            }
        }
    }
}

impl std::error::Error for NotReady {}

/// Asks `/ready`.
pub(crate) async fn ask(http: SocketAddr) -> Result<(), NotReady> {
    let at = ask::reachable(http);
    match ask::get(at, "/ready", None).await.map_err(NotReady::Ask)? {
        (200, _) => {
            println!("{at} is ready");
            Ok(())
        }
        (status, _) => Err(NotReady::Status(at, status)),
    }
}
