//! `iothub-emulator connection-string`: what a client of a running emulator connects with.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::Value;

use crate::ask::{self, AskError};
use crate::file_argument::{self, Unreadable};

/// Whose connection string is wanted.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the emulator's REST is
    #[arg(long, value_name = "ADDRESS", value_parser = super::address, env = "IOTHUB_EMULATOR_HTTP", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// The file with the token of the emulator, if it was started with one
    #[arg(long, value_name = "FILE", env = "IOTHUB_EMULATOR_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The token itself, for the environment of a container
    #[arg(
        long,
        value_name = "TOKEN",
        env = "IOTHUB_EMULATOR_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// The hub, if there are several and it is not the first
    #[arg(long, value_name = "NAME")]
    hub: Option<String>,
    /// The connection string of this device, in place of a service
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The connection string of this module of the device
    #[arg(long, value_name = "ID", requires = "device")]
    module: Option<String>,
    /// The connection string of the Event Hubs-compatible endpoint
    #[arg(long, conflicts_with = "device")]
    event_hub: bool,
    /// With the port of --https behind the host name, for clients that speak nothing but REST and
    /// take one
    #[arg(long, conflicts_with_all = ["device", "event_hub"])]
    rest: bool,
}

/// Why there is no connection string.
#[derive(Debug)]
pub(crate) enum FindError {
    Token(Unreadable),
    Ask(AskError),
    /// The emulator's own reason, for example that there is no such device.
    Refused(String),
    /// It refuses without a reason.
    Status {
        http: SocketAddr,
        path: String,
        status: u16,
    },
    NoAmqp,
    NoHttps,
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Ask(error) => error.fmt(f),
            Self::Refused(why) => f.write_str(why),
            Self::Status { http, path, status } => {
                write!(f, "{http} answers {path} with {status}")
            }
            Self::NoAmqp => f.write_str("this emulator has no AMQP"),
            Self::NoHttps => {
                f.write_str("this emulator was started without --https, which service SDKs need")
            }
        }
    }
}

impl std::error::Error for FindError {}

/// The connection string.
pub(crate) async fn find(arguments: &Arguments) -> Result<String, FindError> {
    let token = match (&arguments.token, &arguments.token_file) {
        (Some(token), _) => Some(token.trim().to_owned()),
        (None, Some(path)) => {
            let read = file_argument::read("--token-file ", path);
            Some(read.map_err(FindError::Token)?.trim().to_owned())
        }
        (None, None) => None,
    };
    let get = async |path: String| {
        let path = match &arguments.hub {
            Some(hub) => format!("{path}?hub={}", encoded(hub)),
            None => path,
        };
        let answer = ask::get(arguments.http, &path, token.as_deref()).await;
        let (status, body) = answer.map_err(FindError::Ask)?;
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        match status {
            200 => Ok(document),
            _ => Err(match document["Message"].as_str() {
                Some(why) => FindError::Refused(why.to_owned()),
                None => FindError::Status {
                    http: arguments.http,
                    path,
                    status,
                },
            }),
        }
    };
    let service = get("/admin/connection-string".to_owned()).await?;
    let text = |name: &str| service[name].as_str().unwrap_or_default().to_owned();
    if arguments.event_hub {
        return match text("eventHubConnectionString") {
            none if none.is_empty() => Err(FindError::NoAmqp),
            text => Ok(text),
        };
    }
    let connection_string = text("connectionString");
    let (host, rest) = connection_string.split_once(';').unwrap_or_default();
    if arguments.rest {
        let about = get("/admin".to_owned()).await?;
        let https = about["https"].as_str().and_then(|it| it.rsplit_once(':'));
        let (_, port) = https.ok_or(FindError::NoHttps)?;
        return Ok(format!("{host}:{port};{rest}"));
    }
    let Some(device) = &arguments.device else {
        return Ok(connection_string);
    };
    let (path, names) = match &arguments.module {
        Some(module) => (
            format!("/devices/{}/modules/{}", encoded(device), encoded(module)),
            format!("DeviceId={device};ModuleId={module}"),
        ),
        None => (
            format!("/devices/{}", encoded(device)),
            format!("DeviceId={device}"),
        ),
    };
    let identity = get(path).await?;
    let key = identity["authentication"]["symmetricKey"]["primaryKey"].as_str();
    Ok(match key.filter(|key| !key.is_empty()) {
        Some(key) => format!("{host};{names};SharedAccessKey={key}"),
        // It proves itself with a certificate, as Azure writes it.
        None => format!("{host};{names};x509=true"),
    })
}

/// A part of a path or a value of a query.
fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
