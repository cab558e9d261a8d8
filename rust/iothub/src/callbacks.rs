//! What mqtt_helper calls: each copies what it was told into the inbox, wakes the driver and
//! returns.

use ncs::mqtt;

use crate::{client::push, inbox::Input};

/// Where messages go, which mqtt_helper hands over on its own thread.
pub(crate) type OnPublish = fn(topic: &[u8], payload: Option<&[u8]>);

pub(crate) const fn callbacks(on_publish: OnPublish) -> mqtt::Callbacks {
    mqtt::Callbacks {
        on_connack: |code, session_present| {
            push(Input::Connack {
                code,
                session_present,
            })
        },
        on_disconnect: |result| push(Input::Disconnected { result }),
        on_publish,
        on_puback: |message_id| push(Input::Puback { message_id }),
        on_suback: |message_id, granted| {
            push(Input::Suback {
                message_id,
                granted,
            })
        },
        on_pingresp: || push(Input::Pingresp),
        on_oversize: || push(Input::Oversize),
    }
}
