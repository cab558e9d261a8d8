//! What all parts share: storage, clock, event log, live connections, switches.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::auth::tls::ServerCertificate;
use crate::clock::{Clock, UnixMs};
use crate::code::{ErrorCode, Refusal};
use crate::etag::IfMatch;
use crate::faults::{Faults, Point, throttled};
use crate::fields;
use crate::host::Host;
use crate::hub::c2d;
use crate::hub::connections::{Command, Connections, Handle, MethodAnswer};
use crate::hub::hubs::{Hubs, Signer};
use crate::hub::orders::Orders;
use crate::hub::registry::{self, Device, TwinChange, TwinWrite, bulk};
use crate::hub::ring;
use crate::hub::telemetry;
use crate::journal::{Event, Journal};
use crate::settings::Settings;
use crate::store::{Store, attempt};

/// The running service.
#[derive(Debug)]
pub(crate) struct Service {
    /// The hubs.
    pub hubs: Hubs,
    /// Switches and sizes.
    pub settings: Settings,
    /// Everything that must survive.
    pub store: Store,
    /// The time.
    pub clock: Arc<Clock>,
    /// The event log.
    pub journal: Journal,
    /// Who is connected.
    pub connections: Connections,
    /// Messages as they are stored.
    pub telemetry: broadcast::Sender<Arc<telemetry::Message>>,
    /// How much of it is kept.
    pub ring: Arc<ring::Ring>,
    /// What devices report.
    pub reports: Arc<registry::Reports>,
    /// What is to go wrong.
    pub faults: Faults,
    /// Orders of the list that are still read.
    pub orders: Orders,
    /// The certificate of the MQTT listener.
    pub certificate: Arc<ServerCertificate>,
}

impl Service {
    /// The hub that a client means by a host name: the one of that name, else the default.
    pub(crate) fn hub(&self, host: &str) -> String {
        self.hub_named(host).unwrap_or_else(|| self.hubs.first())
    }

    /// Whether a host name is that of another hub, and not this machine's.
    pub(crate) fn is_another(&self, host: &str) -> bool {
        let is_here = match Host::parse(host) {
            Host::Address(_) => true,
            name => name.is_loopback(),
        };
        !is_here && self.hub_named(host).is_none()
    }

    /// The hub of that host name.
    pub(crate) fn hub_named(&self, host: &str) -> Option<String> {
        self.hubs.at(host).map(|hub| hub.host)
    }

    /// Whether the symmetric key of a device or of a module is refused: by a switch of the
    /// emulator, or by a property of the hub, of which devices and modules have one each.
    pub(crate) fn enforces_x509(&self, hub: &str, id: &str) -> bool {
        self.settings.enforce_x509 || self.hubs.refuses(hub, Signer::of(id))
    }

    /// Applies a write to a twin and tells the device, in the order of the commits.
    pub(crate) async fn write_twin(
        self: &Arc<Self>,
        hub: String,
        id: String,
        how: TwinWrite,
        document: Map<String, Value>,
        if_match: IfMatch,
    ) -> Result<Device, Refusal> {
        let now = self.clock.now();
        self.in_order(
            move |c| registry::write_twin(c, &hub, &id, how, &document, &if_match, now),
            |service, change| {
                service.tell(&change);
                change.device
            },
        )
        .await
    }

