//! `iothub-provision device …`

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cli::ca::{certificate_json, describe};
use crate::cli::export::{self, Export};
use crate::cli::output::{Report, progress};
use crate::cli::passphrase::SignerPassphrase;
use crate::cli::{Common, Making, table};
use crate::error::{Error, Kind};
use crate::files;
use crate::pki::{
    Authority, AuthorityName, Check, INTERMEDIATE, Identity, IdentityOptions, KeySource, Pki,
    Profile, SigningRequest, Validity, imei_warning, read_certificates, read_request,
    verify_device, verify_thumbprint,
};
use crate::platform::FOR_ITS_OWNER;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a device certificate, with a key made here or from a signing request
    #[command(after_help = CREATE_HELP)]
    Create(Create),
    /// Check what IoT Hub will check: chain, dates, common name, purpose
    Verify(Verify),
    /// List the devices in the folder
    List,
    /// Write CA, chain and key of a device into one folder, for an image that has them built in
    Export(Export),
    /// Make certificates for every device of a CSV file
    #[command(after_help = BATCH_HELP)]
    Batch(Batch),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Signing {
    /// The CA that signs
    #[arg(long, default_value = INTERMEDIATE)]
    issuer: AuthorityName,
    /// Make it anew even if a good one is there
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    signer: SignerPassphrase,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The device id, which becomes the common name; ID/MODULE for a module
    id: String,
    /// The key is elsewhere; this is its signing request
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    #[command(flatten)]
    signing: Signing,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The device id
    id: String,
    /// The chain to check, if not the one in the folder
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// The trusted roots, if not those in the folder
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// It is registered by its thumbprint: nobody need have signed it, and it may be a CA's
    #[arg(long, conflicts_with = "root")]
    thumbprint: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Batch {
    /// CSV with a head; the column deviceId is the device id, csr the path of a signing request
    file: PathBuf,
    /// Go on with the next device after a failure
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    signing: Signing,
}

pub(crate) fn run(common: &Common, command: Command, now: OffsetDateTime) -> Result<Report, Error> {
    let pki = common.pki();
    match command {
        Command::Create(arguments) => create(&pki, &arguments, now),
        Command::Verify(arguments) => verify(&pki, &arguments, now),
        Command::List => list(&pki, now),
        Command::Export(arguments) => export::run(common, &arguments),
        Command::Batch(arguments) => batch(common, &pki, &arguments, now),
    }
}

fn create(pki: &Pki, arguments: &Create, now: OffsetDateTime) -> Result<Report, Error> {
    let authority = arguments
        .signing
        .signer
        .open(pki, &arguments.signing.issuer)?;
    let request = arguments.csr.as_deref().map(read_request).transpose()?;
    let made = make(
        pki,
        &authority,
        &arguments.id,
        request.as_ref(),
        &arguments.signing,
        now,
    )?;
    let mut report = Report::new();
    let text = format!(
        "{}  {}",
        made.certificate_path().display(),
        describe(made.certificate())
    );
    if made.is_new() {
        report.done(text)
    } else {
        report.same(text)
    };
    report.plain(format!("  chain  {}", made.chain_path().display()));
    match &request {
        None => report.plain(format!(
            "  key    {}{FOR_ITS_OWNER}",
            made.key_path().display()
        )),
        Some(_) => report.plain("  key    where the signing request was made"),
    };
    let mut warnings = Vec::new();
    warnings.extend(imei_warning(&arguments.id));
    warnings.extend(
        request
            .as_ref()
            .and_then(|request| doubts(request, &arguments.id)),
    );
    for warning in &warnings {
        report.warning(warning.clone());
    }
    report
        .field("device", device_json(&made))
        .field("warnings", warnings);
    Ok(report)
}

fn verify(pki: &Pki, arguments: &Verify, now: OffsetDateTime) -> Result<Report, Error> {
    let chain = match &arguments.chain {
        Some(path) => read_certificates(path)?,
        None => Identity::open_device(pki, &arguments.id)?.chain().to_vec(),
    };
    if arguments.thumbprint {
        let checks = verify_thumbprint(&arguments.id, &chain[0], now);
        return Ok(checked(checks, &arguments.id));
    }
    let roots = match &arguments.root {
        Some(path) => read_certificates(path)?,
        None => pki.roots()?,
    };
    Ok(checked(
        verify_device(&arguments.id, &chain, &roots, now),
        &arguments.id,
    ))
}

fn list(pki: &Pki, now: OffsetDateTime) -> Result<Report, Error> {
    let mut rows = vec![
        ["DEVICE", "KEY", "UNTIL", "DAYS", "ISSUER"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut found = Vec::new();
    for id in ids(pki)? {
        let device = Identity::open_device(pki, &id)?;
        let certificate = device.certificate();
        let days = (certificate.not_after() - now).whole_days();
        rows.push(vec![
            id,
            certificate.key_kind().to_owned(),
            certificate.not_after().date().to_string(),
            days.to_string(),
            certificate.issuer().to_owned(),
        ]);
        found.push(device_json(&device));
    }
    let mut report = Report::new();
    report.plain(table(&rows)).field("devices", found);
    Ok(report)
}

fn batch(
    common: &Common,
    pki: &Pki,
    arguments: &Batch,
    now: OffsetDateTime,
) -> Result<Report, Error> {
    let rows = read_rows(&arguments.file)?;
    let authority = arguments
        .signing
        .signer
        .open(pki, &arguments.signing.issuer)?;
    let mut report = Report::new();
    let mut results = Vec::new();
    let (mut made, mut same, mut failed) = (0, 0, Vec::new());
    let bar = progress(common.json, rows.len());
    for row in &rows {
        bar.set_message(row.id.clone());
        bar.inc(1);
        let outcome = row.request().and_then(|request| {
            make(
                pki,
                &authority,
                &row.id,
                request.as_ref(),
                &arguments.signing,
                now,
            )
        });
        match outcome {
            Ok(device) => {
                if device.is_new() {
                    made += 1
                } else {
                    same += 1
                };
                results.push(json!({"deviceId": row.id, "created": device.is_new(),
                    "chain": device.chain_path().display().to_string()}));
            }
            Err(error) => {
                report.failed(format!(
                    "line {}: {}: {}",
                    row.line,
                    row.id,
                    error.message()
                ));
                results.push(json!({"deviceId": row.id, "error": error.message()}));
                failed.push(error);
                if !arguments.keep_going {
                    break;
                }
            }
        }
    }
    bar.finish_and_clear();
    let count = format!("{made} made, {same} there already, {} failed", failed.len());
    match failed.is_empty() {
        true => report.done(count),
        false => report.failed(count),
    };
    report
        .field("devices", results)
        .field("made", made)
        .field("same", same);
    report.field("failed", failed.len());
    if let Some(first) = failed.first() {
        let left = rows.len() - made - same;
        report.fail_with(
            Error::new(
                first.kind(),
                format!("{left} of {} devices have no certificate", rows.len()),
            )
            .advise("correct the file and run the same command again; what is made stays"),
        );
    }
    Ok(report)
}

fn make(
    pki: &Pki,
    authority: &Authority,
    id: &str,
    request: Option<&SigningRequest>,
    signing: &Signing,
    now: OffsetDateTime,
) -> Result<Identity, Error> {
    let making = &signing.making;
    let options = IdentityOptions {
        profile: Profile::Device,
        name: id,
        subject: making.subject(id)?,
        key: request.map_or(KeySource::Generate(making.algorithm), KeySource::Request),
        validity: Validity::days(now, making.days)?,
        replace: signing.replace,
    };
    Identity::create(pki, authority, &options, now)
}

/// A report of checks that fails if one of them has.
pub(crate) fn checked(checks: Vec<Check>, id: &str) -> Report {
    let mut report = Report::new();
    for check in &checks {
        let found = if check.found.is_empty() {
            String::new()
        } else {
            format!(": {}", check.found)
        };
        let text = format!("{}{found}", check.what);
        if check.passed {
            report.done(text)
        } else {
            report.failed(text)
        };
    }
    let failed = checks.iter().filter(|check| !check.passed).count();
    report.field("checks", serde_json::to_value(&checks).unwrap_or_default());
    if failed > 0 {
        let advice = checks
            .iter()
            .filter(|check| !check.passed)
            .find_map(|check| check.advice.clone())
            .unwrap_or("make the certificate anew with device create --replace".to_owned());
        report.fail_with(
            Error::new(
                Kind::Trust,
                format!("{failed} of {} checks failed for {id}", checks.len()),
            )
            .advise(advice),
        );
    }
    report
}

fn doubts(request: &SigningRequest, id: &str) -> Option<String> {
    if request.asks_for_ca() {
        return Some("the request asks to become a CA; a device certificate never is".to_owned());
    }
    match request.common_name() {
        Some(name) if name != id => Some(format!(
            "the request names {name}; the certificate names {id}"
        )),
        _ => None,
    }
}

fn device_json(device: &Identity) -> Value {
    let mut entry = certificate_json(device.certificate());
    entry["deviceId"] = json!(device.name());
    entry["certificate"] = json!(device.certificate_path().display().to_string());
    entry["chain"] = json!(device.chain_path().display().to_string());
    entry["created"] = json!(device.is_new());
    entry["sha1Thumbprint"] = json!(device.certificate().thumbprint_sha1());
    entry
}

fn ids(pki: &Pki) -> Result<Vec<String>, Error> {
    let folder = pki.home().join("devices");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| Error::file(&folder, "read the folder", &error))?;
    let mut ids: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| {
            let id = name.strip_suffix(".pem")?;
            (!id.ends_with(".chain")).then(|| id.replace("%2F", "/"))
        })
        .collect();
    ids.sort();
    Ok(ids)
}

struct Row {
    line: u64,
    id: String,
    csr: Option<PathBuf>,
}

impl Row {
    fn request(&self) -> Result<Option<SigningRequest>, Error> {
        self.csr.as_deref().map(read_request).transpose()
    }
}

fn read_rows(path: &Path) -> Result<Vec<Row>, Error> {
    let text = files::read(path)?;
    let wrong = |message: String| {
        Error::new(Kind::Content, format!("{}: {message}", path.display()))
            .advise("the first line is the head and must have the column deviceId")
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let head = reader
        .headers()
        .map_err(|error| wrong(error.to_string()))?
        .clone();
    let column = |name: &str| {
        head.iter()
            .position(|found| found.eq_ignore_ascii_case(name))
    };
    let id_column = column("deviceId").ok_or_else(|| wrong("no column deviceId".to_owned()))?;
    let csr_column = column("csr");
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let cell = |at: usize| {
            record
                .get(at)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
        };
        let line = record.position().map_or(0, csv::Position::line);
        let Some(id) = cell(id_column) else {
            return Err(wrong(format!("line {line} has no device id")));
        };
        if !seen.insert(id.clone()) {
            return Err(wrong(format!(
                "line {line}: the device id {id} stands there twice"
            )));
        }
        rows.push(Row {
            line,
            id,
            csr: csr_column.and_then(cell).map(PathBuf::from),
        });
    }
    if rows.is_empty() {
        return Err(wrong("no line follows the head".to_owned()));
    }
    Ok(rows)
}

const CREATE_HELP: &str = "\
Examples:
  iothub-provision device create 352656100367872
  iothub-provision device create thermostat-7 --algorithm rsa2048 --days 365
  iothub-provision device create 352656100367872 --csr from-the-modem.csr
  iothub-provision device create 352656100367872/camera

From a request only the public key is taken; name and extensions are decided here.";

const BATCH_HELP: &str = "\
Example:
  iothub-provision device batch devices.csv --keep-going

with devices.csv as:
  deviceId,csr
  352656100367872,
  352656100367880,requests/352656100367880.csr

Running it again makes only what is missing.";
