//! Writing several credentials under one tag so that they are all there or none.

use crate::error::{Error, Kind};
use crate::modem::credentials::{Credential, check_tag, name_of};
use crate::modem::device::{Holds, Modem, Stored};

/// What became of one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was there already, byte for byte.
    Same,
    /// It was written into an empty place.
    Written,
    /// It was written in place of another one.
    Replaced,
    /// It was written, and could not be verified: modem firmware before 1.3.2 lists no hashes.
    Unverified,
}

/// Writes and verifies credentials under one tag, in their order. The modem must be offline.
/// `step` is told before each.
///
/// Everything is checked before the first byte is sent. If a write fails, what was written into
/// empty places is deleted again.
///
/// # Errors
/// [`Kind::Exists`] if another credential is there and `replace` is not set; [`Kind::Refused`] if
/// a write failed and all is as before; [`Kind::HalfDone`] if it is not.
pub fn write_all(
    modem: &mut Modem,
    tag: u32,
    credentials: &[Credential],
    replace: bool,
    mut step: impl FnMut(&Credential),
) -> Result<Vec<Outcome>, Error> {
    check_tag(tag, true)?;
    let found = modem.list(Some(tag))?;
    let beside = modem.beside(tag)?;
    let mut plan = Vec::new();
    for credential in credentials {
        credential.check_size(tag)?;
        let kind = credential.slot() as u8;
        let outcome = match found.iter().find(|found| found.kind == kind) {
            None => Outcome::Written,
            Some(found) if credential.has_sha256(&found.sha256) => Outcome::Same,
            Some(_) if replace => Outcome::Replaced,
            Some(_) => {
                return Err(Error::new(
                    Kind::Exists,
                    format!("another {} is under tag {tag} already", name_of(kind)),
                )
                .advise("use --replace to overwrite it, or another --tag"));
            }
        };
        plan.push((credential, outcome));
    }
    let mut touched = Vec::new();
    for (credential, outcome) in &mut plan {
        if *outcome == Outcome::Same {
            continue;
        }
        step(credential);
        match write_one(modem, tag, credential, *outcome, &beside, &mut touched) {
            Ok(written) => *outcome = written,
            Err(error) => return Err(undone(modem, tag, &touched, error)),
        }
    }
    Ok(plan.into_iter().map(|(_, outcome)| outcome).collect())
}

fn write_one(
    modem: &mut Modem,
    tag: u32,
    credential: &Credential,
    outcome: Outcome,
    beside: &[Stored],
    touched: &mut Vec<(u8, Outcome)>,
) -> Result<Outcome, Error> {
    let kind = credential.slot() as u8;
    if outcome == Outcome::Replaced {
        touched.push((kind, outcome));
        modem.delete(tag, kind)?;
        modem.write(tag, credential)?;
    } else {
        modem.write(tag, credential)?;
        touched.push((kind, outcome));
    }
    match modem.compare(tag, credential)? {
        Holds::Same => Ok(outcome),
        Holds::Hidden => Ok(Outcome::Unverified),
        // A byte was lost on the way.
        Holds::Nothing | Holds::Another => {
            modem.delete_strays(beside, tag, |found| {
                let is_same = credential.has_sha256(&found.sha256) || found.is_placeholder();
                found.kind == kind && is_same
            })?;
            modem.delete(tag, kind)?;
            modem.write(tag, credential)?;
            modem.verify(tag, credential).map(|()| outcome)
        }
    }
}

/// Deletes what was written into empty places; what was replaced cannot be brought back.
fn undone(modem: &mut Modem, tag: u32, touched: &[(u8, Outcome)], error: Error) -> Error {
    let mut left: Vec<&str> = Vec::new();
    for (kind, outcome) in touched {
        if *outcome == Outcome::Replaced || modem.delete(tag, *kind).is_err() {
            left.push(name_of(*kind));
        }
    }
    if left.is_empty() {
        return error;
    }
    Error::new(
        Kind::HalfDone,
        format!(
            "{}; under tag {tag} this is changed already: {}",
            error.message(),
            left.join(", ")
        ),
    )
    .advise(
        if touched
            .iter()
            .any(|(_, outcome)| *outcome == Outcome::Replaced)
        {
            "remove the cause, then run the same command again with --replace"
        } else {
            "remove the cause, then run the same command again"
        },
    )
}
