//! `iothub-provision hub …`

mod az;
mod ca;
mod enrollment;

use std::io::{Write as _, stdout};
use std::path::PathBuf;

use serde_json::Value;
use time::OffsetDateTime;

use crate::cli::output::Report;
use crate::cli::{Common, table, usage};
use crate::error::{Error, Kind};
use crate::files;
use crate::hub::azure::{Commands, Names};
use crate::hub::{Authentication, ConnectionString, Hub, Resource};
use crate::pki::{INTERMEDIATE, Identity};
use crate::secret::Secret;
use crate::shell::Shell;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Register, list and delete CA certificates
    #[command(subcommand)]
    Ca(ca::Command),
    /// Register, list, disable and delete devices
    #[command(subcommand)]
    Device(Devices),
    /// Make, list and delete enrollments of the Device Provisioning Service
    #[command(subcommand)]
    Enrollment(enrollment::Command),
    /// Show the ID scope of the Device Provisioning Service
    #[command(after_help = SCOPE_HELP)]
    Scope(Scope),
    /// Azure: let only certificates in, and no shared keys
    #[command(after_help = ENFORCE_HELP)]
    EnforceX509(Enforce),
    /// Show telemetry as it comes in
    Monitor(Monitor),
    /// Print the Azure CLI commands for what only Azure Resource Manager can do
    #[command(after_help = az::HELP)]
    Az(az::Az),
}

/// Which hub.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The address of the local emulator. The variable IOTHUB_EMULATOR_URL is read too, unless a
    /// connection string is named
    #[arg(long, value_name = "URL")]
    #[arg(value_parser = crate::http::address)]
    #[arg(conflicts_with = "connection_string_file")]
    emulator: Option<String>,
    /// Azure: the connection string is the first line of FILE. The variable
    /// IOTHUB_CONNECTION_STRING is read too; on the command line it would be seen by everybody
    #[arg(long, value_name = "FILE")]
    connection_string_file: Option<PathBuf>,
}

/// A resource of Azure Resource Manager, and the right to change it.
#[derive(Debug, clap::Args)]
pub(crate) struct Management {
    /// Azure: do it here in place of printing the commands; `az iot hub show --query id` (or
    /// `az iot dps show --query id`) prints the id
    #[arg(long, value_name = "ID")]
    resource_id: Option<String>,
    /// The token is the first line of FILE, as `az account get-access-token --query accessToken
    /// -o tsv` prints it. The variable AZURE_BEARER_TOKEN is read too
    #[arg(long, value_name = "FILE", requires = "resource_id")]
    bearer_token_file: Option<PathBuf>,
    /// The address of Azure Resource Manager
    #[arg(
        long,
        value_name = "URL",
        value_parser = crate::http::address,
        default_value = "https://management.azure.com"
    )]
    management: String,
}

impl Management {
    /// The resource that is named, if one is.
    fn named(&self) -> Result<Option<Resource>, Error> {
        let Some(id) = &self.resource_id else {
            return Ok(None);
        };
        let token = match &self.bearer_token_file {
            Some(path) => files::read(path)?,
            None => std::env::var("AZURE_BEARER_TOKEN").map_err(|_| {
                Error::new(Kind::Denied, "there is no token").advise(
                    "give --bearer-token-file FILE or set AZURE_BEARER_TOKEN; \
                     az account get-access-token makes one",
                )
            })?,
        };
        Resource::new(&self.management, id, bearer_token(&token)).map(Some)
    }
}

