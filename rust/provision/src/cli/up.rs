//! `iothub-provision up`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use indicatif::ProgressBar;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use time::OffsetDateTime;

use crate::cli::hub::Where;
use crate::cli::modem::{Line, told};
use crate::cli::output::{Colour, Report, progress, show_step};
use crate::cli::passphrase::SignerPassphrase;
use crate::cli::{Common, usage};
use crate::error::{Error, Kind};
use crate::hub::azure::{Commands, Names, Service};
use crate::hub::{About, Hub};
use crate::pki::{
    AuthorityName, AuthorityOptions, Certificate, DAYS, INTERMEDIATE, Pki, Validity, imei_warning,
    read_certificates,
};
use crate::shell::Shell;
use crate::up::{Event, Options, Run, Step, azure_roots, kconfig};

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
    #[arg(long, value_name = "NAME", value_parser = host_name)]
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
    let hub = arguments.hub.named(now)?;
    let emulator = match hub.as_ref().filter(|hub| hub.azure_host().is_none()) {
        Some(hub) => Some(hub.about()?),
        None => None,
    };
    if arguments.tag == arguments.secondary_tag {
        return Err(usage(
            "--tag and --secondary-tag are the same: the second root would overwrite the first",
        ));
    }
    let validity = Validity::days(now, arguments.days)?;
    let given = arguments
        .root
        .as_deref()
        .map(read_certificates)
        .transpose()?;
    let mut modem = arguments.line.open()?;
    let id = match &arguments.device_id {
        Some(id) => id.clone(),
        None => modem.imei()?,
    };
    crate::pki::check_name(&id)?;
    crate::modem::check_key_name(&id)?;
    let mut report = Report::new();
    report
        .field("deviceId", id.clone())
        .field("tag", arguments.tag);
    if arguments.dry_run && !pki.authority_file(&arguments.issuer, "pem").exists() {
        report.plain("would make a root and an intermediate first; then run --dry-run again");
        report.field("dryRun", true);
        return Ok(report);
    }
    let mut live = Live::new(common);
    let made_ca = make_authorities(&pki, &arguments.issuer, now)?;
    live.done(&made_ca);
    let authority = arguments.signer.open(&pki, &arguments.issuer)?;
    let options = Options {
        roots: server_roots(&pki, given, emulator.as_ref())?,
        tag: arguments.tag,
        secondary_tag: arguments.secondary_tag,
        replace: arguments.replace,
        validity,
        id,
    };
    let stop = interrupted()?;
    let mut observer = |event: Event<'_>| live.tell(event);
    let mut run = Run::new(&pki, &authority, &options, now, &mut observer);
    run.stop_when(&stop);
    let top = pki.roots()?;
    let root = top.iter().find(|root| issued_under(root, &authority));
    let root = root.unwrap_or(authority.certificate());
    if arguments.dry_run {
        let mut steps = run.plan(&mut modem)?;
        if let Some(hub) = &hub {
            steps.extend(run.plan_registration(hub, root)?);
        }
        show_plan(&mut report, &steps);
        return Ok(report);
    }
    let loaded = run.load(&mut modem);
    let outcome = told(&mut modem, &mut report, loaded).and_then(|identity| {
        if let Some(hub) = &hub {
            run.register(hub, root)?;
        }
        Ok(identity)
    });
    let steps: Vec<Step> = std::iter::once(made_ca)
        .chain(run.steps().iter().cloned())
        .collect();
    live.end();
    report
        .field("steps", serde_json::to_value(&steps).unwrap_or_default())
        .field("changed", steps.iter().any(|step| step.changed));
    let identity = match outcome {
        Ok(identity) => identity,
        Err(error) => {
            report.plain(left_at(&steps)).fail_with(error);
            return Ok(report);
        }
    };
    if let Some(warning) = emulator.as_ref().and_then(|it| untrusted(it, &options)) {
        report.warning(warning);
    }
    let host = arguments.hostname.clone();
    let host = host.or(emulator.map(|it| it.hostname));
    finish(&mut report, arguments, hub.as_ref(), host, &options, &pki)?;
    report.field(
        "certificate",
        identity.certificate_path().display().to_string(),
    );
    Ok(report)
}

/// Shows each step as it happens: lines on standard output, a bar on a terminal.
struct Live {
    bar: ProgressBar,
    colour: Option<Colour>,
}

impl Live {
    fn new(common: &Common) -> Self {
        Self {
            bar: progress(common.json, 8),
            colour: (!common.json).then_some(common.color),
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        match event {
            Event::Begins(text) => {
                self.bar.inc(1);
                self.bar.set_message(text.to_owned());
            }
            Event::Done(step) => self.done(step),
        }
    }

    fn done(&mut self, step: &Step) {
        if let Some(colour) = self.colour {
            self.bar
                .suspend(|| show_step(&step.what, step.changed, colour));
        }
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Set by Ctrl-C; the second one ends the process at once.
fn interrupted() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let status = i32::from(Kind::Interrupted.exit_status());
    flag::register_conditional_shutdown(SIGINT, status, Arc::clone(&flag))
        .and_then(|_| flag::register(SIGINT, Arc::clone(&flag)))
        .map_err(|error| Error::new(Kind::Internal, format!("no signal can be caught: {error}")))?;
    Ok(flag)
}

/// Where a run that has failed leaves things.
fn left_at(steps: &[Step]) -> String {
    let changed = steps.iter().filter(|step| step.changed).count();
    match changed {
        0 => "Nothing was changed.".to_owned(),
        _ => format!("{changed} steps were done and stay; the same command goes on from there."),
    }
}

fn show_plan(report: &mut Report, steps: &[Step]) {
    let changes = steps.iter().any(|step| step.changed);
    for step in steps {
        if step.changed {
            report.done(&*step.what)
        } else {
            report.same(&*step.what)
        };
    }
    if !changes {
        report.plain("nothing to do");
    }
    report
        .field("steps", serde_json::to_value(steps).unwrap_or_default())
        .field("changed", changes)
        .field("dryRun", true);
}

/// What can stand between the quotes of a Kconfig option as the name of a host.
fn host_name(text: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    match !text.is_empty() && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err("it is not the name of a host".to_owned()),
    }
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
    given: Option<Vec<Certificate>>,
    emulator: Option<&About>,
) -> Result<Vec<Certificate>, Error> {
    let made = emulator.and_then(|it| it.server_ca.clone());
    let mut all = match (given, emulator, made) {
        (Some(given), ..) => given,
        (None, _, Some(made)) => vec![made],
        (None, Some(_), None) => pki.roots()?,
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

fn finish(
    report: &mut Report,
    arguments: &Arguments,
    hub: Option<&Hub>,
    hostname: Option<String>,
    options: &Options,
    pki: &Pki,
) -> Result<(), Error> {
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
        let azure = Commands::new(Shell::here(), Names::of_hub(short, &arguments.issuer)?);
        let mut commands = azure.add_authority(Service::Hub, &arguments.issuer, &path)?;
        if hub.is_none() {
            commands = format!("{commands}\n{}", azure.create_device(&options.id)?);
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
    Ok(())
}

const HELP: &str = "\
Examples:
  iothub-provision up --emulator http://127.0.0.1:8080
  iothub-provision up --connection-string-file hub.txt --port /dev/ttyACM0
  iothub-provision up --dry-run

It can be run again at any time, also after it was killed: what is done stays, the rest is made.
If it fails or is ended by Ctrl-C the lines say what is done, and the exit status is that of the cause.
The key is made by the modem and never leaves it. For a key made here, use device create and
modem creds write.";
