//! The Device Provisioning Service.

use heapless::{String, Vec};

use crate::error::{ConfigError, ProvisioningFailure};
use crate::id::RequestId;
use crate::identity::{self, Identity, NAME_MAX};
use crate::json;
use crate::reconnect::{Class, Failures};
use crate::scan::Set;
use crate::writer::Writer;

/// How to reach DPS, and the device's identity there. X.509 only: symmetric keys and SAS are out of
/// scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config<'c> {
    /// `0ne…`
    pub id_scope: &'c str,
    /// `global.azure-devices-provisioning.net` unless private.
    pub hostname: &'c str,
    /// Equal to the certificate's common name.
    pub registration_id: &'c str,
    /// Custom JSON for the allocation webhook.
    pub payload: Option<&'c [u8]>,
    /// Register anew after so many refused or failed connects to the assigned hub in a row.
    pub reprovision_after: u32,
    /// The same for connects that the assigned hub refused: the device was deleted there, or
    /// disabled.
    pub reprovision_after_authorisation: u32,
}

impl<'c> Config<'c> {
    /// With the global endpoint, no payload, and registration anew after 10 failed connects or 2
    /// refusals.
    pub const fn new(id_scope: &'c str, registration_id: &'c str) -> Self {
        Self {
            id_scope,
            hostname: "global.azure-devices-provisioning.net",
            registration_id,
            payload: None,
            reprovision_after: 10,
            reprovision_after_authorisation: 2,
        }
    }
}

/// The hub and the device id that DPS has assigned, kept over reboots by the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment<'c> {
    /// The hub's host name.
    pub hostname: &'c str,
    /// The device id at that hub.
    pub device_id: &'c str,
}

/// What happens at DPS.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Registration is under way.
    Registering,
    /// DPS has not decided yet; the client polls again.
    Assigning,
    /// DPS has assigned a hub; [`Client::hostname`](crate::Client::hostname) and `device_id` are
    /// the new ones.
    Assigned {
        /// What the allocation webhook returned: raw JSON.
        payload: Option<&'a [u8]>,
    },
    /// DPS has not assigned a hub. The client tries again after a back-off.
    Failed(ProvisioningFailure),
}

const ID_SCOPE_MAX: usize = 32;
const OPERATION_ID_MAX: usize = 128;
const PAYLOAD_MAX: usize = 256;

/// <https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps>
const API_VERSION: &str = "2019-03-31";

/// A hub's user name and client id can have three names where DPS has two and an ID scope: what is
/// room for a hub's CONNECT is room for one to DPS.
const _: () = assert!(
    ID_SCOPE_MAX + "/registrations//api-version=&ClientVersion=".len() + API_VERSION.len()
        <= NAME_MAX
);

/// Where DPS gives no `retry-after`.
const RETRY_AFTER_S: u32 = 2;
/// The longest `retry-after` that is obeyed.
const RETRY_AFTER_MAX_S: u32 = 600;
/// So many polls, and so many throttled requests, before the connection is given up.
const POLLS_MAX: u8 = 40;
const THROTTLED_MAX: u8 = 8;

/// The state of the registration with DPS.
#[derive(Debug)]
pub(crate) struct Registration {
    id_scope: String<ID_SCOPE_MAX>,
    hostname: String<NAME_MAX>,
    registration_id: String<NAME_MAX>,
    payload: Vec<u8, PAYLOAD_MAX>,
    limits: (u32, u32),
    /// Failed connects to the assigned hub in a row, and the refusals among them.
    failures: (u32, u32),
    /// The next connection goes to DPS.
    required: bool,
    operation_id: [u8; OPERATION_ID_MAX],
    /// 0: there is none.
    operation_id_len: usize,
    pub(crate) step: Step,
    polls: u8,
    throttled: u8,
}

