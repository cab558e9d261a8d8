//! What the threads share under the lock, and how it is reached.

use iothub_proto::{Client, Errno, Instant};

use crate::{inbox::Input, kconfig, retry::Recovery};

/// The clock and the lock.
pub(crate) trait Access: Copy {
    /// Time since boot.
    fn now(self) -> Instant;

    /// Calls `f` under the lock, which is not recursive: no call of C and none of the handler is
    /// made in it.
    fn with<R>(self, f: impl FnOnce(&mut State) -> R) -> R;
}

pub(crate) type DeviceClient = Client<{ kconfig::OUTBOX }, { kconfig::IOTHUB_DPS }>;

/// What the threads share under the lock. All zeros at first.
pub(crate) struct State {
    pub(crate) client: DeviceClient,
    pub(crate) recovery: Recovery,
    /// The client is configured.
    pub(crate) is_started: bool,
    /// Modem and network are the driver's business.
    pub(crate) attach: bool,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            client: DeviceClient::unconfigured(),
            recovery: Recovery::new(),
            is_started: false,
            attach: false,
        }
    }

    /// Once: [`ConfigError::Started`](iothub_proto::ConfigError::Started) the second time.
    pub(crate) fn start(
        &mut self,
        config: &iothub_proto::Config<'_>,
        attach: bool,
    ) -> Result<(), iothub_proto::ConfigError> {
        if self.is_started {
            return Err(iothub_proto::ConfigError::Started);
        }
        self.client.configure(config)?;
        self.is_started = true;
        self.attach = attach;
        Ok(())
    }

    /// The client, once it is configured.
    pub(crate) fn client(&mut self) -> Option<&mut DeviceClient> {
        self.is_started.then_some(&mut self.client)
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input) {
        let client = &mut self.client;
        match self.recovery.handle_input(input, now) {
            Input::Network(input) => client.handle_network(now, input),
            Input::ModemStopped { .. } => {}
            Input::Connack {
                code,
                session_present,
            } => {
                client.handle_connack(now, code, session_present);
            }
            Input::Suback {
                message_id,
                granted,
            } => client.handle_suback(now, message_id, granted),
            Input::Puback { message_id } => client.handle_puback(now, message_id),
            Input::Pingresp => client.handle_pingresp(now),
            Input::Oversize => client.handle_oversize(now),
            Input::Disconnected { result } => client.handle_disconnect(now, Errno(result)),
        }
    }
}