    /// Applies a patch to twins, each by itself, in one transaction with what `note` writes of
    /// each, and tells the devices in the order of the commits. What there is no time for within
    /// [`SLICE`] is left out, but for the first: others wait meanwhile.
    pub(crate) async fn write_twins(
        self: &Arc<Self>,
        hub: String,
        devices: Vec<String>,
        document: Map<String, Value>,
        if_match: IfMatch,
        note: impl Fn(&Connection, &str, &Result<TwinChange, Refusal>) -> Result<(), Refusal>
        + Send
        + 'static,
    ) -> Result<(), Refusal> {
        let now = self.clock.now();
        self.in_order(
            move |c| {
                let (mut changes, begin) = (Vec::new(), Instant::now());
                for (index, device) in devices.into_iter().enumerate() {
                    if index > 0 && begin.elapsed() >= SLICE {
                        break;
                    }
                    let how = TwinWrite::Patch;
                    let change = attempt(c, |c| {
                        registry::write_twin(c, &hub, &device, how, &document, &if_match, now)
                    });
                    note(c, &device, &change)?;
                    changes.extend(change.ok());
                }
                Ok(changes)
            },
            |service, changes| {
                for change in &changes {
                    service.tell(change);
                }
            },
        )
        .await
    }

    /// Changes twins, all or none, and tells the devices in the order of the commits; says how
    /// many.
    pub(crate) async fn change_twins(
        self: &Arc<Self>,
        change: impl FnOnce(&Connection, UnixMs) -> Result<Vec<TwinChange>, Refusal> + Send + 'static,
    ) -> Result<usize, Refusal> {
        let now = self.clock.now();
        self.in_order(
            move |c| change(c, now),
            |service, changes| {
                for change in &changes {
                    service.tell(change);
                }
                changes.len()
            },
        )
        .await
    }

    /// Does the entries of a bulk request, each by itself, and what follows from it for
    /// connections.
    pub(crate) async fn bulk(
        self: &Arc<Self>,
        hub: String,
        entries: Vec<Map<String, Value>>,
    ) -> Result<Vec<(Map<String, Value>, Result<(), Refusal>)>, Refusal> {
        let now = self.clock.now();
        let of = hub.clone();
        self.in_order(
            move |c| {
                let all = entries.into_iter().map(|entry| {
                    let done = attempt(c, |c| bulk::apply(c, &of, &entry, now));
                    (entry, done)
                });
                Ok(all.collect::<Vec<_>>())
            },
            move |service, all| {
                let all = all.into_iter().map(|(entry, done)| {
                    let result = done.map(|done| service.follow(&hub, done));
                    (entry, result)
                });
                all.collect()
            },
        )
        .await
    }

    fn follow(&self, hub: &str, done: bulk::Done) {
        match done {
            bulk::Done::Written(device, change) => {
                if let Some(change) = &change {
                    self.tell(change);
                }
                if !device.enabled {
                    let what = registry::in_words(&device.id);
                    let reason = format!("{what} was disabled in the registry");
                    let refusal = Refusal::new(ErrorCode::DeviceDisabled, reason);
                    self.drop_with_modules(hub, &device.id, &refusal);
                }
            }
            bulk::Done::Deleted(id) => {
                let reason = format!("{} was deleted from the registry", registry::in_words(&id));
                let refusal = Refusal::new(ErrorCode::DeviceNotFound, reason);
                self.drop_with_modules(hub, &id, &refusal);
            }
        }
    }

