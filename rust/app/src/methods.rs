//! Direct methods.
//!
//! | method | payload | answer |
//! |---|---|---|
//! | `led` | 0 or 1 | 200; 409 while `cfg.led` forbids it |
//! | `buzz` | milliseconds, 1 to 10000 | 200; 501 on a board without |
//! | `sample` | – | 202: a sample is taken and sent |
//! | `locate` | – | 202: the position is searched for and sent |
//! | `reboot` | – | 202: the device restarts once what waits has been sent |
//! | `config` | `{"telemetryInterval":60}`, or fields of `cfg` | 200: stored; 400 with what is wrong |
//! | `diagnostics` | – | 200 with state, counters, the last fault, stacks and the configuration in use, and no secret |
//! | `coredump` | `{"offset":0}`, or `{"erase":true}` | 200: a piece in base64, 404 where there is none |
//! | `fault` | `"hang"`, `"hang-driver"`, `"panic"`, `"memory"` | 202, in builds for tests alone |

use core::{fmt::Write, time::Duration};

use iothub::{MethodRequest, MethodResponse, OUTBOX_FLASH, OutboxStatus, twin};
use ncs::board::TestFault;

use crate::{
    client, configuration, documents::Text, health, interval, kept, measure, time::UnixTime,
    totals::Numbers, tracker,
};

/// Room for the longest answer, of `diagnostics`, as far as a message has it with the topic.
const ANSWER: usize = if iothub::MESSAGE_MAX < 1280 + 64 {
    iothub::MESSAGE_MAX - 64
} else {
    1280
};

pub(crate) fn on_method(request: &MethodRequest<'_>) {
    let mut buffer = [0; ANSWER];
    let (status, payload) = answer(
        request.name,
        request.component,
        request.payload,
        &mut buffer,
    );
    let answer = MethodResponse {
        request: request.id,
        status,
        payload,
    };
    match client::respond(&answer) {
        Ok(()) => answered(request.name, status),
        Err(error) => log::warn!("no answer to method {}: {error}", request.name),
    }
}

/// What begins once the caller knows that it does.
pub(crate) fn answered(name: &str, status: i32) {
    if status == 202 && name == "reboot" {
        tracker::restart();
    }
}

