//! `iothub-emulator`: a local Azure IoT Hub.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use iothub_emulator::{Emulator, Identity, LogFormat, Options, Settings, StartError};
use tokio::signal::unix::{SignalKind, signal};

/// A local Azure IoT Hub: devices connect over MQTT, services over REST, people with a browser.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Transfer>,
    /// The hub's host name, as it stands in certificates and user names
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    hostname: String,
    /// Where devices connect (MQTT over TLS 1.2); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8883")]
    mqtt: SocketAddr,
    /// REST and web page; beyond loopback a token is needed
    #[arg(
        long,
        visible_alias = "listen",
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8080"
    )]
    http: SocketAddr,
    /// REST over HTTPS as well, for service clients that speak nothing else
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    https: Option<SocketAddr>,
    /// The host name of one more hub, to which devices can be provisioned; may be repeated
    #[arg(long = "hub", value_name = "NAME")]
    hubs: Vec<String>,
    /// The provisioning service's id scope
    #[arg(long, value_name = "SCOPE", default_value = "0ne00000001")]
    id_scope: String,
    /// Refuse devices with symmetric keys (disableDeviceSAS)
    #[arg(long)]
    enforce_x509: bool,
    /// Take CA certificates as verified when they are uploaded
    #[arg(long)]
    verified_on_upload: bool,
    /// Another switch of the hub, for example c2dLockSeconds=5; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Where everything is kept
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "iothub-data",
        conflicts_with = "ephemeral"
    )]
    data_dir: PathBuf,
    /// A TOML file with devices, CA certificates and enrolments; what is kept already stays
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// A TOML file of faults and when they are to happen
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Keep nothing
    #[arg(long)]
    ephemeral: bool,
    /// The server's certificate chain (PEM, leaf first); without it one is made
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the server's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// A file with the token that REST asks for (Authorization: Bearer …)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A folder with firmware images, served to devices with ranges
    #[arg(long, value_name = "FOLDER")]
    firmware: Option<PathBuf>,
    /// Where images are served over HTTP
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8081",
        requires = "firmware"
    )]
    firmware_http: SocketAddr,
    /// Where images are served over HTTPS
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8443",
        requires = "firmware"
    )]
    firmware_https: SocketAddr,
    /// Log as JSON, one event a line
    #[arg(long)]
    json: bool,
    /// Do not log events
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Transfer {
    /// Write what a data folder holds, keys included, as JSON; not telemetry, sessions and events
    Export {
        /// The data folder; an emulator may be running on it
        #[arg(long, value_name = "FOLDER", default_value = "iothub-data")]
        data_dir: PathBuf,
        /// Where to, readable by its owner only; without it to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take in what export wrote, over what is there
    Import {
        /// The data folder; made if it is missing
        #[arg(long, value_name = "FOLDER", default_value = "iothub-data")]
        data_dir: PathBuf,
        /// The host names of the hubs; the first one is meant where the file names none
        #[arg(long = "hub", value_name = "NAME", default_value = "localhost")]
        hubs: Vec<String>,
        /// JSON, as export wrote it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  iothub-emulator                                   on ports 8883 and 8080, kept in ./iothub-data
  iothub-emulator --ephemeral --mqtt 127.0.0.1:0 --http 127.0.0.1:0 --json
                                                    for tests: free ports, nothing is kept
  iothub-emulator --seed devices.toml --faults faults.toml
                                                    with devices from the start, and with troubles
  iothub-emulator export --out state.json           copy what is in ./iothub-data
  iothub-emulator import --data-dir copy state.json
  curl -X PUT localhost:8080/devices/dev1 -d '{\"authentication\":{\"type\":\"certificateAuthority\"}}'
                                                    register a device
  curl 'localhost:8080/admin/telemetry.jsonl?follow=true'
                                                    watch telemetry

The first line that begins with 'ready ' says where it listens.
Exit status: 0 after SIGINT or SIGTERM, 1 if it cannot start, 2 for wrong arguments.";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iothub-emulator: {}", error.text);
            ExitCode::from(error.status)
        }
    }
}

/// Why it ends, and with which exit status.
struct Failure {
    text: String,
    status: u8,
}

