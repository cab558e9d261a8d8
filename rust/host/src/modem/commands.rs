//! AT commands that ask the simulated modem for what it is and for where it is, answered in the
//! form of Nordic's AT reference for the nRF91.

use crate::board::Cell;

/// What a command can ask for.
pub(crate) struct Snapshot<'a> {
    pub(crate) imei: Option<&'a str>,
    /// The cell, while the modem is registered.
    pub(crate) cell: Option<Cell>,
    pub(crate) is_roaming: bool,
    /// Addresses of the PDN.
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    pub(crate) battery_mv: Option<i32>,
}

/// The first line of the answer; `None` for another command, or where there is nothing to answer.
pub(crate) fn answer(command: &str, snapshot: &Snapshot<'_>) -> Option<String> {
    match command {
        "AT+CGMR" => Some(FIRMWARE.to_owned()),
        "AT+CGSN" => snapshot.imei.map(str::to_owned),
        "AT%XICCID" => Some(format!("%XICCID: {ICCID}")),
        "AT%XVBAT" => snapshot
            .battery_mv
            .map(|millivolts| format!("%XVBAT: {millivolts}")),
        "AT%XMONITOR" => Some(monitor(snapshot)),
        "AT%CONEVAL" => Some(evaluation(snapshot)),
        "AT+CGPADDR=0" => Some(addresses(snapshot)),
        _ => None,
    }
}

fn monitor(snapshot: &Snapshot<'_>) -> String {
    let Some(cell) = snapshot.cell else {
        return "%XMONITOR: 2".to_owned();
    };
    let registration = if snapshot.is_roaming { 5 } else { 1 };
    let technology = if cell.is_nb_iot { 9 } else { 7 };
    // The indices of RSRP and SNR, as the reference has them.
    let (rsrp, snr) = (cell.rsrp + 141, i16::from(cell.snr) + 24);
    format!(
        "%XMONITOR: {registration},\"Simulated\",\"Sim\",\"{}\",\"{:04X}\",{technology},{},\"{:08X}\",7,{},{rsrp},{snr},\"\",\
         \"11100000\",\"11100000\",\"00000000\"",
        cell.mccmnc, cell.area, cell.band, cell.id, cell.earfcn
    )
}

fn evaluation(snapshot: &Snapshot<'_>) -> String {
    match snapshot.cell {
        None => "%CONEVAL: 1".to_owned(),
        Some(cell) => format!(
            "%CONEVAL: 0,1,{},{},12,{},\"{:08X}\",\"{}\",7,{},{},0,0,0,1,1,90",
            cell.energy,
            cell.rsrp + 141,
            i16::from(cell.snr) + 24,
            cell.id,
            cell.mccmnc,
            cell.earfcn,
            cell.band
        ),
    }
}

fn addresses(snapshot: &Snapshot<'_>) -> String {
    let mut line = "+CGPADDR: 0".to_owned();
    for (is_there, address) in [(snapshot.ipv4, IPV4), (snapshot.ipv6, IPV6)] {
        if is_there {
            line.push_str(&format!(",\"{address}\""));
        }
    }
    line
}

/// Of the form that Nordic's have, and none of theirs.
const FIRMWARE: &str = "mfw_simulated_1.0.0";
const ICCID: &str = "8901234567890123456";
/// Of the ranges for documentation.
const IPV4: &str = "192.0.2.17";
const IPV6: &str = "2001:DB8:0:0:0:0:0:17";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_form_of_the_reference() {
        let cell = Cell {
            mccmnc: 50501,
            area: 0x1a2b,
            id: 0x0123_4567,
            band: 28,
            earfcn: 9410,
            rsrp: -97,
            snr: 9,
            is_nb_iot: false,
            energy: 8,
        };
        let mut snapshot = Snapshot {
            imei: Some("352656100367872"),
            cell: Some(cell),
            is_roaming: true,
            ipv4: false,
            ipv6: true,
            battery_mv: Some(3950),
        };
        let monitor = answer("AT%XMONITOR", &snapshot).unwrap_or_default();
        let expected = "%XMONITOR: 5,\"Simulated\",\"Sim\",\"50501\",\"1A2B\",7,28,\"01234567\",7,9410,44,33,\"\",";
        assert!(monitor.starts_with(expected), "{monitor}");
        assert_eq!(
            answer("AT+CGPADDR=0", &snapshot).as_deref(),
            Some("+CGPADDR: 0,\"2001:DB8:0:0:0:0:0:17\"")
        );
        assert_eq!(
            answer("AT%XVBAT", &snapshot).as_deref(),
            Some("%XVBAT: 3950")
        );
        snapshot.cell = None;
        assert_eq!(
            answer("AT%XMONITOR", &snapshot).as_deref(),
            Some("%XMONITOR: 2")
        );
        assert_eq!(
            answer("AT%CONEVAL", &snapshot).as_deref(),
            Some("%CONEVAL: 1")
        );
        assert_eq!(answer("AT+CFUN=0", &snapshot), None);
    }
}
