//! The modem behind the line: what each AT command does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::error::Error;
use crate::files;
use crate::pem;
use crate::pki::{Certificate, Key, KeyAlgorithm};
use crate::secret::Secret;
use crate::simulator::attest::Message;
use crate::simulator::network::{Network, Notice};
use crate::simulator::parse::{Command, Form};
use crate::simulator::secure::{Identity, expiry};
use crate::simulator::store::Store;

/// What kind of modem it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder of the device process.
    pub data: PathBuf,
    /// What `+CGSN` answers.
    pub imei: String,
    /// What `+CGMR` answers; decides which commands there are.
    pub firmware: String,
    /// What `+CGMM` answers.
    pub model: String,
    /// What the network gives.
    pub network: Network,
    /// The functional mode that it starts in.
    pub functional_mode: u8,
    /// How many bytes of credentials fit.
    pub capacity: usize,
    /// Whether writing over a credential is refused with 519.
    pub refuses_overwrite: bool,
    /// Which bytes to the modem are lost on the line, counted from 1: a USB bridge with firmware of
    /// before September 2022 loses some when they come faster than the UART takes them.
    pub lost_bytes: Vec<u64>,
}

impl Options {
    /// A Thingy:91 with modem firmware 1.3.5, switched off.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            imei: "352656100367872".to_owned(),
            firmware: "mfw_nrf9160_1.3.5".to_owned(),
            model: "nRF9160-SICA".to_owned(),
            network: Network::default(),
            functional_mode: 0,
            capacity: 64 * 1024,
            refuses_overwrite: false,
            lost_bytes: Vec::new(),
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Final {
    /// `OK`
    Ok,
    /// `ERROR`
    Error,
    /// `+CME ERROR: n`, or `ERROR` while `+CMEE` is 0.
    Cme(u16),
}

/// What a command gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The lines before the final one.
    pub lines: Vec<String>,
    /// How it ended.
    pub result: Final,
    /// How long the modem works on it.
    pub takes: Duration,
    /// What it will report later.
    pub notices: Vec<Notice>,
}

/// A simulated modem.
pub struct Modem {
    options: Options,
    store: Store,
    identity: Identity,
    functional_mode: u8,
    error_reports: u8,
    contexts: Vec<(u8, String)>,
    subscriptions: Vec<String>,
    knows_time: bool,
    is_serial_modem: bool,
}

impl Modem {
    /// Opens the store and the modem's own identity key, which is made once.
    ///
    /// # Errors
    /// [`crate::Kind::File`] if the data folder cannot be used.
    pub fn new(options: Options) -> Result<Self, Error> {
        files::sweep(&options.data.join("modem"));
        let identity = Identity {
            key: identity_key(&options.data)?,
            device: octets(&options.imei),
            firmware: octets(&options.firmware),
            chip: options
                .model
                .split('-')
                .next()
                .unwrap_or_default()
                .to_owned(),
            device_type: if options.model.starts_with("nRF9160") {
                3
            } else {
                4
            },
        };
        Ok(Self {
            store: Store::below(&options.data),
            identity,
            functional_mode: options.functional_mode,
            error_reports: 0,
            contexts: vec![(0, "\"IP\",\"\",\"\",0,0".to_owned())],
            subscriptions: Vec::new(),
            knows_time: false,
            is_serial_modem: false,
            options,
        })
    }

    /// Says that the serial modem application stands before it, which has commands of its own.
    pub(crate) fn behind_serial_modem(&mut self) {
        self.is_serial_modem = true;
    }

    /// [`Options::lost_bytes`].
    pub(crate) fn lost_bytes(&self) -> Vec<u64> {
        self.options.lost_bytes.clone()
    }

