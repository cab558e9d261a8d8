//! From an unpacked board to a device that the hub trusts, in one go that can be repeated.
//!
//! Each step looks first at how things are. What is as it should be is left alone, so a run that
//! was killed at any moment is finished by the next one. The key is made by the modem and never
//! leaves it; the file `devices/<id>.up.json` remembers by its hash which key the saved request
//! belongs to.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::files;
use crate::hub::{Authentication, Hub};
use crate::modem::{Credential, Modem, Outcome, Slot, Stored, check_tag, name_of, write_all};
use crate::pki::{
    Authority, Certificate, Identity, IdentityOptions, KeySource, Pki, Profile, SigningRequest,
    Subject, Validity, verify_device,
};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device id.
    pub id: String,
    /// The tag of the CA, the chain and the key.
    pub tag: u32,
    /// What the device checks the hub against: the first root goes under the tag, a second one
    /// under the secondary tag.
    pub roots: Vec<Certificate>,
    /// The tag of the second root.
    pub secondary_tag: u32,
    /// Overwrite what is under the tags.
    pub replace: bool,
    /// From when until when the device certificate holds.
    pub validity: Validity,
}

/// One step, after it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// What it was about.
    pub what: String,
    /// Whether it changed anything.
    pub changed: bool,
}

/// What a run tells while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// This begins, and may take a while.
    Begins(&'a str),
    /// A step is done.
    Done(&'a Step),
}

/// The steps of one run.
pub struct Run<'a> {
    pki: &'a Pki,
    authority: &'a Authority,
    options: &'a Options,
    now: OffsetDateTime,
    steps: Vec<Step>,
    observer: &'a mut dyn FnMut(Event<'_>),
    stop: Option<&'a AtomicBool>,
}

