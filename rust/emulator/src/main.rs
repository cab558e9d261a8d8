//! `iothub-emulator`: a local Azure IoT Hub.
#![forbid(unsafe_code)]

use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use iothub_emulator::{AmqpPort, Emulator, Identity, LogFormat, Options, Settings, StartError};

mod announce;
mod ask;
mod azure_cli;
mod configuration;
mod connection_string;
mod file_argument;
mod health;

/// A local Azure IoT Hub: devices connect over MQTT, services over REST and AMQP, people with a
/// browser.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// A TOML file with these options, under their names without the dashes
    #[arg(long, value_name = "FILE", env = "IOTHUB_EMULATOR_CONFIG")]
    config: Option<PathBuf>,
    /// The hub's host name, as it stands in certificates and user names
    #[arg(
        long,
        value_name = "NAME",
        default_value = "localhost",
        env = "IOTHUB_EMULATOR_HOSTNAME"
    )]
    hostname: String,
    /// The hub's name for management (az iot hub … --hub-name); without it the first label of its
    /// host name
    #[arg(long, value_name = "NAME", env = "IOTHUB_EMULATOR_NAME")]
    name: Option<String>,
    /// Where devices connect (MQTT over TLS 1.2); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8883", env = "IOTHUB_EMULATOR_MQTT")]
    mqtt: SocketAddr,
    /// AMQP over TLS: devices, and services that send, hear feedback and read telemetry as from
    /// Event Hubs. Without it 127.0.0.1:5671, or a free port if that is taken
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "IOTHUB_EMULATOR_AMQP")]
    amqp: Option<SocketAddr>,
    /// A consumer group of the Event Hubs-compatible endpoint beside $Default; may be repeated
    #[arg(
        long = "consumer-group",
        value_name = "NAME",
        env = "IOTHUB_EMULATOR_CONSUMER_GROUP",
        value_delimiter = ','
    )]
    consumer_groups: Vec<String>,
    /// REST and web page; beyond loopback a token is needed
    #[arg(
        long,
        visible_alias = "listen",
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8080", env = "IOTHUB_EMULATOR_HTTP")]
    http: SocketAddr,
    /// REST over HTTPS as well, for service clients that speak nothing else
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "IOTHUB_EMULATOR_HTTPS")]
    https: Option<SocketAddr>,
    /// The host name of one more hub, to which devices can be provisioned; may be repeated
    #[arg(
        long = "hub",
        value_name = "NAME",
        env = "IOTHUB_EMULATOR_HUB",
        value_delimiter = ','
    )]
    hubs: Vec<String>,
    /// The provisioning service's id scope
    #[arg(
        long,
        value_name = "SCOPE",
        default_value = "0ne00000001",
        env = "IOTHUB_EMULATOR_ID_SCOPE"
    )]
    id_scope: String,
    /// Refuse devices with symmetric keys (disableDeviceSAS)
    #[arg(long, env = "IOTHUB_EMULATOR_ENFORCE_X509")]
    enforce_x509: bool,
    /// Take CA certificates as verified when they are uploaded
    #[arg(long, env = "IOTHUB_EMULATOR_VERIFIED_ON_UPLOAD")]
    verified_on_upload: bool,
    /// Another switch of the hub, for example c2dLockSeconds=5; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, env = "IOTHUB_EMULATOR_SET", value_delimiter = ',')]
    settings: Vec<(String, String)>,
    /// Where everything is kept
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "iothub-data",
        conflicts_with = "ephemeral",
        env = "IOTHUB_EMULATOR_DATA_DIR"
    )]
    data_dir: PathBuf,
    /// A TOML file with devices, CA certificates and enrollments; what is kept already stays
    #[arg(long, value_name = "FILE", env = "IOTHUB_EMULATOR_SEED")]
    seed: Option<PathBuf>,
    /// A TOML file of faults and when they are to happen
    #[arg(long, value_name = "FILE", env = "IOTHUB_EMULATOR_FAULTS")]
    faults: Option<PathBuf>,
    /// Keep nothing
    #[arg(long, env = "IOTHUB_EMULATOR_EPHEMERAL")]
    ephemeral: bool,
    /// The server's certificate chain (PEM, leaf first); without it one is made
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        env = "IOTHUB_EMULATOR_CERT"
    )]
    cert: Option<PathBuf>,
    /// The key of the server's certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "cert",
        env = "IOTHUB_EMULATOR_KEY"
    )]
    key: Option<PathBuf>,
    /// A file with the token that REST asks for (Authorization: Bearer …)
    #[arg(long, value_name = "FILE", env = "IOTHUB_EMULATOR_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The token itself, which every user of this machine sees on a command line: for the
    /// environment of a container
    #[arg(
        long,
        value_name = "TOKEN",
        env = "IOTHUB_EMULATOR_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Make that file with a new token, readable by its owner only, if it is not there
    #[arg(long, requires = "token_file", env = "IOTHUB_EMULATOR_MAKE_TOKEN")]
    make_token: bool,
    /// Another storage for files of devices: UseDevelopmentStorage=true (Azurite), or a file with
    /// its connection string; without it they are in the data folder
    #[arg(
        long,
        value_name = "FILE|UseDevelopmentStorage=true",
        env = "IOTHUB_EMULATOR_BLOB_STORAGE"
    )]
    blob_storage: Option<String>,
    /// A folder with firmware images, served to devices with ranges
    #[arg(long, value_name = "FOLDER", env = "IOTHUB_EMULATOR_FIRMWARE")]
    firmware: Option<PathBuf>,
    /// Where images are served over HTTP
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8081",
        requires = "firmware", env = "IOTHUB_EMULATOR_FIRMWARE_HTTP")]
    firmware_http: SocketAddr,
    /// Where images are served over HTTPS
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = address,
        default_value = "127.0.0.1:8443",
        requires = "firmware", env = "IOTHUB_EMULATOR_FIRMWARE_HTTPS")]
    firmware_https: SocketAddr,
    /// Log as JSON, one event a line
    #[arg(long, env = "IOTHUB_EMULATOR_JSON")]
    json: bool,
    /// Do not log events
    #[arg(long, conflicts_with = "json", env = "IOTHUB_EMULATOR_QUIET")]
    quiet: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
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
    /// Print what points the Azure CLI at a running emulator: eval "$(iothub-emulator az)"
    Az(azure_cli::Arguments),
    /// Print what a service, a device or a module connects with to a running emulator
    ConnectionString(connection_string::Arguments),
    /// Ask a running emulator whether it is ready, for a container's health check: exit status 0 or
    /// 1
    Health {
        /// Where its REST is
        #[arg(long, value_name = "ADDRESS", value_parser = address, env = "IOTHUB_EMULATOR_HTTP", default_value = "127.0.0.1:8080")]
        http: SocketAddr,
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
  iothub-emulator --https 127.0.0.1:8444            and in another terminal the Azure CLI:
  eval \"$(iothub-emulator az)\" && az iot hub list
  iothub-emulator connection-string --device dev1   what dev1 connects with, once it is registered
  curl -X PUT localhost:8080/devices/dev1 -d '{\"authentication\":{\"type\":\"certificateAuthority\"}}'
                                                    register a device
  curl 'localhost:8080/admin/telemetry.jsonl?follow=true'
                                                    watch telemetry

The first line that begins with 'ready ' says where it listens.
Exit status: 0 after SIGINT or SIGTERM, 1 if it cannot start, 2 for wrong arguments.";

#[tokio::main]
async fn main() -> ExitCode {
    let line = std::env::args_os().collect();
    let environment = |name: &str| std::env::var_os(name);
    let command = configuration::with_switches(Arguments::command());
    let arguments = match configuration::expand(&command, line, environment) {
        Ok(line) => {
            let command = configuration::without_excluded(command, &line, environment);
            let matches = command.get_matches_from(line);
            Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
        }
        Err(error) => {
            eprintln!("iothub-emulator: {error}");
            return ExitCode::from(2);
        }
    };
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

/// What asks the program to end: SIGINT and SIGTERM, and where there are none of these, Ctrl-C.
struct End {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl End {
    /// From here on a signal ends nothing by itself.
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ];
        Ok(Self { signals })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn asked(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without a console there is nobody who could ask.
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Some(command) = arguments.command {
        return other(command).await;
    }
    let mut end = End::new()?;
    let mut options = Options::new(arguments.hostname);
    options.name = arguments.name;
    options.mqtt = arguments.mqtt;
    options.amqp = Some(arguments.amqp.map_or(AmqpPort::Default, AmqpPort::At));
    options.consumer_groups = arguments.consumer_groups;
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
            chain: file_argument::read("--cert ", cert)?,
            key: file_argument::read("--key ", key)?,
        };
    }
    if let Some(token) = arguments.token {
        if token.trim().is_empty() {
            let text = "--token: there is no token in it".to_owned();
            return Err(Failure::wrong_arguments(text));
        }
        options.token = Some(token.trim().to_owned());
    } else if let Some(file) = &arguments.token_file {
        if arguments.make_token && !file.exists() {
            file_argument::make_token(file)?;
        }
        let token = file_argument::read("--token-file ", file)?
            .trim()
            .to_owned();
        if token.is_empty() {
            let file = file.display();
            return Err(Failure::wrong_arguments(format!(
                "--token-file {file}: there is no token in it"
            )));
        }
        options.token = Some(token);
    }
    options.blob_storage = match arguments.blob_storage {
        Some(text) if !text.starts_with("UseDevelopmentStorage") => {
            Some(file_argument::read("--blob-storage ", Path::new(&text))?)
        }
        other => other,
    };
    options.seed = arguments.seed;
    options.faults = arguments.faults;
    let (data_dir, has_token) = (options.data_dir.clone(), options.token.is_some());
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
    announce::announce(&emulator, data_dir.as_deref(), has_token);
    end.asked().await;
    emulator.shutdown().await;
    Ok(())
}

async fn other(command: Command) -> Result<(), Failure> {
    match command {
        Command::Export { data_dir, out } => match out {
            Some(path) => {
                // Beside it first, so that a copy that is there stays until the new one is whole;
                // keys are in it, and its owner's alone.
                let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
                let unwritable = |error| format!("{} cannot be written: {error}", path.display());
                let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
                let mut file = file.map_err(unwritable)?;
                let written = iothub_emulator::export(&data_dir, BufWriter::new(&mut file)).await;
                written.map_err(|error| match error {
                    StartError::Written(error) => unwritable(error),
                    other => other.to_string(),
                })?;
                file.persist(&path)
                    .map_err(|error| unwritable(error.error))?;
                println!(
                    "exported {} to {}: keep it safe, keys are in it",
                    data_dir.display(),
                    path.display()
                );
            }
            None => iothub_emulator::export(&data_dir, std::io::stdout()).await?,
        },
        Command::Import {
            data_dir,
            hubs,
            file,
        } => {
            let unreadable = |error| format!("{}: {error}", file.display());
            let document = std::fs::File::open(&file).map_err(unreadable)?;
            let done = iothub_emulator::import(&data_dir, &hubs, document).await;
            let done = done.map_err(|error| format!("{}: {error}", file.display()))?;
            println!("imported {done}");
        }
        Command::ConnectionString(arguments) => {
            println!("{}", connection_string::find(&arguments).await?);
        }
        Command::Health { http } => health::ask(http).await?,
        Command::Az(arguments) => {
            let text = azure_cli::run(&arguments)?;
            std::io::stdout().lock().write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "an address needs a number and a port, for example 127.0.0.1:8883")
}

/// One of the settings, with a value that it can have.
fn setting(text: &str) -> Result<(String, String), Box<dyn std::error::Error + Send + Sync>> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Settings::default().set(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}