    /// Carries out one command.
    pub fn execute(&mut self, text: &str, now: OffsetDateTime) -> Answer {
        let Some(command) = Command::parse(text) else {
            return Answer::of(Final::Error);
        };
        let answer = match (command.name.as_str(), command.form) {
            ("", Form::Execute) => Answer::of(Final::Ok),
            ("+CMEE", _) => self.cmee(&command),
            ("+CFUN", _) => self.cfun(&command),
            ("+CGSN", _) => self.cgsn(&command),
            ("+CGMR", Form::Execute) => Answer::line(self.options.firmware.clone()),
            ("+CGMM", Form::Execute) => Answer::line(self.options.model.clone()),
            ("+CGMI", Form::Execute) => Answer::line("Nordic Semiconductor ASA"),
            ("%CMNG", Form::Set) => self.cmng(&command),
            ("%KEYGEN", Form::Set) if self.is_at_least((1, 3, 0)) => self.keygen(&command),
            ("%ATTESTTOKEN", _) if self.is_at_least((1, 3, 0)) => self.attest(&command),
            ("%JWT", _) if self.is_at_least((1, 3, 0)) => self.jwt(&command, now),
            ("%CERTEXPIRY", Form::Set) if self.is_at_least((2, 0, 0)) => self.expiry(&command),
            ("+CGDCONT", _) => self.cgdcont(&command),
            ("+CGPADDR", _) => self.cgpaddr(),
            ("+CEREG", Form::Read) => Answer::line(format!("+CEREG: 5,{}", self.registration())),
            ("+CGEREP", Form::Read) => {
                Answer::line(format!("+CGEREP: {},0", u8::from(self.reports("+CGEREP"))))
            }
            ("+CGATT", Form::Read) => {
                Answer::line(format!("+CGATT: {}", u8::from(self.is_active())))
            }
            ("+COPS", Form::Read) => Answer::line("+COPS: 0"),
            ("+CPSMS", Form::Read) => Answer::line("+CPSMS: 0"),
            ("+CESQ", Form::Execute) => Answer::line("+CESQ: 99,99,255,255,255,255"),
            ("%XSYSTEMMODE", Form::Read) => Answer::line("%XSYSTEMMODE: 1,0,1,0"),
            ("+CEREG" | "+CGEREP" | "+CNEC" | "+CSCON" | "%XTIME", _) => self.subscribe(&command),
            ("%XPDNCFG" | "%XEPCO" | "%XSYSTEMMODE" | "+CGAUTH" | "%XMODEMTRACE", Form::Set) => {
                Answer::of(Final::Ok)
            }
            ("#XSLMVER", Form::Execute) if self.is_serial_modem => {
                Answer::line("#XSLMVER: \"v2.9.0\",\"2.7.3\"")
            }
            _ => Answer::of(Final::Error),
        };
        self.reported(answer)
    }

    fn cmee(&mut self, command: &Command) -> Answer {
        match (command.form, command.number(0)) {
            (Form::Read, _) => Answer::line(format!("+CMEE: {}", self.error_reports)),
            (Form::Set, Some(mode @ 0..=2)) => {
                self.error_reports = mode;
                Answer::of(Final::Ok)
            }
            _ => Answer::of(Final::Error),
        }
    }

    fn cfun(&mut self, command: &Command) -> Answer {
        match (command.form, command.number::<u8>(0)) {
            (Form::Read, _) => Answer::line(format!("+CFUN: {}", self.functional_mode)),
            (Form::Test, _) => Answer::line("+CFUN: (0,1,4,20,21,30,31,40,41,44)"),
            (Form::Set, Some(mode @ (0 | 1 | 2 | 4 | 20 | 21 | 30 | 31 | 40 | 41 | 44))) => {
                let was_active = self.is_active();
                self.functional_mode = mode;
                if mode == 0 {
                    self.subscriptions.clear();
                    self.contexts.truncate(1);
                }
                self.knows_time |= self.is_active() && self.options.network != Network::None;
                let notices = match (was_active, self.is_active()) {
                    (false, true) => self.options.network.attach(),
                    (true, false) => Network::detach(),
                    _ => Vec::new(),
                };
                Answer {
                    notices,
                    takes: Duration::from_millis(40),
                    ..Answer::of(Final::Ok)
                }
            }
            _ => Answer::of(Final::Error),
        }
    }

