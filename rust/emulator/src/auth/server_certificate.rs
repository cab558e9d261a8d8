//! The server's certificate: given, made, or made before and kept.

use std::path::Path;
use std::sync::Arc;

use crate::auth::tls::{self, ServerCertificate};
use crate::file::Mode as _;
use crate::host::MANAGED_DOMAIN;
use crate::journal::{Event, Level};
use crate::options::{Identity, Options, StartError};

/// The certificate, and the CA that devices must trust if it was made here.
pub(crate) fn identity(
    options: &Options,
) -> Result<(Arc<ServerCertificate>, Option<String>), StartError> {
    match &options.identity {
        Identity::Pem { chain, key } => Ok((
            ServerCertificate::from_pem(chain, key).map_err(unusable)?,
            options.server_ca.clone(),
        )),
        Identity::Generate => {
            let kept = options
                .data_dir
                .as_deref()
                .map(read_generated)
                .transpose()?
                .flatten();
            let generated = match kept {
                Some(kept) => kept,
                None => {
                    let made = tls::generate(&names(options)).map_err(unusable)?;
                    if let Some(folder) = &options.data_dir {
                        keep_generated(folder, &made)?;
                    }
                    made
                }
            };
            let certificate = ServerCertificate::from_pem(&generated.chain_pem, &generated.key_pem);
            Ok((certificate.map_err(unusable)?, Some(generated.ca_pem)))
        }
    }
}

fn unusable(error: tls::Error) -> StartError {
    StartError::Identity(error.to_string())
}

/// Devices check the host name; what they would not find is told before they fail.
pub(crate) fn warnings(
    certificate: &ServerCertificate,
    hubs: &[String],
    options: &Options,
) -> Vec<Event> {
    let lacking = certificate.lacking(hubs);
    let advice = match (&options.identity, &options.data_dir) {
        (Identity::Generate, Some(folder)) => format!(
            "it was made for another name: remove {} for a new one, which devices must then trust",
            folder.join(CA_FILE).display()
        ),
        _ => "give one that names it".to_owned(),
    };
    let warn = |hub| Event {
        level: Level::Warn,
        ..Event::info(
            "certificate",
            format!(
                "the server's certificate does not name '{hub}', and devices that check it refuse it; {advice}"
            ),
        )
    };
    lacking.into_iter().map(warn).collect()
}

fn names(options: &Options) -> Vec<String> {
    let mut names = vec![options.hostname.clone()];
    names.extend(options.more_hubs.iter().cloned());
    for name in [
        "localhost",
        "127.0.0.1",
        "::1",
        "global.azure-devices-provisioning.net",
        &format!("*.{MANAGED_DOMAIN}"),
    ] {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let bound = options.mqtt.ip();
    if !bound.is_loopback() && !bound.is_unspecified() {
        names.push(bound.to_string());
    }
    names
}

fn read_generated(folder: &Path) -> Result<Option<tls::Generated>, StartError> {
    let read = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StartError::Identity(format!(
            "{}: {error}",
            folder.join(name).display()
        ))),
    };
    Ok(match (read(CA_FILE)?, read(CHAIN_FILE)?, read(KEY_FILE)?) {
        (Some(ca_pem), Some(chain_pem), Some(key_pem)) => Some(tls::Generated {
            ca_pem,
            chain_pem,
            key_pem,
        }),
        _ => None,
    })
}

fn keep_generated(folder: &Path, generated: &tls::Generated) -> Result<(), StartError> {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        replace(&folder.join(KEY_FILE), &generated.key_pem, 0o600)?;
        replace(&folder.join(CHAIN_FILE), &generated.chain_pem, 0o644)?;
        replace(&folder.join(CA_FILE), &generated.ca_pem, 0o644)
    };
    write().map_err(|error| StartError::Storage(format!("{}: {error}", folder.display())))
}

/// Writes a file anew under another name and puts it in its place: a link that stands there is
/// replaced, not followed.
fn replace(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    let new = path.with_extension("new");
    // Of a start that was broken off.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .owned(mode)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&new, path)
}

const CA_FILE: &str = "server-ca.pem";
const CHAIN_FILE: &str = "server-chain.pem";
const KEY_FILE: &str = "server-key.pem";
