//! Passphrases: from a file or from the terminal, never from the command line.

use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};
use crate::files;
use crate::pki::{Authority, Pki};
use crate::secret::Secret;

/// How the key that is made is protected.
#[derive(Debug, clap::Args)]
pub(crate) struct NewPassphrase {
    /// Encrypt the new key; the passphrase is the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "ask_passphrase")]
    passphrase_file: Option<PathBuf>,
    /// Encrypt the new key; the passphrase is asked for on the terminal
    #[arg(long)]
    ask_passphrase: bool,
}

/// How the key that signs is opened.
#[derive(Debug, clap::Args)]
pub(crate) struct SignerPassphrase {
    /// The passphrase of the signing key is the first line of FILE; without it the terminal is
    /// asked if the key is encrypted
    #[arg(long, value_name = "FILE")]
    signer_passphrase_file: Option<PathBuf>,
}

impl NewPassphrase {
    pub(crate) fn obtain(&self) -> Result<Option<Secret>, Error> {
        match (&self.passphrase_file, self.ask_passphrase) {
            (Some(path), _) => from_file(path).map(Some),
            (None, true) => twice().map(Some),
            (None, false) => Ok(None),
        }
    }
}

impl SignerPassphrase {
    pub(crate) fn open(&self, pki: &Pki, name: &str) -> Result<Authority, Error> {
        let given = self
            .signer_passphrase_file
            .as_deref()
            .map(from_file)
            .transpose()?;
        opened(given, name, |passphrase| pki.authority(name, passphrase))
    }

    pub(crate) fn obtain(&self) -> Result<Option<Secret>, Error> {
        self.signer_passphrase_file
            .as_deref()
            .map(from_file)
            .transpose()
    }
}

/// Tries without asking, and asks only if the key turns out to be encrypted.
pub(crate) fn opened<T>(
    given: Option<Secret>,
    name: &str,
    open: impl Fn(Option<&Secret>) -> Result<T, Error>,
) -> Result<T, Error> {
    let outcome = open(given.as_ref());
    match &outcome {
        Err(error)
            if error.kind() == Kind::Passphrase && given.is_none() && stdin().is_terminal() =>
        {
            open(Some(&ask(&format!("Passphrase of the key of {name}: "))?))
        }
        _ => outcome,
    }
}

pub(crate) fn from_file(path: &Path) -> Result<Secret, Error> {
    let text = Secret::new(files::read(path)?);
    match text.expose().lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(
            Error::new(Kind::Passphrase, format!("{} is empty", path.display()))
                .advise("put the passphrase on its first line"),
        ),
    }
}

fn twice() -> Result<Secret, Error> {
    let first = ask("New passphrase: ")?;
    let second = ask("Once more: ")?;
    if first.expose().is_empty() {
        return Err(Error::new(Kind::Passphrase, "the passphrase is empty"));
    }
    if first.expose() != second.expose() {
        return Err(Error::new(Kind::Passphrase, "the two passphrases differ"));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Secret, Error> {
    if !stdin().is_terminal() {
        return Err(Error::new(
            Kind::Passphrase,
            "there is no terminal to ask for a passphrase",
        )
        .advise("give a file instead"));
    }
    rpassword::prompt_password(prompt)
        .map(Secret::new)
        .map_err(|error| Error::new(Kind::Passphrase, format!("no passphrase was read: {error}")))
}