    fn cgsn(&self, command: &Command) -> Answer {
        let imei = &self.options.imei;
        match (command.form, command.number::<u8>(0)) {
            (Form::Execute, _) => Answer::line(imei.clone()),
            (Form::Set, Some(1)) => Answer::line(format!("+CGSN: \"{imei}\"")),
            (Form::Set, Some(2)) => Answer::line(format!("+CGSN: \"{}07\"", &imei[..14])),
            (Form::Set, Some(3)) => Answer::line("+CGSN: \"07\""),
            _ => Answer::of(Final::Error),
        }
    }

    fn cmng(&mut self, command: &Command) -> Answer {
        let (tag, kind) = (command.number::<u32>(1), command.number::<u8>(2));
        match (command.number::<u8>(0), tag, kind) {
            (Some(0), Some(tag), Some(kind)) => self.write(tag, kind, command.text(3)),
            (Some(1), tag, kind) => self.list(tag, kind),
            (Some(2), Some(tag), Some(kind)) => self.read(tag, kind),
            (Some(3), Some(tag), Some(kind)) if self.is_active() || !valid(tag, kind) => {
                Answer::of(Final::Cme(if self.is_active() { 518 } else { 514 }))
            }
            (Some(3), Some(tag), Some(kind)) => match self.store.delete(tag, kind) {
                true => Answer {
                    takes: NVM_SHORT,
                    ..Answer::of(Final::Ok)
                },
                false => Answer::of(Final::Cme(513)),
            },
            _ => Answer::of(Final::Cme(50)),
        }
    }

    fn write(&mut self, tag: u32, kind: u8, content: Option<&str>) -> Answer {
        let Some(content) = content.filter(|content| !content.is_empty()) else {
            return Answer::of(Final::Cme(50));
        };
        let code = if self.is_active() {
            Some(518)
        } else if !valid(tag, kind) {
            Some(514)
        } else if kind < 2 && self.checks_content() && !is_certificates(content) {
            Some(527)
        } else if self.options.refuses_overwrite && self.store.read(tag, kind).is_some() {
            Some(519)
        } else if self.store.size() + content.len() > self.options.capacity {
            Some(515)
        } else {
            self.store.write(tag, kind, content).err().map(|_| 23)
        };
        let takes = if kind == 2 { NVM_LONG } else { NVM_MIDDLE };
        code.map_or(
            Answer {
                takes,
                ..Answer::of(Final::Ok)
            },
            |code| Answer::of(Final::Cme(code)),
        )
    }

    fn list(&self, tag: Option<u32>, kind: Option<u8>) -> Answer {
        let fits = |found: &(u32, u8, String)| {
            tag.is_none_or(|tag| tag == found.0) && kind.is_none_or(|kind| kind == found.1)
        };
        let shown = |(tag, kind, sha): (u32, u8, String)| {
            let sha = if self.is_at_least((1, 3, 2)) {
                sha
            } else {
                format!("{kind:02}").repeat(32)
            };
            format!("%CMNG: {tag},{kind},\"{sha}\"")
        };
        let lines = self
            .store
            .list()
            .into_iter()
            .filter(fits)
            .map(shown)
            .collect();
        Answer {
            lines,
            ..Answer::of(Final::Ok)
        }
    }

    fn read(&self, tag: u32, kind: u8) -> Answer {
        match (kind, self.store.read(tag, kind)) {
            (1.., _) => Answer::of(Final::Cme(514)),
            (0, None) => Answer::of(Final::Cme(513)),
            (0, Some(content)) => {
                let sha = crate::simulator::store::sha256(&content);
                Answer::line(format!("%CMNG: {tag},{kind},\"{sha}\",\"{content}\""))
            }
        }
    }

