//! The modem itself: who it is, whether it is online, what it holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Kind};
use crate::modem::credentials::{Credential, Slot, name_of, request_pem};
use crate::modem::session::{Session, refused};
use crate::pki::SigningRequest;

/// A credential that the modem lists.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stored {
    /// The security tag.
    pub tag: u32,
    /// The type of the credential.
    pub kind: u8,
    /// SHA-256 in upper-case hex, or a placeholder from firmware before 1.3.2.
    pub sha256: String,
}

impl Stored {
    /// Whether the SHA is the placeholder of old firmware: the type, repeated.
    pub fn is_placeholder(&self) -> bool {
        self.sha256 == format!("{:02}", self.kind).repeat(32)
    }
}

/// What `%KEYGEN` gave.
#[derive(Clone, Debug)]
pub struct GeneratedRequest {
    /// The request, verified: the modem holds the key.
    pub request: SigningRequest,
    /// The signature of the modem's identity key over it (COSE_Sign1).
    pub attestation: Vec<u8>,
}

impl GeneratedRequest {
    /// The request as PEM.
    pub fn pem(&self) -> String {
        request_pem(self.request.der())
    }
}

/// What the modem holds in the place of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Nothing,
    Same,
    Another,
    /// Something, of which firmware before 1.3.2 lists no hash.
    Hidden,
}

/// A modem at the other end of a session.
pub struct Modem {
    session: Session,
    found_mode: Option<u8>,
    pub(super) notices: Vec<String>,
}

impl Modem {
    /// Talks to the modem behind this session.
    pub fn new(session: Session) -> Self {
        Self {
            session,
            found_mode: None,
            notices: Vec::new(),
        }
    }

    /// What the user should know about what has happened on the line so far; each is given once.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The line.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The IMEI.
    ///
    /// # Errors
    /// [`Kind::Refused`] or [`Kind::NoAnswer`], as for every command.
    pub fn imei(&mut self) -> Result<String, Error> {
        let lines = self.session.command("AT+CGSN")?;
        let is_imei = |line: &&String| line.len() == 15 && line.bytes().all(|b| b.is_ascii_digit());
        lines.iter().find(is_imei).cloned().ok_or_else(|| {
            Error::new(Kind::NoAnswer, "the answer to AT+CGSN holds no IMEI")
                .advise("name the device with --device-id")
        })
    }

    /// A one-line answer, such as that of `AT+CGMR`.
    ///
    /// # Errors
    /// As every command.
    pub fn ask(&mut self, command: &str) -> Result<String, Error> {
        let lines = self.session.command(command)?;
        lines.into_iter().next_back().ok_or_else(|| {
            Error::new(
                Kind::NoAnswer,
                format!("{command} was answered with nothing"),
            )
        })
    }

    /// The functional mode of `+CFUN`.
    ///
    /// # Errors
    /// As every command.
    pub fn functional_mode(&mut self) -> Result<u8, Error> {
        let answer = self.ask("AT+CFUN?")?;
        let mode = answer
            .strip_prefix("+CFUN:")
            .and_then(|mode| mode.trim().parse().ok());
        mode.ok_or_else(|| {
            Error::new(
                Kind::NoAnswer,
                format!("{answer:?} is no answer to AT+CFUN?"),
            )
        })
    }

    /// Switches the modem to flight mode if it is online, since it refuses writes otherwise, and
    /// remembers in which mode it was.
    ///
    /// # Errors
    /// As every command.
    pub fn go_offline(&mut self) -> Result<(), Error> {
        let mode = self.functional_mode()?;
        if matches!(mode, 1 | 2 | 21) {
            self.session.command("AT+CFUN=4")?;
            self.found_mode.get_or_insert(mode);
        }
        Ok(())
    }

    /// Puts the functional mode back to what [`Modem::go_offline`] has found.
    ///
    /// # Errors
    /// As every command.
    pub fn restore(&mut self) -> Result<(), Error> {
        match self.found_mode.take() {
            Some(mode) => self.session.command(&format!("AT+CFUN={mode}")).map(drop),
            None => Ok(()),
        }
    }

