//! What a device id and a registration id may look like.

use std::borrow::Cow;
use std::fmt;

/// Checks a device id; the error says what it must look like.
///
/// Microsoft, "Understand the identity registry", table of device properties: `+` and `#`, which
/// are wildcards in topics, are not supported.
pub(crate) fn check_device_id(id: &str) -> Result<(), InvalidId> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.%_*?!(),:=@$'".contains(&byte);
    if (1..=128).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(InvalidId(id.to_owned()))
}

/// What a module is kept under, beside devices: no device id has a slash.
pub(crate) fn of_module(device: &str, module: &str) -> String {
    format!("{device}/{module}")
}

/// The device, and the module if it is one's.
pub(crate) fn split(id: &str) -> (&str, Option<&str>) {
    match id.split_once('/') {
        Some((device, module)) => (device, Some(module)),
        None => (id, None),
    }
}

/// As it stands in topics, tokens and addresses behind `devices/`.
pub(crate) fn path(id: &str) -> Cow<'_, str> {
    match split(id) {
        (device, Some(module)) => format!("{device}/modules/{module}").into(),
        (device, None) => device.into(),
    }
}

/// Checks a device id, or a device id and a module id, which may have the same characters.
pub(crate) fn check_identity(id: &str) -> Result<(), InvalidId> {
    let (device, module) = split(id);
    check_device_id(device)?;
    module.map_or(Ok(()), check_device_id)
}

/// A device id that none can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidId(String);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id) = self;
        write!(
            f,
            "device id '{id}' must have 1 to 128 ASCII letters, digits or any of - . % _ * ? ! ( ) , : = @ $ '"
        )?;
        match id.contains(['+', '#']) {
            true => f.write_str("; + and # are not supported"),
            false => Ok(()),
        }
    }
}

impl std::error::Error for InvalidId {}

/// Whether a registration id has only the characters that the provisioning service allows.
pub(crate) fn is_registration_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    id.len() <= 128
        && id.bytes().all(allowed)
        && id
            .bytes()
            .last()
            .is_some_and(|last| last.is_ascii_alphanumeric() || last == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_azures_characters() {
        let is_device_id = |id: &str| check_device_id(id).is_ok();
        assert!(is_device_id("a-.%_*?!(),:=@$'Z9"));
        assert!(!is_device_id("a/b") && !is_device_id("") && !is_device_id("é"));
        assert!(is_device_id(&"x".repeat(128)) && !is_device_id(&"x".repeat(129)));
        for id in ["a+b", "#"] {
            let error = check_device_id(id).unwrap_err().to_string();
            assert!(error.ends_with("; + and # are not supported"), "{error}");
            assert!(!is_registration_id(id));
        }
        assert!(is_registration_id("a.b-") && !is_registration_id("a.") && !is_registration_id(""));
    }
}
