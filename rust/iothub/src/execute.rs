//! Executes commands by calling C.

use heapless::Vec;
use iothub_proto::{Command, Errno, Filter, network::Peer};
use ncs::{Decimal, keys::SecTag, mqtt, tls};

use crate::{
    identity, kconfig, lte,
    retry::{self, Step},
};

/// Calls C, which may block for tens of seconds; returns its result and, after a connect, where
/// that went.
pub(crate) fn command(command: &Command<'_>) -> (Result<(), Errno>, Option<Peer>) {
    let result = match *command {
        // A build whose network is C's business links no function of the modem.
        Command::Attach if !kconfig::MAY_ATTACH => Ok(()),
        Command::Attach => {
            log::info!("attaching to LTE");
            lte::attach()
        }
        Command::Connect {
            hostname,
            client_id,
            user_name,
        } => {
            log::info!(
                "connecting to {} as {client_id}",
                hostname.to_str().unwrap_or_default()
            );
            let result = mqtt::connect(hostname, client_id, user_name);
            if result.is_ok() {
                // A stack that cannot is only slower.
                let _ = mqtt::nodelay();
            }
            let peer = if result.is_ok() { peer() } else { None };
            if let Err(errno) = result
                && !errno.is_resolver()
            {
                log_missing_credential();
            }
            return (result.map_err(explained), peer);
        }
        Command::Subscribe {
            message_id,
            filters,
        } => {
            let mut list = Vec::<_, { mqtt::FILTERS }>::new();
            for filter in filters.iter().map(self::filter) {
                // The client has fewer.
                let _ = list.push(filter);
            }
            mqtt::subscribe(message_id, &list)
        }
        Command::Publish {
            message_id,
            topic,
            payload,
            qos,
            dup,
        } => mqtt::publish(&mqtt::Publish {
            message_id,
            topic,
            payload,
            qos,
            dup,
        }),
        Command::Disconnect => mqtt::disconnect(),
        Command::Abort => mqtt::abort(),
        Command::StoreAssignment {
            hostname,
            device_id,
        } => identity::store_assignment(hostname, device_id),
        Command::EraseAssignment => identity::erase_assignment(),
    };
    (result.map_err(explained), None)
}

/// Executes a step by calling C, which may block. A failure is in the log.
///
/// # Errors
/// What the modem says.
pub(crate) fn step(step: Step) -> Result<(), Errno> {
    if !kconfig::MAY_ATTACH {
        return Ok(());
    }
    let (what, result) = match step {
        Step::Nothing => return Ok(()),
        Step::ShutDown => ("the modem cannot be shut down", ncs::modem::shutdown()),
        Step::Initialise => ("the modem cannot be initialised", ncs::modem::init()),
        Step::SwitchOff => ("LTE cannot be switched off", ncs::lte::power_off()),
        Step::SwitchOn => ("LTE cannot be switched on", lte::attach()),
    };
    match result {
        Ok(()) if step == Step::Initialise => log::info!("the modem is started again"),
        Ok(()) => {}
        Err(errno) => retry::failed(what, errno),
    }
    result.map_err(|errno| Errno(errno.get()))
}

fn filter(filter: &Filter) -> mqtt::Filter<'static> {
    mqtt::Filter {
        topic: filter.topic,
        qos: filter.qos,
    }
}

fn peer() -> Option<Peer> {
    let mut buffer = [0; 16];
    let address = mqtt::peer(&mut buffer).ok()?;
    <[u8; 4]>::try_from(address)
        .map(Peer::V4)
        .or_else(|_| <[u8; 16]>::try_from(address).map(Peer::V6))
        .ok()
}

/// Where a connect failed: says so if a credential is missing, which TLS stacks report as many
/// things.
fn log_missing_credential() {
    let Ok(tag) = u32::try_from(kconfig::IOTHUB_SEC_TAG) else {
        return;
    };
    if let Ok(Some(what)) = tls::missing(SecTag(tag)) {
        log::error!(
            "there is no {} under the security tag {}: write it with iothub-provision",
            what,
            Decimal::from(tag)
        );
    }
}

/// The core passes the number through; what it means is said here, where the platform is known.
fn explained(errno: ncs::Errno) -> Errno {
    log::warn!("{errno}");
    Errno(errno.get())
}
