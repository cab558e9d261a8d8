//! What all parts share: storage, clock, event log, live connections, switches.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::c2d;
use crate::clock::Clock;
use crate::code::{ErrorCode, Refusal};
use crate::connections::{Command, Connections, MethodAnswer};
use crate::dps::Operations;
use crate::faults::{Faults, Point};
use crate::host::Host;
use crate::journal::{Event, Journal};
use crate::provisioning;
use crate::registry::{self, Device, IfMatch, TwinWrite};
use crate::schedule::Timetable;
use crate::settings::Settings;
use crate::store::Store;
use crate::telemetry;
use crate::throttle::Throttle;
use crate::tls::ServerCertificate;
use crate::wire::write;

/// The running service.
#[derive(Debug)]
pub(crate) struct Service {
    /// The hubs' host names; the first one is the default.
    pub hubs: Vec<String>,
    /// The provisioning service's id scope.
    pub id_scope: String,
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
    /// What is to go wrong.
    pub faults: Faults,
    /// When it is to go wrong.
    pub timetable: Timetable,
    /// Registrations at the provisioning service.
    pub registrations: Throttle,
    /// And what became of them.
    pub operations: Operations,
    /// The certificate of the MQTT listener.
    pub certificate: Arc<ServerCertificate>,
    /// Images for devices.
    pub firmware: crate::firmware::Firmware,
}

impl Service {
    /// The hub that a client means by a host name: the one of that name, else the default.
    pub(crate) fn hub(&self, host: &str) -> &str {
        let found = self.hub_named(host).or(self.hubs.first());
        found.map_or("", String::as_str)
    }

    /// Whether a host name is that of another hub, and not this machine's.
    pub(crate) fn is_another(&self, host: &str) -> bool {
        let is_here = match Host::parse(host) {
            Host::Address(_) => true,
            name => name.is_loopback(),
        };
        !is_here && self.hub_named(host).is_none()
    }

    /// The hub of that name.
    pub(crate) fn hub_named(&self, host: &str) -> Option<&String> {
        let host = Host::parse(host);
        self.hubs.iter().find(|hub| host.is_same(Host::parse(hub)))
    }

    /// Applies a write to a twin and tells the device, in the order of the commits.
    pub(crate) async fn write_twin(
        self: &Arc<Self>,
        hub: String,
        id: String,
        how: TwinWrite,
        document: serde_json::Map<String, Value>,
        if_match: IfMatch,
    ) -> Result<Device, Refusal> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let service = Arc::clone(self);
        let now = self.clock.now();
        self.store.submit(
            move |c| registry::write_twin(c, &hub, &id, how, &document, &if_match, now),
            move |result| {
                let result = result.map(|change| {
                    if let Some((version, patch)) = change.notification {
                        service.notify_desired(&change.device, version, &patch);
                    }
                    change.device
                });
                let _ = answer.send(result);
            },
        );
        answered.await.unwrap_or_else(|_| {
            Err(Refusal::new(
                ErrorCode::ServiceUnavailable,
                "the emulator is stopping",
            ))
        })
    }

    fn notify_desired(&self, device: &Device, version: i64, patch: &Value) {
        let Some(handle) = self.connections.find(&device.hub, &device.id) else {
            return;
        };
        if handle.desired.load(Ordering::Acquire) {
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            let packet = write::publish(&topic, patch.to_string().as_bytes(), None, false);
            handle.command(Command::Send(packet));
        }
    }

    /// Calls a method of a device.
    pub(crate) async fn invoke(
        &self,
        hub: &str,
        id: &str,
        call: MethodCall,
    ) -> Result<MethodAnswer, Refusal> {
        let (owned_hub, owned_id) = (hub.to_owned(), id.to_owned());
        self.store
            .run(move |c| registry::require(c, &owned_hub, &owned_id))
            .await?;
        if let Some(fault) = self.faults.strike(Point::Throttle, id) {
            let refusal = throttled(fault.number, &format!("method '{}'", call.name));
            return Err(self.method_failed(hub, id, refusal));
        }
        let deadline = Instant::now() + call.connect_timeout;
        let mut changes = self.connections.changes();
        let handle = loop {
            let live = self.connections.find(hub, id);
            if let Some(handle) = live.filter(|handle| handle.methods.load(Ordering::Acquire)) {
                break handle;
            }
            if tokio::time::timeout_at(deadline, changes.changed())
                .await
                .is_err()
            {
                let why = match self.connections.find(hub, id) {
                    Some(_) => "is connected but has not subscribed to methods",
                    None => "is not connected",
                };
                return Err(Refusal::new(
                    ErrorCode::DeviceNotOnline,
                    format!("device '{id}' {why}"),
                ));
            }
        };
        let rid = crate::sas::random_hex::<8>();
        let answered = handle.expect_answer(&rid);
        let topic = format!("$iothub/methods/POST/{}/?$rid={rid}", call.name);
        let body = call.payload.to_string();
        handle.command(Command::Send(write::publish(
            &topic,
            body.as_bytes(),
            None,
            false,
        )));
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

    /// Lets a device look into its mailbox.
    pub(crate) fn wake(&self, hub: &str, id: &str) {
        if let Some(handle) = self.connections.find(hub, id) {
            handle.command(Command::Mailbox);
        }
    }

    /// Moves a device to another hub, as an operator's re-assignment does, and drops its connection.
    pub(crate) async fn move_device(&self, id: &str, to: &str) -> Result<String, Refusal> {
        let (hubs, owned_id, owned_to) = (self.hubs.clone(), id.to_owned(), to.to_owned());
        let moved = self
            .store
            .run(move |c| provisioning::move_device(c, &hubs, &owned_id, &owned_to));
        let from = moved.await.inspect_err(|refusal| {
            self.journal
                .record(Event::refusal("fault", refusal).of(to, id));
        })?;
        let refusal = Refusal::new(
            ErrorCode::GatewayFailureCoreReceive,
            format!("device '{id}' was moved to hub '{to}'"),
        );
        self.drop_device(&from, id, refusal);
        self.journal
            .record(Event::info("fault", format!("moved from hub '{from}'")).of(to, id));
        Ok(from)
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

/// Waits until the service is to stop.
pub(crate) async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that whoever could stop it has gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The refusal of a throttle fault: 429, or 503.
pub(crate) fn throttled(status: u64, what: &str) -> Refusal {
    let code = match status {
        429 => ErrorCode::ThrottlingException,
        _ => ErrorCode::ServiceUnavailable,
    };
    Refusal::new(code, format!("{what} was refused by a fault on command"))
}
