//! Export and import of a data folder, with or without an emulator that runs on it.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use crate::clock::Clock;
use crate::code::Refusal;
use crate::options::StartError;
use crate::state::{self, Export, Intake};
use crate::store::{self, Store};

/// Writes the registry, twins, CA certificates, enrollments, registrations and waiting
/// cloud-to-device messages of a data folder as JSON. Keys are in it.
///
/// # Errors
/// If the folder holds no database, or `out` cannot be written.
pub async fn export(data_dir: &Path, mut out: impl Write) -> Result<(), StartError> {
    if !data_dir.join("emulator.db").is_file() {
        let what = format!("{} is not there", data_dir.join("emulator.db").display());
        return Err(StartError::Storage(what));
    }
    let store = open(data_dir)?;
    let failed = |refusal: Refusal| StartError::Storage(refusal.to_string());
    let hubs = store.read(state::hubs_of).await.map_err(failed)?;
    let mut export = Export::new(hubs);
    loop {
        let (rest, piece) = store
            .read(|c| export.next(c).map(|it| (export, it)))
            .await
            .map_err(failed)?;
        export = rest;
        let Some(piece) = piece else { break };
        out.write_all(piece.as_bytes())
            .map_err(StartError::Written)?;
    }
    out.flush().map_err(StartError::Written)
}

/// Takes what [`export`] wrote into a data folder, over what is there; makes the folder if it is
/// missing. `hubs` are the names of the hubs that the emulator serves. Says what it did.
///
/// # Errors
/// If the folder cannot be used, or the document not taken in: it is then as it was.
pub async fn import(
    data_dir: &Path,
    hubs: &[String],
    document: impl Read + Send + 'static,
) -> Result<String, StartError> {
    check(data_dir)?;
    let store = Store::open_for_import(data_dir).map_err(unusable)?;
    let how = Intake {
        hubs: hubs.to_vec(),
        replace: true,
        now: Clock::default().now(),
    };
    let document = BufReader::new(document);
    let report = store
        .run(move |c| state::import_json(c, document, &how))
        .await;
    drop(store);
    let folder = data_dir.to_owned();
    // What is not folded now is folded by the next start.
    let _ = tokio::task::spawn_blocking(move || store::fold(&folder)).await;
    let report = report.map_err(|refusal| StartError::File(refusal.reason))?;
    Ok(report.to_text())
}

fn open(data_dir: &Path) -> Result<Store, StartError> {
    check(data_dir)?;
    Store::open(Some(data_dir), true).map_err(unusable)
}

fn check(data_dir: &Path) -> Result<(), StartError> {
    store::check(data_dir, data_dir.join("lock").exists()).map_err(unusable)
}

fn unusable(error: store::OpenError) -> StartError {
    StartError::Storage(error.to_string())
}
