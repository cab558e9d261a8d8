//! `iothub-provision nrfcloud …`

mod attestation;
mod service;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::cli::modem::Line;
use crate::cli::output::Report;
use crate::cli::passphrase::{from_file, opened};
use crate::cli::{Common, usage};
use crate::error::{Error, Kind};
use crate::files;
use crate::modem::check_quoted;
use crate::nrfcloud::{
    Api, FirmwareType, OnboardRow, Operation, Target, onboard_csv, public_keys_csv, sign, verify,
};
use crate::pem;
use crate::pki::{self, Identity, Key, read_certificate};
use crate::secret::Secret;
use crate::shell::Shell;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a token (ES256) with a key file, or have the modem make it
    #[command(after_help = JWT_HELP)]
    Jwt(Jwt),
    /// Verify a token against a public key or a certificate
    Verify(Verify),
    /// Write the CSV of OnboardDevices
    OnboardCsv(Onboard),
    /// Write the CSV of RegisterPublicKeys
    PublicKeysCsv(PublicKeys),
    /// Send a CSV and wait for the outcome
    Submit(Submit),
    /// Call an endpoint with a token
    Get(Get),
    /// Have the modem attest who it is, and add that to a list
    #[command(after_help = attestation::LIST_HELP)]
    AttestationCsv(attestation::List),
    /// Claim the devices of such a list for a team
    #[command(after_help = attestation::HELP)]
    Claim(attestation::Claim),
    /// Have nRF Cloud make the service key of a team, which signs proxy tokens
    #[command(after_help = service::KEY_HELP)]
    ServiceKey(service::ServiceKey),
    /// Show the token of the service key, or the one for evaluation
    #[command(after_help = service::TOKEN_HELP)]
    ServiceToken(service::Service),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Jwt {
    /// The private key, EC P-256 as PKCS#8 or SEC1; without it the modem signs
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The passphrase of the key is the first line of FILE
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    line: Line,
    /// The security tag of the modem's key; its identity key without it
    #[arg(long, conflicts_with = "key")]
    tag: Option<u32>,
    /// The device id
    #[arg(long, value_name = "DEVICE_ID")]
    sub: Option<String>,
    /// The chip and the device id, as nrf9160.DEVICE_ID, in place of --sub
    #[arg(
        long,
        value_name = "CHIP.DEVICE_ID",
        conflicts_with = "sub",
        requires = "key"
    )]
    iss: Option<String>,
    /// The team id: a proxy token, signed with a service key
    #[arg(long, value_name = "TEAM_ID")]
    aud: Option<String>,
    /// How many days it is valid; 0 is for ever. A proxy token has 30, others none
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The token, or the file that holds it
    token: String,
    /// A public key or a certificate, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Onboard {
    /// The devices of the folder, or ID=FILE for a certificate elsewhere
    #[arg(required = true, value_name = "ID[=FILE]")]
    devices: Vec<String>,
    /// What kind of thing they are
    #[arg(long, default_value = "")]
    sub_type: String,
    /// A group that they belong to; may be given several times
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// What may be updated
    #[arg(long = "fw", value_enum, value_delimiter = ',', ignore_case = true)]
    #[arg(default_value = "APP,MODEM")]
    firmware: Vec<FirmwareType>,
    /// Where it goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PublicKeys {
    /// The devices of the folder, or ID=FILE for a public key or certificate elsewhere
    #[arg(required = true, value_name = "ID[=FILE]")]
    devices: Vec<String>,
    /// Where it goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Where nRF Cloud is, and what opens it.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// The API key is the first line of FILE; the variable NRF_CLOUD_API_KEY is read too
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// The address of the interface
    #[arg(long, value_name = "URL", default_value = "https://api.nrfcloud.com")]
    #[arg(value_parser = crate::http::address)]
    api: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Submit {
    /// Which list it is
    #[arg(value_enum)]
    target: Target,
    /// The CSV
    file: PathBuf,
    #[command(flatten)]
    access: Access,
    /// How often the outcome is asked for
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
    /// Give up after this time; the operation goes on
    #[arg(long = "patience", value_name = "SECONDS", default_value_t = 600)]
    time_limit: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The path with its query, such as '/v1/location/agnss?requestType=…'
    #[arg(value_parser = path)]
    path: String,
    /// The token is the first line of FILE
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The address of the interface
    #[arg(long, value_name = "URL", default_value = "https://api.nrfcloud.com")]
    #[arg(value_parser = crate::http::address)]
    api: String,
    /// Only these bytes, as 0-500
    #[arg(long, value_name = "FROM-TO", value_parser = range)]
    bytes: Option<String>,
    /// Where the answer goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    match command {
        Command::Jwt(arguments) => jwt(&arguments, now),
        Command::Verify(arguments) => check(&arguments, now),
        Command::OnboardCsv(arguments) => onboard(common, &arguments),
        Command::PublicKeysCsv(arguments) => public_keys(common, &arguments),
        Command::Submit(arguments) => submit(&arguments),
        Command::Get(arguments) => get(&arguments),
        Command::AttestationCsv(arguments) => attestation::list(&arguments, now),
        Command::Claim(arguments) => attestation::claim(&arguments),
        Command::ServiceKey(arguments) => service::key(&arguments),
        Command::ServiceToken(arguments) => service::token(&arguments),
    }
}

