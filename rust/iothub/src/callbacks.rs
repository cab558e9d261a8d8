//! What C calls: each copies its fact into the inbox, wakes the driver and returns.

use core::time::Duration;

use iothub_proto::network;
use ncs::{Plain, lte::Registration, mqtt, pdn, platform::Waiter};

use crate::{
    driver,
    inbox::{self, Fact},
    now,
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
    on_oversize: |discarded| inbox::push(Fact::Oversize { discarded }),
};

/// Starts the modem library, unless that is the application's business, and registers what C is to call. PDN events
/// come first: those of switching LTE on are not repeated.
pub(crate) fn prepare(attach: bool) {
    if attach {
        until_done("the modem cannot be initialised", ncs::modem::init);
        until_done("no PDN events", || pdn::register(on_pdn));
    }
    until_done("mqtt_helper cannot be initialised", || {
        mqtt::init(&CALLBACKS)
    });
}

/// Switches LTE on.
pub(crate) fn attach() -> Result<(), ncs::Errno> {
    ncs::lte::connect_async(on_registration)
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

fn until_done(what: &str, attempt: fn() -> Result<(), ncs::Errno>) {
    const AGAIN: Duration = Duration::from_secs(10);
    while let Err(errno) = attempt() {
        log::error!("{}: {errno}; again in 10 s", Plain(what));
        let deadline = now() + AGAIN;
        while now() < deadline {
            Waiter::Driver.wait(Some(deadline.as_millis()));
        }
    }
}
