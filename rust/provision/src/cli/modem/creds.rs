//! `iothub-provision modem creds …`

use std::io::{IsTerminal as _, Write as _, stdin};
use std::path::{Path, PathBuf};

use serde_json::json;
use time::OffsetDateTime;

use crate::cli::modem::{Line, told};
use crate::cli::output::Report;
use crate::cli::passphrase::{from_file, opened};
use crate::cli::table;
use crate::error::{Error, Kind};
use crate::files;
use crate::modem::{Credential, Modem, Outcome, Slot, Stored, check_tag, name_of, write_all};
use crate::pki::{Certificate, read_certificate, read_certificates, read_key};
use crate::secret::Secret;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List what the modem holds
    List(List),
    /// Write credentials under a tag, all or none, and verify them
    #[command(after_help = WRITE_HELP)]
    Write(Write),
    /// Check that the modem holds exactly these files
    Verify(Verify),
    /// Delete credentials
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    line: Line,
    /// Only this tag
    #[arg(long)]
    tag: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Given {
    /// The security tag
    #[arg(long)]
    tag: u32,
    /// CA certificates, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The device certificate and its intermediates, PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The device is registered by the thumbprint of its certificate, which may be a CA's then
    #[arg(long, requires = "cert")]
    thumbprint: bool,
    /// The private key, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A pre-shared key in hex
    #[arg(long, value_name = "FILE")]
    psk: Option<PathBuf>,
    /// The identity of the pre-shared key
    #[arg(long, value_name = "FILE")]
    psk_identity: Option<PathBuf>,
    /// The passphrase of the private key is the first line of FILE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Write {
    #[command(flatten)]
    line: Line,
    #[command(flatten)]
    given: Given,
    /// Overwrite what is there
    #[arg(long)]
    replace: bool,
    /// Do not switch the modem to flight mode, even if it refuses then
    #[arg(long)]
    keep_online: bool,
    /// Allow the tag of nRF Cloud's credentials, 16842753
    #[arg(long)]
    allow_nrf_cloud_tag: bool,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    line: Line,
    #[command(flatten)]
    given: Given,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    line: Line,
    /// The security tag
    #[arg(
        long,
        required_unless_present = "all_tags",
        conflicts_with = "all_tags"
    )]
    tag: Option<u32>,
    /// Only this credential of the tag
    #[arg(long, value_enum, value_name = "TYPE", requires = "tag")]
    only: Option<Slot>,
    /// Everything under every tag that is not reserved
    #[arg(long)]
    all_tags: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Allow the tag of nRF Cloud's credentials, 16842753
    #[arg(long)]
    allow_nrf_cloud_tag: bool,
}

pub(crate) fn run(command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    match command {
        Command::List(arguments) => list(&arguments),
        Command::Write(arguments) => write(&arguments, now),
        Command::Verify(arguments) => verify(&arguments, now),
        Command::Delete(arguments) => delete(&arguments),
    }
}

fn list(arguments: &List) -> Result<Report, Error> {
    let stored = arguments.line.open()?.list(arguments.tag)?;
    let mut report = Report::new();
    show(&mut report, &stored);
    report.field(
        "credentials",
        serde_json::to_value(&stored).unwrap_or_default(),
    );
    Ok(report)
}

fn show(report: &mut Report, stored: &[Stored]) {
    let mut rows = vec![["TAG", "TYPE", "", "SHA-256"].map(str::to_owned).to_vec()];
    rows.extend(stored.iter().map(|found| {
        let sha = if found.is_placeholder() {
            "not listed by this modem firmware".to_owned()
        } else {
            found.sha256.clone()
        };
        vec![
            found.tag.to_string(),
            found.kind.to_string(),
            name_of(found.kind).to_owned(),
            sha,
        ]
    }));
    report.plain(table(&rows));
}

