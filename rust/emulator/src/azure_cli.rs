//! `iothub-emulator az`: what points the Azure CLI at a running emulator, and away from it again.
//!
//! The CLI gets a configuration folder of its own inside the data folder, so that nobody's logins
//! are touched.

use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::file_argument::{self, Unreadable};

/// Where the emulator is, and what is to be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the emulator serves HTTPS, as it was started with
    #[arg(long, value_name = "ADDRESS", value_parser = super::address, default_value = "127.0.0.1:8444")]
    https: SocketAddr,
    /// The emulator's data folder; the CLI's configuration is kept in it
    #[arg(long, value_name = "FOLDER", default_value = "iothub-data")]
    data_dir: PathBuf,
    /// The CA of the server's certificate, where the emulator was given one (--cert)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The file with the token of the emulator, if it was started with one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// For which shell
    #[arg(long, value_enum, default_value = "bash")]
    shell: Shell,
    /// Run the commands, and print only what the shell itself must do
    #[arg(long)]
    apply: bool,
    /// Undo it
    #[arg(long)]
    undo: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    /// bash, and every other shell that is like sh
    Bash,
    /// PowerShell, on every system
    Powershell,
}

/// What is missing.
#[derive(Debug)]
pub(crate) enum SetupError {
    /// The CA is not there, of an emulator that would serve HTTPS here.
    NoCa(PathBuf, SocketAddr),
    Token(Unreadable),
    /// A path that this system has not.
    Path(PathBuf, io::Error),
    NotRemoved(PathBuf, io::Error),
    /// The CLI cannot be run.
    NoCli(io::Error),
    /// A command of the CLI failed, with what it printed.
    Cli {
        command: String,
        said: String,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCa(ca, https) => write!(
                f,
                "{} is missing: start the emulator on that folder with --https {https}, or name its CA with --ca",
                ca.display()
            ),
            Self::Token(error) => error.fmt(f),
            Self::Path(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotRemoved(folder, error) => {
                write!(f, "{} cannot be removed: {error}", folder.display())
            }
            Self::NoCli(error) => write!(
                f,
                "az cannot be run: {error}; install the Azure CLI, or leave out --apply"
            ),
            Self::Cli { command, said } => write!(f, "az {command}: {said}"),
        }
    }
}

impl std::error::Error for SetupError {}

/// What the shell is to run; with `--apply` some of it has been run.
pub(crate) fn run(arguments: &Arguments) -> Result<String, SetupError> {
    let data_dir = absolute(&arguments.data_dir)?;
    let config = data_dir.join("azure-cli");
    if arguments.undo {
        if arguments.apply {
            remove(&config)?;
        }
        return Ok(arguments.shell.undo((!arguments.apply).then_some(&config)));
    }
    let ca = match &arguments.ca {
        Some(ca) => absolute(ca)?,
        None => data_dir.join("server-ca.pem"),
    };
    if !ca.is_file() {
        return Err(SetupError::NoCa(ca, arguments.https));
    }
    let setup = Setup {
        base: base(arguments.https),
        config,
        ca,
        token_file: arguments.token_file.as_deref().map(absolute).transpose()?,
    };
    if !arguments.apply {
        return Ok(arguments.shell.setup(&setup, true));
    }
    setup.apply()?;
    Ok(arguments.shell.setup(&setup, false))
}

struct Setup {
    /// `https://localhost:8444`
    base: String,
    config: PathBuf,
    ca: PathBuf,
    token_file: Option<PathBuf>,
}

impl Setup {
    fn identity(&self) -> String {
        format!("{}/metadata/identity/oauth2/token", self.base)
    }

    /// The commands of the CLI; of the first two the second stands in for the first where the cloud
    /// is known already.
    fn commands(&self) -> [Vec<&str>; 4] {
        let cloud = |verb| {
            vec![
                "cloud",
                verb,
                "--name",
                CLOUD,
                "--endpoint-resource-manager",
                &self.base,
            ]
        };
        [
            cloud("register"),
            cloud("update"),
            vec!["cloud", "set", "--name", CLOUD],
            vec!["login", "--identity"],
        ]
    }