    /// Does something offline, and restores the mode whatever came of it.
    ///
    /// # Errors
    /// Those of `work`; those of restoring if `work` had none.
    pub fn offline<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.go_offline()?;
        let outcome = work(self);
        let restored = self.restore();
        let value = outcome?;
        restored.map(|()| value)
    }

    /// What the modem holds, under one tag or all.
    ///
    /// # Errors
    /// As every command.
    pub fn list(&mut self, tag: Option<u32>) -> Result<Vec<Stored>, Error> {
        let Some(tag) = tag else {
            return self.listed("AT%CMNG=1");
        };
        let command = format!("AT%CMNG=1,{tag}");
        let mut found = self.listed(&command)?;
        // With a digit lost, it was another tag that was asked for.
        if found.iter().all(|found| found.tag != tag) {
            found = self.listed(&command)?;
        }
        found.retain(|found| found.tag == tag);
        Ok(found)
    }

    fn listed(&mut self, command: &str) -> Result<Vec<Stored>, Error> {
        let lines = self.session.command(command)?;
        Ok(lines.iter().filter_map(|line| stored(line)).collect())
    }

    /// Writes one credential over whatever is there, twice if the line has garbled the first.
    ///
    /// # Errors
    /// [`Kind::Content`] if it is too long; [`Kind::Refused`] with what the number means.
    pub fn write(&mut self, tag: u32, credential: &Credential) -> Result<(), Error> {
        credential.check_size(tag)?;
        let (kind, content) = (credential.slot() as u8, credential.expose());
        let command = format!("AT%CMNG=0,{tag},{kind},\"{content}\"");
        match self.session.try_command(&command) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(code)) if is_garbled(code) => {}
            Ok(Err(code)) => return Err(refused(&command, code)),
            // The session has freed the line. What arrived there is nobody's.
            Err(_) if self.session.is_in_step() => {
                self.delete(tag, kind)?;
            }
            Err(error) => return Err(error),
        }
        self.session.command(&command).map(drop)
    }

    /// Deletes one credential. That it is not there is no error: then it is as it should be.
    ///
    /// # Errors
    /// As every command; [`Kind::Mismatch`] if it is still there afterwards.
    pub fn delete(&mut self, tag: u32, kind: u8) -> Result<(), Error> {
        let beside = self.beside(tag)?;
        let command = format!("AT%CMNG=3,{tag},{kind}");
        for _ in 0..2 {
            match self.session.try_command(&command)? {
                Ok(_) => self.tell_what_is_gone(&beside, tag)?,
                Err(Some(NOT_FOUND)) => {}
                Err(code) => return Err(refused(&command, code)),
            }
            if !self.slots(tag)?.contains(&kind) {
                return Ok(());
            }
        }
        let what = name_of(kind);
        Err(Error::new(
            Kind::Mismatch,
            format!("the {what} under tag {tag} is still there"),
        )
        .advise("bytes are lost on the line; check the cable and run the same command again"))
    }

    /// Has the modem make a key that never leaves it, and returns its request. What the line has
    /// garbled is deleted and made again, once.
    ///
    /// # Errors
    /// [`Kind::Refused`] if there is a key already (519) or the firmware is older than 1.3.0;
    /// [`Kind::Usage`] as [`check_key_name`].
    pub fn generate_key(&mut self, tag: u32, id: &str) -> Result<GeneratedRequest, Error> {
        check_key_name(id)?;
        let had_key = self.has_key(tag)?;
        let beside = self.beside(tag)?;
        let command = format!("AT%KEYGEN={tag},2,0,\"CN={id}\"");
        for is_last in [false, true] {
            match self.session.try_command(&command) {
                Ok(Ok(answer)) => {
                    let made = generated(&answer);
                    if made.is_ok() && !had_key && self.has_key(tag)? {
                        return made;
                    }
                }
                Ok(Err(code)) if is_last || had_key || !is_garbled(code) => {
                    return Err(refused(&command, code));
                }
                Err(error) if !self.session.is_in_step() => return Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
            self.delete_strays(&beside, tag, |found| found.kind == Slot::Key as u8)?;
            if !had_key {
                self.delete(tag, Slot::Key as u8)?;
            }
        }
        let what = "the answer to AT%KEYGEN is not a signed request";
        Err(Error::new(Kind::Mismatch, what)
            .advise("bytes are lost on the line; check the cable and run the same command again"))
    }

    /// Looks by SHA-256 whether the modem holds this credential.
    ///
    /// # Errors
    /// As every command.
    pub(crate) fn compare(&mut self, tag: u32, credential: &Credential) -> Result<Holds, Error> {
        let kind = credential.slot() as u8;
        let found = self.list(Some(tag))?;
        Ok(match found.iter().find(|found| found.kind == kind) {
            None => Holds::Nothing,
            Some(found) if found.is_placeholder() => Holds::Hidden,
            Some(found) if credential.has_sha256(&found.sha256) => Holds::Same,
            Some(_) => Holds::Another,
        })
    }

    /// Checks by SHA-256 that the modem holds this credential.
    ///
    /// # Errors
    /// [`Kind::Mismatch`] with what is there instead.
    pub fn verify(&mut self, tag: u32, credential: &Credential) -> Result<(), Error> {
        let what = name_of(credential.slot() as u8);
        let (found, advice) = match self.compare(tag, credential)? {
            Holds::Same => return Ok(()),
            Holds::Nothing => (
                format!("tag {tag} has no {what}"),
                "write it: iothub-provision modem creds write",
            ),
            Holds::Hidden => (
                format!(
                    "the {what} under tag {tag} cannot be verified: this modem firmware lists no hashes"
                ),
                "update the modem firmware to 1.3.2 or later",
            ),
            Holds::Another => (
                format!("the {what} under tag {tag} is another one (or has other line ends)"),
                "write it again with --replace",
            ),
        };
        Err(Error::new(Kind::Mismatch, found).advise(advice))
    }

    /// The kinds that stand under a tag.
    ///
    /// # Errors
    /// As every command.
    pub fn slots(&mut self, tag: u32) -> Result<Vec<u8>, Error> {
        Ok(self
            .list(Some(tag))?
            .into_iter()
            .map(|found| found.kind)
            .collect())
    }

    /// Whether the modem holds a private key under this tag.
    ///
    /// # Errors
    /// As every command.
    pub fn has_key(&mut self, tag: u32) -> Result<bool, Error> {
        Ok(self.slots(tag)?.contains(&(Slot::Key as u8)))
    }
}