    /// Runs a job of the storage, and then `after` in the order of the commits.
    async fn in_order<T: Send + 'static, R: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(&Self, T) -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let service = Arc::clone(self);
        self.store.submit(job, move |result| {
            // Nobody may be waiting any more; it has been done all the same.
            let _ = answer.send(result.map(|done| after(&service, done)));
        });
        answered.await.unwrap_or_else(|_| {
            Err(Refusal::new(
                ErrorCode::ServiceUnavailable,
                "the emulator is stopping",
            ))
        })
    }

    fn tell(&self, change: &TwinChange) {
        if let Some((version, patch)) = &change.notification {
            self.notify_desired(&change.device, *version, patch);
        }
    }

    fn notify_desired(&self, device: &Device, version: i64, patch: &Value) {
        let Some(handle) = self.connections.find(&device.hub, &device.id) else {
            return;
        };
        if handle.desired.load(Ordering::Acquire) {
            handle.command(Command::Desired {
                version,
                patch: patch.to_string(),
            });
        }
    }

    /// Calls a method of a device.
    pub(crate) async fn invoke(
        &self,
        hub: &str,
        id: &str,
        call: MethodCall,
    ) -> Result<MethodAnswer, Refusal> {
        // Only a device that is registered is connected.
        if self.connections.find(hub, id).is_none() {
            let (owned_hub, owned_id) = (hub.to_owned(), id.to_owned());
            self.store
                .run(move |c| registry::require(c, &owned_hub, &owned_id))
                .await?;
        }
        if let Some(fault) = self.faults.trigger(Point::Throttle, id) {
            let refusal = throttled(fault.number, &format!("method '{}'", call.name));
            return Err(self.method_failed(hub, id, refusal));
        }
        let live = self.connections.find(hub, id);
        let handle = match live.filter(|handle| handle.methods.load(Ordering::Acquire)) {
            Some(handle) => handle,
            None => self.listening(hub, id, call.connect_timeout).await?,
        };
        let (rid, answered) = handle.expect_answer();
        handle.command(Command::Call {
            rid: rid.clone(),
            method: call.name.clone(),
            payload: call.payload.to_string(),
        });
        match tokio::time::timeout(call.response_timeout, answered).await {
            Ok(Ok(Err(refusal))) => Err(self.method_failed(hub, id, refusal)),
            Ok(Ok(Ok(answer))) => {
                let what = format!("method '{}' answered with {}", call.name, answer.status);
                self.journal.record(Event::info("method", what).of(hub, id));
                Ok(answer)
            }
            Ok(Err(_)) => Err(self.method_failed(
                hub,
                id,
                Refusal::new(
                    ErrorCode::DeviceConnectionClosedRemotely,
                    format!(
                        "device '{id}' went before it answered method '{}'",
                        call.name
                    ),
                ),
            )),
            Err(_) => {
                handle.forget_answer(&rid);
                Err(self.method_failed(
                    hub,
                    id,
                    Refusal::new(
                        ErrorCode::GatewayTimeout,
                        format!(
                            "device '{id}' did not answer method '{}' within {} s",
                            call.name,
                            call.response_timeout.as_secs()
                        ),
                    ),
                ))
            }
        }
    }

    /// Waits for a connection of a device that listens for methods.
    async fn listening(
        &self,
        hub: &str,
        id: &str,
        time_limit: Duration,
    ) -> Result<Arc<Handle>, Refusal> {
        let deadline = Instant::now() + time_limit;
        let mut changes = self.connections.changes();
        loop {
            let live = self.connections.find(hub, id);
            if let Some(handle) = live.filter(|handle| handle.methods.load(Ordering::Acquire)) {
                return Ok(handle);
            }
            let changed = tokio::time::timeout_at(deadline, changes.changed());
            if changed.await.is_err() {
                let why = match self.connections.find(hub, id) {
                    Some(_) => "is connected but has not subscribed to methods",
                    None => "is not connected",
                };
                return Err(Refusal::new(
                    ErrorCode::DeviceNotOnline,
                    format!("device '{id}' {why}"),
                ));
            }
        }
    }

    fn method_failed(&self, hub: &str, id: &str, refusal: Refusal) -> Refusal {
        self.journal
            .record(Event::refusal("method", &refusal).of(hub, id));
        refusal
    }

    /// Accepts a cloud-to-device message and wakes its receiver.
    pub(crate) async fn send_c2d(
        &self,
        hub: &str,
        id: &str,
        draft: c2d::Draft,
    ) -> Result<c2d::Message, Refusal> {
        let (owned_hub, owned_id) = (hub.to_owned(), id.to_owned());
        let (policy, now) = (self.settings.c2d, self.clock.now());
        let message = self
            .store
            .run(move |c| c2d::enqueue(c, &owned_hub, &owned_id, draft, policy, now))
            .await?;
        self.wake(hub, id);
        Ok(message)
    }

    /// Stores messages of a device that is not connected, all of them or none, and hands them on.
    pub(crate) async fn send_telemetry(
        &self,
        hub: &str,
        id: &str,
        mut messages: Vec<telemetry::Message>,
    ) -> Result<(), Refusal> {
        let (hub, id, now) = (hub.to_owned(), id.to_owned(), self.clock.now());
        for message in &mut messages {
            message.enqueued = now;
        }
        let ring = Arc::clone(&self.ring);
        let stored = self.store.run(move |c| {
            registry::require_enabled(c, &hub, &id)?;
            registry::touch_activity(c, &hub, &id, now)?;
            let stored = messages.into_iter().map(|message| ring.store(c, message));
            stored.collect::<Result<Vec<_>, _>>()
        });
        for message in stored.await? {
            // Nobody may be reading.
            let _ = self.telemetry.send(message);
        }
        Ok(())
    }

    /// Lets a device look into its mailbox.
    pub(crate) fn wake(&self, hub: &str, id: &str) {
        if let Some(handle) = self.connections.find(hub, id) {
            handle.command(Command::Mailbox);
        }
    }

    /// Drops the connections of a device and of its modules.
    pub(crate) fn drop_with_modules(&self, hub: &str, id: &str, refusal: &Refusal) {
        self.drop_device(hub, id, refusal.clone());
        let front = crate::id::of_module(id, "");
        for handle in self.connections.all() {
            if handle.hub == hub && handle.device_id.starts_with(&front) {
                handle.command(Command::Close(refusal.clone()));
            }
        }
    }

    /// Drops a device's connection, if it has one.
    pub(crate) fn drop_device(&self, hub: &str, id: &str, refusal: Refusal) {
        if let Some(handle) = self.connections.find(hub, id) {
            handle.command(Command::Close(refusal));
        }
    }
}

