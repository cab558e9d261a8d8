//! `iothub-provision up`

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use time::OffsetDateTime;

use crate::cli::Common;
use crate::cli::device::{read_certificates, roots};
use crate::cli::hub::Where;
use crate::cli::modem::{Line, told};
use crate::cli::output::Report;
use crate::cli::passphrase::SignerPassphrase;
use crate::error::Error;
use crate::hub::{About, Hub, azure};
use crate::pki::{
    AuthorityName, AuthorityOptions, Certificate, DAYS, INTERMEDIATE, Pki, Validity, imei_warning,
};
use crate::up::{Options, Run, Step, azure_roots, kconfig};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    line: Line,
    #[command(flatten)]
    hub: Where,
    /// The device id; the modem's IMEI without it
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,
    /// The security tag of CA, chain and key
    #[arg(long, default_value_t = 10)]
    tag: u32,
    /// The security tag of the second root
    #[arg(long, default_value_t = 11)]
    secondary_tag: u32,
    /// The CA that signs
    #[arg(long, default_value = INTERMEDIATE)]
    issuer: AuthorityName,
    /// What the device checks the hub against, PEM, one or two certificates; without it the CA
    /// that the emulator has made, or else the folder's root, and for Azure its roots
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// The host name of the hub, for the Kconfig lines; the emulator says its own
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// How many days the certificate is valid
    #[arg(long, default_value_t = DAYS)]
    days: u32,
    /// Overwrite what is under the tags
    #[arg(long)]
    replace: bool,
    /// Show what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signer: SignerPassphrase,
}

pub(crate) fn run(
    common: &Common,
    arguments: &Arguments,
    now: OffsetDateTime,
) -> Result<Report, Error> {
    let pki = common.pki();
    let bar = progress(common.json);
    let mut show = |text: &str| {
        bar.inc(1);
        bar.set_message(text.to_owned());
    };
    let hub = arguments.hub.named(now)?;
    let emulator = match hub.as_ref().filter(|hub| hub.azure_host().is_none()) {
        Some(hub) => Some(hub.about()?),
        None => None,
    };
    let mut modem = arguments.line.open()?;
    let id = match &arguments.device_id {
        Some(id) => id.clone(),
        None => modem.imei()?,
    };
    crate::pki::check_name(&id)?;
    if arguments.dry_run && !pki.authority_file(&arguments.issuer, "pem").exists() {
        let mut report = Report::new();
        report.plain("would make a root and an intermediate first; then run --dry-run again");
        report.field("dryRun", true).field("deviceId", id);
        return Ok(report);
    }
    let made_ca = make_authorities(&pki, &arguments.issuer, now)?;
    let authority = arguments.signer.open(&pki, &arguments.issuer)?;
    let options = Options {
        roots: server_roots(&pki, arguments, emulator.as_ref())?,
        tag: arguments.tag,
        secondary_tag: arguments.secondary_tag,
        replace: arguments.replace,
        validity: Validity::days(now, arguments.days)?,
        id,
    };
    let mut report = Report::new();
    report
        .field("deviceId", options.id.clone())
        .field("tag", options.tag);
    let mut run = Run::new(&pki, &authority, &options, now, &mut show);
    if arguments.dry_run {
        let steps = run.plan(&mut modem)?;
        bar.finish_and_clear();
        show_steps(&mut report, &steps);
        report.field("dryRun", true);
        return Ok(report);
    }
    let loaded = run.load(&mut modem);
    let identity = told(&mut modem, &mut report, loaded)?;
    if let Some(hub) = &hub {
        let top = roots(&pki)?;
        let root = top.iter().find(|root| issued_under(root, &authority));
        run.register(hub, root.unwrap_or(authority.certificate()))?;
    }
    let mut steps = vec![made_ca];
    steps.extend(run.into_steps());
    bar.finish_and_clear();
    show_steps(&mut report, &steps);
    if let Some(warning) = emulator.as_ref().and_then(|it| untrusted(it, &options)) {
        report.warning(warning);
    }
    let host = arguments.hostname.clone();
    let host = host.or(emulator.map(|it| it.hostname));
    finish(&mut report, arguments, hub.as_ref(), host, &options, &pki);
    report.field(
        "certificate",
        identity.certificate_path().display().to_string(),
    );
    Ok(report)
}