/// The next step on a connection to DPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A request is to be sent: registration, or a poll once there is an operation.
    Request,
    /// A request is sent and not answered.
    AwaitingAnswer(RequestId),
    /// The next request is sent when the timer expires.
    Waiting,
    /// No further request.
    Done,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// Send the next request after at least so many seconds.
    Retry {
        seconds: u32,
        throttled: Option<u8>,
    },
    Assigned {
        payload: Option<&'a [u8]>,
    },
    Failed(ProvisioningFailure),
}

impl Config<'_> {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !is_id_scope(self.id_scope) {
            return Err(ConfigError::IdScope);
        }
        if !is_registration_id(self.registration_id) {
            return Err(ConfigError::RegistrationId);
        }
        if !identity::is_hostname(self.hostname) {
            return Err(ConfigError::Hostname);
        }
        let is_payload = self
            .payload
            .is_none_or(|payload| payload.len() <= PAYLOAD_MAX && json::is_valid(payload));
        if !is_payload {
            return Err(ConfigError::ProvisioningPayload);
        }
        Ok(())
    }

    /// ID scope, host name, registration id and payload.
    pub(crate) fn names(&self) -> [&[u8]; 4] {
        [
            self.id_scope.as_bytes(),
            self.hostname.as_bytes(),
            self.registration_id.as_bytes(),
            self.payload.unwrap_or_default(),
        ]
    }
}

impl Registration {
    /// Not configured.
    pub(crate) const fn new() -> Self {
        Self {
            id_scope: String::new(),
            hostname: String::new(),
            registration_id: String::new(),
            payload: Vec::new(),
            limits: (0, 0),
            failures: (0, 0),
            required: false,
            operation_id: [0; OPERATION_ID_MAX],
            operation_id_len: 0,
            step: Step::Request,
            polls: 0,
            throttled: 0,
        }
    }

    /// Copies a checked configuration.
    pub(crate) fn set(&mut self, config: Option<&Config<'_>>, assigned: bool) {
        let Some(config) = config else {
            self.id_scope.clear();
            return;
        };
        identity::copy(&mut self.id_scope, config.id_scope);
        identity::copy(&mut self.hostname, config.hostname);
        identity::copy(&mut self.registration_id, config.registration_id);
        self.payload.clear();
        let _ = self
            .payload
            .extend_from_slice(config.payload.unwrap_or_default());
        self.limits = (
            config.reprovision_after,
            config.reprovision_after_authorisation,
        );
        self.failures = (0, 0);
        self.required = !assigned;
    }

    /// Continues with the failed connects in a row of an earlier boot.
    pub(crate) fn resume(&mut self, failures: &Failures) {
        self.failures = (failures.total(), failures.refused_by_hub);
    }

    /// Whether DPS is configured: its ID scope is never empty.
    pub(crate) fn is_set(&self) -> bool {
        !self.id_scope.is_empty()
    }

    /// ID scope, host name, registration id and payload.
    pub(crate) fn names(&self) -> [&[u8]; 4] {
        [
            self.id_scope.as_bytes(),
            self.hostname.as_bytes(),
            self.registration_id.as_bytes(),
            &self.payload,
        ]
    }

    /// Whether the next connection goes to DPS.
    pub(crate) fn is_required(&self) -> bool {
        self.required
    }

    pub(crate) fn require(&mut self) {
        self.required = true;
        self.failures = (0, 0);
    }

    /// A connection to the assigned hub was accepted.
    pub(crate) fn confirm(&mut self) {
        self.failures = (0, 0);
    }

    /// A connect to the assigned hub has failed. Returns whether the next connection goes to DPS.
    pub(crate) fn hub_connect_failed(&mut self, class: Class) -> bool {
        let (all, authorisation) = &mut self.failures;
        *all = all.saturating_add(1);
        if class == Class::Authorisation {
            *authorisation = authorisation.saturating_add(1);
        }
        if *all >= self.limits.0 || *authorisation >= self.limits.1 {
            self.require();
        }
        self.required
    }

