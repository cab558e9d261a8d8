//! `iothub-provision nrfcloud service-key` and `service-token`

use std::io::{IsTerminal as _, Write as _, stdin};
use std::path::PathBuf;

use super::Access;
use crate::cli::output::Report;
use crate::cli::usage;
use crate::error::{Error, Kind};
use crate::files;
use crate::nrfcloud::{Api, ServiceToken};
use crate::pki::Key;
use crate::platform::FOR_ITS_OWNER;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ServiceKey {
    #[command(flatten)]
    access: Access,
    /// Where the private key goes, for its owner alone
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the token goes that comes with it, valid for a year
    #[arg(long, value_name = "FILE")]
    new_token_file: Option<PathBuf>,
    /// Do not ask, though the tokens of an earlier service key end
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Service {
    #[command(flatten)]
    access: Access,
    /// The token for trying the location services out, in place of that of the service key
    #[arg(long)]
    evaluation: bool,
    /// Make the evaluation token; the first time begins its 30 days
    #[arg(long, requires = "evaluation")]
    begin: bool,
}

pub(super) fn key(arguments: &ServiceKey) -> Result<Report, Error> {
    let outs = [Some(&arguments.out), arguments.new_token_file.as_ref()];
    for out in outs.into_iter().flatten() {
        files::has_place(out)?;
        if out.exists() {
            return Err(
                Error::new(Kind::Exists, format!("{} is there already", out.display()))
                    .advise("give another name: a key that is in use stands in no other place"),
            );
        }
    }
    if arguments.new_token_file.as_ref() == Some(&arguments.out) {
        return Err(usage("key and token cannot go into one file"));
    }
    let api = Api::new(&arguments.access.api, arguments.access.key()?);
    confirm(arguments.yes)?;
    let (key, token) = api.new_service_key()?;
    // The old key is gone with the call: whatever it is, it is kept.
    files::write_private(&arguments.out, key.expose())?;
    let mut report = Report::new();
    let out = arguments.out.display().to_string();
    report.done(format!("{out}{FOR_ITS_OWNER}: the service key of the team"));
    if let Some(path) = &arguments.new_token_file {
        files::write_private(path, &format!("{}\n", token.expose()))?;
        report.done(format!("{}{FOR_ITS_OWNER}: its token", path.display()));
    }
    if Key::from_pem(key.expose(), None).is_err() {
        report.warning("the key is in no form that this tool can sign with");
    }
    report
        .plain(format!(
            "Next: iothub-provision nrfcloud jwt --key {} --aud TEAM_ID",
            Shell::here().quoted(&out)
        ))
        .field("key", out);
    Ok(report)
}

pub(super) fn token(arguments: &Service) -> Result<Report, Error> {
    let api = Api::new(&arguments.access.api, arguments.access.key()?);
    let which = match (arguments.evaluation, arguments.begin) {
        (false, _) => ServiceToken::OfKey,
        (true, false) => ServiceToken::Evaluation,
        (true, true) => ServiceToken::NewEvaluation,
    };
    let token = api.service_token(which)?;
    let mut report = Report::new();
    report.plain(token.expose()).field("token", token.expose());
    Ok(report)
}

/// nRF Cloud keeps one service key a team, and says of none whether it is in use.
fn confirm(yes: bool) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(usage(
            "a new service key ends every token of an earlier one, and nobody can be asked",
        )
        .advise("give --yes if that is what you want"));
    }
    eprint!("A new service key ends every token of an earlier one. Make it? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = stdin().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(usage("no service key was made")),
    }
}

pub(super) const KEY_HELP: &str = "\
Example:
  iothub-provision nrfcloud service-key --api-key-file api-key.txt --out service.key
  iothub-provision nrfcloud jwt --key service.key --aud TEAM_ID --days 30

Only the owner of a team may make one, and a team has one at a time.";

pub(super) const TOKEN_HELP: &str = "\
Examples:
  iothub-provision nrfcloud service-token --api-key-file api-key.txt > token.txt
  iothub-provision nrfcloud service-token --evaluation --begin --api-key-file api-key.txt > token.txt

The token opens the location services for whoever has it: keep it like a password.";