impl<'a> Run<'a> {
    /// Prepares a run; nothing is done yet. `observer` is told each step as it happens.
    pub fn new(
        pki: &'a Pki,
        authority: &'a Authority,
        options: &'a Options,
        now: OffsetDateTime,
        observer: &'a mut dyn FnMut(Event<'_>),
    ) -> Self {
        Self {
            pki,
            authority,
            options,
            now,
            steps: Vec::new(),
            observer,
            stop: None,
        }
    }

    /// Ends the run between two steps once this is set; the modem is put back online first.
    pub fn stop_when(&mut self, flag: &'a AtomicBool) {
        self.stop = Some(flag);
    }

    /// What a run would do to the modem, found out without changing anything.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the run would stop because of what is there.
    pub fn plan(&mut self, modem: &mut Modem) -> Result<Vec<Step>, Error> {
        self.check_folder()?;
        let Options { tag, id, .. } = self.options;
        let key = self.key_state(modem)?;
        let will = |what: String, changed| Step { what, changed };
        let mut steps = Vec::new();
        if matches!(modem.functional_mode()?, 1 | 2 | 21) {
            steps.push(will("AT+CFUN=4, and back at the end".to_owned(), true));
        }
        match &key {
            KeyState::Ours(_) => steps.push(will(format!("tag {tag}: the key is ours"), false)),
            KeyState::None => steps.push(will(keygen_command(*tag, id), true)),
            KeyState::Unknown => {
                steps.push(will(
                    format!("AT%CMNG=3,{tag},2, then {}", keygen_command(*tag, id)),
                    true,
                ));
            }
        }
        for (tag, root) in self.root_tags() {
            let root = Credential::certificates(Slot::Ca, std::slice::from_ref(root))?;
            let found = modem.list(Some(tag))?;
            let is_there = found
                .iter()
                .any(|f| f.kind == 0 && root.has_sha256(&f.sha256));
            let what = format!("AT%CMNG=0,{tag},0,\"[{} bytes]\"", root.size());
            steps.push(will(what, !is_there));
        }
        let is_new = !matches!(key, KeyState::Ours(_));
        steps.push(will(
            format!("AT%CMNG=0,{tag},1,\"[certificate of {id} and its chain]\""),
            is_new,
        ));
        Ok(steps)
    }

    /// What [`Run::register`] would do, found out without changing anything.
    ///
    /// # Errors
    /// As every call to a hub.
    pub fn plan_registration(&self, hub: &Hub, root: &Certificate) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        if hub.azure_host().is_none() {
            steps.push(Step {
                what: format!("the hub trusts {}", root.subject()),
                changed: !is_registered(hub, root)?,
            });
        }
        let id = &self.options.id;
        steps.push(Step {
            what: format!("the hub knows the device {id}"),
            changed: hub.device(id)?.is_none(),
        });
        Ok(steps)
    }

    /// Key, certificate, roots and chain. The modem is taken offline for it and put back.
    ///
    /// # Errors
    /// [`Kind::Exists`] if something else is under the tags and `replace` is not set, and all
    /// that the modem and the folder can say. After any error the same call goes on.
    pub fn load(&mut self, modem: &mut Modem) -> Result<Identity, Error> {
        check_tag(self.options.tag, false)?;
        for (tag, root) in self.root_tags() {
            Credential::certificates(Slot::Ca, std::slice::from_ref(root))?.check_size(tag)?;
        }
        self.check_room(modem)?;
        modem.offline(|modem| {
            let (request, is_new) = self.request(modem)?;
            let identity = self.sign(&request, is_new)?;
            self.write(modem, &identity)?;
            Ok(identity)
        })
    }

    /// Registers the issuing CA (with the emulator) and the device.
    ///
    /// # Errors
    /// As every call to a hub.
    pub fn register(&mut self, hub: &Hub, root: &Certificate) -> Result<(), Error> {
        self.begin("registering with the hub")?;
        if hub.azure_host().is_none() {
            let is_known = is_registered(hub, root)?;
            if !is_known {
                hub.add_authority(&authority_name(root), root)?;
            }
            self.step(format!("the hub trusts {}", root.subject()), !is_known);
        }
        let id = &self.options.id;
        let known = hub.device(id)?;
        let is_disabled = known
            .as_ref()
            .is_some_and(|device| device["status"] == "disabled");
        if known.is_none() {
            hub.put_device(id, &Authentication::CertificateAuthority, true)?;
        }
        let note = if is_disabled { ", but is disabled" } else { "" };
        self.step(
            format!("the hub knows the device {id}{note}"),
            known.is_none(),
        );
        Ok(())
    }

    /// A certificate for the modem's key would take the place of one for a key in the folder.
    fn check_folder(&self) -> Result<(), Error> {
        let own_key = self.pki.device_file(&self.options.id, "key");
        if !own_key.exists() {
            return Ok(());
        }
        let what = "is a key of this device made here, not by the modem";
        Err(
            Error::new(Kind::Exists, format!("{} {what}", own_key.display())).advise(
                "remove it if the modem's own key is to be used, else use modem creds write",
            ),
        )
    }

    /// Before a key is made: is anybody else's credential in the way?
    fn check_room(&self, modem: &mut Modem) -> Result<(), Error> {
        self.check_folder()?;
        let has_our_key = matches!(self.key_state(modem)?, KeyState::Ours(_));
        for (tag, root) in self.root_tags() {
            let root = Credential::certificates(Slot::Ca, std::slice::from_ref(root))?;
            let in_the_way = modem
                .list(Some(tag))?
                .into_iter()
                .find(|found| match found.kind {
                    0 => !found.is_placeholder() && !root.has_sha256(&found.sha256),
                    1 => tag == self.options.tag && !has_our_key,
                    _ => false,
                });
            if let Some(found) = in_the_way.filter(|_| !self.options.replace) {
                let what = name_of(found.kind);
                return Err(
                    Error::new(Kind::Exists, format!("another {what} is under tag {tag}"))
                        .advise("use --replace to overwrite it, or another tag"),
                );
            }
        }
        Ok(())
    }

    /// What was done so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What was done, of a run that is over.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// Notes a step and tells it.
    fn step(&mut self, what: impl Into<String>, changed: bool) {
        let step = Step {
            what: what.into(),
            changed,
        };
        (self.observer)(Event::Done(&step));
        self.steps.push(step);
    }

    fn begin(&mut self, what: &str) -> Result<(), Error> {
        if self.stop.is_some_and(|flag| flag.load(Ordering::SeqCst)) {
            return Err(
                Error::new(Kind::Interrupted, format!("ended by Ctrl-C before: {what}"))
                    .advise("run the same command again: what is done stays, the rest is made"),
            );
        }
        (self.observer)(Event::Begins(what));
        Ok(())
    }

    /// A request for the key in the modem, which is made if there is none.
    fn request(&mut self, modem: &mut Modem) -> Result<(SigningRequest, bool), Error> {
        let Options { tag, id, .. } = self.options;
        self.begin("asking the modem for its key")?;
        match self.key_state(modem)? {
            KeyState::Ours(request) => {
                self.step(format!("tag {tag}: the modem holds its own key"), false);
                return Ok((request, false));
            }
            KeyState::Unknown => {
                modem.delete(*tag, Slot::Key as u8)?;
            }
            KeyState::None => {}
        }
        files::create_private_folder(&self.pki.home().join("devices"))?;
        files::write_public(
            &self.journal(),
            &json!({"tag": tag, "begun": true}).to_string(),
        )?;
        self.begin("the modem makes a key")?;
        let made = modem.generate_key(*tag, id)?;
        files::write_public(&self.csr(), &made.pem())?;
        let sha256 = self.key_sha256(modem)?;
        let entry = json!({"tag": tag, "keySha256": sha256});
        files::write_public(&self.journal(), &entry.to_string())?;
        self.step(
            format!("tag {tag}: the modem has made a key, which never leaves it"),
            true,
        );
        Ok((made.request, true))
    }

    fn sign(&mut self, request: &SigningRequest, is_new: bool) -> Result<Identity, Error> {
        self.begin("signing the certificate")?;
        let options = IdentityOptions {
            profile: Profile::Device,
            name: &self.options.id,
            subject: Subject::common_name(&self.options.id)?,
            key: KeySource::Request(request),
            validity: self.options.validity,
            replace: is_new || self.options.replace,
        };
        let identity = Identity::create(self.pki, self.authority, &options, self.now)?;
        self.step(
            format!(
                "{} signed by {}",
                identity.certificate_path().display(),
                self.authority.name()
            ),
            identity.is_new(),
        );
        Ok(identity)
    }

    fn write(&mut self, modem: &mut Modem, identity: &Identity) -> Result<(), Error> {
        let roots = self.root_tags();
        for (tag, root) in roots {
            let listed = modem.list(Some(tag))?;
            let mut all = vec![Credential::certificates(
                Slot::Ca,
                std::slice::from_ref(root),
            )?];
            if tag == self.options.tag {
                all.push(Credential::certificates(Slot::Cert, identity.chain())?);
            }
            // Old firmware does not say what it holds: then the journal does.
            let noted = self.read_journal()["written"].clone();
            let (known, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|credential| {
                let kind = credential.slot() as u8;
                let is_hidden = |found: &&Stored| found.kind == kind && found.is_placeholder();
                listed.iter().any(|found| is_hidden(&found)) && is_noted(&noted, tag, credential)
            });
            for credential in known {
                let what = name_of(credential.slot() as u8);
                let what = format!("tag {tag}: {what}, written earlier, cannot be verified");
                self.step(what, false);
            }
            self.begin(&format!("writing under tag {tag}"))?;
            let observer = &mut *self.observer;
            let outcomes = write_all(modem, tag, &all, self.options.replace, |credential| {
                let what = name_of(credential.slot() as u8);
                let what = format!(
                    "writing {what} under tag {tag}, {} bytes",
                    credential.size()
                );
                observer(Event::Begins(&what));
            })?;
            for (credential, outcome) in all.iter().zip(outcomes) {
                let what = match credential.slot() {
                    Slot::Ca => root.subject().to_owned(),
                    _ => format!("chain of {} certificates", identity.chain().len()),
                };
                let how = match outcome {
                    Outcome::Unverified => {
                        "written, not verified: this modem firmware lists no hashes"
                    }
                    _ => "verified by SHA-256",
                };
                self.step(
                    format!("tag {tag}: {what}, {how}"),
                    outcome != Outcome::Same,
                );
                self.note_written(tag, credential)?;
            }
        }
        let trusted = self.trusted()?;
        let checks = verify_device(&self.options.id, identity.chain(), &trusted, self.now);
        match checks.iter().find(|check| !check.passed) {
            None => Ok(()),
            Some(check) => Err(Error::new(
                Kind::Trust,
                format!("{}: {}", check.what, check.found),
            )),
        }
    }

    /// The CAs of the folder that end its chains.
    fn trusted(&self) -> Result<Vec<Certificate>, Error> {
        let mut all = vec![self.authority.certificate().clone()];
        for name in self.pki.authorities()? {
            all.push(self.pki.authority_certificate(&name)?);
        }
        Ok(all)
    }

    fn root_tags(&self) -> Vec<(u32, &'a Certificate)> {
        let tags = [self.options.tag, self.options.secondary_tag];
        tags.into_iter().zip(&self.options.roots).collect()
    }

    fn key_state(&self, modem: &mut Modem) -> Result<KeyState, Error> {
        let tag = self.options.tag;
        let Some(sha256) = self.key_sha256(modem)? else {
            return Ok(KeyState::None);
        };
        let journal = self.read_journal();
        let is_ours = journal["tag"] == tag && journal["keySha256"] == sha256.as_str();
        if is_ours && self.csr().exists() {
            let request = SigningRequest::from_pem(&files::read(&self.csr())?)?;
            return Ok(KeyState::Ours(request));
        }
        let was_interrupted = journal["tag"] == tag && journal["begun"] == true;
        if was_interrupted || self.options.replace {
            return Ok(KeyState::Unknown);
        }
        Err(Error::new(
            Kind::Exists,
            format!("there is a key under tag {tag} that is not ours"),
        )
        .advise("use --replace to delete it, or another --tag"))
    }

    fn key_sha256(&self, modem: &mut Modem) -> Result<Option<String>, Error> {
        let found = modem.list(Some(self.options.tag))?;
        let key = found
            .into_iter()
            .find(|found| found.kind == Slot::Key as u8);
        Ok(key.map(|found| found.sha256))
    }

    fn read_journal(&self) -> Value {
        let text = files::read(&self.journal()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn note_written(&self, tag: u32, credential: &Credential) -> Result<(), Error> {
        let mut journal = self.read_journal();
        if is_noted(&journal["written"], tag, credential) {
            return Ok(());
        }
        let mut written = journal["written"].as_array().cloned().unwrap_or_default();
        written.push(json!([tag, credential.sha256()]));
        journal["written"] = json!(written);
        files::write_public(&self.journal(), &journal.to_string())
    }

    fn journal(&self) -> PathBuf {
        self.pki.device_file(&self.options.id, "up.json")
    }

    fn csr(&self) -> PathBuf {
        self.pki.device_file(&self.options.id, "csr")
    }
}

fn is_registered(hub: &Hub, root: &Certificate) -> Result<bool, Error> {
    let known = hub.authorities()?.to_string().to_uppercase();
    Ok(known.contains(&root.thumbprint()) || known.contains(&root.thumbprint_sha1()))
}

enum KeyState {
    None,
    Ours(SigningRequest),
    /// Left by an interrupted run, or to be replaced.
    Unknown,
}

/// The roots that Azure IoT Hub's servers chain to: DigiCert Global Root G2 today, and the one
/// that Microsoft has announced as the next.
///
/// # Errors
/// None in practice: the certificates are part of the program.
pub fn azure_roots() -> Result<Vec<Certificate>, Error> {
    [DIGICERT, MICROSOFT]
        .into_iter()
        .map(Certificate::from_pem)
        .collect()
}

/// The lines for `prj.conf`, with which root is under which tag.
pub fn kconfig(options: &Options, hostname: Option<&str>) -> Vec<String> {
    let mut lines = vec![
        format!(
            "CONFIG_IOTHUB_HOSTNAME=\"{}\"",
            hostname.unwrap_or("HUB.azure-devices.net")
        ),
        format!("CONFIG_IOTHUB_DEVICE_ID=\"{}\"", options.id),
        format!("CONFIG_IOTHUB_SEC_TAG={}", options.tag),
    ];
    if let Some(root) = options.roots.first() {
        lines.push(format!("# tag {}: {}", options.tag, root.subject()));
    }
    if let Some(root) = options.roots.get(1) {
        lines.push(format!(
            "CONFIG_IOTHUB_SECONDARY_SEC_TAG={}",
            options.secondary_tag
        ));
        lines.push(format!(
            "# tag {}: {}",
            options.secondary_tag,
            root.subject()
        ));
    }
    lines
}

/// Whether the journal says that this run, or one before it, has written this.
fn is_noted(written: &Value, tag: u32, credential: &Credential) -> bool {
    let entry = json!([tag, credential.sha256()]);
    written.as_array().is_some_and(|all| all.contains(&entry))
}

fn keygen_command(tag: u32, id: &str) -> String {
    format!("AT%KEYGEN={tag},2,0,\"CN={id}\"")
}

/// Letters and digits of the common name: what a hub takes as the name of a certificate.
fn authority_name(root: &Certificate) -> String {
    let name: String = root
        .common_name()
        .unwrap_or("ca")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("{name}-{}", &root.serial()[..8.min(root.serial().len())])
}

const DIGICERT: &str = include_str!("../roots/DigiCert_Global_Root_G2.pem");
const MICROSOFT: &str = include_str!("../roots/Microsoft_RSA_Root_Certificate_Authority_2017.pem");