    /// A connection to DPS has failed. With an assignment, one connect to the hub comes before the
    /// next to DPS.
    pub(crate) fn dps_connect_failed(&mut self, assigned: bool) {
        if assigned {
            self.required = false;
            self.failures = (
                self.limits.0.saturating_sub(1),
                self.limits.1.saturating_sub(1),
            );
        }
    }

    /// A new connection to DPS starts from the beginning.
    pub(crate) fn begin(&mut self) {
        self.operation_id_len = 0;
        self.step = Step::Request;
        self.polls = 0;
        self.throttled = 0;
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.hostname
    }

    pub(crate) fn registration_id(&self) -> &str {
        &self.registration_id
    }

    pub(crate) fn write_user_name(&self, client_type: &str, writer: &mut Writer<'_>) {
        writer.texts(&[
            &self.id_scope,
            "/registrations/",
            &self.registration_id,
            "/api-version=",
            API_VERSION,
        ]);
        if !client_type.is_empty() {
            writer.text("&ClientVersion=");
            writer.encoded(client_type);
        }
    }

    /// The topic of the next request.
    pub(crate) fn write_topic(&self, request: RequestId, writer: &mut Writer<'_>) {
        let operation_id = self.operation_id();
        let polls = !operation_id.is_empty();
        writer.text(if polls {
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid="
        } else {
            "$dps/registrations/PUT/iotdps-register/?$rid="
        });
        writer.number(u64::from(request.0));
        if polls {
            writer.text("&operationId=");
            writer.bytes(operation_id);
        }
    }

    /// Empty before the answer to the registration.
    fn operation_id(&self) -> &[u8] {
        self.operation_id
            .get(..self.operation_id_len)
            .unwrap_or_default()
    }

    /// The body of the next request.
    pub(crate) fn write_body(&self, writer: &mut Writer<'_>) {
        if self.operation_id_len > 0 {
            return;
        }
        writer.texts(&["{\"registrationId\":\"", &self.registration_id, "\""]);
        if !self.payload.is_empty() {
            writer.text(",\"payload\":");
            writer.bytes(&self.payload);
        }
        writer.text("}");
    }