fn jwt(arguments: &Jwt, now: OffsetDateTime) -> Result<Report, Error> {
    let days = arguments.days.unwrap_or(if arguments.aud.is_some() {
        PROXY_DAYS
    } else {
        0
    });
    let token = match &arguments.key {
        Some(path) => {
            let key = read_key(path, arguments.passphrase_file.as_deref())?;
            sign(&key, &claims(arguments, days, now)?)?
        }
        None => from_modem(arguments, days)?,
    };
    let mut report = Report::new();
    report.plain(token.clone()).field("token", token);
    Ok(report)
}

fn claims(arguments: &Jwt, days: u32, now: OffsetDateTime) -> Result<Value, Error> {
    let mut claims = Map::new();
    let given = [
        ("sub", &arguments.sub),
        ("iss", &arguments.iss),
        ("aud", &arguments.aud),
    ];
    for (name, value) in given {
        if value.as_deref() == Some("") {
            return Err(usage(format!(
                "--{name} is empty, and the token would name nobody"
            )));
        }
        claims.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    if claims.is_empty() {
        return Err(usage("the token would name nobody")
            .advise("give --sub DEVICE_ID, --iss CHIP.DEVICE_ID or --aud TEAM_ID"));
    }
    if days > 0 {
        claims.insert(
            "exp".to_owned(),
            json!(now.unix_timestamp() + i64::from(days) * DAY_S),
        );
    }
    Ok(Value::Object(claims))
}

fn from_modem(arguments: &Jwt, days: u32) -> Result<String, Error> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let tag = arguments
        .tag
        .map(|tag| format!(",{tag},2"))
        .unwrap_or_default();
    let (sub, aud) = (text(&arguments.sub), text(&arguments.aud));
    [&sub, &aud]
        .into_iter()
        .try_for_each(|text| check_quoted(text))?;
    let lifetime = i64::from(days) * DAY_S;
    let command = format!("AT%JWT=0,{lifetime},\"{sub}\",\"{aud}\"{tag}");
    let answer = arguments.line.open()?.ask(&command)?;
    let token = answer
        .strip_prefix("%JWT:")
        .map(|token| token.trim().trim_matches('"'));
    token
        .map(str::to_owned)
        .ok_or_else(|| Error::new(Kind::NoAnswer, "the answer to AT%JWT holds no token"))
}

