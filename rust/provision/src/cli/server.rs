//! `iothub-provision server …`

use serde_json::json;
use time::OffsetDateTime;

use crate::cli::Common;
use crate::cli::ca::{certificate_json, describe};
use crate::cli::output::Report;
use crate::error::Error;
use crate::platform::FOR_ITS_OWNER;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// The name of its files in servers/
    #[arg(default_value = "hub")]
    name: String,
    /// A host name or IP address that it is for; may be given several times
    #[arg(long = "host", required = true, value_name = "NAME")]
    hosts: Vec<String>,
}

pub(crate) fn run(
    common: &Common,
    arguments: &Arguments,
    now: OffsetDateTime,
) -> Result<Report, Error> {
    let hosts: Vec<&str> = arguments.hosts.iter().map(String::as_str).collect();
    let server = common.pki().server(&arguments.name, &hosts, now)?;
    let mut report = Report::new();
    let path = server.certificate_path().display();
    let text = format!("{path}  {}", describe(server.certificate()));
    if server.is_new() {
        report.done(text)
    } else {
        report.same(text)
    };
    report
        .plain(format!("  chain  {}", server.chain_path().display()))
        .plain(format!(
            "  key    {}{FOR_ITS_OWNER}",
            server.key_path().display()
        ));
    let mut server_json = certificate_json(server.certificate());
    server_json["names"] = json!(server.certificate().alt_names());
    server_json["chain"] = json!(server.chain_path().display().to_string());
    server_json["created"] = json!(server.is_new());
    report.field("server", server_json);
    Ok(report)
}

const HELP: &str = "\
Example:
  iothub-provision server hub --host iothub.localhost --host 127.0.0.1 --host ::1";
