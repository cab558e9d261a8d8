//! LTE: switching it on, and what modem and network tell of it.

use core::ffi::CStr;

use iothub_proto::network;
use ncs::{lte::Registration, modem, pdn};

use crate::{client::push, identity, inbox::Input, retry::until_done};

/// Starts the modem library, and registers for its events and those of the PDN. These come first,
/// since those of switching LTE on are not repeated.
pub(crate) fn prepare() {
    modem::watch(on_modem);
    until_done("the modem cannot be initialised", modem::init);
    if let Ok(version) = modem::firmware(&mut [0; 64]) {
        log::info!("modem firmware {version}");
    }
    until_done("no PDN events", || pdn::register(on_pdn));
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
        modem::Notice::Fault(fault) => push(Input::ModemStopped { fault }),
        // Whoever switches LTE off, the events of that may be lost with it.
        modem::Notice::FunctionalMode(0 | 4 | 20) => {
            push(Input::Network(network::Input::Detached));
        }
        modem::Notice::FunctionalMode(_) => {}
    }
}

fn on_registration(registration: Registration) {
    push(Input::Network(match registration {
        Registration::Home => network::Input::Registered { roaming: false },
        Registration::Roaming => network::Input::Registered { roaming: true },
        Registration::Searching => network::Input::Searching,
        Registration::Denied => network::Input::Denied,
        Registration::UiccFail => network::Input::UiccFail,
        Registration::NotRegistered | Registration::Unknown => network::Input::NotRegistered,
    }));
}

fn on_pdn(event: pdn::Event) {
    push(Input::Network(match event {
        pdn::Event::Esm(cause) => network::Input::Esm(cause),
        pdn::Event::Activated(reason) => network::Input::Activated { reason },
        pdn::Event::Deactivated => network::Input::Deactivated,
        pdn::Event::Ipv6Up => network::Input::Ipv6Up,
        pdn::Event::Ipv6Down => network::Input::Ipv6Down,
        pdn::Event::Detached => network::Input::Detached,
        pdn::Event::Suspended => network::Input::Suspended,
        pdn::Event::Resumed => network::Input::Resumed,
    }));
}