fn check(arguments: &Verify, now: OffsetDateTime) -> Result<Report, Error> {
    let path = Path::new(&arguments.token);
    let text = if path.is_file() {
        files::read(path)?
    } else {
        arguments.token.clone()
    };
    let token = verify(&text, &read_public_key(&arguments.key)?)?;
    let mut report = Report::new();
    report
        .done("the signature fits the key")
        .plain(token.claims.to_string());
    report.field("claims", token.claims.clone());
    match token.claims["exp"].as_i64() {
        None => report.warning("it has no exp: it is valid for as long as its key is"),
        Some(end) if end < now.unix_timestamp() => report
            .fail_with(Error::new(Kind::Trust, "the token has expired").advise("make a new one")),
        Some(end) => report.done(format!(
            "valid for {} more hours",
            (end - now.unix_timestamp()) / 3600
        )),
    };
    Ok(report)
}

fn onboard(common: &Common, arguments: &Onboard) -> Result<Report, Error> {
    let mut devices = Vec::new();
    for device in &arguments.devices {
        devices.push(match device.split_once('=') {
            Some((id, file)) => (id.to_owned(), read_certificate(Path::new(file))?),
            None => {
                let identity = Identity::open_device(&common.pki(), device)?;
                (device.clone(), identity.certificate().clone())
            }
        });
    }
    let rows: Vec<OnboardRow<'_>> = devices
        .iter()
        .map(|(id, certificate)| OnboardRow {
            id,
            sub_type: &arguments.sub_type,
            tags: &arguments.tags,
            firmware: &arguments.firmware,
            certificate,
        })
        .collect();
    files::write_public(&arguments.out, &onboard_csv(&rows)?)?;
    let mut report = written(&arguments.out, rows.len(), "devices");
    for (id, certificate) in &devices {
        if certificate.key_kind() != "EC P-256" {
            let kind = certificate.key_kind();
            report.warning(format!(
                "{id} has a key of kind {kind}; tokens need EC P-256"
            ));
        }
    }
    Ok(report)
}

fn public_keys(common: &Common, arguments: &PublicKeys) -> Result<Report, Error> {
    let mut rows = Vec::new();
    for device in &arguments.devices {
        rows.push(match device.split_once('=') {
            Some((id, file)) => (
                id.to_owned(),
                pem::encode("PUBLIC KEY", &read_public_key(Path::new(file))?),
            ),
            None => {
                let identity = Identity::open_device(&common.pki(), device)?;
                (device.clone(), identity.certificate().public_key_pem())
            }
        });
    }
    files::write_public(&arguments.out, &public_keys_csv(&rows)?)?;
    Ok(written(&arguments.out, rows.len(), "public-keys"))
}

fn written(out: &Path, rows: usize, target: &str) -> Report {
    let mut report = Report::new();
    report
        .done(format!("{}  {rows} devices", out.display()))
        .plain(format!(
            "Next: iothub-provision nrfcloud submit {target} {}",
            Shell::here().quoted(&out.display().to_string())
        ))
        .field("csv", out.display().to_string())
        .field("devices", rows);
    report
}

fn submit(arguments: &Submit) -> Result<Report, Error> {
    let key = arguments.access.key()?;
    let api = Api::new(&arguments.access.api, key);
    let list = files::read(&arguments.file)?;
    if list.trim().is_empty() {
        return Err(Error::new(
            Kind::Content,
            format!("{} is empty", arguments.file.display()),
        )
        .advise("onboard-csv and public-keys-csv write such lists"));
    }
    let id = api.submit(arguments.target, &list)?;
    let mut report = Report::new();
    report
        .done(format!("sent; bulk operation {id}"))
        .field("bulkOpsRequestId", id.clone());
    let rounds = (arguments.time_limit as f64 / arguments.every.max(0.01)).ceil() as u64;
    for _ in 0..rounds.max(1) {
        match api
            .operation(&id)
            .map_err(|error| error.at(format!("operation {id}")))?
        {
            Operation::Running(_) => {
                std::thread::sleep(Duration::from_secs_f64(arguments.every.max(0.01)));
            }
            Operation::Succeeded => {
                report
                    .done("all devices were taken")
                    .field("status", "SUCCEEDED");
                return Ok(report);
            }
            Operation::Failed(errors) => {
                for (row, message) in &errors {
                    report.failed(format!("row {row}: {message}"));
                }
                report.field("status", "FAILED").field(
                    "errors",
                    errors
                        .iter()
                        .map(|(row, m)| json!({"row": row, "message": m}))
                        .collect::<Vec<_>>(),
                );
                report.fail_with(
                    Error::new(
                        Kind::Server,
                        format!("nRF Cloud refused {} rows", errors.len()),
                    )
                    .advise("correct these rows and send them again"),
                );
                return Ok(report);
            }
        }
    }
    report.fail_with(
        Error::new(
            Kind::HalfDone,
            format!("operation {id} is not finished yet"),
        )
        .advise("look at it later on nRF Cloud; do not send the list again"),
    );
    Ok(report)
}