pub(crate) fn answer<'b>(
    name: &str,
    component: Option<&str>,
    payload: &[u8],
    buffer: &'b mut [u8],
) -> (i32, &'b [u8]) {
    if component.is_some() {
        return UNKNOWN;
    }
    let payload = payload.trim_ascii();
    match name {
        "led" => led(payload),
        "buzz" => buzz(payload),
        "sample" => {
            tracker::sample();
            (202, br#"{"sample":"under way"}"#)
        }
        "locate" => {
            tracker::locate();
            (202, br#"{"position":"searched for"}"#)
        }
        "reboot" => (202, br#"{"reboot":"under way"}"#),
        "config" => config(payload, buffer),
        "diagnostics" => diagnostics(buffer),
        "coredump" => health::coredump(payload, buffer),
        "fault" if iothub::FAULT_COMMAND => fault(payload),
        _ => UNKNOWN,
    }
}

const UNKNOWN: (i32, &[u8]) = (404, br#"{"error":"no such method"}"#);

fn led(payload: &[u8]) -> (i32, &'static [u8]) {
    let (on, answer): (_, &[u8]) = match payload {
        b"1" => (true, br#"{"led":1}"#),
        b"0" => (false, br#"{"led":0}"#),
        _ => return (400, br#"{"error":"led takes 0 or 1"}"#),
    };
    if on && !configuration::current().led {
        return (409, br#"{"error":"cfg.led is false"}"#);
    }
    iothub::set_led(on);
    (200, answer)
}

fn buzz(payload: &[u8]) -> (i32, &'static [u8]) {
    let millis = core::str::from_utf8(payload)
        .ok()
        .and_then(|text| text.parse().ok());
    let Some(millis) = millis.filter(|millis| (1..=10_000).contains(millis)) else {
        return (400, br#"{"error":"buzz takes 1 to 10000 ms"}"#);
    };
    match ncs::board::buzz(Duration::from_millis(millis)) {
        Ok(()) => (200, br#"{"buzz":"under way"}"#),
        Err(errno) if ncs::board::is_missing(errno) => {
            (501, br#"{"error":"this board has nothing to sound"}"#)
        }
        Err(_) => (500, br#"{"error":"the buzzer does not work"}"#),
    }
}

/// Only what cannot take the device off the air.
fn config<'b>(payload: &[u8], buffer: &'b mut [u8]) -> (i32, &'b [u8]) {
    let view = twin::View::new(payload);
    if let Some(value) = view.raw("telemetryInterval") {
        return match interval::seconds(value).filter(|_| view.members().count() == 1) {
            Some(seconds) => match interval::store(seconds) {
                Ok(()) => (200, br#"{"stored":"telemetryInterval"}"#),
                Err(_) => FULL,
            },
            None => (
                400,
                br#"{"error":"config takes {\"telemetryInterval\":1 to 86400} and nothing else"}"#,
            ),
        };
    }
    let mut remarks = configuration::Remarks::new();
    match configuration::store(&view, &mut remarks) {
        Ok(()) => (200, br#"{"stored":"cfg"}"#),
        Err(configuration::StoreError::Settings) => FULL,
        Err(configuration::StoreError::Wrong) => {
            let mut out = Text::new(buffer);
            let what = if remarks.is_empty() {
                "no field is named"
            } else {
                &remarks
            };
            match write!(out, "{{\"error\":\"{}\"}}", configuration::Plain(what)) {
                Ok(()) => (400, out.finish()),
                Err(_) => (400, b"{}"),
            }
        }
    }
}

const FULL: (i32, &[u8]) = (507, br#"{"error":"the settings cannot be written"}"#);

/// What the outbox in flash holds, what it has lost and why, and its wear.
pub(crate) fn write_stored(out: &mut dyn Write, status: &OutboxStatus) -> core::fmt::Result {
    let (store, losses) = (status.store, status.losses);
    write!(
        out,
        ",\"stored\":{{\"depth\":{},\"alarms\":{},\"oldest\":{},\"room\":{},\"expired\":{},\"tooLarge\":{},\"damaged\":{},\
         \"foreign\":{},\"refused\":{},\"reports\":{},\"sectors\":[{},{}],\"erases\":[{},{}]}}",
        store.depth,
        store.high,
        status.oldest.unwrap_or_default().as_secs(),
        store.dropped,
        losses.expired,
        losses.too_large,
        store.damaged,
        store.foreign,
        losses.refused,
        losses.reports,
        store.sectors.0,
        store.sectors.1,
        store.erases.0,
        store.erases.1
    )
}

/// Where there is room for it.
fn write_total(out: &mut Text<'_>, total: Numbers) -> core::fmt::Result {
    let mut text = heapless::String::<320>::new();
    total.write(&mut text)?;
    match out.room() > text.len() {
        true => out.write_str(&text),
        false => Ok(()),
    }
}

/// What is asked for happens once it is answered.
pub(crate) fn fault(payload: &[u8]) -> (i32, &'static [u8]) {
    match payload {
        b"\"hang\"" => tracker::fault(TestFault::Hang),
        b"\"panic\"" => tracker::fault(TestFault::Panic),
        b"\"memory\"" => tracker::fault(TestFault::Memory),
        b"\"hang-driver\"" => health::hang_driver(),
        _ => {
            return (
                400,
                br#"{"error":"fault takes \"hang\", \"hang-driver\", \"panic\" or \"memory\""}"#,
            );
        }
    }
    (202, br#"{"fault":"under way"}"#)
}

fn diagnostics(buffer: &mut [u8]) -> (i32, &[u8]) {
    let Ok(status) = client::status() else {
        return (503, br#"{"error":"not started"}"#);
    };
    let (counters, tracker) = (status.counters, tracker::diagnostics());
    let mut out = Text::new(buffer);
    let mut write = || -> core::fmt::Result {
        write!(out, "{{\"uptime\":{}", client::now().as_millis() / 1000)?;
        if let Some(time) = UnixTime::now() {
            write!(out, ",\"time\":\"{time}\"")?;
        }
        if let Ok(cause) = ncs::board::reset_cause() {
            write!(out, ",\"resetCause\":{cause}")?;
        }
        write!(
            out,
            ",\"connects\":{},\"connected\":{},\"accepted\":{},\"acknowledged\":{},\"resent\":{},\"dropped\":{},\
             \"bytesSent\":{},\"bytesReceived\":{},\"outbox\":{}",
            counters.connects,
            counters.connected,
            counters.accepted,
            counters.acknowledged,
            counters.resent,
            counters.dropped,
            counters.bytes_sent,
            counters.bytes_received,
            status.outbox_used
        )?;
        if OUTBOX_FLASH {
            write_stored(&mut out, &iothub::outbox_status())?;
        }
        write!(
            out,
            ",\"readingsWaiting\":{},\"readingsDropped\":{},\"sensorsFailing\":{},\"cfg\":",
            tracker.waiting,
            tracker.dropped,
            measure::failing()
        )?;
        configuration::write_current(&mut out)?;
        health::write(&mut out)?;
        if kept::IS_ON {
            write_total(&mut out, tracker.before.and_since(client::now(), &status))?;
        }
        health::write_stacks(&mut out, ncs::board::stack)?;
        out.write_str("}")
    };
    match write() {
        Ok(()) => (200, out.finish()),
        Err(_) => (500, br#"{"error":"the answer has no room"}"#),
    }
}
