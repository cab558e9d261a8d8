//! The driver: one thread that feeds the client with facts and carries out its commands, by the drain rule of
//! `iothub-proto`.

use iothub_proto::{
    Client, Config, ConfigError, Error, Event, Instant, Limits, Phase, Timeouts, network, outbox,
};
use ncs::platform::{Mutex, Slot, Waiter};
use static_cell::ConstStaticCell;

use crate::{
    callbacks,
    carry_out::carry_out,
    describe, fota,
    identity::{Attempts, Identity, Who},
    inbox::{self, Fact},
    kconfig, now,
    options::Options,
    patience::Patience,
    recovery, seconds,
    turn::Turn,
};

/// What is called for each event.
pub type Handler = fn(Event<'_>);

/// What is called for each event, where the message that it came with is of interest: see [`Options::with_notices`].
pub type NoticeHandler = fn(Notice<'_>);

/// An event with where it came from.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// An event, and the message of the hub that it was read from.
    Event(Event<'a>, Option<Message<'a>>),
    /// The hub answered a ping.
    Pingresp,
}

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a [u8],
    /// Its body.
    pub payload: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Event(Handler),
    Notice(NoticeHandler),
}

/// Why [`start`](crate::start) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work: the text of the log says which option it is.
    Config(ConfigError),
    /// It was started before.
    AlreadyStarted,
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Config(error) => {
                error.fmt(f)?;
                f.write_str(match error {
                    ConfigError::Hostname => ": see the setting iothub/hostname, CONFIG_IOTHUB_HOSTNAME",
                    ConfigError::DeviceId => ": see the setting iothub/device_id, CONFIG_IOTHUB_DEVICE_ID",
                    ConfigError::IdScope => {
                        ": see the setting iothub/dps/id_scope, CONFIG_IOTHUB_DPS_ID_SCOPE"
                    }
                    ConfigError::RegistrationId => {
                        ": see the setting iothub/dps/registration_id, CONFIG_IOTHUB_DPS_REGISTRATION_ID"
                    }
                    _ => "",
                })
            }
            Self::AlreadyStarted => f.write_str("the client was started before"),
        }
    }
}

pub(crate) type TheClient = Client<{ kconfig::OUTBOX }, { kconfig::IOTHUB_DPS }>;

