//! What can be switched, by name; the defaults are what the documentation says of the real hub.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// Switches and sizes, each with the default of the documentation of IoT Hub.
///
/// [`Settings::NAMES`] lists them; `docs/emulator.md` says what each of them does.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) enforce_x509: bool,
    pub(crate) verified_on_upload: bool,
    /// Whether the HTTPS port asks for a certificate of the client, which it need not have.
    pub(crate) https_client_certificates: bool,
    /// Whether devices behind a CA may use the HTTPS port with their certificate, which Azure has
    /// as a preview.
    pub(crate) x509_ca_over_https: bool,
    pub(crate) clean_session_discards_c2d: bool,
    /// Distinct filters a connection.
    pub(crate) max_subscriptions: usize,
    pub(crate) c2d: C2dPolicy,
    pub(crate) feedback_ttl_ms: i64,
    /// How long a device may take to upload a file.
    pub(crate) file_upload_ttl_ms: i64,
    /// How many bytes all files may have together.
    pub(crate) files_max_bytes: u64,
    /// How many telemetry messages are kept.
    pub(crate) keep_telemetry: i64,
    /// How many bytes their bodies may have.
    pub(crate) keep_telemetry_bytes: u64,
    /// Of the Event Hubs-compatible endpoint.
    pub(crate) event_hub_partitions: u32,
    /// Whether each commit waits for the disk itself, so that a power cut loses nothing either.
    pub(crate) sync_each_commit: bool,
    /// Connections that have not sent CONNECT yet.
    pub(crate) max_unproved: usize,
    /// For the TLS handshake, and then for CONNECT; for the head of an HTTP request.
    pub(crate) connect_timeout: Duration,
    /// How long a peer may leave what it is sent unread.
    pub(crate) write_timeout: Duration,
    /// How long the provisioning service says "assigning".
    pub(crate) assignment_delay: Duration,
    /// How long the provisioning service asks to wait before the next question.
    pub(crate) retry_after_s: u64,
    pub(crate) registrations_per_minute: u64,
    /// By one device.
    pub(crate) polls_per_ten_seconds: u64,
}

/// The settings of a device's queue, with Azure's defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct C2dPolicy {
    /// How long a message is locked for a connection.
    pub lock_ms: i64,
    /// How often a message is handed out at most.
    pub max_delivery_count: i64,
    /// How long a message lives unless its sender says so.
    pub ttl_ms: i64,
    /// Whether each handing out counts as a delivery, or only one that came to nothing; Microsoft's
    /// statements differ.
    pub counts_deliveries: bool,
    /// How many messages may wait.
    pub depth: i64,
}

impl C2dPolicy {
    /// Azure's defaults.
    pub(crate) const AZURE: Self = Self {
        lock_ms: 60_000,
        max_delivery_count: 10,
        ttl_ms: 3_600_000,
        counts_deliveries: true,
        depth: 50,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enforce_x509: false,
            verified_on_upload: false,
            https_client_certificates: true,
            x509_ca_over_https: true,
            clean_session_discards_c2d: true,
            max_subscriptions: 5,
            c2d: C2dPolicy::AZURE,
            feedback_ttl_ms: 3_600_000,
            file_upload_ttl_ms: 3_600_000,
            files_max_bytes: 4 << 30,
            keep_telemetry: 100_000,
            keep_telemetry_bytes: 256 * 1024 * 1024,
            event_hub_partitions: 4,
            sync_each_commit: false,
            max_unproved: 2048,
            connect_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            assignment_delay: Duration::ZERO,
            retry_after_s: 3,
            registrations_per_minute: 1000,
            polls_per_ten_seconds: 5,
        }
    }
}

impl Settings {
    /// All names that [`Settings::set`] takes.
    pub const NAMES: &[&str] = &[
        "enforceX509",
        "verifiedOnUpload",
        "httpsClientCertificates",
        "x509CaOverHttps",
        "cleanSessionDiscardsC2d",
        "maxSubscriptions",
        "c2dLockSeconds",
        "c2dMaxDeliveryCount",
        "c2dCountsDeliveries",
        "c2dTtlSeconds",
        "c2dQueueDepth",
        "feedbackTtlSeconds",
        "fileUploadTtlSeconds",
        "filesMaxBytes",
        "keepTelemetry",
        "keepTelemetryBytes",
        "eventHubPartitions",
        "syncEachCommit",
        "maxUnproved",
        "connectTimeoutMs",
        "writeTimeoutMs",
        "assignmentDelayMs",
        "retryAfterSeconds",
        "registrationsPerMinute",
        "pollsPerTenSeconds",
    ];

