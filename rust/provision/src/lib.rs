//! Certificates for Azure IoT Hub devices, and getting them into an nRF91 modem.
//!
//! ```text
//! $ iothub-provision ca create
//! ✓ dev-certs/rootca/rootca.pem  CN=Development Root CA, EC P-256, until 2036-11-18
//! ✓ dev-certs/subca/subca.pem  CN=Development Intermediate CA, EC P-256, until 2036-11-18
//!
//! $ iothub-provision device create 352656100367872
//! ✓ dev-certs/devices/352656100367872.pem  CN=352656100367872, EC P-256, until 2036-11-18
//!   chain  dev-certs/devices/352656100367872.chain.pem
//!   key    dev-certs/devices/352656100367872.key (0600)
//!
//! $ iothub-provision device verify 352656100367872
//! ✓ CN=352656100367872 is signed by CN=Development Intermediate CA
//! …
//! ✓ common name is the device id: 352656100367872
//! ```
//!
//! Private keys are never printed and never stand on a command line.
//!
//! As a library, [`pki::Pki`] makes the same files:
//!
//! ```
//! use iothub_provision::pki::Pki;
//! use time::macros::datetime;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let home = folder.path().join("dev-certs");
//! let now = datetime!(2026-11-21 12:00 UTC);
//! let pki = Pki::development(&home, now)?;
//! let device = pki.device("352656100367872", now)?;
//! let server = pki.server("hub", &["iothub.localhost", "127.0.0.1"], now)?;
//! assert!(device.certificate().is_valid_at(now));
//! assert_eq!(server.chain().len(), 2);
//! # Ok::<(), iothub_provision::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod cli;
pub mod error;
mod files;
mod http;
pub mod hub;
pub mod modem;
pub mod nrfcloud;
pub mod pem;
pub mod pki;
mod platform;
mod secret;
mod shell;
pub mod simulator;
pub mod up;

pub use error::{Error, Kind};
pub use secret::Secret;
pub use shell::Shell;