/// Where the client lies, and the same once it can work.
static PLACE: Mutex<TheClient> = Mutex::new(TheClient::unconfigured());
static CLIENT: Slot<&'static Mutex<TheClient>> = Slot::new();
static HANDLER: Slot<Call> = Slot::new();
/// What keeps events for `wait_for`, where that is used.
pub(crate) static RECORD: Slot<fn(&Event<'_>)> = Slot::new();
static ATTACH: Slot<bool> = Slot::new();

/// Whether the modem and the network are ours to look after.
pub(crate) fn may_attach() -> bool {
    kconfig::MAY_ATTACH && ATTACH.get().unwrap_or(true)
}

/// As another device, or at another hub, from the next connect on.
pub(crate) fn reconfigure(who: &Who<'_>) -> Result<(), ConfigError> {
    let client = CLIENT.get().ok_or(ConfigError::Started)?;
    let options = Options::new(|_| {}).who(*who);
    with_config(&options, &mut |config| {
        client.with(|client| client.reconfigure(config))
    })
}

pub(crate) fn start(options: &Options<'_>) -> Result<(), StartError> {
    with_config(options, &mut |config| {
        PLACE.with(|client| {
            if CLIENT.get().is_some() {
                return Err(ConfigError::Started);
            }
            client.configure(config)?;
            CLIENT.set(&PLACE);
            Ok(())
        })
    })
    .map_err(|error| match error {
        ConfigError::Started => StartError::AlreadyStarted,
        error => StartError::Config(error),
    })?;
    if kconfig::MQTT_KEEPALIVE > 1177 {
        log::warn!(
            "the keep-alive is above 1177 s: the hub, which waits 29.45 minutes at most, may drop the device before a ping"
        );
    }
    HANDLER.set(options.call);
    ATTACH.set(options.attach);
    fota::prepare(options.firmware);
    ncs::platform::start_driver(entry).map_err(|_| StartError::AlreadyStarted)
}

fn with_config(
    options: &Options<'_>,
    f: &mut dyn FnMut(&Config<'_>) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let mut identity = Identity::default();
    identity.load(&options.who);
    let mut config = Config::new(&identity.hostname, &identity.device_id);
    config.module_id = Some(options.module).filter(|id| !id.is_empty());
    config.model_id = Some(kconfig::IOTHUB_MODEL_ID).filter(|id| !id.is_empty());
    config.client_type = concat!("iothub/", env!("CARGO_PKG_VERSION"));
    config.keep_alive = seconds(kconfig::MQTT_KEEPALIVE);
    config.gate = network::GateConfig {
        enabled: options.attach && kconfig::IOTHUB_IPV6_WAIT,
        dual_stack: crate::milliseconds(kconfig::IOTHUB_IPV6_WAIT_DUAL_STACK_MS),
        ipv6_only: crate::milliseconds(kconfig::IOTHUB_IPV6_WAIT_IPV6_ONLY_MS),
    };
    config.backoff = kconfig::back_off();
    config.timeouts = Timeouts {
        connack: seconds(kconfig::IOTHUB_CONNACK_TIMEOUT_S),
        suback: seconds(kconfig::IOTHUB_SUBACK_TIMEOUT_S),
        puback: seconds(kconfig::IOTHUB_PUBACK_TIMEOUT_S),
        response: seconds(kconfig::IOTHUB_RESPONSE_TIMEOUT_S),
        method: seconds(kconfig::IOTHUB_METHOD_TIMEOUT_S),
        ..config.timeouts
    };
    config.outbox = if kconfig::IOTHUB_OUTBOX_DROP_OLDEST {
        outbox::Policy::DropOldest
    } else {
        outbox::Policy::Reject
    };
    config.dps = identity.dps();
    if let Some(dps) = &mut config.dps {
        dps.payload = Some(options.provisioning_payload).filter(|json| !json.is_empty());
        dps.reprovision_after = u32::try_from(kconfig::IOTHUB_DPS_REPROVISION_AFTER).unwrap_or(10);
    }
    config.assignment = identity.assignment();
    config.limits = Limits {
        packet: usize::try_from(kconfig::MQTT_HELPER_RX_TX_BUFFER_SIZE).unwrap_or(0),
        transmit: kconfig::MESSAGE,
    };
    config.reconnect = options.reconnect;
    config.request_twin = options.wants_twin();
    config.subscriptions = kconfig::SUBSCRIPTIONS;
    config.keep_alive_limit = options.keep_alive_limit;
    config.attempts = Attempts::load().count();
    config.seed = ncs::platform::random();
    f(&config)
}

/// Calls `f` with the client under the lock, and wakes the driver, since there may be something to do.
pub(crate) fn with_client<R>(
    f: impl FnOnce(&mut TheClient, Instant) -> Result<R, Error>,
) -> Result<R, Error> {
    let client = CLIENT.get().ok_or(Error::NotReady)?;
    let result = client.with(|client| f(client, now()));
    Waiter::Driver.wake();
    result
}

extern "C" fn entry() {
    static TX: ConstStaticCell<[u8; kconfig::MESSAGE]> =
        ConstStaticCell::new([0; kconfig::MESSAGE]);

    let (Some(client), Some(tx)) = (CLIENT.get(), TX.try_take()) else {
        return;
    };
    let mut patience = Patience::default();
    let mut attempts = Attempts::load();
    callbacks::prepare(may_attach());
    loop {
        take_facts(client);
        client.with(|client| client.handle_timeout(now()));
        deliver(client);
        drain(client, tx, &mut attempts);
        fota::turn(|event| emit(Notice::Event(Event::Firmware(event), None)));
        let (deadline, status) = client.with(|client| (client.poll_timeout(), client.status()));
        attempts.keep(status.attempts);
        let look = patience.look(status.phase, now());
        let repair = recovery::carry_out(status.phase != Phase::Idle);
        let deadline = [deadline, look, repair, fota::poll_timeout()];
        let deadline = deadline.into_iter().flatten().min();
        Waiter::Driver.wait(deadline.map(Instant::as_millis));
    }
}

/// The drain rule: take a command, let go of the lock, carry it out, complete it; until there is none. Facts
/// that came meanwhile go first.
fn drain(client: &'static Mutex<TheClient>, tx: &mut [u8], attempts: &mut Attempts) {
    while let Some((id, command)) = client.with(|client| client.poll_command(now(), tx)) {
        deliver(client);
        let (result, peer) = carry_out(&command);
        client.with(|client| {
            client.complete(now(), id, result);
            if let Some(peer) = peer {
                client.handle_peer(now(), peer);
            }
        });
        attempts.keep(client.with(|client| client.status().attempts));
        deliver(client);
        take_facts(client);
    }
}

fn take_facts(client: &'static Mutex<TheClient>) {
    let _turn = Turn::take();
    while let Some(fact) = inbox::pop() {
        let fact = recovery::look(fact, now());
        client.with(|client| match fact {
            Fact::Network(fact) => client.handle_network(now(), fact),
            Fact::ModemStopped { .. } => {}
            Fact::Connack {
                code,
                session_present,
            } => {
                client.handle_connack(now(), code, session_present);
            }
            Fact::Suback {
                message_id,
                granted,
            } => client.handle_suback(now(), message_id, granted),
            Fact::Puback { message_id } => client.handle_puback(now(), message_id),
            Fact::Pingresp => client.handle_pingresp(now()),
            Fact::Oversize => client.handle_oversize(now()),
            Fact::Disconnected { result } => {
                client.handle_disconnect(now(), iothub_proto::Errno(result));
            }
        });
        if fact == Fact::Pingresp {
            emit(Notice::Pingresp);
        }
        deliver(client);
    }
}

fn deliver(client: &'static Mutex<TheClient>) {
    let _turn = Turn::take();
    while let Some(event) = client.with(|client| client.poll_event()) {
        emit(Notice::Event(event, None));
    }
}

/// Handles a message where it arrives, on mqtt_helper's thread, since its payload is gone afterwards. What came before
/// it goes first, so that the handler is told in the order of the wire.
pub(crate) fn on_publish(topic: &[u8], payload: Option<&[u8]>) {
    let Some(client) = CLIENT.get() else { return };
    let _turn = Turn::take();
    take_facts(client);
    deliver(client);
    let event = client.with(|client| client.handle_message(now(), topic, payload));
    if let Some(event) = event {
        let payload = payload.unwrap_or_default();
        emit(Notice::Event(event, Some(Message { topic, payload })));
    }
    Waiter::Driver.wake();
}

fn emit(notice: Notice<'_>) {
    let _turn = Turn::take();
    if let Notice::Event(event, _) = &notice {
        describe::event(event);
        if fota::handle(event) {
            return;
        }
    }
    if let (Notice::Event(event, _), Some(record)) = (&notice, RECORD.get()) {
        record(event);
    }
    match (HANDLER.get(), notice) {
        (Some(Call::Event(handler)), Notice::Event(event, _)) => handler(event),
        (Some(Call::Notice(handler)), notice) => handler(notice),
        _ => {}
    }
}
