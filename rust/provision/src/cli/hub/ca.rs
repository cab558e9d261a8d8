//! `iothub-provision hub ca …`

use serde_json::Value;
use time::OffsetDateTime;

use super::{Management, Where};
use crate::cli::output::Report;
use crate::cli::passphrase::SignerPassphrase;
use crate::cli::{Common, table};
use crate::error::Error;
use crate::hub::azure::{Commands, Names, Service};
use crate::hub::{Hub, Resource, azure};
use crate::pki::{AuthorityName, INTERMEDIATE};
use crate::shell::Shell;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Register a CA of the folder, proved
    #[command(after_help = ADD_HELP)]
    Add {
        #[command(flatten)]
        hub: Where,
        #[command(flatten)]
        management: Management,
        /// The CA
        #[arg(default_value = INTERMEDIATE)]
        name: AuthorityName,
        /// With the provisioning service of the emulator, for enrollments that refer to it; for
        /// Azure that is the resource id of the provisioning service
        #[arg(long)]
        dps: bool,
        /// Without proof of possession; the CA's key need not be here
        #[arg(long)]
        verified_on_upload: bool,
        #[command(flatten)]
        signer: SignerPassphrase,
    },
    /// List the registered CAs
    List {
        #[command(flatten)]
        hub: Where,
        #[command(flatten)]
        management: Management,
    },
    /// Delete a registered CA
    Delete {
        #[command(flatten)]
        hub: Where,
        #[command(flatten)]
        management: Management,
        /// The name of the CA in the hub
        name: String,
    },
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    let mut report = Report::new();
    match command {
        Command::Add {
            hub,
            management,
            name,
            dps,
            verified_on_upload,
            signer,
        } => {
            let pki = common.pki();
            let certificate = pki.authority_certificate(&name)?;
            let path = pki.authority_file(&name, "pem").display().to_string();
            let azure =
                |short: &str| commands_for(short, &name)?.add_authority(Service::Hub, &name, &path);
            let emulator = match management.named()? {
                Some(resource) => Some(resource),
                None => match only_emulator(&hub, now, &mut report, azure)? {
                    Some(emulator) => Some(emulator_resource(&hub, &emulator, dps)?),
                    None => None,
                },
            };
            if let Some(resource) = emulator {
                let proof = |code: &str| {
                    let authority = signer.open(&pki, &name)?;
                    pki.prove(&authority, code, now)
                };
                let proof = (!verified_on_upload).then_some(proof);
                let (registered, is_new) = resource.add_authority(&name, &certificate, proof)?;
                let text = match verified_on_upload {
                    true => format!("{name} is registered, without a proof"),
                    false => format!("{name} is registered and proved"),
                };
                if is_new {
                    report.done(text)
                } else {
                    report.same(text)
                };
                report.field("certificate", registered);
            }
        }
        Command::List { hub, management } => {
            let found = match management.named()? {
                Some(resource) => Some(resource.authorities()?),
                None => only_emulator(&hub, now, &mut report, |short| {
                    Ok(commands_for(short, "CA")?.list_authorities())
                })?
                .map(|hub| hub.authorities())
                .transpose()?,
            };
            if let Some(found) = found {
                report
                    .plain(authority_table(&found))
                    .field("certificates", found);
            }
        }
        Command::Delete {
            hub,
            management,
            name,
        } => {
            let azure =
                |short: &str| Ok(commands_for(short, &name)?.delete_authority(Service::Hub));
            let deleted = match management.named()? {
                Some(resource) => Some(resource.delete_authority(&name)?),
                None => only_emulator(&hub, now, &mut report, azure)?
                    .map(|hub| hub.delete_authority(&name))
                    .transpose()?,
            };
            if deleted.is_some() {
                report
                    .done(format!("{name} is deleted"))
                    .field("deleted", name);
            }
        }
    }
    Ok(report)
}

fn commands_for(hub: &str, name: &str) -> Result<Commands, Error> {
    Ok(Commands::new(Shell::here(), Names::of_hub(hub, name)?))
}

/// The emulator; for Azure the commands to be copied go into the report instead.
fn only_emulator(
    at: &Where,
    now: OffsetDateTime,
    report: &mut Report,
    commands: impl Fn(&str) -> Result<String, Error>,
) -> Result<Option<Hub>, Error> {
    if at.emulator()?.is_none()
        && let Some(access) = at.access()?
    {
        let commands = commands(azure::short_name(&access))?;
        report.plain("CA certificates are Azure Resource Manager's; give --resource-id, or run:");
        report.plain(commands.clone()).field("commands", commands);
        return Ok(None);
    }
    at.hub(now).map(Some)
}

/// The emulator's hub or its provisioning service, in Azure Resource Manager's shapes.
fn emulator_resource(at: &Where, emulator: &Hub, dps: bool) -> Result<Resource, Error> {
    let address = at.emulator()?.unwrap_or_default();
    if dps {
        return Ok(Resource::emulator(&address, None));
    }
    let hostname = emulator.about()?.hostname;
    Ok(Resource::emulator(&address, Some(&hostname)))
}

/// The columns of the table.
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
        let properties = &found["properties"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        vec![
            text(&found["name"]),
            text(&properties["subject"]),
            properties["isVerified"].to_string(),
            text(&properties["expiry"]),
        ]
    }));
    table(&rows)
}

const ADD_HELP: &str = "\
Examples:
  iothub-provision hub ca add --emulator http://127.0.0.1:8080
  iothub-provision hub ca add --connection-string-file hub.txt
  iothub-provision hub ca add --resource-id \"$(az iot hub show -n HUB --query id -o tsv)\" \\
      --bearer-token-file token.txt

The second prints the commands of the Azure CLI, the others do what they do: upload, ask for the
code, sign it, have it verified.";
