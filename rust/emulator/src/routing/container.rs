//! Messages as blobs of a storage container, in batches (Microsoft, "IoT Hub message routing query
//! and endpoints", Azure Storage).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::avro;
use super::record::Record;
use crate::blobs::{self, Account, AccountError, Blobs};
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::hub::partitions::of_device;

/// A container, and how messages come there.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// Another storage under plain HTTP; without it that of the emulator.
    account: Option<Account>,
    name: String,
    file_name: String,
    encoding: Encoding,
    /// How long a message waits for others.
    pub(super) wait_ms: UnixMs,
    /// With so many bytes of bodies a batch waits no longer.
    pub(super) max_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Avro,
    Json,
}

impl Container {
    /// Reads Azure's JSON (`RoutingStorageContainerProperties`).
    pub(super) fn parse(of: &str, document: &Map<String, Value>) -> Result<Self, Refusal> {
        let wrong = |why: &str| invalid(format!("{of}: {why}"));
        let text = |name: &str| {
            let given = document.get(name).and_then(Value::as_str);
            given.filter(|it| !it.is_empty())
        };
        let name = text("containerName").ok_or_else(|| wrong("'containerName' is missing"))?;
        blobs::check_container(name)
            .map_err(|refusal| invalid(format!("{of}: {}", refusal.reason)))?;
        let account = match (text("connectionString"), text("endpointUri")) {
            (Some(given), _) => plain_account(given).map_err(|why| wrong(&why.to_string()))?,
            (None, Some(_)) => None,
            (None, None) => {
                return Err(wrong(
                    "neither 'connectionString' nor 'endpointUri' is there",
                ));
            }
        };
        let encoding = text("encoding").unwrap_or("avro").to_ascii_lowercase();
        let encoding = match encoding.as_str() {
            "avro" => Encoding::Avro,
            "json" => Encoding::Json,
            other => {
                return Err(invalid(format!(
                    "{of}: encoding '{other}' is not here: avro and json are"
                )));
            }
        };
        let file_name = text("fileNameFormat").unwrap_or(FILE_NAME).to_owned();
        if let Some(missing) = PARTS.iter().find(|part| !file_name.contains(*part)) {
            return Err(invalid(format!(
                "{of}: 'fileNameFormat' must have {missing} in it"
            )));
        }
        let number = |name: &str, least: i64, default: i64, most: i64| match document.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(given) => fields::integer(given)
                .filter(|it| (least..=most).contains(it))
                .ok_or_else(|| invalid(format!("{of}: '{name}' must be {least} to {most}"))),
        };
        let seconds = number("batchFrequencyInSeconds", 60, 300, 720)?;
        let bytes = number("maxChunkSizeInBytes", 10_485_760, 314_572_800, 524_288_000)?;
        Ok(Self {
            account,
            name: name.to_owned(),
            file_name,
            encoding,
            wait_ms: seconds * 1000,
            max_bytes: usize::try_from(bytes).unwrap_or(MAX_BATCH).min(MAX_BATCH),
        })
    }

    /// Writes messages, a blob for those of each of so many partitions.
    pub(super) async fn write(
        &self,
        inside: &Blobs,
        partitions: u32,
        lines: Vec<Value>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let elsewhere = self.account.clone().map(Blobs::elsewhere);
        let storage = elsewhere.as_ref().unwrap_or(inside);
        let mut batches: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
        for line in lines {
            let device = match line["moduleId"].as_str() {
                Some(module) => {
                    crate::id::of_module(line["deviceId"].as_str().unwrap_or_default(), module)
                }
                None => line["deviceId"].as_str().unwrap_or_default().to_owned(),
            };
            let batch = batches.entry(of_device(&device, partitions)).or_default();
            batch.push(line);
        }
        for (partition, lines) in batches {
            let hub = lines[0]["hub"].as_str().unwrap_or_default().to_owned();
            let name = self.free_name(storage, &hub, partition, now).await?;
            let bytes = match self.encoding {
                Encoding::Avro => avro::file(lines.iter().map(Record::of)),
                Encoding::Json => {
                    let lines = lines
                        .iter()
                        .map(|line| format!("{}\n", Record::of(line).to_json()));
                    lines.collect::<String>().into_bytes()
                }
            };
            storage.put(&self.name, &name, bytes, now).await?;
        }
        Ok(())
    }

    /// The name of the next blob: a second one of a minute has a number behind it.
    async fn free_name(
        &self,
        storage: &Blobs,
        hub: &str,
        partition: u32,
        now: UnixMs,
    ) -> Result<String, Refusal> {
        let at = rfc3339(now);
        let hub = hub.split('.').next().unwrap_or_default();
        let values = [
            hub,
            &format!("{partition:02}"),
            &at[..4],
            &at[5..7],
            &at[8..10],
            &at[11..13],
            &at[14..16],
        ];
        let name = PARTS
            .iter()
            .zip(values)
            .fold(self.file_name.clone(), |name, (part, value)| {
                name.replace(part, value)
            });
        blobs::check_blob(&name)?;
        for number in 0..MAX_A_MINUTE {
            let name = match number {
                0 => name.clone(),
                number => format!("{name}-{number}"),
            };
            if storage.size(&self.name, &name, now).await?.is_none() {
                return Ok(name);
            }
        }
        Err(invalid(format!(
            "there are {MAX_A_MINUTE} blobs '{name}' already"
        )))
    }
}

