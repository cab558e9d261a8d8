//! IoT Hub's service side: CA certificates, device identities, telemetry. Against the local
//! emulator everything works; against Azure the registry works with a connection string, and
//! for what only Azure Resource Manager can do there are [`azure`]'s commands.

pub mod azure;
mod client;
mod devices;
mod emulator;
mod enrollments;
mod management;
mod sas;

pub use client::Hub;
pub use devices::Authentication;
pub use emulator::About;
pub use management::Resource;
pub use sas::ConnectionString;