/// The token itself, or out of the JSON that `az account get-access-token` prints.
fn bearer_token(text: &str) -> Secret {
    let parsed: Value = serde_json::from_str(text).unwrap_or_default();
    let token = parsed["accessToken"].as_str().or(parsed.as_str());
    Secret::new(token.unwrap_or(text).trim())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Scope {
    #[command(flatten)]
    hub: Where,
    #[command(flatten)]
    management: Management,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Enforce {
    #[command(flatten)]
    management: Management,
    /// Let shared keys in again
    #[arg(long)]
    undo: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Devices {
    /// Register a device, or a module of it
    Create {
        #[command(flatten)]
        hub: Where,
        /// The device id; DEVICE/MODULE for a module
        id: String,
        /// Trust its one certificate in the folder, by thumbprint, and no CA
        #[arg(long)]
        thumbprint: bool,
        /// Register it, but let it not connect
        #[arg(long)]
        disabled: bool,
    },
    /// List the devices
    List {
        #[command(flatten)]
        hub: Where,
    },
    /// Let a device connect again
    Enable {
        #[command(flatten)]
        hub: Where,
        /// The device id
        id: String,
    },
    /// Let a device not connect: the way to revoke its certificate
    Disable {
        #[command(flatten)]
        hub: Where,
        /// The device id
        id: String,
    },
    /// Delete a device, or a module of it
    Delete {
        #[command(flatten)]
        hub: Where,
        /// The device id; DEVICE/MODULE for a module
        id: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Monitor {
    #[command(flatten)]
    hub: Where,
    /// Only this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Begin with the message of this number, as its line has it under seq; 0 is everything that is
    /// kept. Without it, what comes from now on is shown
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    /// End after this many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

impl Where {
    /// The hub that is named, if one is.
    pub(crate) fn named(&self, now: OffsetDateTime) -> Result<Option<Hub>, Error> {
        if let Some(address) = self.emulator()? {
            return Ok(Some(Hub::emulator(&address, now)));
        }
        Ok(self.access()?.map(|access| Hub::azure(access, now)))
    }

    /// The address of the emulator, if that is meant: what stands on the command line goes before
    /// what stands in the environment.
    pub(crate) fn emulator(&self) -> Result<Option<String>, Error> {
        if self.emulator.is_some() || self.connection_string_file.is_some() {
            return Ok(self.emulator.clone());
        }
        let address = std::env::var("IOTHUB_EMULATOR_URL").ok();
        let address = address.filter(|address| !address.is_empty());
        let address = address.map(|text| crate::http::address(&text));
        address
            .transpose()
            .map_err(|why| usage(format!("IOTHUB_EMULATOR_URL: {why}")))
    }

    fn hub(&self, now: OffsetDateTime) -> Result<Hub, Error> {
        self.named(now)?.ok_or_else(|| {
            usage("no hub is named")
                .advise("give --emulator http://127.0.0.1:8080 or --connection-string-file FILE")
        })
    }

    fn access(&self) -> Result<Option<ConnectionString>, Error> {
        const VARIABLE: &str = "IOTHUB_CONNECTION_STRING";
        let (text, place) = match &self.connection_string_file {
            Some(path) => (Some(files::read(path)?), path.display().to_string()),
            None => (std::env::var(VARIABLE).ok(), VARIABLE.to_owned()),
        };
        text.map(|text| ConnectionString::parse(&Secret::new(text)))
            .transpose()
            .map_err(|error| error.at(place))
    }
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    match command {
        Command::Ca(command) => ca::run(common, command, now),
        Command::Device(command) => devices(common, command, now),
        Command::Enrollment(command) => enrollment::run(common, command, now),
        Command::Scope(arguments) => scope(&arguments, now),
        Command::EnforceX509(arguments) => enforce(&arguments),
        Command::Monitor(arguments) => monitor(&arguments, now),
        Command::Az(arguments) => az::run(common, &arguments),
    }
}

fn devices(common: &Common, command: Devices, now: OffsetDateTime) -> Result<Report, Error> {
    let mut report = Report::new();
    let done = |report: &mut Report, id: &str, what: &str, device: Value| {
        report
            .done(format!("{id} is {what}"))
            .field("device", device);
    };
    match command {
        Devices::Create {
            hub,
            id,
            thumbprint,
            disabled,
        } => {
            crate::pki::check_name(&id)?;
            let authentication = if thumbprint {
                let device = Identity::open_device(&common.pki(), &id)?;
                Authentication::Thumbprint(device.certificate().thumbprint())
            } else {
                Authentication::CertificateAuthority
            };
            let hub = hub.hub(now)?;
            match hub.device(&id)? {
                Some(found) => {
                    report
                        .same(format!("{id} is registered already"))
                        .field("device", found);
                }
                None => {
                    let made = hub.put_device(&id, &authentication, !disabled)?;
                    done(&mut report, &id, "registered", made);
                }
            }
        }
        Devices::List { hub } => {
            let found = hub.hub(now)?.devices()?;
            report.plain(device_table(&found)).field("devices", found);
        }
        Devices::Enable { hub, id } => {
            let changed = hub.hub(now)?.set_enabled(&id, true)?;
            done(&mut report, &id, "enabled", changed);
        }
        Devices::Disable { hub, id } => {
            let changed = hub.hub(now)?.set_enabled(&id, false)?;
            done(&mut report, &id, "disabled", changed);
        }
        Devices::Delete { hub, id } => {
            hub.hub(now)?.delete_device(&id)?;
            done(&mut report, &id, "deleted", Value::Null);
        }
    }
    Ok(report)
}

fn scope(arguments: &Scope, now: OffsetDateTime) -> Result<Report, Error> {
    let mut report = Report::new();
    if let Some(resource) = arguments.management.named()? {
        let scope = resource.id_scope()?;
        report.plain(scope.clone()).field("idScope", scope);
    } else if arguments.hub.emulator()?.is_some() {
        let scope = arguments.hub.hub(now)?.about()?.id_scope;
        report.plain(scope.clone()).field("idScope", scope);
    } else {
        let command = Commands::new(Shell::here(), Names::of_hub("HUB", INTERMEDIATE)?).id_scope();
        report
            .plain("The ID scope is Azure Resource Manager's; give --resource-id, or run:")
            .plain(command.clone())
            .field("commands", command);
    }
    Ok(report)
}

fn enforce(arguments: &Enforce) -> Result<Report, Error> {
    let Some(resource) = arguments.management.named()? else {
        return Err(usage("no hub is named")
            .advise("give --resource-id and --bearer-token-file, or copy the command of hub az"));
    };
    let changed = resource.enforce_x509(!arguments.undo)?;
    let text = match arguments.undo {
        true => "the hub lets shared keys in",
        false => "the hub lets only certificates in",
    };
    let mut report = Report::new();
    match changed {
        true => report.done(text),
        false => report.same(text),
    };
    report.field("changed", changed);
    Ok(report)
}

/// The columns of the table.
fn device_table(devices: &[Value]) -> String {
    let head = [
        "DEVICE",
        "AUTHENTICATION",
        "STATUS",
        "CONNECTION",
        "LAST ACTIVITY",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.extend(devices.iter().map(|device| {
        vec![
            text(&device["deviceId"]),
            text(&device["authentication"]["type"]),
            text(&device["status"]),
            text(&device["connectionState"]),
            last_activity(&device["lastActivityTime"]),
        ]
    }));
    table(&rows)
}

/// IoT Hub says the first day of the year 1 of a device that has never been there.
fn last_activity(time: &Value) -> String {
    match time.as_str() {
        None | Some("") => "never".to_owned(),
        Some(time) if time.starts_with("0001-01-01") => "never".to_owned(),
        Some(time) => time.to_owned(),
    }
}

fn monitor(arguments: &Monitor, now: OffsetDateTime) -> Result<Report, Error> {
    let hub = arguments.hub.hub(now)?;
    let mut report = Report::new();
    if let Some(host) = hub.azure_host() {
        let short = host.split('.').next().unwrap_or_default();
        let names = Names::of_hub(short, INTERMEDIATE)?;
        let command = Commands::new(Shell::here(), names).monitor();
        report
            .plain("Telemetry of Azure comes over AMQP; run:")
            .plain(command.clone());
        report.field("commands", command);
        return Ok(report);
    }
    let mut seen = 0;
    let mut is_read = true;
    hub.telemetry(arguments.device.as_deref(), arguments.since, |line| {
        // A reader that goes away (`| head`) ends the command.
        is_read = writeln!(stdout(), "{line}").is_ok();
        seen += 1;
        is_read && arguments.count.is_none_or(|count| seen < count)
    })?;
    if is_read && arguments.count.is_some_and(|count| seen < count) {
        return Err(Error::new(
            Kind::Unreachable,
            format!("the stream ended after {seen} messages"),
        ));
    }
    report.field("messages", seen);
    Ok(report)
}

const SCOPE_HELP: &str = "\
Examples:
  iothub-provision hub scope --emulator http://127.0.0.1:8080
  iothub-provision hub scope --resource-id \"$(az iot dps show -n DPS --query id -o tsv)\" \\
      --bearer-token-file token.txt";

const ENFORCE_HELP: &str = "\
Example:
  iothub-provision hub enforce-x509 --resource-id \"$(az iot hub show -n HUB --query id -o tsv)\" \\
      --bearer-token-file token.txt

It sets disableDeviceSAS and disableModuleSAS, which no page of the portal shows.";
