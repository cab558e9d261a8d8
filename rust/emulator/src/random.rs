//! Random numbers for keys and names.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A new random key, as base64 of 32 bytes.
pub(crate) fn key() -> String {
    STANDARD.encode(random::<32>())
}

/// A new random token of 64 hexadecimal digits, for `Options::token`.
pub fn token() -> String {
    hex::<32>()
}

/// Random bytes in lower-case hexadecimal.
pub(crate) fn hex<const N: usize>() -> String {
    random::<N>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A random GUID.
pub(crate) fn guid() -> String {
    let digits = hex::<16>();
    format!(
        "{}-{}-4{}-a{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..]
    )
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The system's, since the crypto library's first number takes 40 ms. If there is none, that one
    // waits until there is.
    if getrandom::fill(&mut bytes).is_err() {
        let _ = rand::fill(&mut bytes);
    }
    bytes
}
