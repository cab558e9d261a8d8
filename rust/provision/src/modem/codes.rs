//! `+CME ERROR` numbers as sentences, each with the next step.

/// What a number means, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeText {
    /// The number.
    pub code: u16,
    /// What it means.
    pub meaning: &'static str,
    /// What to do next.
    pub advice: &'static str,
}

/// The text for a number.
pub fn explain(code: u16) -> CodeText {
    CODES
        .iter()
        .find(|found| found.code == code)
        .copied()
        .unwrap_or(CodeText {
            code,
            meaning: "an error that is not in the list of the AT command reference",
            advice: "look the number up in Nordic's AT command reference for this firmware",
        })
}

const fn text(code: u16, meaning: &'static str, advice: &'static str) -> CodeText {
    CodeText {
        code,
        meaning,
        advice,
    }
}

const CODES: &[CodeText] = &[
    text(
        0,
        "the modem failed",
        "power the board off and on, then try again",
    ),
    text(
        23,
        "the modem's memory failed or is full",
        "delete credentials that are not used",
    ),
    text(
        50,
        "a parameter of the command is wrong",
        "check the tag and the type; try --trace",
    ),
    text(
        51,
        "the command is not in this modem firmware",
        "update the modem firmware",
    ),
    text(
        60,
        "the modem had a system error",
        "power the board off and on, then try again",
    ),
    text(
        513,
        "there is no such credential",
        "see what is there: iothub-provision modem creds list",
    ),
    text(
        514,
        "the modem does not allow access to it",
        "keys and certificates cannot be read back; use another tag for reserved ones",
    ),
    text(
        515,
        "the credential store is full",
        "see modem creds list, then delete tags that are not used",
    ),
    text(
        518,
        "the modem is online (CFUN=1)",
        "leave out --keep-online, so that CFUN=4 is sent first",
    ),
    text(
        519,
        "there is a key under this tag already",
        "use --replace to delete it first, or another --tag",
    ),
    text(
        520,
        "the authentication failed",
        "check the passphrase of the key",
    ),
    text(
        522,
        "the modem could not find what it needs for this",
        "check the tag and the type",
    ),
    text(
        523,
        "no key could be made",
        "delete type 2 of this tag and try again",
    ),
    text(
        525,
        "no token could be made",
        "check that the tag holds a private key",
    ),
    text(
        527,
        "the certificate was rejected: not PEM with real line breaks",
        "give the file itself, not a copy with \\n or spaces in place of the line breaks",
    ),
    text(
        528,
        "the modem is about to lose power",
        "charge the board, then try again",
    ),
    text(
        529,
        "the claim token is wrong",
        "read it again with AT%ATTESTTOKEN",
    ),
];
