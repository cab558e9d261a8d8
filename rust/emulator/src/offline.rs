//! Export and import of a data folder, with or without an emulator that runs on it.

use std::path::Path;

use crate::clock::Clock;
use crate::options::StartError;
use crate::state::{self, Intake};
use crate::store::Store;

/// Writes the registry, twins, CA certificates, enrolments, registrations and waiting
/// cloud-to-device messages of a data folder as JSON. Keys are in it.
///
/// Fails if the folder holds no database.
pub async fn export(data_dir: &Path) -> Result<String, StartError> {
    state::database(data_dir).map_err(StartError::Storage)?;
    let store = Store::open(Some(data_dir), true).map_err(StartError::Storage)?;
    let document = store.run(|c| state::export(c, &state::hubs_of(c)?)).await;
    let document = document.map_err(|refusal| StartError::Storage(refusal.to_string()))?;
    Ok(format!("{document:#}\n"))
}

/// Takes what [`export`] wrote into a data folder, over what is there; makes the folder if it is
/// missing. `hubs` are the names of the hubs that the emulator serves. Says what it did.
pub async fn import(
    data_dir: &Path,
    hubs: &[String],
    document: &str,
) -> Result<String, StartError> {
    let document = serde_json::from_str(document)
        .map_err(|error| StartError::File(format!("the document is not JSON: {error}")))?;
    let store = Store::open(Some(data_dir), true).map_err(StartError::Storage)?;
    let how = Intake {
        hubs: hubs.to_vec(),
        replace: true,
        now: Clock::default().now(),
    };
    let report = store.run(move |c| state::import(c, &document, &how)).await;
    let report = report.map_err(|refusal| StartError::File(refusal.reason))?;
    Ok(report.to_text())
}
