//! The driver's thread: the driver on the platform that C makes.

use iothub_proto::{
    Command, ConfigError, Errno, Error, Instant, MessageId, Telemetry, fota, network::Peer,
};
use ncs::platform::Waiter;
use static_cell::ConstStaticCell;

use crate::{
    callbacks,
    client::{CLIENT, OUTBOX, UPDATES},
    configuration::Options,
    driver::{self, Driver, Platform},
    execute,
    fota::{self as updates, Updates},
    handler::{Notice, StartError},
    handler_lock::HandlerGuard,
    identity::{Attempts, DeviceIdentity},
    inbox::Input,
    kconfig, lte, now,
    outbox::{FlashOutbox, OutboxStatus},
    partition::Partition,
    retry::{Step, until_done},
    state::{Access, State},
};

impl Options<'_> {
    /// Starts the driver. The device does not connect before [`connect`](crate::connect).
    ///
    /// # Errors
    /// The configuration cannot work, or it was started before.
    pub fn start(&self) -> Result<(), StartError> {
        self.with_config(&mut |config| CLIENT.state.with(|state| state.start(config, self.attach)))
            .map_err(|error| match error {
                ConfigError::Started => StartError::AlreadyStarted,
                error => StartError::Config(error),
            })?;
        if kconfig::MQTT_KEEPALIVE > 1177 {
            log::warn!(
                "the keep-alive is above 1177 s: the hub, which waits 29.45 minutes at most, may drop the device before a ping"
            );
        }
        CLIENT.handler.set(self.handler);
        if kconfig::IOTHUB_OUTBOX_FLASH && self.outbox {
            let owner = self.owner();
            OUTBOX.with(|outbox| outbox.mount(Device, owner));
        }
        updates::prepare(self.firmware, &|config| {
            UPDATES.with(|updates| updates.boot(now(), config));
        });
        ncs::platform::start_driver(run).map_err(|_| StartError::AlreadyStarted)
    }
}

/// As another device, or at another hub, from the next connect on.
pub(crate) fn reconfigure(identity: &DeviceIdentity<'_>) -> Result<(), ConfigError> {
    let options = Options::new(&|_: crate::Event<'_>| {}).identity(*identity);
    options.with_config(&mut |config| {
        CLIENT.state.with(|state| {
            let client = state.client().ok_or(ConfigError::Started)?;
            client.reconfigure(config)
        })
    })?;
    if kconfig::IOTHUB_OUTBOX_FLASH {
        let owner = options.owner();
        OUTBOX.with(|outbox| outbox.change_owner(Device, owner));
    }
    Ok(())
}

/// As [`iothub_proto::Client::send`], to RAM or to flash.
pub(crate) fn send(id: Option<MessageId>, message: &Telemetry<'_>) -> Result<MessageId, Error> {
    let result = driver::send(Device, id, message);
    Waiter::Driver.wake();
    result
}

/// Stores what is only in RAM.
pub(crate) fn flush() {
    driver::flush(Device);
}

/// See [`crate::report_latest`].
pub(crate) fn report_latest(key: u8, patch: &[u8]) -> Result<(), Error> {
    let result = driver::report_latest(Device, key, patch);
    Waiter::Driver.wake();
    result
}

/// See [`crate::keep`].
pub(crate) fn keep(key: u8, value: &[u8]) -> Result<(), Error> {
    if !kconfig::IOTHUB_OUTBOX_FLASH {
        return Err(Error::NotReady);
    }
    OUTBOX.with(|outbox| outbox.keep(Device, key, value))
}

/// See [`crate::kept`].
pub(crate) fn kept(key: u8, buffer: &mut [u8]) -> &[u8] {
    if !kconfig::IOTHUB_OUTBOX_FLASH {
        return &[];
    }
    OUTBOX.with(|outbox| outbox.kept(key, buffer))
}

pub(crate) fn outbox_status() -> OutboxStatus {
    if !kconfig::IOTHUB_OUTBOX_FLASH {
        return OutboxStatus::default();
    }
    OUTBOX.with(|outbox| outbox.status(Device))
}

extern "C" fn run() {
    static BUFFER: ConstStaticCell<[u8; kconfig::MESSAGE]> =
        ConstStaticCell::new([0; kconfig::MESSAGE]);

    let Some(buffer) = BUFFER.try_take() else {
        return;
    };
    if driver::may_attach(Device) {
        lte::prepare();
    }
    until_done("mqtt_helper cannot be initialised", || {
        ncs::mqtt::init(const { &callbacks::callbacks(on_publish) })
    });
    let mut driver = Driver::new(Device, Attempts::load());
    loop {
        let deadline = driver.run_once(buffer);
        Waiter::Driver.wait(deadline.map(Instant::as_millis));
    }
}

fn on_publish(topic: &[u8], payload: Option<&[u8]>) {
    driver::handle_publish(Device, topic, payload);
    Waiter::Driver.wake();
}

/// The platform of the product: the statics of this crate, and C.
#[derive(Clone, Copy)]
struct Device;

impl Access for Device {
    fn now(self) -> Instant {
        now()
    }

    fn with<R>(self, f: impl FnOnce(&mut State) -> R) -> R {
        CLIENT.state.with(f)
    }
}

impl Platform for Device {
    const UPDATES: bool = kconfig::IOTHUB_FOTA;

    const OUTBOX: bool = kconfig::IOTHUB_OUTBOX_FLASH;

    const RELEASE: bool = kconfig::IOTHUB_RAI;

    type Flash = Partition;

    type HandlerGuard = HandlerGuard<'static>;

    fn with_updates<R>(self, f: impl FnOnce(&mut Updates) -> R) -> R {
        UPDATES.with(f)
    }

    fn with_outbox<R>(self, f: impl FnOnce(&mut FlashOutbox<Partition>) -> R) -> R {
        OUTBOX.with(f)
    }

    fn lock_handler(self) -> HandlerGuard<'static> {
        CLIENT.handler_lock.lock()
    }

    fn next_input(self) -> Option<Input> {
        CLIENT.inbox.pop()
    }

    fn notify(self, notice: Notice<'_>) {
        if let (Notice::Event(event, _), Some(record)) = (&notice, CLIENT.recorder.get()) {
            record(event);
        }
        if let Some(handler) = CLIENT.handler.get() {
            handler.on_notice(notice);
        }
    }

    fn execute(self, command: &Command<'_>) -> (Result<(), Errno>, Option<Peer>) {
        execute::command(command)
    }

    fn execute_step(self, step: Step) -> Result<(), Errno> {
        execute::step(step)
    }

    fn release(self) {
        // A modem that does not know of it lets go after its own time.
        let _ = ncs::mqtt::release();
    }

    fn update_inputs(self) -> ncs::fota::TransferEvents {
        ncs::fota::take_events()
    }

    fn execute_update(self, command: &fota::Command<'_>) -> Result<(), Errno> {
        updates::execute(command)
    }

    fn store_attempts(self, attempts: &Attempts) {
        attempts.store();
    }
}
