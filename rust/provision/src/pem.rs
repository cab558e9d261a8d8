//! PEM blocks out of files as people have them: text in front (`openssl ca` writes a full dump),
//! CRLF line ends, several blocks in a row, `EC PARAMETERS` before the key.

use pem::{EncodeConfig, LineEnding, Pem};

use crate::error::{Error, Kind};

/// One decoded block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands after `BEGIN`, for example `CERTIFICATE`.
    pub label: String,
    /// The decoded bytes.
    pub der: Vec<u8>,
}

impl Block {
    /// A block of this kind.
    pub fn new(label: &str, der: impl Into<Vec<u8>>) -> Self {
        Self {
            label: label.to_owned(),
            der: der.into(),
        }
    }

    /// The canonical text: 64 characters a line, LF, a line end after the last line.
    /// This is the form that is written to a modem.
    pub fn encode(&self) -> String {
        encode(&self.label, &self.der)
    }
}

/// Encodes DER in the canonical form of [`Block::encode`].
pub fn encode(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), config)
}

/// All blocks of a text in their order; whatever stands between them is skipped.
///
/// # Errors
/// [`Kind::Content`] for a block that has no end, that is not base64, or that holds literal `\n`.
pub fn blocks(text: &str) -> Result<Vec<Block>, Error> {
    let mut found = Vec::new();
    for (place, part) in text.split(BEGIN).skip(1).enumerate() {
        // The library reads on at the next block where one has no end.
        let (label, body) = part
            .split_once(DASHES)
            .ok_or_else(|| broken("a BEGIN line is not closed by dashes"))?;
        if !body.contains(&format!("-----END {label}-----")) {
            return Err(broken(format!("the block {label} has no END line")));
        }
        if body.contains("\\n") {
            return Err(broken(format!(
                "the block {label} holds the two characters \\n instead of line breaks"
            )));
        }
        let parsed = pem::parse(format!("{BEGIN}{part}")).map_err(|_| {
            broken(format!(
                "the block {label}, number {}, is not base64",
                place + 1
            ))
        })?;
        if parsed.headers().iter().next().is_some() {
            return Err(broken(format!(
                "the block {label} is in the old encrypted form with headers"
            ))
            .advise("convert it with: openssl pkcs8 -topk8 -in OLD -out NEW"));
        }
        found.push(Block::new(label, parsed.into_contents()));
    }
    Ok(found)
}

/// The blocks with this label.
///
/// # Errors
/// There is none: what was found in its place.
pub fn blocks_labelled(text: &str, label: &str) -> Result<Vec<Block>, Error> {
    let all = blocks(text)?;
    let labels: Vec<String> = all.iter().map(|block| block.label.clone()).collect();
    let fitting: Vec<Block> = all
        .into_iter()
        .filter(|block| block.label == label)
        .collect();
    if fitting.is_empty() {
        let instead = if labels.is_empty() {
            "no PEM block at all".into()
        } else {
            labels.join(", ")
        };
        return Err(Error::new(
            Kind::Content,
            format!("no {label} in it; it holds {instead}"),
        )
        .advise(format!("give a PEM file with -----BEGIN {label}-----")));
    }
    Ok(fitting)
}

fn broken(message: impl Into<String>) -> Error {
    Error::new(Kind::Content, message).advise("export the file again as PEM, with real line breaks")
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_before_begin_is_skipped() {
        let text = format!(
            "Certificate:\n    Data:\n{}",
            encode("CERTIFICATE", &[1, 2, 3])
        );
        assert_eq!(
            blocks(&text).unwrap()[0].encode(),
            encode("CERTIFICATE", &[1, 2, 3])
        );
    }

    #[test]
    fn carriage_returns_vanish() {
        let text = encode("X", &[7; 100]).replace('\n', "\r\n");
        assert_eq!(blocks(&text).unwrap()[0].encode(), encode("X", &[7; 100]));
    }

    #[test]
    fn literal_backslash_n_is_named() {
        let text = "-----BEGIN X-----\\nAAAA\\n-----END X-----";
        assert!(blocks(text).err().unwrap().message().contains("\\n"));
    }

    #[test]
    fn a_missing_end_is_named() {
        let error = blocks("-----BEGIN X-----\nAAAA\n").err().unwrap();
        assert_eq!(error.message(), "the block X has no END line");
    }

    #[test]
    fn what_is_found_instead_is_said() {
        let error = blocks_labelled(&encode("A", b"a"), "CERTIFICATE")
            .err()
            .unwrap();
        assert_eq!(error.message(), "no CERTIFICATE in it; it holds A");
    }
}