    /// Reads the answer to the last request. An assignment is written to `identity`.
    pub(crate) fn answer<'a>(
        &mut self,
        status: u16,
        retry_after: Option<u32>,
        body: &'a [u8],
        identity: &mut Identity,
    ) -> Outcome<'a> {
        let seconds = retry_after.unwrap_or(RETRY_AFTER_S).min(RETRY_AFTER_MAX_S);
        let outcome = self.read(status, seconds, body, identity);
        self.step = match outcome {
            Outcome::Retry { .. } => Step::Waiting,
            _ => Step::Done,
        };
        if matches!(outcome, Outcome::Assigned { .. }) {
            self.required = false;
            self.failures = (0, 0);
        }
        outcome
    }

    fn read<'a>(
        &mut self,
        status: u16,
        seconds: u32,
        body: &'a [u8],
        identity: &mut Identity,
    ) -> Outcome<'a> {
        if status >= 300 {
            return self.refused(status, seconds, body);
        }
        self.throttled = 0;
        let none: &[u8] = &[];
        let mut operation = [("status", none), ("operationId", none)];
        let mut state = [
            ("assignedHub", none),
            ("deviceId", none),
            ("connectionProfile", none),
            ("payload", none),
            ("errorCode", none),
        ];
        if !json::read(body, &mut operation, "registrationState", &mut state) {
            return Outcome::Failed(ProvisioningFailure::Malformed);
        }
        let [(_, word), (_, operation_id)] = operation;
        let state = state.map(|(_, raw)| raw);
        let is = |text| json::quoted(word).is_some_and(|word| json::is_text(word, text));
        if is("assigning") || is("unassigned") {
            self.assigning(seconds, operation_id)
        } else if is("assigned") {
            assigned(&state, identity)
        } else if is("failed") {
            Outcome::Failed(ProvisioningFailure::Failed {
                code: error_code(state[4]),
            })
        } else if is("disabled") {
            Outcome::Failed(ProvisioningFailure::Disabled)
        } else {
            Outcome::Failed(ProvisioningFailure::Malformed)
        }
    }

    fn refused<'a>(&mut self, status: u16, seconds: u32, body: &[u8]) -> Outcome<'a> {
        if status == 429 || status >= 500 {
            self.throttled += 1;
            if self.throttled < THROTTLED_MAX {
                return Outcome::Retry {
                    seconds,
                    throttled: Some(self.throttled),
                };
            }
        }
        let mut code = [("errorCode", &[][..])];
        let code = if json::read(body, &mut code, "", &mut []) {
            error_code(code[0].1)
        } else {
            0
        };
        Outcome::Failed(ProvisioningFailure::Refused { status, code })
    }

    /// The operation id goes into a topic without being encoded, so that it can hold little.
    fn take_operation_id(&mut self, raw: &[u8]) -> Option<usize> {
        let quoted = json::quoted(raw)?;
        let length = if Set::OPERATION_ID.has_all(quoted) {
            self.operation_id
                .get_mut(..quoted.len())?
                .copy_from_slice(quoted);
            quoted.len()
        } else {
            let id = json::text(raw, &mut self.operation_id).ok()?;
            Set::OPERATION_ID
                .has_all(id.as_bytes())
                .then_some(id.len())?
        };
        (length > 0).then_some(length)
    }

    fn assigning<'a>(&mut self, seconds: u32, operation_id: &[u8]) -> Outcome<'a> {
        self.polls += 1;
        if self.polls >= POLLS_MAX {
            return Outcome::Failed(ProvisioningFailure::Timeout);
        }
        if !operation_id.is_empty() {
            let Some(length) = self.take_operation_id(operation_id) else {
                return Outcome::Failed(ProvisioningFailure::Malformed);
            };
            self.operation_id_len = length;
        } else if self.operation_id_len == 0 {
            return Outcome::Failed(ProvisioningFailure::Malformed);
        }
        Outcome::Retry {
            seconds,
            throttled: None,
        }
    }
}

/// From the members of `registrationState`.
fn assigned<'a>(state: &[&'a [u8]; 5], identity: &mut Identity) -> Outcome<'a> {
    let [hub, device, profile, payload, _] = *state;
    let is_classic = json::quoted(profile).is_some_and(|word| json::is_text(word, "classic"));
    if !is_classic && !matches!(profile, b"" | b"null") {
        return Outcome::Failed(ProvisioningFailure::ConnectionProfile);
    }
    let mut buffers = ([0; NAME_MAX], [0; NAME_MAX]);
    match (
        json::text(hub, &mut buffers.0),
        json::text(device, &mut buffers.1),
    ) {
        (Ok(hub), Ok(device)) if identity.assign(hub, device) => Outcome::Assigned {
            payload: Some(payload).filter(|raw| !matches!(*raw, b"" | b"null")),
        },
        _ => Outcome::Failed(ProvisioningFailure::Malformed),
    }
}

fn error_code(raw: &[u8]) -> u32 {
    json::number(raw)
        .and_then(|code| u32::try_from(code).ok())
        .unwrap_or(0)
}

/// Whether the text can be an ID scope: 1 to 32 letters, digits and `-`.
/// <https://learn.microsoft.com/azure/iot-dps/concepts-service#id-scope>
pub fn is_id_scope(text: &str) -> bool {
    (1..=ID_SCOPE_MAX).contains(&text.len()) && Set::ID_SCOPE.has_all(text.as_bytes())
}

/// Whether the text can be a registration id: 1 to 128 letters, digits and `-._:`, with a letter, a
/// digit or `-` at its end.
/// <https://learn.microsoft.com/azure/iot-dps/concepts-service#registration-id>
pub fn is_registration_id(text: &str) -> bool {
    text.len() <= NAME_MAX
        && Set::REGISTRATION_ID.has_all(text.as_bytes())
        && !matches!(text.bytes().last(), None | Some(b'.' | b'_' | b':'))
}
