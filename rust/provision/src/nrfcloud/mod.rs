//! nRF Cloud: tokens, the files for bulk onboarding, and the calls that take them.

mod attestation;
mod bulk;
mod client;
mod jwt;

pub(crate) use attestation::dashed;
pub use attestation::{Attestation, attestations, with_attestation};
pub use bulk::{FirmwareType, MOST_ROWS, OnboardRow, onboard_csv, public_keys_csv};
pub use client::{Api, Operation, ServiceToken, Target};
pub use jwt::{Token, sign, verify};