fn get(arguments: &Get) -> Result<Report, Error> {
    let api = Api::new(&arguments.api, from_file(&arguments.token_file)?);
    let range = arguments
        .bytes
        .as_ref()
        .map(|bytes| format!("bytes={bytes}"));
    files::has_place(&arguments.out)?;
    files::spares_keys(&arguments.out)?;
    let (status, body) = api.get(&arguments.path, range.as_deref())?;
    std::fs::write(&arguments.out, &body)
        .map_err(|error| Error::file(&arguments.out, "write", &error))?;
    let mut report = Report::new();
    report
        .done(format!(
            "{}  {} bytes, status {status}",
            arguments.out.display(),
            body.len()
        ))
        .field("status", status)
        .field("bytes", body.len());
    Ok(report)
}

impl Access {
    fn key(&self) -> Result<Secret, Error> {
        match &self.api_key_file {
            Some(path) => from_file(path),
            None => std::env::var("NRF_CLOUD_API_KEY")
                .map(Secret::new)
                .map_err(|_| {
                    Error::new(Kind::Denied, "there is no API key")
                        .advise("give --api-key-file FILE or set NRF_CLOUD_API_KEY")
                }),
        }
    }
}

/// Bytes as the header `Range` has them (RFC 9110, section 14.1.2): from, from and to, or the last
/// ones.
fn range(text: &str) -> Result<String, String> {
    let number = |text: &str| text.is_empty() || text.parse::<u64>().is_ok();
    let is_range = text
        .split_once('-')
        .is_some_and(|(from, to)| text.len() > 1 && number(from) && number(to));
    match is_range {
        true => Ok(text.to_owned()),
        false => Err("bytes are FROM-TO, as 0-500".to_owned()),
    }
}

/// A path as a request has it.
fn path(text: &str) -> Result<String, String> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err("a path begins with /".to_owned()),
    }
}

fn read_key(path: &Path, passphrase_file: Option<&Path>) -> Result<Key, Error> {
    let given = passphrase_file.map(from_file).transpose()?;
    opened(given, &path.display().to_string(), |passphrase| {
        pki::read_key(path, passphrase)
    })
}

/// DER of a public key, out of `PUBLIC KEY` or a certificate.
fn read_public_key(path: &Path) -> Result<Vec<u8>, Error> {
    if let Ok(found) = read_certificate(path) {
        return Ok(found.public_key().to_vec());
    }
    let text = files::read(path)?;
    let found = pem::blocks_labelled(&text, "PUBLIC KEY");
    Ok(found
        .map_err(|error| error.at(path.display()))?
        .swap_remove(0)
        .der)
}

const PROXY_DAYS: u32 = 30;
const DAY_S: i64 = 86_400;

const JWT_HELP: &str = "\
Examples:
  iothub-provision nrfcloud jwt --key device.key --sub DEVICE_ID
  iothub-provision nrfcloud jwt --key service.key --aud TEAM_ID --days 30
  iothub-provision nrfcloud jwt --port /dev/ttyACM0 --tag 16842753 --sub DEVICE_ID

The token opens what its key opens: keep it like a password.";