fn make_authorities(pki: &Pki, issuer: &AuthorityName, now: OffsetDateTime) -> Result<Step, Error> {
    let mut changed = false;
    if **issuer == *INTERMEDIATE && !pki.authority_file(issuer, "pem").exists() {
        let (root, _) = pki.create_root(&AuthorityOptions::root(now)?)?;
        changed = pki
            .create_intermediate(&root, &AuthorityOptions::intermediate(now)?)?
            .1;
    }
    let path = pki.authority_file(issuer, "pem");
    Ok(Step {
        what: format!("CA {}", path.display()),
        changed,
    })
}

fn server_roots(
    pki: &Pki,
    arguments: &Arguments,
    emulator: Option<&About>,
) -> Result<Vec<Certificate>, Error> {
    let made = emulator.and_then(|it| it.server_ca.clone());
    let mut all = match (&arguments.root, emulator, made) {
        (Some(path), ..) => read_certificates(path)?,
        (None, _, Some(made)) => vec![made],
        (None, Some(_), None) => roots(pki)?,
        (None, None, None) => azure_roots()?,
    };
    all.truncate(2);
    Ok(all)
}

/// Why the device will refuse the emulator.
fn untrusted(emulator: &About, options: &Options) -> Option<String> {
    let made = emulator.server_ca.as_ref()?;
    let text = format!(
        "the device will refuse the emulator, whose certificate is of {}: start it with --cert and --key of the root \
         that the device trusts, or leave --root out",
        made.subject()
    );
    (!options.roots.contains(made)).then_some(text)
}

fn issued_under(root: &Certificate, authority: &crate::pki::Authority) -> bool {
    root == authority.certificate()
        || authority
            .chain()
            .last()
            .is_some_and(|last| root.has_signed(last))
}

fn show_steps(report: &mut Report, steps: &[Step]) {
    for step in steps {
        if step.changed {
            report.done(&*step.what)
        } else {
            report.same(&*step.what)
        };
    }
    report.field("steps", serde_json::to_value(steps).unwrap_or_default());
    report.field("changed", steps.iter().any(|step| step.changed));
}

fn finish(
    report: &mut Report,
    arguments: &Arguments,
    hub: Option<&Hub>,
    hostname: Option<String>,
    options: &Options,
    pki: &Pki,
) {
    if let Some(warning) = imei_warning(&options.id) {
        report.warning(warning);
    }
    let azure_host = hub.and_then(Hub::azure_host);
    let short = azure_host
        .and_then(|host| host.split('.').next())
        .unwrap_or("HUB");
    if hub.is_none() || azure_host.is_some() {
        let path = pki
            .authority_file(&arguments.issuer, "pem")
            .display()
            .to_string();
        let mut commands = azure::add_authority(short, &arguments.issuer, &path);
        if hub.is_none() {
            commands = format!("{commands}\n{}", azure::create_device(short, &options.id));
        }
        report
            .plain("\nWith the Azure CLI, once for this CA:")
            .plain(commands.clone());
        report.field("commands", commands);
    }
    let hostname = hostname.as_deref().or(azure_host);
    let lines = kconfig(options, hostname);
    report
        .plain("\nFor prj.conf:")
        .plain(lines.join("\n"))
        .field("kconfig", lines);
}

/// A bar on a terminal, nothing elsewhere.
fn progress(as_json: bool) -> ProgressBar {
    if as_json || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos}/8 {wide_msg} {elapsed}");
    ProgressBar::new(8).with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

const HELP: &str = "\
Examples:
  iothub-provision up --emulator http://127.0.0.1:8080
  iothub-provision up --connection-string-file hub.txt --port /dev/ttyACM0
  iothub-provision up --dry-run

It can be run again at any time, also after it was killed: what is done stays, the rest is made.
The key is made by the modem and never leaves it. For a key made here, use device create and
modem creds write.";
