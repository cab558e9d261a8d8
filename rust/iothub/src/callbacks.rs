//! What C calls: each copies its fact into the inbox, wakes the driver and returns.

use core::ffi::CStr;

use iothub_proto::network;
use ncs::{lte::Registration, modem, mqtt, pdn};

use crate::{
    driver, identity,
    inbox::{self, Fact},
    recovery::until_done,
};

static CALLBACKS: mqtt::Callbacks = mqtt::Callbacks {
    on_connack: |code, session_present| {
        inbox::push(Fact::Connack {
            code,
            session_present,
        })
    },
    on_disconnect: |result| inbox::push(Fact::Disconnected { result }),
    on_publish: driver::on_publish,
    on_puback: |message_id| inbox::push(Fact::Puback { message_id }),
    on_suback: |message_id, granted| {
        inbox::push(Fact::Suback {
            message_id,
            granted,
        })
    },
    on_pingresp: || inbox::push(Fact::Pingresp),
    on_oversize: || inbox::push(Fact::Oversize),
};

/// Starts the modem library, unless that is the application's business, and registers what C is to call. PDN events
/// come first: those of switching LTE on are not repeated.
pub(crate) fn prepare(attach: bool) {
    if attach {
        modem::watch(on_modem);
        until_done("the modem cannot be initialised", modem::init);
        if let Ok(version) = modem::firmware(&mut [0; 64]) {
            log::info!("modem firmware {version}");
        }
        until_done("no PDN events", || pdn::register(on_pdn));
    }
    until_done("mqtt_helper cannot be initialised", || {
        mqtt::init(&CALLBACKS)
    });
}

/// Switches LTE on.
pub(crate) fn attach() -> Result<(), ncs::Errno> {
    if let Some(apn) = identity::apn()
        && let Ok(apn) = CStr::from_bytes_with_nul(apn.as_bytes())
        && let Err(error) = modem::set_apn(apn)
    {
        log::error!("the access point name cannot be set: {error}; the network chooses");
    }
    ncs::lte::connect_async(on_registration)
}

fn on_modem(notice: modem::Notice) {
    match notice {
        modem::Notice::Fault(fault) => inbox::push(Fact::ModemStopped { fault }),
        // Whoever switches LTE off, the events of that may be lost with it.
        modem::Notice::FunctionalMode(0 | 4 | 20) => {
            inbox::push(Fact::Network(network::Fact::Detached));
        }
        modem::Notice::FunctionalMode(_) => {}
    }
}

fn on_registration(registration: Registration) {
    inbox::push(Fact::Network(match registration {
        Registration::Home => network::Fact::Registered { roaming: false },
        Registration::Roaming => network::Fact::Registered { roaming: true },
        Registration::Searching => network::Fact::Searching,
        Registration::Denied => network::Fact::Denied,
        Registration::UiccFail => network::Fact::UiccFail,
        Registration::NotRegistered | Registration::Unknown => network::Fact::NotRegistered,
    }));
}

fn on_pdn(event: pdn::Event) {
    inbox::push(Fact::Network(match event {
        pdn::Event::Esm(cause) => network::Fact::Esm(cause),
        pdn::Event::Activated(reason) => network::Fact::Activated { reason },
        pdn::Event::Deactivated => network::Fact::Deactivated,
        pdn::Event::Ipv6Up => network::Fact::Ipv6Up,
        pdn::Event::Ipv6Down => network::Fact::Ipv6Down,
        pdn::Event::Detached => network::Fact::Detached,
        pdn::Event::Suspended => network::Fact::Suspended,
        pdn::Event::Resumed => network::Fact::Resumed,
    }));
}