fn write(arguments: &Write, now: OffsetDateTime) -> Result<Report, Error> {
    let tag = arguments.given.tag;
    check_tag(tag, arguments.allow_nrf_cloud_tag)?;
    let mut report = Report::new();
    let credentials = arguments.given.read(&mut report, now)?;
    credentials
        .iter()
        .try_for_each(|credential| credential.check_size(tag))?;
    if arguments.dry_run {
        for credential in &credentials {
            let kind = credential.slot() as u8;
            report.plain(format!(
                "AT%CMNG=0,{tag},{kind},\"[{}, {} bytes, SHA-256 {}]\"",
                name_of(kind),
                credential.size(),
                credential.sha256()
            ));
        }
        report.field("dryRun", true);
        return Ok(report);
    }
    let mut modem = arguments.line.open()?;
    let work = |modem: &mut Modem| write_all(modem, tag, &credentials, arguments.replace, |_| {});
    let outcomes = if arguments.keep_online {
        work(&mut modem)
    } else {
        modem.offline(work)
    };
    let outcomes = told(&mut modem, &mut report, outcomes)?;
    let mut results = Vec::new();
    for (credential, outcome) in credentials.iter().zip(outcomes) {
        let kind = credential.slot() as u8;
        let text = format!("tag {tag}, {} ({} bytes)", name_of(kind), credential.size());
        match outcome {
            Outcome::Same => report.same(format!("{text}: there already")),
            Outcome::Written => report.done(format!("{text}: written and verified")),
            Outcome::Replaced => report.done(format!("{text}: replaced and verified")),
            Outcome::Unverified => report.warning(format!(
                "{text}: written, not verified: this modem firmware lists no hashes"
            )),
        };
        results.push(
            json!({"tag": tag, "type": kind, "sha256": credential.sha256(),
            "outcome": outcome}),
        );
    }
    report.field("credentials", results);
    Ok(report)
}

fn verify(arguments: &Verify, now: OffsetDateTime) -> Result<Report, Error> {
    let mut report = Report::new();
    let tag = arguments.given.tag;
    let credentials = arguments.given.read(&mut report, now)?;
    let mut modem = arguments.line.open()?;
    let mut failed = None;
    for credential in &credentials {
        let what = name_of(credential.slot() as u8);
        match modem.verify(tag, credential) {
            Ok(()) => {
                report.done(format!("tag {tag}, {what}: as in the file"));
            }
            Err(error) => {
                report.failed(error.message().to_owned());
                failed.get_or_insert(error);
            }
        }
    }
    report.field("tag", tag);
    if let Some(error) = failed {
        report.fail_with(error);
    }
    Ok(report)
}

fn delete(arguments: &Delete) -> Result<Report, Error> {
    if let Some(tag) = arguments.tag {
        check_tag(tag, arguments.allow_nrf_cloud_tag)?;
    }
    let mut modem = arguments.line.open()?;
    let wanted: Vec<Stored> = modem
        .list(arguments.tag)?
        .into_iter()
        .filter(|found| found.kind <= 4 || arguments.tag.is_some())
        .filter(|found| arguments.only.is_none_or(|only| only as u8 == found.kind))
        .filter(|found| check_tag(found.tag, arguments.allow_nrf_cloud_tag).is_ok())
        .collect();
    let mut report = Report::new();
    if wanted.is_empty() {
        report.same("nothing to delete").field("deleted", 0);
        return Ok(report);
    }
    confirm(arguments, &wanted)?;
    let deleted = modem.offline(|modem| {
        for found in &wanted {
            modem.delete(found.tag, found.kind)?;
            report.done(format!(
                "tag {}, {}: deleted",
                found.tag,
                name_of(found.kind)
            ));
        }
        Ok(())
    });
    told(&mut modem, &mut report, deleted)?;
    report.field("deleted", wanted.len());
    Ok(report)
}

/// Deleting more than one named credential asks first.
fn confirm(arguments: &Delete, wanted: &[Stored]) -> Result<(), Error> {
    if arguments.yes || arguments.only.is_some() {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "{} would be deleted, and nobody can be asked",
                counted(wanted.len())
            ),
        )
        .advise("give --yes if that is what you want"));
    }
    for found in wanted {
        eprintln!("  tag {}, {}", found.tag, name_of(found.kind));
    }
    eprint!("Delete {}? [y/N] ", counted(wanted.len()));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = stdin().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::new(Kind::Usage, "nothing was deleted")),
    }
}

