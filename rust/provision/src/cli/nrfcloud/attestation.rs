//! `iothub-provision nrfcloud attestation-csv` and `claim`

use std::path::PathBuf;

use serde_json::json;
use time::OffsetDateTime;

use crate::cli::modem::Line;
use crate::cli::output::Report;
use crate::cli::passphrase::from_file;
use crate::error::{Error, Kind};
use crate::files;
use crate::nrfcloud::{Api, Attestation, attestations, with_attestation};

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    line: Line,
    /// The list; a device that is in it gets its new token
    #[arg(long, value_name = "FILE", default_value = "attestation_tokens.csv")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Claim {
    /// The list of attestation-csv
    file: PathBuf,
    /// The API key of the team is the first line of FILE
    #[arg(long, value_name = "FILE")]
    api_key_file: PathBuf,
    /// A group that the devices belong to; may be given several times
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// The address of the Provisioning Service
    #[arg(
        long,
        value_name = "URL",
        value_parser = crate::http::address,
        default_value = "https://api.provisioning.nrfcloud.com"
    )]
    api: String,
}

pub(super) fn list(arguments: &List, now: OffsetDateTime) -> Result<Report, Error> {
    let mut modem = arguments.line.open()?;
    let (imei, model) = (modem.imei()?, modem.ask("AT+CGMM")?);
    let found = Attestation::read(&imei, &modem.ask("AT%ATTESTTOKEN")?)?;
    let old = match arguments.out.exists() {
        true => files::read(&arguments.out)?,
        false => String::new(),
    };
    let new =
        with_attestation(&old, &found, now).map_err(|error| error.at(arguments.out.display()))?;
    files::write_public(&arguments.out, &new)?;
    let mut report = Report::new();
    report.done(format!(
        "{}  IMEI {imei}, device {}",
        arguments.out.display(),
        found.uuid
    ));
    if model.starts_with("nRF9160") {
        report.warning("the Provisioning Service does not take an nRF9160: use submit");
    }
    report
        .field("imei", imei)
        .field("uuid", found.uuid)
        .field("csv", arguments.out.display().to_string());
    Ok(report)
}

pub(super) fn claim(arguments: &Claim) -> Result<Report, Error> {
    let list = files::read(&arguments.file)?;
    let devices = attestations(&list).map_err(|error| error.at(arguments.file.display()))?;
    if devices.is_empty() {
        return Err(Error::new(
            Kind::Content,
            format!("{}: there is no device in it", arguments.file.display()),
        )
        .advise("iothub-provision nrfcloud attestation-csv writes such a list"));
    }
    let api = Api::new(&arguments.api, from_file(&arguments.api_key_file)?);
    let mut report = Report::new();
    let (mut claimed, mut failed) = (Vec::new(), None);
    for device in &devices {
        match api.claim(&device.token, &arguments.tags) {
            Ok(()) => {
                report.done(format!("{} is claimed", device.uuid));
                claimed.push(json!(device.uuid));
            }
            Err(error) => {
                report.failed(format!("{}: {}", device.uuid, error.message()));
                let kind = error.kind();
                failed.get_or_insert(error);
                // The next would be refused as well.
                if matches!(kind, Kind::Denied | Kind::Unreachable) {
                    break;
                }
            }
        }
    }
    let count = claimed.len();
    report.field("claimed", claimed);
    if let Some(first) = failed {
        let text = format!(
            "{} of {} devices are not claimed",
            devices.len() - count,
            devices.len()
        );
        report.fail_with(
            Error::new(first.kind(), text).advise(
                first
                    .advice()
                    .unwrap_or("correct the list and run the same command again"),
            ),
        );
    }
    Ok(report)
}

pub(super) const LIST_HELP: &str = "\
Example:
  iothub-provision nrfcloud attestation-csv --port /dev/ttyACM0 --out attestation_tokens.csv";

pub(super) const HELP: &str = "\
Example:
  iothub-provision nrfcloud attestation-csv --port /dev/ttyACM0
  iothub-provision nrfcloud claim attestation_tokens.csv --api-key-file api-key.txt

The list has one device a line: IMEI, UUID, token, time.";