impl Failure {
    fn wrong_arguments(text: String) -> Self {
        Self { text, status: 2 }
    }
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            text: error.to_string(),
            status: 1,
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Some(command) = arguments.command {
        return transfer(command).await;
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut options = Options::new(arguments.hostname);
    options.mqtt = arguments.mqtt;
    options.http = arguments.http;
    options.https = arguments.https;
    options.more_hubs = arguments.hubs;
    options.id_scope = arguments.id_scope;
    options.enforce_x509 = arguments.enforce_x509;
    options.verified_on_upload = arguments.verified_on_upload;
    options.firmware = arguments.firmware;
    options.firmware_http = arguments.firmware_http;
    options.firmware_https = arguments.firmware_https;
    for (name, value) in &arguments.settings {
        options.settings.set(name, value)?;
    }
    options.data_dir = (!arguments.ephemeral).then_some(arguments.data_dir);
    options.log = match (arguments.json, arguments.quiet) {
        (true, _) => LogFormat::Json,
        (_, true) => LogFormat::Off,
        _ => LogFormat::Text,
    };
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        options.identity = Identity::Pem {
            chain: read("--cert ", cert)?,
            key: read("--key ", key)?,
        };
    }
    if let Some(file) = &arguments.token_file {
        let token = read("--token-file ", file)?.trim().to_owned();
        if token.is_empty() {
            let file = file.display();
            return Err(Failure::wrong_arguments(format!(
                "--token-file {file}: there is no token in it"
            )));
        }
        options.token = Some(token);
    }
    options.seed = arguments.seed;
    options.faults = arguments.faults;
    let data_dir = options.data_dir.clone();
    let given = arguments.cert.zip(arguments.key);
    let started = Emulator::start(options).await;
    let emulator = started.map_err(|error| match (&error, given) {
        (StartError::TokenRequired(_), _) => Failure::wrong_arguments(error.to_string()),
        (StartError::Identity(_), Some((cert, key))) => Failure::from(format!(
            "--cert {} with --key {}: {error}",
            cert.display(),
            key.display()
        )),
        _ => Failure::from(error),
    })?;
    announce(&emulator, data_dir.as_deref());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}

async fn transfer(command: Transfer) -> Result<(), Failure> {
    match command {
        Transfer::Export { data_dir, out } => {
            let document = iothub_emulator::export(&data_dir).await?;
            match out {
                Some(path) => {
                    write_private(&path, &document)?;
                    println!(
                        "exported {} to {}: keep it safe, keys are in it",
                        data_dir.display(),
                        path.display()
                    );
                }
                None => std::io::stdout().lock().write_all(document.as_bytes())?,
            }
        }
        Transfer::Import {
            data_dir,
            hubs,
            file,
        } => {
            let done = iothub_emulator::import(&data_dir, &hubs, &read("", &file)?).await;
            let done = done.map_err(|error| format!("{}: {error}", file.display()))?;
            println!("imported {done}");
        }
    }
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address needs a number and a port, for example 127.0.0.1:8883".to_owned())
}

/// Keys are in it.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// A reader that goes away after the first line is no reason to stop.
fn announce(emulator: &Emulator, data_dir: Option<&Path>) {
    let https = emulator
        .https_addr()
        .map(|it| format!(" https=https://{it}/"))
        .unwrap_or_default();
    let mut text = format!(
        "ready mqtt={} http=http://{}/{https}\n",
        emulator.mqtt_addr(),
        emulator.http_addr()
    );
    let trust = match (emulator.ca_pem(), data_dir) {
        (None, _) => None,
        (Some(_), Some(folder)) => Some(folder.join("server-ca.pem").display().to_string()),
        (Some(_), None) => Some(format!(
            "http://{}/admin/server-ca.pem",
            emulator.http_addr()
        )),
    };
    if let Some(trust) = trust {
        text.push_str(&format!("devices must trust {trust}\n"));
    }
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// `option` is what names the file, with a space behind it.
fn read(option: &str, path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        let error = error.to_string();
        let why = error.split(" (os error").next().unwrap_or_default();
        format!(
            "{option}{}: {why}; name a file that can be read",
            path.display()
        )
    })
}

/// One of the settings, with a value that it can have.
fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Settings::default().set(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}
