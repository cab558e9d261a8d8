//! The name of a CA, which is also that of its folder and of its files.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::error::{Error, Kind};

/// The name of a CA, checked: letters, digits, `-` and `_`, and no folder that holds something
/// else. Every path of a CA is made of one of these, so that none leads out of the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityName(String);

impl AuthorityName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it would lead elsewhere, or is taken.
    pub fn new(name: &str) -> Result<Self, Error> {
        let fits = !name.is_empty()
            && !RESERVED.contains(&name)
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if fits {
            return Ok(Self(name.to_owned()));
        }
        Err(
            Error::new(Kind::Usage, format!("{name:?} cannot be the name of a CA"))
                .advise("use letters, digits, - and _; the folders devices and servers are taken"),
        )
    }
}

impl FromStr for AuthorityName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

impl Deref for AuthorityName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const RESERVED: &[&str] = &["devices", "servers"];