fn counted(credentials: usize) -> String {
    match credentials {
        1 => "1 credential".to_owned(),
        count => format!("{count} credentials"),
    }
}

impl Given {
    /// Reads and checks everything before the modem is touched.
    fn read(&self, report: &mut Report, now: OffsetDateTime) -> Result<Vec<Credential>, Error> {
        let mut credentials = Vec::new();
        for (slot, path) in [(Slot::Ca, &self.ca), (Slot::Cert, &self.cert)] {
            if let Some(path) = path {
                let found = read_certificates(path)?;
                let credential = match slot == Slot::Cert && self.thumbprint {
                    true => Credential::self_signed(&found),
                    false => Credential::certificates(slot, &found),
                };
                let credential = credential.map_err(|error| error.at(path.display()))?;
                for found in &found {
                    warn(report, found, now);
                    if slot == Slot::Ca {
                        warn_of_root(report, found);
                    }
                }
                credentials.push(credential);
            }
        }
        if let Some(path) = &self.key {
            credentials.push(self.read_key(path)?);
        }
        for (slot, path) in [
            (Slot::Psk, &self.psk),
            (Slot::PskIdentity, &self.psk_identity),
        ] {
            if let Some(path) = path {
                let text = Secret::new(files::read(path)?);
                let credential = Credential::text(slot, text.expose())
                    .map_err(|error| error.at(path.display()))?;
                credentials.push(credential);
            }
        }
        if credentials.is_empty() {
            return Err(Error::new(Kind::Usage, "no credential is given")
                .advise("give at least one of --ca, --cert, --key, --psk, --psk-identity"));
        }
        Ok(credentials)
    }

    fn read_key(&self, path: &Path) -> Result<Credential, Error> {
        let given = self.passphrase_file.as_deref().map(from_file).transpose()?;
        let name = path.display().to_string();
        let key = opened(given, &name, |passphrase| read_key(path, passphrase))?;
        if let Some(certificate) = &self.cert {
            let leaf = read_certificate(certificate)?;
            if leaf.public_key() != key.public_key() {
                return Err(Error::new(
                    Kind::Trust,
                    format!("the key {name} does not fit {}", certificate.display()),
                )
                .advise("give the key that was made together with this certificate"));
            }
        }
        Ok(Credential::key(&key))
    }
}

fn warn(report: &mut Report, certificate: &Certificate, now: OffsetDateTime) {
    if !certificate.is_valid_at(now) {
        report.warning(format!(
            "{} is valid from {} to {}, not now",
            certificate.subject(),
            certificate.not_before().date(),
            certificate.not_after().date()
        ));
    }
    if certificate.subject().contains("Baltimore CyberTrust Root") {
        report.warning("IoT Hub no longer uses this root; it needs DigiCert Global Root G2");
    }
}

/// The modem ends the hub's chain at what is written as CA; anything but a root makes it depend on
/// what the hub sends.
fn warn_of_root(report: &mut Report, certificate: &Certificate) {
    let subject = certificate.subject();
    let is_old_root = certificate.version() < 3 && certificate.is_self_issued();
    if !certificate.is_ca() && !is_old_root {
        report.warning(format!(
            "{subject} is no CA: the hub's chain cannot end there"
        ));
    } else if !certificate.is_self_issued() {
        report.warning(format!(
            "{subject} is no root, but issued by {}: if the hub changes its chain, the device loses it",
            certificate.issuer()
        ));
    }
    if certificate.version() < 3 {
        report.warning(format!(
            "{subject} is of X.509 version {}",
            certificate.version()
        ));
    }
}

const WRITE_HELP: &str = "\
Example:
  iothub-provision modem creds write --tag 10 --ca dev-certs/rootca/rootca.pem \\
      --cert dev-certs/devices/ID.chain.pem --key dev-certs/devices/ID.key

Safer than a key file is a key that the modem makes itself: iothub-provision up, or modem keygen.
Files are read as they are: text before BEGIN, CRLF and EC PARAMETERS are left out. Keys are
written as PKCS#8, certificates with LF line ends.";
