//! Says in the log what happens, with the cause and the time of the next attempt.

use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use iothub_proto::{Disconnect, Event, ProvisioningFailure, RequestId, dps, fota, network, twin};
use ncs::{Decimal, Plain};

use crate::{
    inbox::Input,
    kconfig::{self, SIM_RETRY},
};

pub(crate) fn event(event: &Event<'_>) {
    match *event {
        Event::Network(event) => self::network(event),
        Event::Peer(peer) => self::peer(peer),
        Event::Provisioning(event) => provisioning(&event),
        Event::Connecting { attempt } => log::debug!("attempt {attempt}"),
        Event::Connected { session_present } => {
            log::info!(
                "connected{}",
                if session_present {
                    ", the hub has kept the session"
                } else {
                    ""
                }
            );
        }
        Event::Ready => log::info!("ready: every subscription is granted"),
        Event::Disconnected { cause, retry_in } => disconnected(cause, retry_in),
        Event::Sent(id) => log::debug!("message {} acknowledged", id.as_u32()),
        Event::Dropped(id) => log::warn!("message {} dropped", Decimal::from(id.as_u32())),
        Event::C2d(message) => log::debug!("C2D of {} bytes", message.payload.len()),
        Event::Twin(twin) => log::info!("twin, desired version {}", twin.version),
        Event::TwinFailed { request, reason } => {
            twin("twin request", request, reason);
        }
        Event::Desired(desired) => log::info!("desired properties, version {}", desired.version),
        Event::Reported { request, .. } => log::debug!("report {} accepted", request.as_u32()),
        Event::ReportFailed { request, reason } => {
            twin("report", request, reason);
        }
        Event::Method(request) => log::info!("method {}", request.name),
        // Without updates its texts are not linked.
        Event::Firmware(event) if kconfig::IOTHUB_FOTA => firmware(event),
        Event::UnmatchedAnswer { status, .. } => {
            let status = Decimal::from(u32::from(status));
            log::warn!("an answer with status {status} to nothing that was asked");
        }
        Event::UnknownTopic(topic) => log::warn!(
            "a message on a topic of {} bytes that is none of ours",
            Decimal::from(topic.len() as u32)
        ),
        Event::Oversize { discarded, count } => log::error!(
            "a message larger than the payload buffer of {} bytes {}{}",
            Decimal::from(kconfig::MQTT_HELPER_PAYLOAD_BUFFER_LEN as u32),
            Plain(if discarded {
                "was read away and acknowledged: it is lost"
            } else {
                "is in the way: connecting anew"
            }),
            Code(count)
        ),
        _ => log::debug!("event"),
    }
}

fn network(event: network::Event) {
    match event {
        network::Event::Registered { roaming } => {
            log::info!("registered{}", if roaming { ", roaming" } else { "" });
        }
        network::Event::WaitingForIpv6 { timeout } => {
            log::info!("waiting for IPv6, at most {}", Time(timeout));
        }
        network::Event::Up(families) => log::info!(
            "network up: {}",
            match (families.v4, families.v6) {
                (true, true) => "IPv4 and IPv6",
                (false, true) => "IPv6 only",
                (true, false) => "IPv4 only",
                (false, false) => "no address so far, trying all the same",
            }
        ),
        network::Event::Lost(reason) => log::warn!(
            "network lost: {}",
            Plain(match reason {
                network::LostReason::Deactivated => "the PDN was deactivated",
                network::LostReason::Detached => "detached",
                network::LostReason::Ipv6Down => "IPv6 is gone",
                network::LostReason::NotRegistered => "no longer registered",
            })
        ),
        network::Event::Ipv6NotComing(reason) => log::warn!(
            "no IPv6: {}",
            Plain(match reason {
                network::NoIpv6Reason::Ipv4Only => "the network gives IPv4 only",
                network::NoIpv6Reason::Failed => "its configuration failed",
                network::NoIpv6Reason::Timeout => "it did not come in time",
            })
        ),
        network::Event::Refused(network::RefusedReason::Denied) => {
            log::error!(
                "registration denied: is the SIM active, and allowed in this network? The modem tries again by itself"
            );
        }
        network::Event::Refused(network::RefusedReason::UiccFail) => {
            log::error!(
                "no SIM, or it does not answer; the modem looks again in {} s",
                Decimal::from(SIM_RETRY.as_secs() as u32)
            );
        }
        _ => {}
    }
}

/// What is worth a line though the client does not hear of it.
pub(crate) fn input(input: Input) {
    match input {
        Input::ModemStopped { fault } => log::error!(
            "the modem has stopped with fault {} (NRF_MODEM_FAULT_*); it is started again in 10 s",
            Decimal::from(fault)
        ),
        Input::Network(network::Input::Esm(cause)) if !matches!(cause, 50..=52) => log::error!(
            "the network refused the packet data network: ESM cause {}{}; the modem tries again by itself",
            Decimal::from(cause),
            Plain(advice(cause))
        ),
        _ => {}
    }
}

/// The causes of 3GPP TS 24.301, 9.9.4.4, that a wrong setting or a wrong subscription brings.
fn advice(cause: i32) -> &'static str {
    match cause {
        8 | 33 => ", which the subscription does not include",
        27 => ", an unknown access point name: check the setting iothub/apn",
        29 => ", a wrong user name or password of the access point",
        _ => "",
    }
}