/// The account of a connection string, where it is one under plain HTTP; what leads elsewhere is
/// the storage of the emulator.
fn plain_account(text: &str) -> Result<Option<Account>, AccountError> {
    let has = |name: &str| {
        let mut parts = text
            .split(';')
            .filter_map(|part| part.trim().split_once('='));
        parts.any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.trim().is_empty())
    };
    match Account::parse(text) {
        Ok(account) => {
            let is_plain = account
                .elsewhere
                .as_ref()
                .is_some_and(|it| it.scheme == "http");
            Ok(is_plain.then_some(account))
        }
        // That of a storage of Azure's has no BlobEndpoint.
        Err(_) if has("AccountName") && has("AccountKey") && !has("BlobEndpoint") => Ok(None),
        Err(why) => Err(why),
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const FILE_NAME: &str = "{iothub}/{partition}/{YYYY}/{MM}/{DD}/{HH}/{mm}";
const PARTS: [&str; 7] = [
    "{iothub}",
    "{partition}",
    "{YYYY}",
    "{MM}",
    "{DD}",
    "{HH}",
    "{mm}",
];
/// What is kept in memory for a batch.
const MAX_BATCH: usize = 32 * 1024 * 1024;
const MAX_A_MINUTE: u32 = 10_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(change: Value) -> Result<Container, Refusal> {
        let mut document = json!({"name": "c", "containerName": "telemetry", "connectionString": "UseDevelopmentStorage=true"});
        if let (Some(document), Value::Object(change)) = (document.as_object_mut(), change) {
            document.extend(change);
        }
        Container::parse("endpoint 'c'", document.as_object().unwrap())
    }

    #[test]
    fn azures_properties_are_read_within_their_bounds() {
        let cloud = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=QQ==;EndpointSuffix=core.windows.net";
        assert!(container(json!({})).unwrap().account.is_some());
        let known = container(
            json!({"connectionString": cloud, "encoding": "JSON", "batchFrequencyInSeconds": 60}),
        )
        .unwrap();
        assert!(known.account.is_none());
        assert_eq!((known.encoding, known.wait_ms), (Encoding::Json, 60_000));
        for (change, why) in [
            (json!({"containerName": "A"}), "container 'A'"),
            (json!({"containerName": null}), "containerName"),
            (json!({"connectionString": "AccountName=a"}), "AccountKey"),
            (json!({"connectionString": null}), "endpointUri"),
            (json!({"encoding": "avrodeflate"}), "avrodeflate"),
            (json!({"batchFrequencyInSeconds": 59}), "60 to 720"),
            (json!({"maxChunkSizeInBytes": 1}), "10485760"),
            (json!({"fileNameFormat": "{iothub}"}), "{partition}"),
        ] {
            let refusal = container(change.clone()).unwrap_err();
            assert!(
                refusal.reason.contains(why) && refusal.reason.starts_with("endpoint 'c'"),
                "{change}: {refusal}"
            );
        }
    }
}
