//! Cloud-to-device messages: assistance data to the satellite receiver, others to the log.

use iothub::C2d;

use crate::survey;

/// Longest part of a message to log, in bytes.
const SHOWN: usize = 80;

pub(crate) fn on_message(message: &C2d<'_>) {
    if iothub::ASSISTANCE && survey::on_message(message) {
        return;
    }
    match beginning(message.payload) {
        Some(text) => log::info!("message from the cloud: {text}"),
        None => log::info!("message from the cloud: {} bytes", message.payload.len()),
    }
}

/// As many whole characters as are shown; `None` where it is no text.
fn beginning(payload: &[u8]) -> Option<&str> {
    let shown = payload.get(..SHOWN).unwrap_or(payload);
    match core::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // A character that is cut has no error length.
        Err(error) if error.error_len().is_none() && shown.len() < payload.len() => {
            core::str::from_utf8(shown.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let mut whole = heapless::String::<128>::new();
        write!(whole, "{:a<79}é and more", "").unwrap();
        assert_eq!(beginning(whole.as_bytes()), Some(&whole[..79]));
        assert_eq!(beginning("é".as_bytes()), Some("é"));
        assert_eq!(beginning(&"é".as_bytes()[..1]), None);
        assert_eq!(beginning(b"\xff and more"), None);
    }
}
