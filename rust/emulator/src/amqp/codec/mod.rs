//! AMQP 1.0 on the wire: values, frames, performatives and messages.
//!
//! Shapes and codes are those of the OASIS standard "AMQP Version 1.0", parts 1 to 3. What a peer
//! sends is read without recursion, into at most [`MAX_FRAME`] bytes of frame,
//! [`decode::MAX_DEPTH`] levels and a number of values that the caller sets. Lists are written in
//! full, with their trailing nulls, since Python's azure-eventhub asks for fields by their place
//! without a look at how many there are.

pub(super) mod decode;
pub(super) mod encode;
pub(super) mod frame;
pub(super) mod message;
pub(super) mod performative;
pub(super) mod value;

/// Everything that a connection's bytes go through before they mean something: frames, and in them
/// messages.
pub(crate) fn fuzz(mut bytes: &[u8]) {
    while let Ok(Some(length)) = frame::length(bytes)
        && let Some((piece, rest)) = bytes.split_at_checked(length)
    {
        assert!(length <= MAX_FRAME);
        if let Ok(frame::Piece::Frame(frame)) = frame::parse(piece) {
            if let Some((_, fields)) = &frame.body {
                // What was read can be written, and read again.
                for place in 0..14 {
                    let mut out = Vec::new();
                    encode::value(&mut out, fields.at(place));
                    let again = decode::Decoder::new(&out, usize::MAX).value();
                    assert_eq!(
                        again.map(|it| format!("{it:?}")),
                        Ok(format!("{:?}", fields.at(place)))
                    );
                }
            }
            let _ = message::Message::parse(&frame.payload);
            let _ = message::Message::parse_batch(&frame.payload);
        }
        bytes = rest;
    }
}

/// The largest frame that is announced, read and written.
pub(super) const MAX_FRAME: usize = 64 * 1024;
