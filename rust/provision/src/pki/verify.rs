//! Checks, each with its verdict, so that a report can show all of them and not only the first
//! that failed.

use time::OffsetDateTime;

use crate::pki::Certificate;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub passed: bool,
    /// What was found, where that says more.
    pub found: String,
}

impl Check {
    pub(crate) fn new(what: impl Into<String>, passed: bool, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            passed,
            found: found.into(),
        }
    }
}

/// Checks a chain: leaf first, each signed by the next, the last by one of `roots`; every one
/// valid at `now`, and every one but the leaf a CA with room for those below it.
pub fn verify_chain(
    chain: &[Certificate],
    roots: &[Certificate],
    now: OffsetDateTime,
) -> Vec<Check> {
    let Some(last) = chain.last() else {
        return vec![Check::new("chain", false, "it is empty")];
    };
    let root = roots
        .iter()
        .find(|root| *root == last || root.has_signed(last));
    let mut all: Vec<&Certificate> = chain.iter().collect();
    all.extend(root.filter(|root| *root != last));
    let mut checks: Vec<Check> = all
        .windows(2)
        .enumerate()
        .map(|(below, pair)| signed(pair[0], pair[1], below))
        .collect();
    checks.extend(all.iter().map(|found| in_time(found, now)));
    checks.push(match root {
        Some(root) => Check::new("ends at a trusted CA", true, root.subject()),
        None => Check::new(
            "ends at a trusted CA",
            false,
            format!("nobody here signed {}", last.subject()),
        ),
    });
    checks
}

/// Checks what IoT Hub checks for a device: its chain, that the leaf is no CA, that it may
/// authenticate a client, and that its common name is the device id.
pub fn verify_device(
    id: &str,
    chain: &[Certificate],
    roots: &[Certificate],
    now: OffsetDateTime,
) -> Vec<Check> {
    let mut checks = verify_chain(chain, roots, now);
    if let Some(leaf) = chain.first() {
        let name = leaf.common_name().unwrap_or("(none)");
        checks.push(Check::new("common name is the device id", name == id, name));
        checks.push(Check::new(
            "device certificate is not a CA",
            !leaf.is_ca(),
            "",
        ));
        let client = leaf.client_authentication();
        checks.push(Check::new(
            "device certificate may authenticate a client",
            client,
            "",
        ));
    }
    checks
}

fn signed(lower: &Certificate, upper: &Certificate, below: usize) -> Check {
    let room = upper
        .path_length()
        .is_none_or(|length| below as u64 <= u64::from(length));
    let found = match (upper.has_signed(lower), upper.is_ca(), room) {
        (false, ..) => "the signature or the name does not fit",
        (_, false, _) => "the issuer is not a CA",
        (.., false) => "too many CAs below the issuer",
        _ => "",
    };
    let what = format!("{} is signed by {}", lower.subject(), upper.subject());
    Check::new(what, found.is_empty(), found)
}

fn in_time(found: &Certificate, now: OffsetDateTime) -> Check {
    Check::new(
        format!("{} is valid now", found.subject()),
        found.is_valid_at(now),
        format!(
            "{} to {}",
            found.not_before().date(),
            found.not_after().date()
        ),
    )
}
