//! Import and export of identities through blobs: a line of JSON for each.

use serde_json::{Map, Value};

use super::runner::Jobs;
use super::table::{self, Job, text};
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::hub::registry::{self, Kind, bulk};

impl Jobs {
    pub(super) async fn transfer(&self, job: &Job) -> Result<(), Refusal> {
        match job.kind.as_str() {
            "import" => self.import(job).await,
            _ => self.export(job).await,
        }
    }

    async fn export(&self, job: &Job) -> Result<(), Refusal> {
        let without_keys = job
            .document
            .get("excludeKeysInExport")
            .and_then(fields::boolean)
            .unwrap_or(false);
        let mut lines = String::new();
        let mut after = Some(String::new());
        while let Some(behind) = after {
            if self.is_over(job).await? {
                return Ok(());
            }
            let hub = job.hub.clone();
            let page = self
                .service
                .store
                .read(move |c| registry::page(c, &hub, Kind::Any, &behind, STEP));
            let page = page.await?;
            for device in &page.devices {
                lines += &bulk::export(device, without_keys).to_string();
                lines.push('\n');
            }
            after = page.next;
        }
        let name = text(&job.document, "outputBlobName").unwrap_or(DEVICES);
        self.put(job, name, lines.into_bytes()).await
    }

    async fn import(&self, job: &Job) -> Result<(), Refusal> {
        let container = text(&job.document, "inputBlobContainerUri").unwrap_or_default();
        let name = text(&job.document, "inputBlobName").unwrap_or(DEVICES);
        let now = self.service.clock.now();
        let bytes = self.blobs.read_in(container, name, now).await?;
        let whole =
            String::from_utf8(bytes).map_err(|_| invalid(format!("blob '{name}' is not UTF-8")))?;
        let lines: Vec<&str> = whole
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let mut done = usize::try_from(job.done).unwrap_or_default();
        let mut errors = String::new();
        while let Some(some) = lines.get(done..).filter(|some| !some.is_empty()) {
            if self.is_over(job).await? {
                return Ok(());
            }
            let some = &some[..some.len().min(STEP)];
            let mut entries = Vec::new();
            for (index, line) in some.iter().enumerate() {
                match serde_json::from_str::<Map<String, Value>>(line) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => {
                        let number = done + index + 1;
                        let refusal = invalid(format!("line {number} is no JSON object: {error}"));
                        errors += &bulk::error(&Map::new(), &refusal).to_string();
                        errors.push('\n');
                    }
                }
            }
            let results = self.service.bulk(job.hub.clone(), entries).await?;
            for (entry, result) in results {
                if let Err(refusal) = result {
                    errors += &bulk::error(&entry, &refusal).to_string();
                    errors.push('\n');
                }
            }
            done += some.len();
            let (advanced, total) = (job.clone(), lines.len());
            let advance = move |c: &rusqlite::Connection| table::advance(c, &advanced, done, total);
            self.service.store.run(advance).await?;
        }
        match errors.is_empty() {
            true => Ok(()),
            false => self.put(job, ERRORS, errors.into_bytes()).await,
        }
    }

    async fn put(&self, job: &Job, name: &str, bytes: Vec<u8>) -> Result<(), Refusal> {
        let container = text(&job.document, "outputBlobContainerUri").unwrap_or_default();
        let now = self.service.clock.now();
        self.blobs.write_in(container, name, bytes, now).await
    }
}

/// Checks a request before it is taken.
pub(crate) fn check(document: &Map<String, Value>) -> Result<(), Refusal> {
    let kind = text(document, "type").unwrap_or_default();
    let needed: &[&str] = match kind {
        "export" => &["outputBlobContainerUri"],
        "import" => &["inputBlobContainerUri", "outputBlobContainerUri"],
        other => {
            return Err(invalid(format!(
                "type '{other}' is neither import nor export"
            )));
        }
    };
    for name in needed {
        text(document, name).ok_or_else(|| invalid(format!("'{name}' is missing")))?;
    }
    Ok(())
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// Microsoft's names, where the request says none.
const DEVICES: &str = "devices.txt";
const ERRORS: &str = "importErrors.log";
/// Identities that are done together.
const STEP: usize = 50;