    /// Sets one of [`Settings::NAMES`].
    ///
    /// # Errors
    /// What is wrong with the name or the value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let millis = |low, high| number(name, value, low, high).map(Duration::from_millis);
        match name {
            "enforceX509" => self.enforce_x509 = parse(name, value)?,
            "verifiedOnUpload" => self.verified_on_upload = parse(name, value)?,
            "httpsClientCertificates" => self.https_client_certificates = parse(name, value)?,
            "x509CaOverHttps" => self.x509_ca_over_https = parse(name, value)?,
            "cleanSessionDiscardsC2d" => self.clean_session_discards_c2d = parse(name, value)?,
            "maxSubscriptions" => self.max_subscriptions = number(name, value, 0, 1000)?,
            "c2dLockSeconds" => self.c2d.lock_ms = number::<i64>(name, value, 1, 86_400)? * 1000,
            "c2dMaxDeliveryCount" => self.c2d.max_delivery_count = number(name, value, 1, 100)?,
            "c2dCountsDeliveries" => self.c2d.counts_deliveries = parse(name, value)?,
            "c2dTtlSeconds" => self.c2d.ttl_ms = number::<i64>(name, value, 1, 172_800)? * 1000,
            "c2dQueueDepth" => self.c2d.depth = number(name, value, 1, 100_000)?,
            "feedbackTtlSeconds" => {
                self.feedback_ttl_ms = number::<i64>(name, value, 1, 172_800)? * 1000;
            }
            "fileUploadTtlSeconds" => {
                self.file_upload_ttl_ms = number::<i64>(name, value, 60, 86_400)? * 1000;
            }
            "filesMaxBytes" => self.files_max_bytes = number(name, value, 1, 1 << 50)?,
            "keepTelemetry" => self.keep_telemetry = number(name, value, 1, 100_000_000)?,
            "keepTelemetryBytes" => {
                self.keep_telemetry_bytes = number(name, value, 1 << 20, 1 << 40)?;
            }
            "eventHubPartitions" => self.event_hub_partitions = number(name, value, 1, 32)?,
            "syncEachCommit" => self.sync_each_commit = parse(name, value)?,
            "maxUnproved" => self.max_unproved = number(name, value, 1, 1_000_000)?,
            "connectTimeoutMs" => self.connect_timeout = millis(1, 3_600_000)?,
            "writeTimeoutMs" => self.write_timeout = millis(1, 3_600_000)?,
            "assignmentDelayMs" => self.assignment_delay = millis(0, 3_600_000)?,
            "retryAfterSeconds" => self.retry_after_s = number(name, value, 0, 3600)?,
            "registrationsPerMinute" => {
                self.registrations_per_minute = number(name, value, 0, u64::from(u32::MAX))?;
            }
            "pollsPerTenSeconds" => {
                self.polls_per_ten_seconds = number(name, value, 0, u64::from(u32::MAX))?;
            }
            _ => return Err(SettingError::Unknown(name.to_owned())),
        }
        Ok(())
    }

    /// All values under their names.
    pub(crate) fn to_json(&self) -> Value {
        let millis = |duration: Duration| json!(duration.as_millis());
        let value = |name: &str| match name {
            "enforceX509" => json!(self.enforce_x509),
            "verifiedOnUpload" => json!(self.verified_on_upload),
            "httpsClientCertificates" => json!(self.https_client_certificates),
            "x509CaOverHttps" => json!(self.x509_ca_over_https),
            "cleanSessionDiscardsC2d" => json!(self.clean_session_discards_c2d),
            "maxSubscriptions" => json!(self.max_subscriptions),
            "c2dLockSeconds" => json!(self.c2d.lock_ms / 1000),
            "c2dMaxDeliveryCount" => json!(self.c2d.max_delivery_count),
            "c2dCountsDeliveries" => json!(self.c2d.counts_deliveries),
            "c2dTtlSeconds" => json!(self.c2d.ttl_ms / 1000),
            "c2dQueueDepth" => json!(self.c2d.depth),
            "feedbackTtlSeconds" => json!(self.feedback_ttl_ms / 1000),
            "fileUploadTtlSeconds" => json!(self.file_upload_ttl_ms / 1000),
            "filesMaxBytes" => json!(self.files_max_bytes),
            "keepTelemetry" => json!(self.keep_telemetry),
            "keepTelemetryBytes" => json!(self.keep_telemetry_bytes),
            "eventHubPartitions" => json!(self.event_hub_partitions),
            "syncEachCommit" => json!(self.sync_each_commit),
            "maxUnproved" => json!(self.max_unproved),
            "connectTimeoutMs" => millis(self.connect_timeout),
            "writeTimeoutMs" => millis(self.write_timeout),
            "assignmentDelayMs" => millis(self.assignment_delay),
            "retryAfterSeconds" => json!(self.retry_after_s),
            "registrationsPerMinute" => json!(self.registrations_per_minute),
            "pollsPerTenSeconds" => json!(self.polls_per_ten_seconds),
            _ => Value::Null,
        };
        let all = Self::NAMES
            .iter()
            .map(|name| ((*name).to_owned(), value(name)));
        Value::Object(all.collect::<Map<_, _>>())
    }
}