    fn apply(&self) -> Result<(), SetupError> {
        let secret = match &self.token_file {
            Some(path) => {
                let read = file_argument::read("--token-file ", path);
                read.map_err(SetupError::Token)?.trim().to_owned()
            }
            None => NO_TOKEN.to_owned(),
        };
        let az = |arguments: &[&str]| {
            // On Windows it is a script.
            let name = if cfg!(windows) { "az.cmd" } else { "az" };
            let mut command = Command::new(name);
            command
                .args(arguments)
                .args(["--output", "none"])
                .env("AZURE_CONFIG_DIR", &self.config)
                .env("REQUESTS_CA_BUNDLE", &self.ca)
                .env("IDENTITY_ENDPOINT", self.identity())
                .env("IDENTITY_HEADER", &secret);
            command.output().map_err(SetupError::NoCli)
        };
        let [register, update, set, login] = self.commands();
        let mut steps = vec![register, set, login];
        if !az(&steps[0])?.status.success() {
            steps[0] = update;
        } else {
            steps.remove(0);
        }
        for step in steps {
            let done = az(&step)?;
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stderr);
                return Err(SetupError::Cli {
                    command: step.join(" "),
                    said: said.trim().to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Shell {
    /// The settings of the shell, and with them the commands.
    fn setup(self, setup: &Setup, with_commands: bool) -> String {
        let mut text = String::new();
        let secret = match (&setup.token_file, self) {
            (None, _) => NO_TOKEN.to_owned(),
            (Some(path), Self::Bash) => format!("\"$(cat {})\"", self.quote(path)),
            (Some(path), Self::Powershell) => {
                format!("(Get-Content -Raw {}).Trim()", self.quote(path))
            }
        };
        let secret = match (&setup.token_file, self) {
            (None, Self::Powershell) => format!("'{secret}'"),
            _ => secret,
        };
        let variables = [
            ("AZURE_CONFIG_DIR", self.quote(&setup.config)),
            ("REQUESTS_CA_BUNDLE", self.quote(&setup.ca)),
            // For the device in it: az iot device send-d2c-message and simulate.
            ("SSL_CERT_FILE", self.quote(&setup.ca)),
            (
                "IDENTITY_ENDPOINT",
                self.quote(Path::new(&setup.identity())),
            ),
            ("IDENTITY_HEADER", secret),
        ];
        // Writing to a text cannot fail.
        let _ = match self {
            Self::Bash => writeln!(
                text,
                "export AZURE_EXTENSION_DIR=\"${{AZURE_EXTENSION_DIR:-$HOME/.azure/cliextensions}}\""
            ),
            Self::Powershell => writeln!(
                text,
                "if (-not $env:AZURE_EXTENSION_DIR) {{ $env:AZURE_EXTENSION_DIR = \"$HOME/.azure/cliextensions\" }}"
            ),
        };
        for (name, value) in variables {
            let _ = match self {
                Self::Bash => writeln!(text, "export {name}={value}"),
                Self::Powershell => writeln!(text, "$env:{name} = {value}"),
            };
        }
        if with_commands {
            let [register, update, set, login] = setup.commands().map(|it| it.join(" "));
            let _ = match self {
                Self::Bash => writeln!(text, "az {register} 2>/dev/null || az {update}"),
                Self::Powershell => writeln!(
                    text,
                    "az {register} 2>$null; if ($LASTEXITCODE) {{ az {update} }}"
                ),
            };
            let _ = writeln!(text, "az {set}\naz {login}");
        }
        text
    }

    fn undo(self, config: Option<&PathBuf>) -> String {
        let mut text = String::new();
        let _ = match self {
            Self::Bash => writeln!(text, "unset {}", VARIABLES.join(" ")),
            Self::Powershell => {
                let names = VARIABLES.map(|name| format!("Env:{name}"));
                writeln!(text, "Remove-Item -ErrorAction Ignore {}", names.join(", "))
            }
        };
        if let Some(config) = config {
            let config = self.quote(config);
            let _ = match self {
                Self::Bash => writeln!(text, "rm -rf {config}"),
                Self::Powershell => {
                    writeln!(
                        text,
                        "Remove-Item -Recurse -Force -ErrorAction Ignore {config}"
                    )
                }
            };
        }
        text
    }

    fn quote(self, path: &Path) -> String {
        let text = path.display().to_string();
        let text = match self {
            Self::Bash => text.replace('\'', "'\\''"),
            Self::Powershell => text.replace('\'', "''"),
        };
        format!("'{text}'")
    }
}

/// The server's certificate names this machine by name, whatever address it listens on.
fn base(https: SocketAddr) -> String {
    match https.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => {
            format!("https://localhost:{}", https.port())
        }
        _ => format!("https://{https}"),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, SetupError> {
    std::path::absolute(path).map_err(|error| SetupError::Path(path.to_owned(), error))
}

fn remove(folder: &Path) -> Result<(), SetupError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SetupError::NotRemoved(folder.to_owned(), error))
        }
        _ => Ok(()),
    }
}

const CLOUD: &str = "iothub-emulator";
/// The CLI asks as in App Service only if there is some secret.
const NO_TOKEN: &str = "none";
const VARIABLES: [&str; 5] = [
    "AZURE_CONFIG_DIR",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup {
            base: base("127.0.0.1:8444".parse().unwrap()),
            config: "/d'ata/azure-cli".into(),
            ca: "/d'ata/server-ca.pem".into(),
            token_file: None,
        }
    }

    #[test]
    fn powershell_gets_its_own_words() {
        let text = Shell::Powershell.setup(&setup(), true);
        let expected = [
            "$env:AZURE_CONFIG_DIR = '/d''ata/azure-cli'",
            "$env:REQUESTS_CA_BUNDLE = '/d''ata/server-ca.pem'",
            "$env:SSL_CERT_FILE = '/d''ata/server-ca.pem'",
            "$env:IDENTITY_ENDPOINT = 'https://localhost:8444/metadata/identity/oauth2/token'",
            "$env:IDENTITY_HEADER = 'none'",
            "az cloud register --name iothub-emulator --endpoint-resource-manager https://localhost:8444 2>$null; if ($LASTEXITCODE) { az cloud update --name iothub-emulator --endpoint-resource-manager https://localhost:8444 }",
            "az cloud set --name iothub-emulator",
            "az login --identity",
        ];
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, expected);
        let undo = Shell::Powershell.undo(Some(&"/d'ata/azure-cli".into()));
        assert!(undo.contains("Env:IDENTITY_HEADER") && undo.contains("'/d''ata/azure-cli'"));
    }

    #[test]
    fn the_address_is_one_that_the_certificate_names() {
        for (address, named) in [
            ("0.0.0.0:443", "https://localhost:443"),
            ("[::1]:8444", "https://localhost:8444"),
            ("192.168.1.2:8444", "https://192.168.1.2:8444"),
        ] {
            assert_eq!(base(address.parse().unwrap()), named);
        }
    }
}