    fn keygen(&mut self, command: &Command) -> Answer {
        let message = match command.number::<u8>(2) {
            None | Some(0) => Message::Request,
            Some(1) => Message::PublicKey,
            Some(_) => return Answer::of(Final::Cme(50)),
        };
        let (Some(tag), Some(2)) = (command.number::<u32>(0), command.number::<u8>(1)) else {
            return Answer::of(Final::Cme(50));
        };
        if self.is_active() {
            return Answer::of(Final::Cme(518));
        }
        if self.store.read(tag, 2).is_some() {
            return Answer::of(Final::Cme(519));
        }
        let usage = command.text(4).unwrap_or("111010000");
        let made = Key::generate(KeyAlgorithm::P256).and_then(|key| {
            let attributes = command.text(3).filter(|text| !text.is_empty());
            let answer = self
                .identity
                .generated(&key, tag, message, attributes, usage)?;
            self.store.write(tag, 2, key.to_pem().expose())?;
            Ok(answer)
        });
        match made {
            Ok(made) => Answer {
                takes: NVM_LONG,
                ..Answer::line(format!("%KEYGEN: \"{made}\""))
            },
            Err(_) => Answer::of(Final::Cme(523)),
        }
    }

    fn attest(&self, command: &Command) -> Answer {
        let challenge = match command.text(0) {
            None => None,
            Some(text) => match challenge(text) {
                Some(challenge) => Some(challenge),
                None => return Answer::of(Final::Cme(50)),
            },
        };
        match self.identity.attestation(challenge) {
            Ok(token) => Answer::line(format!("%ATTESTTOKEN: \"{token}\"")),
            Err(_) => Answer::of(Final::Cme(60)),
        }
    }

    fn jwt(&self, command: &Command, now: OffsetDateTime) -> Answer {
        if command
            .number::<u8>(0)
            .is_some_and(|algorithm| algorithm != 0)
        {
            return Answer::of(Final::Cme(50));
        }
        let key = match command.number::<u32>(4) {
            None => None,
            Some(tag) => match self.store.read(tag, 2).map(Secret::new) {
                None => return Answer::of(Final::Cme(513)),
                Some(text) => Key::from_pem(text.expose(), None).ok(),
            },
        };
        let now = Some(now).filter(|_| self.knows_time);
        let lifetime = command.number(1).unwrap_or(0);
        match self.identity.jwt(
            key.as_ref(),
            lifetime,
            command.text(2),
            command.text(3),
            now,
        ) {
            Ok(token) => Answer::line(format!("%JWT: \"{token}\"")),
            Err(_) => Answer::of(Final::Cme(525)),
        }
    }

    fn expiry(&self, command: &Command) -> Answer {
        let (Some(tag), Some(kind @ (0 | 1))) = (command.number(0), command.number(1)) else {
            return Answer::of(Final::Cme(50));
        };
        match self.store.read(tag, kind) {
            None => Answer::of(Final::Cme(513)),
            Some(content) => match Certificate::from_pem(&content) {
                Ok(found) => Answer::line(format!("%CERTEXPIRY: {}", expiry(&found))),
                Err(_) => Answer::of(Final::Cme(527)),
            },
        }
    }

    fn cgdcont(&mut self, command: &Command) -> Answer {
        if command.form == Form::Read {
            let lines = self
                .contexts
                .iter()
                .map(|(id, rest)| format!("+CGDCONT: {id},{rest}"))
                .collect();
            return Answer {
                lines,
                ..Answer::of(Final::Ok)
            };
        }
        let Some(id @ 0..=10) = command.number::<u8>(0) else {
            return Answer::of(Final::Error);
        };
        self.contexts.retain(|(found, _)| *found != id);
        if let Some(family) = command.text(1) {
            if !["IP", "IPV6", "IPV4V6", "Non-IP"].contains(&family) || self.contexts.len() >= 4 {
                return Answer::of(Final::Error);
            }
            let apn = command.text(2).unwrap_or_default();
            self.contexts
                .push((id, format!("\"{family}\",\"{apn}\",\"\",0,0")));
            self.contexts.sort();
        }
        Answer::of(Final::Ok)
    }

    fn cgpaddr(&self) -> Answer {
        let addresses = self.options.network.addresses();
        if !self.is_active() || addresses.is_empty() {
            return Answer::of(Final::Ok);
        }
        Answer::line(format!("+CGPADDR: 0,{addresses}"))
    }

