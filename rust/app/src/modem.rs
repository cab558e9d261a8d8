//! What the modem tells by AT commands, as Nordic's AT reference for the nRF91 has them: where it
//! is registered, which SIM it has, what the battery gives.

use core::net::IpAddr;

use ncs::at;

use crate::reading::Network;

/// Where the modem is registered; `None` where it is not, or where there is no modem.
pub(crate) fn network() -> Option<Network> {
    let mut buffer = [0; ANSWER];
    let mut network = monitor(at::command(c"AT%XMONITOR", &mut buffer).ok()?)?;
    network.energy = at::command(c"AT%CONEVAL", &mut buffer)
        .ok()
        .and_then(energy);
    network.address = at::command(c"AT+CGPADDR=0", &mut buffer)
        .ok()
        .and_then(address);
    Some(network)
}

/// mV, as the modem measures its supply.
pub(crate) fn battery() -> Option<u16> {
    let mut buffer = [0; ANSWER];
    let answer = at::command(c"AT%XVBAT", &mut buffer).ok()?;
    number(answer.strip_prefix("%XVBAT: ")?).filter(|millivolts| *millivolts > 0)
}

/// The SIM card's number.
pub(crate) fn iccid(buffer: &mut [u8]) -> Option<&str> {
    digits(
        at::command(c"AT%XICCID", buffer)
            .ok()?
            .strip_prefix("%XICCID: ")?,
    )
}

/// The device's number.
pub(crate) fn imei(buffer: &mut [u8]) -> Option<&str> {
    digits(at::command(c"AT+CGSN", buffer).ok()?)
}

/// The longest answer, `%XMONITOR` with the names of an operator.
const ANSWER: usize = 192;

/// At least 15 of them, as both numbers have; an ICCID of 19 digits ends in F.
fn digits(text: &str) -> Option<&str> {
    let text = text.trim().trim_end_matches('F');
    (text.len() >= 15 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// The fields of an answer, without their quotes. No name that an operator has chosen shifts them:
/// a comma inside of quotes separates nothing.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    line.split(move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    })
    .map(|field| field.trim().trim_matches('"'))
}

/// `%XMONITOR:
/// reg_status,full_name,short_name,plmn,tac,AcT,band,cell_id,phys_cell_id,EARFCN,rsrp,snr,…`
fn monitor(line: &str) -> Option<Network> {
    let mut fields = fields(line.strip_prefix("%XMONITOR: ")?);
    let registration: u8 = number(fields.next()?)?;
    if registration != 1 && registration != 5 {
        return None;
    }
    let plmn = fields.nth(2)?;
    let area = u16::from_str_radix(fields.next()?, 16).ok()?;
    let technology: u8 = number(fields.next()?)?;
    let cell = u32::from_str_radix(fields.nth(1)?, 16).ok()?;
    let earfcn = number(fields.nth(1)?).filter(|earfcn| *earfcn > 0);
    let rsrp = number(fields.next()?).and_then(rsrp);
    Some(Network {
        is_nb_iot: match technology {
            7 => false,
            9 => true,
            _ => return None,
        },
        earfcn,
        rsrp,
        area,
        mccmnc: number(plmn).filter(|plmn| (10_000..=999_999).contains(plmn))?,
        cell,
        address: None,
        energy: None,
    })
}

/// dBm of the index that 3GPP TS 36.133 has; 255 is not known.
fn rsrp(index: i16) -> Option<i16> {
    (-17..=97)
        .contains(&index)
        .then(|| if index < 0 { index - 140 } else { index - 141 })
}

/// `%CONEVAL: result,rrc_state,energy_estimate,…`
fn energy(line: &str) -> Option<u8> {
    let mut fields = fields(line.strip_prefix("%CONEVAL: ")?);
    let result: u8 = number(fields.next()?)?;
    let estimate = number(fields.nth(1)?)?;
    (result == 0 && (5..=9).contains(&estimate)).then_some(estimate)
}

/// `+CGPADDR: cid,address,address`: the first that is whole. Of an IPv6 address without a prefix
/// from the network the first half is 0.
fn address(line: &str) -> Option<IpAddr> {
    fields(line.strip_prefix("+CGPADDR: 0,")?).find_map(|field| {
        let address: IpAddr = field.parse().ok()?;
        let is_whole = match address {
            IpAddr::V4(address) => !address.is_unspecified(),
            IpAddr::V6(address) => address.segments()[0] != 0,
        };
        is_whole.then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_the_modem_is_registered() {
        let line = "%XMONITOR: 5,\"Tel, \"\"st\"\"ra\",\"T\",\"50501\",\"1A2B\",7,28,\"01234567\",7,9410,44,33,\"\",\"11100000\"";
        let expected = Network {
            is_nb_iot: false,
            earfcn: Some(9410),
            rsrp: Some(-97),
            area: 0x1a2b,
            mccmnc: 50501,
            cell: 0x0123_4567,
            address: None,
            energy: None,
        };
        assert_eq!(monitor(line), Some(expected));
        for line in [
            "%XMONITOR: 2",
            "%XMONITOR: ",
            "%XMONITOR: 1",
            "%XMONITOR: 1,\"\",\"\",\"50501\",\"GGGG\",7,28,\"01234567\",7,9410,44,33",
            "%XMONITOR: 1,\"\",\"\",\"5\",\"1A2B\",7,28,\"01234567\",7,9410,44,33",
            "%XMONITOR: 1,\"\",\"\",\"50501\",\"1A2B\",8,28,\"01234567\",7,9410,44,33",
            "ERROR",
        ] {
            assert_eq!(monitor(line), None, "{line}");
        }
    }

    #[test]
    fn an_unknown_strength_is_left_out() {
        assert_eq!(
            [rsrp(255), rsrp(0), rsrp(97), rsrp(-17)],
            [None, Some(-141), Some(-44), Some(-157)]
        );
    }

    #[test]
    fn reads_energy_address_and_numbers() {
        assert_eq!(energy("%CONEVAL: 0,1,8,44,12,33"), Some(8));
        assert_eq!(energy("%CONEVAL: 1"), None);
        assert_eq!(energy("%CONEVAL: 0,1,4,44"), None);
        assert_eq!(
            address("+CGPADDR: 0,\"10.1.2.3\",\"2001:DB8:0:0:0:0:0:17\""),
            Some([10, 1, 2, 3].into())
        );
        assert_eq!(
            address("+CGPADDR: 0,\"0:0:0:0:0:0:0:17\""),
            None,
            "the interface's part alone is no address yet"
        );
        assert_eq!(digits("8901234567890123456F"), Some("8901234567890123456"));
        assert_eq!(digits("+CME ERROR: 10"), None);
    }
}
