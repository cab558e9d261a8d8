//! How to start, and why it did not.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::journal::LogFormat;
use crate::settings::Settings;

/// How to start.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The hub's host name.
    pub hostname: String,
    /// The name of the first hub for management; without it the first label of its host name.
    pub name: Option<String>,
    /// Where devices connect: MQTT over TLS 1.2.
    pub mqtt: SocketAddr,
    /// AMQP over TLS, for services; without it nothing is listened on.
    pub amqp: Option<AmqpPort>,
    /// Consumer groups of the Event Hubs-compatible endpoint beside `$Default`.
    pub consumer_groups: Vec<String>,
    /// REST and page.
    pub http: SocketAddr,
    /// REST over HTTPS, for service clients that speak nothing else.
    pub https: Option<SocketAddr>,
    /// Host names of further hubs in this process, to which devices can be provisioned.
    pub more_hubs: Vec<String>,
    /// The provisioning service's id scope.
    pub id_scope: String,
    /// Refuses devices with symmetric keys, as a hub with `disableDeviceSAS` does.
    pub enforce_x509: bool,
    /// Takes CA certificates as verified when they are uploaded.
    pub verified_on_upload: bool,
    /// Everything else that can be switched.
    pub settings: Settings,
    /// The folder of the database; `None` keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// A TOML file with what is there from the start; what is in the data folder already stays.
    pub seed: Option<PathBuf>,
    /// A TOML file of faults and when they are to happen.
    pub faults: Option<PathBuf>,
    /// The server's certificate.
    pub identity: Identity,
    /// The connection string of another storage for files of devices; `None` keeps them in the data
    /// folder.
    pub blob_storage: Option<String>,
    /// The CA that devices must trust, PEM, to be handed out where [`Options::identity`] is given.
    pub server_ca: Option<String>,
    /// Where the event log goes.
    pub log: LogFormat,
    /// What REST asks for beyond loopback.
    pub token: Option<String>,
    /// The folder with firmware images, which are served to devices.
    pub firmware: Option<PathBuf>,
    /// Where images are served over HTTP. Whoever reaches it can read them.
    pub firmware_http: SocketAddr,
    /// Where images are served over HTTPS, with the server's certificate.
    pub firmware_https: SocketAddr,
}

/// Without the token and the connection string of a storage.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("hostname", &self.hostname)
            .field("more_hubs", &self.more_hubs)
            .field("mqtt", &self.mqtt)
            .field("amqp", &self.amqp)
            .field("http", &self.http)
            .field("https", &self.https)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// Where AMQP is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmqpPort {
    /// There, or not at all.
    At(SocketAddr),
    /// Azure's port 5671 on loopback, or a free one if it is taken.
    Default,
}

/// The server's certificate.
#[derive(Clone)]
pub enum Identity {
    /// One is made, with a CA of its own: see [`Emulator::ca_pem`].
    Generate,
    /// PEM text.
    Pem {
        /// The chain, leaf first.
        chain: String,
        /// The leaf's key.
        key: String,
    },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generate => "Generate",
            Self::Pem { .. } => "Pem { .. }",
        })
    }
}

impl Options {
    /// Azure's port for devices and 8080 for the page, both on loopback; nothing is kept.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            name: None,
            mqtt: SocketAddr::from(([127, 0, 0, 1], 8883)),
            amqp: None,
            consumer_groups: Vec::new(),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            https: None,
            more_hubs: Vec::new(),
            id_scope: "0ne00000001".to_owned(),
            enforce_x509: false,
            verified_on_upload: false,
            settings: Settings::default(),
            data_dir: None,
            seed: None,
            faults: None,
            identity: Identity::Generate,
            blob_storage: None,
            server_ca: None,
            log: LogFormat::Off,
            token: None,
            firmware: None,
            firmware_http: SocketAddr::from(([127, 0, 0, 1], 8081)),
            firmware_https: SocketAddr::from(([127, 0, 0, 1], 8443)),
        }
    }
}

/// Why it did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on: taken, or not of this machine.
    Listen {
        /// What for: `mqtt` or `http`.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The certificate or key of the server is of no use.
    Identity(String),
    /// The data folder is of no use.
    Storage(String),
    /// A file that it was to begin with is of no use.
    File(String),
    /// What was to be written out cannot be written.
    Written(std::io::Error),
    /// The REST side would be open to others without a token.
    TokenRequired(SocketAddr),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen {
                what,
                address,
                error,
            } => {
                write!(f, "cannot listen on {address} for {what}: {error}")?;
                if error.kind() == std::io::ErrorKind::AddrInUse {
                    write!(
                        f,
                        "; end the other program or choose another port with --{what}"
                    )?;
                }
                Ok(())
            }
            Self::Identity(what) | Self::Storage(what) | Self::File(what) => f.write_str(what),
            Self::Written(error) => write!(f, "cannot be written: {error}"),
            Self::TokenRequired(address) => {
                write!(
                    f,
                    "{address} can be reached from other machines: REST needs a token there; give one with --token-file, or an address like 127.0.0.1:8080"
                )
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } | Self::Written(error) => Some(error),
            _ => None,
        }
    }
}
