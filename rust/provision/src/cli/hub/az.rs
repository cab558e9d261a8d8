//! `iothub-provision hub az`

use crate::cli::Common;
use crate::cli::output::Report;
use crate::error::Error;
use crate::hub::azure::{Commands, Name, Names, Service};
use crate::pki::{AuthorityName, INTERMEDIATE};
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct Az {
    /// The name of the hub; without it the names are derived from the subscription, as
    /// iot-hub001-0xacc5-dev
    #[arg(long, conflicts_with = "subscription")]
    hub: Option<String>,
    /// The id of the subscription that the names are derived from; without it the commands ask the
    /// Azure CLI
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// The resource group
    #[arg(long, default_value = "RESOURCE_GROUP")]
    group: String,
    /// The name of the provisioning service
    #[arg(long)]
    dps: Option<String>,
    /// The CA
    #[arg(long, default_value = INTERMEDIATE)]
    ca: AuthorityName,
    /// The device, or DEVICE/MODULE
    #[arg(long, default_value = "DEVICE_ID")]
    device: String,
    /// The shell that they are for; that of this system without it
    #[arg(long, value_enum)]
    shell: Option<Shell>,
}

pub(crate) fn run(common: &Common, arguments: &Az) -> Result<Report, Error> {
    let ca = &arguments.ca;
    let path = common.pki().authority_file(ca, "pem").display().to_string();
    let names = arguments.names()?;
    let asks = names.hub == Name::Variable("hub");
    let azure = Commands::new(arguments.shell.unwrap_or_else(Shell::here), names);
    let mut all = Vec::new();
    if asks {
        all.push((
            "Derive the names from the subscription",
            azure.derive_names(ca),
        ));
    }
    all.extend([
        (
            "Register and prove the CA",
            azure.add_authority(Service::Hub, ca, &path)?,
        ),
        ("List the CAs", azure.list_authorities()),
        ("Delete the CA", azure.delete_authority(Service::Hub)),
        ("Register a device", azure.create_device(&arguments.device)?),
        ("Show telemetry", azure.monitor()),
        ("Let only certificates in", azure.enforce_x509()),
        ("Show the ID scope", azure.id_scope()),
        ("Link the hub to the provisioning service", azure.link_hub()),
        (
            "Register and prove the CA with the provisioning service",
            azure.add_authority(Service::Dps, ca, &path)?,
        ),
        (
            "Enroll all devices of the CA",
            azure.enrollment_group(ca, &path)?,
        ),
    ]);
    let mut report = Report::new();
    for (title, command) in all {
        report
            .plain(format!("# {title}\n{command}\n"))
            .field(title, command);
    }
    Ok(report)
}

impl Az {
    fn names(&self) -> Result<Names, Error> {
        let mut names = match (&self.hub, &self.subscription) {
            (Some(hub), _) => Names::of_hub(hub, &self.ca)?,
            (None, Some(id)) => Names::of_subscription(id, &self.ca, &self.group)?,
            (None, None) => Names {
                hub: Name::Variable("hub"),
                dps: Name::Variable("dps"),
                certificate: Name::Variable("certificate"),
                group: Name::text(&self.group)?,
            },
        };
        names.group = Name::text(&self.group)?;
        if let Some(dps) = &self.dps {
            names.dps = Name::text(dps)?;
        }
        Ok(names)
    }
}

pub(super) const HELP: &str = "\
Examples:
  iothub-provision hub az --hub my-hub --group my-group --dps my-dps
  iothub-provision hub az --subscription 0000acc5-0000-0000-0000-000000000000
  iothub-provision hub az --shell powershell";