/// Refuses what cannot stand as the common name between the quotes of `%KEYGEN`, where `,` begins
/// the next attribute and no way to escape it is documented (Nordic, AT commands, `%KEYGEN`).
///
/// # Errors
/// [`Kind::Usage`], with the way that there is for such a device id.
pub fn check_key_name(id: &str) -> Result<(), Error> {
    let special = |c: &char| c.is_control() || ",=+\"\\<>;#".contains(*c);
    match id.chars().find(special) {
        None => Ok(()),
        Some(c) => Err(Error::new(
            Kind::Usage,
            format!("the modem cannot make a key for {id:?}: {c:?} would begin another attribute"),
        )
        .advise(
            "make the key here: iothub-provision device create, then modem creds write; or use \
             another device id",
        )),
    }
}

/// A text between the quotes of an AT command.
///
/// # Errors
/// [`Kind::Usage`] if it would end the quotes or the command.
pub fn check_quoted(text: &str) -> Result<(), Error> {
    match text.chars().find(|c| *c == '"' || c.is_control()) {
        None => Ok(()),
        Some(c) => Err(Error::new(
            Kind::Usage,
            format!("{text:?} cannot go to the modem: it has {c:?} in it"),
        )),
    }
}

/// `%CMNG: <tag>,<type>,"<sha>"`, with or without spaces.
fn stored(line: &str) -> Option<Stored> {
    let mut fields = line
        .trim()
        .strip_prefix("%CMNG:")?
        .split(',')
        .map(str::trim);
    Some(Stored {
        tag: fields.next()?.parse().ok()?,
        kind: fields.next()?.parse().ok()?,
        sha256: fields.next()?.trim_matches('"').to_owned(),
    })
}

/// `%KEYGEN: "<request>.<attestation>"`, both in base64url.
fn generated(answer: &[String]) -> Result<GeneratedRequest, Error> {
    let quoted = answer
        .iter()
        .find_map(|line| line.trim().strip_prefix("%KEYGEN:"));
    let decoded = quoted.and_then(|text| {
        let (body, cose) = text.trim().trim_matches('"').split_once('.')?;
        Some((
            URL_SAFE_NO_PAD.decode(body).ok()?,
            URL_SAFE_NO_PAD.decode(cose).ok()?,
        ))
    });
    let (body, attestation) =
        decoded.ok_or_else(|| Error::new(Kind::Mismatch, "the answer is not a signed request"))?;
    Ok(GeneratedRequest {
        request: SigningRequest::from_der(body)?,
        attestation,
    })
}

/// Whether a refusal may come of a byte that was lost: the modem did not understand, or saw another
/// tag or another content than was meant.
fn is_garbled(code: Option<u16>) -> bool {
    matches!(code, None | Some(50 | 519 | 527))
}

const NOT_FOUND: u16 = 513;
