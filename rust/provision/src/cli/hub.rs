//! `iothub-provision hub …`

use std::path::PathBuf;

use serde_json::Value;
use time::OffsetDateTime;

use crate::cli::output::Report;
use crate::cli::{Common, table, usage};
use crate::error::{Error, Kind};
use crate::files;
use crate::hub::{Authentication, ConnectionString, Hub, azure};
use crate::pki::{INTERMEDIATE, Identity};
use crate::secret::Secret;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Register, list and delete CA certificates
    #[command(subcommand)]
    Ca(Authorities),
    /// Register, list, disable and delete devices
    #[command(subcommand)]
    Device(Devices),
    /// Make, list and delete enrolment groups of the Device Provisioning Service
    #[command(subcommand)]
    Enrollment(Enrollments),
    /// Show telemetry as it comes in
    Monitor(Monitor),
    /// Print the Azure CLI commands for what only Azure Resource Manager can do
    Az(Az),
}

/// Which hub.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The address of the local emulator
    #[arg(long, value_name = "URL", env = "IOTHUB_EMULATOR")]
    #[arg(conflicts_with = "connection_string_file")]
    pub(crate) emulator: Option<String>,
    /// Azure: the connection string is the first line of FILE. The variable
    /// IOTHUB_CONNECTION_STRING is read too; on the command line it would be seen by everybody
    #[arg(long, value_name = "FILE")]
    connection_string_file: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Authorities {
    /// Register a CA of the folder, proved
    Add {
        #[command(flatten)]
        hub: Where,
        /// The CA
        #[arg(default_value = INTERMEDIATE)]
        name: String,
    },
    /// List the registered CAs
    List {
        #[command(flatten)]
        hub: Where,
    },
    /// Delete a registered CA
    Delete {
        #[command(flatten)]
        hub: Where,
        /// Its name in the hub
        name: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Devices {
    /// Register a device
    Create {
        #[command(flatten)]
        hub: Where,
        /// The device id
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
    /// Delete a device
    Delete {
        #[command(flatten)]
        hub: Where,
        /// The device id
        id: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Enrollments {
    /// Let in every device that a CA of the folder has signed. For Azure the connection string is
    /// that of the provisioning service
    Add {
        #[command(flatten)]
        hub: Where,
        /// The name of the group
        id: String,
        /// The CA
        #[arg(long, default_value = INTERMEDIATE)]
        ca: String,
    },
    /// List the groups
    List {
        #[command(flatten)]
        hub: Where,
    },
    /// Delete a group; devices that are registered stay so
    Delete {
        #[command(flatten)]
        hub: Where,
        /// The name of the group
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
    /// End after this many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Az {
    /// The name of the hub
    #[arg(long)]
    hub: String,
    /// The resource group
    #[arg(long, default_value = "RESOURCE_GROUP")]
    group: String,
    /// The name of the provisioning service
    #[arg(long, default_value = "DPS")]
    dps: String,
    /// The CA
    #[arg(long, default_value = INTERMEDIATE)]
    ca: String,
    /// The device
    #[arg(long, default_value = "DEVICE_ID")]
    device: String,
}

impl Where {
    /// The hub that is named, if one is.
    pub(crate) fn named(&self, now: OffsetDateTime) -> Result<Option<Hub>, Error> {
        if let Some(address) = &self.emulator {
            return Ok(Some(Hub::emulator(address, now)));
        }
        Ok(self.access()?.map(|access| Hub::azure(access, now)))
    }

    fn hub(&self, now: OffsetDateTime) -> Result<Hub, Error> {
        self.named(now)?.ok_or_else(|| {
            usage("no hub is named")
                .advise("give --emulator http://127.0.0.1:8080 or --connection-string-file FILE")
        })
    }

    fn access(&self) -> Result<Option<ConnectionString>, Error> {
        let text = match &self.connection_string_file {
            Some(path) => Some(Secret::new(files::read(path)?)),
            None => std::env::var("IOTHUB_CONNECTION_STRING")
                .ok()
                .map(Secret::new),
        };
        text.as_ref().map(ConnectionString::parse).transpose()
    }
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    match command {
        Command::Ca(command) => authorities(common, command, now),
        Command::Device(command) => devices(common, command, now),
        Command::Enrollment(command) => enrollments(common, command, now),
        Command::Monitor(arguments) => monitor(&arguments, now),
        Command::Az(arguments) => Ok(commands(common, &arguments)),
    }
}

fn authorities(
    common: &Common,
    command: Authorities,
    now: OffsetDateTime,
) -> Result<Report, Error> {
    let mut report = Report::new();
    match command {
        Authorities::Add { hub, name } => {
            let path = common
                .pki()
                .authority_file(&name, "pem")
                .display()
                .to_string();
            let certificate = common.pki().authority_certificate(&name)?;
            let azure = |short: &str| azure::add_authority(short, &name, &path);
            if let Some(hub) = only_emulator(&hub, now, &mut report, azure)? {
                let added = hub.add_authority(&name, &certificate)?;
                report
                    .done(format!("{name} is registered and proved"))
                    .field("certificate", added);
            }
        }
        Authorities::List { hub } => {
            if let Some(hub) = only_emulator(&hub, now, &mut report, azure::list_authorities)? {
                let found = hub.authorities()?;
                report
                    .plain(authority_table(&found))
                    .field("certificates", found);
            }
        }
        Authorities::Delete { hub, name } => {
            let azure = |short: &str| azure::delete_authority(short, &name);
            if let Some(hub) = only_emulator(&hub, now, &mut report, azure)? {
                hub.delete_authority(&name)?;
                report
                    .done(format!("{name} is deleted"))
                    .field("deleted", name);
            }
        }
    }
    Ok(report)
}

/// The emulator; for Azure the commands to be copied go into the report instead.
fn only_emulator(
    at: &Where,
    now: OffsetDateTime,
    report: &mut Report,
    commands: impl Fn(&str) -> String,
) -> Result<Option<Hub>, Error> {
    if at.emulator.is_none()
        && let Some(access) = at.access()?
    {
        let commands = commands(azure::short_name(&access));
        report.plain("CA certificates are Azure Resource Manager's; run:");
        report.plain(commands.clone()).field("commands", commands);
        return Ok(None);
    }
    at.hub(now).map(Some)
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

fn enrollments(
    common: &Common,
    command: Enrollments,
    now: OffsetDateTime,
) -> Result<Report, Error> {
    let mut report = Report::new();
    match command {
        Enrollments::Add { hub, id, ca } => {
            let certificate = common.pki().authority_certificate(&ca)?;
            let made = hub.hub(now)?.put_enrollment_group(&id, &certificate)?;
            report
                .done(format!("{id} lets in what {ca} has signed"))
                .field("group", made);
            report.plain("With it a device needs no registration; its id is its common name.");
        }
        Enrollments::List { hub } => {
            let found = hub.hub(now)?.enrollment_groups()?;
            let mut rows = vec![["GROUP", "STATUS"].map(str::to_owned).to_vec()];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            rows.extend(found.iter().map(|group| {
                vec![
                    text(&group["enrollmentGroupId"]),
                    text(&group["provisioningStatus"]),
                ]
            }));
            report.plain(table(&rows)).field("groups", found);
        }
        Enrollments::Delete { hub, id } => {
            hub.hub(now)?.delete_enrollment_group(&id)?;
            report.done(format!("{id} is deleted")).field("deleted", id);
        }
    }
    Ok(report)
}

/// The columns of the article (A10).
fn authority_table(found: &Value) -> String {
    let mut rows = vec![
        ["NAME", "SUBJECT", "VERIFIED", "UNTIL"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let all = found
        .as_array()
        .or(found["value"].as_array())
        .cloned()
        .unwrap_or_default();
    rows.extend(all.iter().map(|found| {
        let facts = &found["properties"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        vec![
            text(&found["name"]),
            text(&facts["subject"]),
            facts["isVerified"].to_string(),
            text(&facts["expiry"]),
        ]
    }));
    table(&rows)
}

/// The columns of the article (A11).
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
            text(&device["lastActivityTime"]),
        ]
    }));
    table(&rows)
}

fn monitor(arguments: &Monitor, now: OffsetDateTime) -> Result<Report, Error> {
    let hub = arguments.hub.hub(now)?;
    let mut report = Report::new();
    if let Some(host) = hub.azure_host() {
        let command = azure::monitor(host.split('.').next().unwrap_or_default());
        report
            .plain("Telemetry of Azure comes over AMQP; run:")
            .plain(command.clone());
        report.field("commands", command);
        return Ok(report);
    }
    let mut seen = 0;
    hub.telemetry(arguments.device.as_deref(), |line| {
        println!("{line}");
        seen += 1;
        arguments.count.is_none_or(|count| seen < count)
    })?;
    if arguments.count.is_some_and(|count| seen < count) {
        return Err(Error::new(
            Kind::Unreachable,
            format!("the stream ended after {seen} messages"),
        ));
    }
    report.field("messages", seen);
    Ok(report)
}

fn commands(common: &Common, arguments: &Az) -> Report {
    let Az {
        hub,
        group,
        dps,
        ca,
        device,
    } = arguments;
    let path = common.pki().authority_file(ca, "pem").display().to_string();
    let all = [
        (
            "Register and prove the CA",
            azure::add_authority(hub, ca, &path),
        ),
        ("List the CAs", azure::list_authorities(hub)),
        ("Delete the CA", azure::delete_authority(hub, ca)),
        ("Register a device", azure::create_device(hub, device)),
        ("Show telemetry", azure::monitor(hub)),
        ("Let only certificates in", azure::enforce_x509(hub, group)),
        ("Show the ID scope", azure::id_scope(dps, group)),
        (
            "Enrol all devices of the CA",
            azure::enrollment_group(dps, group, ca, &path),
        ),
    ];
    let mut report = Report::new();
    for (title, command) in all {
        report
            .plain(format!("# {title}\n{command}\n"))
            .field(title, command);
    }
    report
}