fn peer(peer: network::PeerView) {
    match peer {
        network::PeerView::V4(address) => log::info!("over IPv4 to {}", Ipv4Addr::from(address)),
        network::PeerView::V6(address) => log::info!("over IPv6 to {}", Ipv6Addr::from(address)),
        network::PeerView::Nat64 {
            address,
            prefix,
            v4,
            certain,
        } => log::info!(
            "over IPv6 to {}, which is {} behind a NAT64 (/{prefix}{})",
            Ipv6Addr::from(address),
            Ipv4Addr::from(v4),
            if certain { "" } else { ", by the look of it" },
        ),
    }
}

fn provisioning(event: &dps::Event<'_>) {
    match event {
        dps::Event::Registering => log::info!("DPS: registering"),
        dps::Event::Assigning => log::info!("DPS: assigning"),
        dps::Event::Assigned { .. } => log::info!("DPS: assigned"),
        dps::Event::Failed(failure) => not_provisioned(*failure),
        _ => {}
    }
}

fn firmware(event: fota::Event) {
    match event {
        fota::Event::Started => log::info!("a firmware update begins"),
        fota::Event::Progress { offset, size } => log::debug!("firmware: {offset} of {size} bytes"),
        fota::Event::ErasePending => {
            log::warn!("the slot cannot be erased yet: switch LTE off for a while");
        }
        fota::Event::EraseDone => log::info!("the slot is erased"),
        fota::Event::Done => log::info!("the new firmware is in place: a restart runs it"),
        fota::Event::Cancelled => log::info!("the firmware update was taken back"),
        fota::Event::Confirmed => log::info!("the new firmware has reached the hub, and stays"),
        // The updater itself says why.
        _ => {}
    }
}

fn disconnected(cause: Disconnect, retry_in: Option<Duration>) {
    match retry_in {
        None if matches!(cause, Disconnect::Requested) => log::info!("disconnected: {cause}"),
        Some(_) if matches!(cause, Disconnect::Provisioned) => log::info!("disconnected: {cause}"),
        Some(wait) => log::warn!("disconnected: {cause}; next attempt in {}", Time(wait)),
        None => log::warn!("disconnected: {cause}"),
    }
}

/// Why a twin request came to nothing, and what to do.
fn twin(what: &str, request: RequestId, reason: twin::Failure) {
    let (text, status) = match reason {
        twin::Failure::Status(status) => {
            let status = u32::from(status);
            let other = if status < 500 {
                "refused"
            } else {
                "trouble at the hub"
            };
            (meaning(TWIN, status, other), status)
        }
        twin::Failure::Timeout => ("no answer in time", 0),
        twin::Failure::Malformed => ("the answer is not a twin", 0),
        twin::Failure::Disconnected => ("the connection ended before the answer", 0),
        _ => ("failed", 0),
    };
    let request = Decimal::from(request.as_u32());
    log::warn!("{} {request}: {}{}", Plain(what), Plain(text), Code(status));
}

/// What the hub says to a twin request.
const TWIN: &[(u32, &str)] = &[
    (400, "malformed, or over a limit of the twin"),
    (401, "not allowed to this device"),
    (403, "not allowed to this device"),
    (404, "the hub does not know this device"),
    (412, "the version is another one"),
    (413, "too large"),
    (429, "too many requests"),
];

/// What DPS says: when it is asked too often, and its codes of an allocation that failed.
const DPS: &[(u32, &str)] = &[
    (429, "too many requests"),
    (400_207, "the allocation webhook has failed"),
    (400_208, "the enrollment has no hub to choose from"),
    (400_209, "DPS may not write to the hub"),
];

fn meaning(of: &[(u32, &'static str)], number: u32, other: &'static str) -> &'static str {
    let known = of.iter().find(|(known, _)| *known == number);
    known.map_or(other, |(_, text)| text)
}

/// Why DPS did not assign, and what to do.
fn not_provisioned(failure: ProvisioningFailure) {
    let (text, status, code) = match failure {
        ProvisioningFailure::Refused { status, code } => {
            let status = u32::from(status);
            let other = if status < 500 {
                "refused: is there an enrollment for this certificate (X.509 only, no symmetric keys), with its CN as the \
                 registration id, and is the ID scope right?"
            } else {
                "trouble at DPS"
            };
            (meaning(DPS, status, other), status, code)
        }
        ProvisioningFailure::Failed { code } => {
            (meaning(DPS, code, "the allocation has failed"), 0, code)
        }
        ProvisioningFailure::Disabled => ("the enrollment is disabled", 0, 0),
        ProvisioningFailure::ConnectionProfile => (
            "the assigned hub does not speak the classic protocol of IoT Hub",
            0,
            0,
        ),
        ProvisioningFailure::Malformed => ("the answer is not understood", 0, 0),
        ProvisioningFailure::Timeout => ("no answer in time", 0, 0),
        _ => ("failed", 0, 0),
    };
    log::error!("DPS: {}{}{}", Plain(text), Code(status), Code(code));
}

/// A number that there may be.
struct Code(u32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            code => write!(f, " ({})", Decimal::from(code)),
        }
    }
}

/// Seconds and milliseconds, without floating point.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = u32::try_from(self.0.as_secs()).unwrap_or(u32::MAX);
        let millis = self.0.subsec_millis();
        let digit = |place: u32| Decimal::from(millis / place % 10);
        let seconds = Decimal::from(seconds);
        write!(f, "{seconds}.{}{}{} s", digit(100), digit(10), digit(1))
    }
}
