//! Serial numbers: 128 random bits.

use aws_lc_rs::rand::fill;

use crate::error::{Error, Kind};

/// A random serial number whose first octet is not zero, so that its hex form always has 32
/// digits and the file name matches what `openssl ca` would use.
pub(crate) fn random() -> Result<[u8; 16], Error> {
    let mut octets = [0; 16];
    while octets[0] == 0 {
        fill(&mut octets)
            .map_err(|_| Error::new(Kind::Internal, "the system gives no random numbers"))?;
    }
    Ok(octets)
}

/// Upper-case hex without separators.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}
