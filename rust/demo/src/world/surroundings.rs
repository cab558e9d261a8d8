//! What a modem and a Wi-Fi scan hear at a place: the cell along the route with those beside it,
//! and the access points of the houses around. Whoever has the world's file knows them, as
//! everything of it.

use std::time::Duration;

use iothub_host::{Cell, Neighbour, Predictions, Survey};

use super::State;

/// The cell that the modem is in.
pub(super) fn cell(state: &State) -> Cell {
    Cell {
        mccmnc: 50_501,
        area: 0x1a2b,
        id: FIRST_CELL + state.cell,
        band: 28,
        earfcn: EARFCN,
        rsrp: state.rsrp,
        snr: if state.rsrp > -95 { 12 } else { 5 },
        is_nb_iot: false,
        energy: if state.rsrp > -95 { 8 } else { 7 },
    }
}

const FIRST_CELL: u32 = 0x0084_3200;
const EARFCN: u32 = 9410;

/// `cells` and `wifi`: what is listened to.
pub(super) fn survey(state: &State, cells: bool, wifi: bool) -> Survey {
    // The masts before and behind it on the route, which are heard the worse the nearer its own is.
    let beside = [state.cell.checked_sub(1), state.cell.checked_add(1)];
    let neighbours = beside.into_iter().flatten().map(|cell| Neighbour {
        id: physical(cell),
        earfcn: EARFCN,
        rsrp: (-190 - state.rsrp).clamp(-139, -80),
        rsrq: -140,
    });
    let heard = cells && state.is_covered;
    // 78 m of timing advance are 16 Ts.
    let advance = u16::from(state.rsrp.unsigned_abs() as u8) / 2;
    Survey {
        camped: heard.then(|| (cell(state), advance)),
        neighbours: neighbours.filter(|_| heard).collect(),
        access_points: if wifi {
            access_points(state)
        } else {
            Vec::new()
        },
    }
}

/// 1 to 503.
fn physical(cell: u32) -> u16 {
    (cell % 503 + 1) as u16
}

/// Four at each place of 100 m, administered locally.
fn access_points(state: &State) -> Vec<[u8; 6]> {
    let place = |degrees: f64| (degrees * 1000.0).floor() as i16;
    let [a, b] = place(state.latitude).to_be_bytes();
    let [c, d] = place(state.longitude).to_be_bytes();
    (1..=4).map(|number| [0x02, a, b, c, d, number]).collect()
}

/// Of a week, four hours each, from that time on.
pub(super) fn predictions(unix_ms: i64) -> Predictions {
    let seconds = unix_ms / 1000 - GPS_EPOCH;
    Predictions {
        count: 42,
        interval: 240,
        day: u16::try_from(seconds / 86_400).unwrap_or(u16::MAX),
        time: u32::try_from(seconds % 86_400).unwrap_or(0),
    }
}

/// 6 January 1980, in seconds since 1970.
const GPS_EPOCH: i64 = 315_964_800;

/// GPS time with orbits, ionosphere, clock and place, of nRF Cloud's types.
pub(super) const AGNSS_TYPES: u16 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8;

/// How long satellites take to be found, in the world's time.
pub(super) const FIX: Duration = Duration::from_secs(3);
