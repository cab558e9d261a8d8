//! `iothub-provision hub enrollment …`

use serde_json::Value;
use time::OffsetDateTime;

use super::Where;
use crate::cli::output::Report;
use crate::cli::{Common, table};
use crate::error::Error;
use crate::pki::{AuthorityName, INTERMEDIATE, Identity};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Let in every device that a CA of the folder has signed. For Azure the connection string is
    /// that of the provisioning service
    Add {
        #[command(flatten)]
        hub: Where,
        /// The name of the group
        #[arg(value_parser = group)]
        id: String,
        /// The CA
        #[arg(long, default_value = INTERMEDIATE)]
        ca: AuthorityName,
    },
    /// Let in one device of the folder, by its certificate; it goes before any group
    AddDevice {
        #[command(flatten)]
        hub: Where,
        /// The registration id: the common name of its certificate
        id: String,
        /// The device id that it gets; the registration id without it
        #[arg(long, value_name = "ID")]
        device_id: Option<String>,
    },
    /// List groups and devices
    List {
        #[command(flatten)]
        hub: Where,
    },
    /// Delete a group, or with --device the enrollment of one device; what is registered stays so
    Delete {
        #[command(flatten)]
        hub: Where,
        /// The name of the group, or the registration id
        id: String,
        /// It is the enrollment of one device
        #[arg(long)]
        device: bool,
    },
}

/// As the provisioning service takes it.
fn group(text: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    match (1..=128).contains(&text.len()) && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err("a group has 1 to 128 letters, digits and - . _ :".to_owned()),
    }
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    let mut report = Report::new();
    match command {
        Command::Add { hub, id, ca } => {
            let certificate = common.pki().authority_certificate(&ca)?;
            let made = hub.hub(now)?.put_enrollment_group(&id, &certificate)?;
            report
                .done(format!("{id} lets in what {ca} has signed"))
                .field("group", made);
            report.plain("With it a device needs no registration; its id is its common name.");
        }
        Command::AddDevice { hub, id, device_id } => {
            let device = Identity::open_device(&common.pki(), &id)?;
            let made =
                hub.hub(now)?
                    .put_enrollment(&id, device_id.as_deref(), device.certificate())?;
            let name = device_id.as_ref().unwrap_or(&id);
            report
                .done(format!("{id} is let in, as the device {name}"))
                .field("enrollment", made);
        }
        Command::List { hub } => {
            let hub = hub.hub(now)?;
            let (groups, devices) = (hub.enrollment_groups()?, hub.enrollments()?);
            let mut rows = vec![["ENROLLMENT", "OF", "STATUS"].map(str::to_owned).to_vec()];
            let mut add = |all: &[Value], of: &str, name: &str| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                rows.extend(all.iter().map(|one| {
                    let status = text(&one["provisioningStatus"]);
                    vec![text(&one[name]), of.to_owned(), status]
                }));
            };
            add(&groups, "group", "enrollmentGroupId");
            add(&devices, "device", "registrationId");
            report
                .plain(table(&rows))
                .field("groups", groups)
                .field("devices", devices);
        }
        Command::Delete { hub, id, device } => {
            if device {
                hub.hub(now)?.delete_enrollment(&id)?;
            } else {
                hub.hub(now)?.delete_enrollment_group(&id)?;
            }
            report.done(format!("{id} is deleted")).field("deleted", id);
        }
    }
    Ok(report)
}