    fn subscribe(&mut self, command: &Command) -> Answer {
        self.subscriptions.retain(|name| *name != command.name);
        if command.form == Form::Set && command.number::<u8>(0).unwrap_or(0) > 0 {
            self.subscriptions.push(command.name.clone());
        }
        Answer::of(Final::Ok)
    }

    /// Only what was subscribed to is reported.
    fn reported(&self, mut answer: Answer) -> Answer {
        let mut waiting = Duration::ZERO;
        answer.notices.retain_mut(|notice| {
            let wanted = match notice.line.split(':').next() {
                Some("+CGEV") => self.reports("+CGEREP"),
                Some("+CNEC_ESM") => self.reports("+CNEC"),
                Some(name) => self.reports(name),
                None => false,
            };
            waiting += notice.after;
            if wanted {
                notice.after = std::mem::take(&mut waiting);
            }
            wanted
        });
        if self.error_reports == 0 && matches!(answer.result, Final::Cme(_)) {
            answer.result = Final::Error;
        }
        answer
    }

    fn reports(&self, name: &str) -> bool {
        self.subscriptions.iter().any(|found| found == name)
    }

    fn registration(&self) -> &'static str {
        match (self.is_active(), self.options.network) {
            (false, _) => "0",
            (true, Network::None) => "2",
            (true, _) => "1,\"8169\",\"0149FB00\",7",
        }
    }

    fn is_active(&self) -> bool {
        matches!(self.functional_mode, 1 | 2 | 21)
    }

    /// Firmware from 2.0.2 checks that types 0 and 1 are PEM with real line breaks.
    fn checks_content(&self) -> bool {
        self.is_at_least((2, 0, 2))
    }

    fn is_at_least(&self, wanted: (u16, u16, u16)) -> bool {
        let version = self.options.firmware.rsplit('_').next().unwrap_or_default();
        let mut parts = version
            .split(['.', '-'])
            .map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (next(), next(), next()) >= wanted
    }
}

impl Answer {
    fn of(result: Final) -> Self {
        Self {
            lines: Vec::new(),
            result,
            takes: SHORT,
            notices: Vec::new(),
        }
    }

    fn line(text: impl Into<String>) -> Self {
        Self {
            lines: vec![text.into()],
            ..Self::of(Final::Ok)
        }
    }

    /// The answer as the modem library hands it over, the final line included.
    pub fn text(&self) -> String {
        let lines: String = self
            .lines
            .iter()
            .map(|line| format!("{line}\r\n"))
            .collect();
        match self.result {
            Final::Ok => format!("{lines}OK\r\n"),
            Final::Error => format!("{lines}ERROR\r\n"),
            Final::Cme(code) => format!("{lines}+CME ERROR: {code}\r\n"),
        }
    }
}

/// Tags up to 2147483647 and types 0 to 4 may be written.
fn valid(tag: u32, kind: u8) -> bool {
    tag <= 2_147_483_647 && kind <= 4
}

fn is_certificates(content: &str) -> bool {
    let lines = content.lines().count() > 2;
    lines && pem::blocks(content).is_ok_and(|blocks| !blocks.is_empty())
}

fn challenge(text: &str) -> Option<[u8; 16]> {
    let octets: Vec<u8> = (0..text.len() / 2)
        .map_while(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    octets.try_into().ok().filter(|_| text.len() == 32)
}

fn octets(text: &str) -> [u8; 16] {
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    octets
}

fn identity_key(data: &Path) -> Result<Key, Error> {
    let path = data.join("modem").join("identity.pem");
    if path.exists() {
        let text = Secret::new(files::read(&path)?);
        return Key::from_pem(text.expose(), None).map_err(|error| error.at(path.display()));
    }
    files::create_private_folder(&data.join("modem"))?;
    let key = Key::generate(KeyAlgorithm::P256)?;
    files::write_private(&path, key.to_pem().expose())?;
    Ok(key)
}

const SHORT: Duration = Duration::from_millis(12);
const NVM_SHORT: Duration = Duration::from_millis(200);
const NVM_MIDDLE: Duration = Duration::from_millis(400);
const NVM_LONG: Duration = Duration::from_millis(1500);
