//! Why the simulated device does not start.

use std::{fmt, io, path::PathBuf};

/// Why the device did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// There is one device a process.
    AlreadyStarted,
    /// The data folder, or a thread, could not be made.
    Data {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An option has a value that cannot be.
    Option {
        /// Which one.
        name: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyStarted => {
                f.write_str("the device was started before: there is one a process")
            }
            Self::Data { path, source } => {
                write!(
                    f,
                    "the device cannot start over the folder {}: {source}",
                    path.display()
                )
            }
            Self::Option { name, reason } => write!(f, "option {name}: {reason}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data { source, .. } => Some(source),
            Self::AlreadyStarted | Self::Option { .. } => None,
        }
    }
}
