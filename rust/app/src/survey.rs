//! Positions that a back end has a part in: cells and access points that it resolves, and
//! assistance data that it sends so that satellites are found faster. Documents and properties are
//! those of nRF Asset Tracker on Azure: `ground-fix` with what was heard, `agnss` and `pgps` with
//! `get`, answered by cloud-to-device messages with `result`.

use core::fmt::{Result, Write};

use iothub::{C2d, Error, Instant, Property, Telemetry};
use ncs::board::{self, Assistance, Methods};

use crate::{
    client,
    configuration::NoData,
    decimal::Decimal,
    documents::Text,
    modem,
    reading::{Kind, Network, Taken},
    time::UnixTime,
};

/// By what to search, as the configuration allows.
pub(crate) fn methods(no_data: NoData) -> Option<Methods> {
    let methods = Methods {
        gnss: !no_data.has(Kind::Position),
        cells: iothub::SURVEY && !no_data.has_name("ncell"),
        wifi: iothub::SURVEY && !no_data.has_name("wifi"),
    };
    (methods.gnss || methods.cells || methods.wifi).then_some(methods)
}

/// What a search has heard and asks for: a bit for each type of A-GNSS data, and two more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted(u16);

impl Wanted {
    pub(crate) const NOTHING: Self = Self(0);
    const SURVEY: u16 = 1;
    const PGPS: u16 = 1 << 15;
    const AGNSS: u16 = !(Self::SURVEY | Self::PGPS);

    pub(crate) fn survey(&mut self) {
        self.0 |= Self::SURVEY;
    }

    /// nRF Cloud has types from 1 to 13.
    pub(crate) fn agnss(&mut self, types: u32) {
        self.0 |= types as u16 & Self::AGNSS;
    }

    pub(crate) fn pgps(&mut self) {
        self.0 |= Self::PGPS;
    }
}

/// One, where the build has what it is for.
pub(crate) const PENDING: usize = (iothub::SURVEY || iothub::ASSISTANCE) as usize;

/// What a back end is to be told or asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Cells and access points were heard.
    survey: Option<Taken>,
    /// Of assistance data.
    wanted: Wanted,
}

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            survey: None,
            wanted: Wanted::NOTHING,
        }
    }

    pub(crate) fn is_survey(&self) -> bool {
        self.survey.is_some()
    }

    /// A survey that has not been sent gives way to the next; what is wanted is asked for once.
    pub(crate) fn take(&mut self, happened: Wanted, now: Instant, time: Option<UnixTime>) {
        if iothub::SURVEY && happened.0 & Wanted::SURVEY != 0 {
            if self.survey.is_some() {
                log::warn!("cells and access points of before were not sent");
            }
            self.survey = Some(Taken::new(now, time));
        }
        if iothub::ASSISTANCE {
            if happened.0 & Wanted::AGNSS != 0 {
                self.wanted.0 &= !Wanted::AGNSS;
            }
            self.wanted.0 |= happened.0 & !Wanted::SURVEY;
        }
    }

    /// Sends what can be sent now. `false` where the outbox has no room.
    pub(crate) fn send(&mut self, now: Instant, buffer: &mut [u8]) -> bool {
        if let Some(taken) = self.survey {
            // Asset tracker's documents have a time.
            let time = match taken {
                Taken::At(time) => Some(time),
                Taken::Unstamped(taken) => {
                    let age = now.saturating_duration_since(taken);
                    UnixTime::now().and_then(|time| time.before(age))
                }
                Taken::Before => None,
            };
            match time.map(|time| send_survey(time, buffer)) {
                Some(Err(Error::Capacity(iothub::Capacity::Outbox))) => return false,
                Some(_) => self.survey = None,
                None => {}
            }
        }
        // An answer is of use while it is waited for alone.
        let is_ready = client::status().is_ok_and(|status| status.phase == iothub::Phase::Ready);
        if is_ready && self.wanted != Wanted::NOTHING {
            self.ask(buffer);
        }
        true
    }

    /// What the outbox has no room for is asked for later.
    fn ask(&mut self, buffer: &mut [u8]) {
        let is_full = |sent| matches!(sent, Err(Error::Capacity(iothub::Capacity::Outbox)));
        let types = self.wanted.0 & Wanted::AGNSS;
        // A cell is part of the request: without one, later.
        if types != 0
            && let Some(network) = modem::network()
            && !is_full(send("agnss", Some("get"), buffer, |out| {
                write_agnss(out, types, &network)
            }))
        {
            self.wanted.0 &= !Wanted::AGNSS;
        }
        if self.wanted.0 & Wanted::PGPS != 0
            && !is_full(send("pgps", Some("get"), buffer, write_pgps))
        {
            self.wanted.0 &= !Wanted::PGPS;
        }
    }
}

fn send_survey(time: UnixTime, buffer: &mut [u8]) -> core::result::Result<(), Error> {
    if board::camped().is_none() && board::access_point(1).is_none() {
        return Ok(());
    }
    send("ground-fix", None, buffer, |out| write_survey(out, time))
}