/// Why a setting is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingError {
    /// There is none of this name.
    Unknown(String),
    /// The value is neither `true` nor `false`.
    NoBoolean(String, String),
    /// The value is no number in its range.
    NoNumber(String, String, RangeInclusive<u64>),
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let names = Settings::NAMES.join(", ");
                write!(f, "setting '{name}' is none of {names}")
            }
            Self::NoBoolean(name, value) => {
                write!(f, "setting {name}={value} must be true or false")
            }
            Self::NoNumber(name, value, range) => {
                let (low, high) = (range.start(), range.end());
                write!(
                    f,
                    "setting {name}={value} must be a number from {low} to {high}"
                )
            }
        }
    }
}

impl std::error::Error for SettingError {}

fn parse(name: &str, value: &str) -> Result<bool, SettingError> {
    let wrong = |_| SettingError::NoBoolean(name.to_owned(), value.to_owned());
    value.parse().map_err(wrong)
}

fn number<T: TryFrom<u64>>(
    name: &str,
    value: &str,
    low: u64,
    high: u64,
) -> Result<T, SettingError> {
    let number = value
        .parse()
        .ok()
        .filter(|number| (low..=high).contains(number));
    let wrong = || SettingError::NoNumber(name.to_owned(), value.to_owned(), low..=high);
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_set_to_what_it_shows() {
        let shown = Settings::default().to_json();
        let mut settings = Settings::default();
        for name in Settings::NAMES {
            let value = shown[name].to_string();
            assert_ne!(value, "null", "{name}");
            settings.set(name, &value).unwrap();
        }
        assert_eq!(settings.to_json(), shown);
        let changes = [("maxSubscriptions", "7"), ("c2dLockSeconds", "5")];
        for (name, value) in changes {
            settings.set(name, value).unwrap();
            assert_eq!(settings.to_json()[name].to_string(), value);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let mut settings = Settings::default();
        let own = |text: &str| text.to_owned();
        for (name, value, expected) in [
            (
                "maxSubscription",
                "1",
                SettingError::Unknown(own("maxSubscription")),
            ),
            (
                "c2dLockSeconds",
                "0",
                SettingError::NoNumber(own("c2dLockSeconds"), own("0"), 1..=86_400),
            ),
            (
                "c2dLockSeconds",
                "soon",
                SettingError::NoNumber(own("c2dLockSeconds"), own("soon"), 1..=86_400),
            ),
            (
                "enforceX509",
                "yes",
                SettingError::NoBoolean(own("enforceX509"), own("yes")),
            ),
        ] {
            let error = settings.set(name, value).unwrap_err();
            assert_eq!(error, expected);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
