//! nRF Cloud: tokens and the files for bulk onboarding.

mod jwt;

pub use jwt::{Token, sign, verify};