/// A method call as the service side asks for it.
#[derive(Clone, Debug)]
pub(crate) struct MethodCall {
    /// Its name.
    pub name: String,
    /// JSON.
    pub payload: Value,
    /// How long to wait for the device to connect and to subscribe.
    pub connect_timeout: Duration,
    /// How long to wait for the answer.
    pub response_timeout: Duration,
}

impl MethodCall {
    /// Reads Azure's JSON: `methodName`, `payload`, `connectTimeoutInSeconds` and
    /// `responseTimeoutInSeconds`.
    pub(crate) fn from_json(document: &Map<String, Value>) -> Result<Self, Refusal> {
        let invalid = |reason: String| Refusal::new(ErrorCode::ArgumentInvalid, reason);
        let name = document
            .get("methodName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if name.is_empty() || name.len() > 128 || name.contains(['/', '#', '+', '?', '$']) {
            return Err(invalid(format!(
                "methodName '{name}' must have 1 to 128 characters without / # + ? $"
            )));
        }
        let payload = document.get("payload").cloned().unwrap_or(Value::Null);
        if payload.to_string().len() > MAX_METHOD {
            let reason = format!("a method's payload may have {MAX_METHOD} bytes");
            return Err(Refusal::new(ErrorCode::MessageTooLarge, reason));
        }
        let seconds = |name: &str, default: u64, min: u64| match document.get(name) {
            None | Some(Value::Null) => Ok(Duration::from_secs(default)),
            Some(value) => match fields::integer(value).and_then(|it| u64::try_from(it).ok()) {
                Some(seconds) if (min..=300).contains(&seconds) => Ok(Duration::from_secs(seconds)),
                _ => Err(invalid(format!(
                    "{name} must be {min} to 300 seconds, not {value}"
                ))),
            },
        };
        Ok(Self {
            name: name.to_owned(),
            payload,
            connect_timeout: seconds("connectTimeoutInSeconds", 0, 0)?,
            response_timeout: seconds("responseTimeoutInSeconds", 30, 5)?,
        })
    }
}

/// How long twins are written before others have their turn.
const SLICE: Duration = Duration::from_millis(5);
const MAX_METHOD: usize = 128 * 1024;
