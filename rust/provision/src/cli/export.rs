//! `iothub-provision device export`

use std::path::PathBuf;

use crate::cli::Common;
use crate::cli::output::Report;
use crate::error::{Error, Kind};
use crate::files;
use crate::pki::{Certificate, Identity, read_certificates};
use crate::secret::Secret;
use crate::up::azure_roots;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Export {
    /// The device id; its key must have been made here
    id: String,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What the device checks the hub against, PEM; Azure's roots without it
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Overwrite what is in the folder
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(common: &Common, arguments: &Export) -> Result<Report, Error> {
    let device = Identity::open_device(&common.pki(), &arguments.id)?;
    let roots = match &arguments.ca {
        Some(path) => read_certificates(path)?,
        None => azure_roots()?,
    };
    let ca: String = roots.iter().map(Certificate::pem).collect();
    let wanted = [
        ("ca.pem", Secret::new(ca)),
        ("cert.pem", Secret::new(device.chain_pem())),
        ("key.pem", device.key_pem()?),
    ];
    let mut report = Report::new();
    let mut missing = Vec::new();
    for (name, content) in &wanted {
        let path = arguments.out.join(name);
        let is_there = path.exists();
        if is_there && files::read(&path)? == content.expose() {
            report.same(path.display().to_string());
        } else if is_there && !arguments.replace {
            return Err(
                Error::new(Kind::Exists, format!("{} is another file", path.display()))
                    .advise("use --replace to overwrite it, or another --out"),
            );
        } else {
            missing.push((path, content));
        }
    }
    files::create_private_folder(&arguments.out)?;
    for (path, content) in missing {
        files::write_private(&path, content.expose())?;
        report.done(path.display().to_string());
    }
    report
        .warning(
            "the private key is in this folder too: for development, and never in version control",
        )
        .field("folder", arguments.out.display().to_string())
        .field("deviceId", arguments.id.clone());
    Ok(report)
}

const HELP: &str = "\
Examples:
  iothub-provision device export ID --out credentials
  iothub-provision device export ID --out credentials --ca dev-certs/rootca/rootca.pem

Writes ca.pem, cert.pem and key.pem, which CONFIG_IOTHUB_CREDENTIALS_DIR compiles into an image for
development and the native_sim program takes with --credentials.";
