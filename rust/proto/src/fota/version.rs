//! The version in an image's header, which the boot loader knows it by.

/// As MCUboot orders versions: by major, minor and revision, then by the build number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageVersion {
    number: u32,
    build: u32,
}

impl ImageVersion {
    /// `number` is `major << 24 | minor << 16 | revision`.
    pub const fn new(number: u32, build: u32) -> Self {
        Self { number, build }
    }

    /// From `1.2.3` or `1.2.3+4`; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = [0u32; 4];
        let mut at = 0;
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    let part = parts.get_mut(at)?;
                    *part = part.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?;
                }
                b'.' if at < 2 => at += 1,
                b'+' if at == 2 => at = 3,
                _ => return None,
            }
        }
        let [major, minor, revision, build] = parts;
        let fits = at >= 2 && (major | minor) >> 8 == 0 && revision >> 16 == 0;
        fits.then(|| Self::new(major << 24 | minor << 16 | revision, build))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_boot_loader_orders_them() {
        let ordered = [
            "0.0.0",
            "0.0.0+1",
            "0.0.1",
            "0.9.65535+4294967295",
            "0.10.0",
            "1.0.0",
            "255.255.65535+4294967295",
        ]
        .map(|text| ImageVersion::parse(text).expect(text));
        assert!(ordered.is_sorted_by(|a, b| a < b), "{ordered:?}");
        assert_eq!(ordered[3], ImageVersion::new(0x0009_FFFF, u32::MAX));
        assert_eq!(ImageVersion::parse("1.2.3"), ImageVersion::parse("1.2.3+0"));
        for none in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "1.2.3-rc1",
            "1.2+3",
            "1.2.3+4+5",
            "256.0.0",
            "0.256.0",
            "0.0.65536",
            "0.0.0+4294967296",
        ] {
            assert_eq!(ImageVersion::parse(none), None, "{none}");
        }
    }
}