fn send(
    name: &'static str,
    value: Option<&'static str>,
    buffer: &mut [u8],
    write: impl FnOnce(&mut Text<'_>) -> Result,
) -> core::result::Result<(), Error> {
    let mut out = Text::new(buffer);
    if write(&mut out).is_err() {
        log::warn!("{name} has no room in a message");
        return Ok(());
    }
    let payload = out.finish();
    let mut created = heapless::String::<32>::new();
    let is_known = UnixTime::now().is_some_and(|time| write!(created, "{time}").is_ok());
    let properties = [Property { name, value }];
    let mut message = Telemetry::json(payload);
    message.system.creation_time = is_known.then_some(created.as_str());
    message.properties = &properties;
    let sent = client::send(&message);
    match &sent {
        Ok(id) => {
            let text = core::str::from_utf8(payload).unwrap_or_default();
            log::info!("{name} {} queued: {text}", id.as_u32());
        }
        Err(error) => log::warn!("{name} not accepted: {error}"),
    }
    sent.map(drop)
}

/// Cells as `lte`, access points as `wifi`; asset tracker's schema has at least two of the latter.
fn write_survey(out: &mut Text<'_>, time: UnixTime) -> Result {
    let time = time.as_millis();
    let mut separator = "{";
    if let (Some(camped), Some(cell)) = (board::camped(), board::cell(0)) {
        write!(
            out,
            "{{\"lte\":{{\"mcc\":{},\"mnc\":{},\"area\":{},\"adv\":{},",
            camped.mcc, camped.mnc, camped.area, camped.advance
        )?;
        write_cell(out, &cell)?;
        let mut before = ",\"nmr\":[{";
        for neighbour in (1..).map_while(board::cell) {
            if out.room() < ROOM {
                break;
            }
            out.write_str(before)?;
            write_cell(out, &neighbour)?;
            before = "},{";
        }
        if before == "},{" {
            out.write_str("}]")?;
        }
        write!(out, ",\"ts\":{time}}}")?;
        separator = ",";
    }
    if board::access_point(1).is_some() {
        write!(out, "{separator}\"wifi\":{{\"aps\":[")?;
        let mut before = "";
        for mac in (0..).map_while(board::access_point) {
            if out.room() < AP_ROOM {
                break;
            }
            write!(out, "{before}\"")?;
            for byte in mac {
                write!(out, "{byte:02x}")?;
            }
            out.write_str("\"")?;
            before = ",";
        }
        write!(out, "],\"ts\":{time}}}")?;
    }
    out.write_str("}")
}

/// What a neighbour and two access points behind it take at the most.
const ROOM: usize = 180;
/// What an access point and the end take at the most.
const AP_ROOM: usize = 44;

fn write_cell(out: &mut Text<'_>, cell: &board::Cell) -> Result {
    write!(out, "\"cell\":{}", cell.id)?;
    if cell.earfcn > 0 {
        write!(out, ",\"earfcn\":{}", cell.earfcn)?;
    }
    if let Some(rsrp) = cell.rsrp {
        write!(out, ",\"rsrp\":{rsrp}")?;
    }
    if let Some(rsrq) = cell.rsrq {
        // The schema ends at 0 dB.
        let rsrq = Decimal::new(i32::from(rsrq.min(0)), 1);
        write!(out, ",\"rsrq\":{rsrq}")?;
    }
    Ok(())
}

fn write_agnss(out: &mut Text<'_>, types: u16, network: &Network) -> Result {
    // A code of 5 digits has two for the network, one of 6 three.
    let networks = match network.mccmnc {
        ..100_000 => 100,
        _ => 1000,
    };
    write!(
        out,
        "{{\"mcc\":{},\"mnc\":{},\"area\":{},\"cell\":{},\"types\":",
        network.mccmnc / networks,
        network.mccmnc % networks,
        network.area,
        network.cell
    )?;
    let mut separator = "[";
    for number in (1..16).filter(|number| types >> number & 1 == 1) {
        write!(out, "{separator}{number}")?;
        separator = ",";
    }
    out.write_str("]}")
}

/// What is not known, the schema has a default for.
fn write_pgps(out: &mut Text<'_>) -> Result {
    match board::predictions() {
        Some(wanted) => write!(
            out,
            "{{\"n\":{},\"int\":{},\"day\":{},\"time\":{}}}",
            wanted.count, wanted.interval, wanted.day, wanted.time
        ),
        None => out.write_str("{}"),
    }
}

/// Whether a message is an answer to a request, which goes to the satellite receiver.
pub(crate) fn on_message(message: &C2d<'_>) -> bool {
    for (name, kind) in [("agnss", Assistance::Agnss), ("pgps", Assistance::Pgps)] {
        let mut buffer = [0; 8];
        let found = message.properties.find(name);
        let value = found.and_then(|property| property.value(&mut buffer).ok().flatten());
        if value != Some("result") {
            continue;
        }
        match board::assist(kind, message.payload) {
            Ok(()) => log::info!("{name}: {} bytes taken", message.payload.len()),
            Err(errno) => log::warn!("{name}: {} bytes not taken: {errno}", message.payload.len()),
        }
        return true;
    }
    false
}
