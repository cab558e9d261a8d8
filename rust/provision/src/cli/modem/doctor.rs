//! `iothub-provision modem doctor`: each link between here and the modem, in order.

use crate::cli::modem::Line;
use crate::cli::output::Report;
use crate::error::{Error, Kind};
use crate::modem::{Modem, list_ports};

pub(crate) fn run(line: &Line) -> Result<Report, Error> {
    let mut report = Report::new();
    ports(&mut report, line)?;
    let mut modem = match line.open() {
        Ok(modem) => modem,
        Err(error) => {
            report.failed(error.message().to_owned());
            report.plain("  The board is off or in its boot loader: switch it off and on.");
            report.plain("  Another program has the port: close the terminal.");
            report.plain("  The firmware has no AT client: see docs/provisioning.md.");
            report.fail_with(error);
            return Ok(report);
        }
    };
    let framing = modem.session().framing().to_string();
    report
        .done(format!("{} answers: {framing}", modem.session().name()))
        .field("framing", framing);
    let wedged = modem.session().was_wedged();
    if wedged {
        report.warning("the line hung in an unfinished command and was freed");
    }
    report.field("wasWedged", wedged);
    examine(&mut report, &mut modem)?;
    Ok(report)
}

fn ports(report: &mut Report, line: &Line) -> Result<(), Error> {
    if line.port.is_some() {
        return Ok(());
    }
    let likely: Vec<_> = list_ports()?
        .into_iter()
        .filter(|port| port.likely)
        .collect();
    for port in &likely {
        report.done(format!("{} is {} ({})", port.path, port.product, port.usb));
    }
    if likely.len() > 1 {
        report.plain("  On a Thingy:91 the first one leads to the modem, the second to its trace.");
    }
    Ok(())
}

fn examine(report: &mut Report, modem: &mut Modem) -> Result<(), Error> {
    let firmware = modem.ask("AT+CGMR")?;
    let version = version(&firmware);
    report
        .done(format!("modem firmware {firmware}"))
        .field("firmware", firmware);
    if version < (1, 3, 0) {
        report.failed("it cannot make keys (%KEYGEN needs 1.3.0): use a key made here, or update");
        report.fail_with(Error::new(
            Kind::Refused,
            "the modem firmware is too old for up",
        ));
    }
    if version < (1, 3, 2) {
        report.warning("it lists no hashes: what is written cannot be verified before 1.3.2");
    }
    let mode = modem.functional_mode()?;
    let online = matches!(mode, 1 | 2 | 21);
    let text = if online {
        "online: writes switch it off for a moment"
    } else {
        "offline"
    };
    report
        .done(format!("CFUN={mode}, {text}"))
        .field("functionalMode", mode);
    let stored = modem.list(None)?;
    report.done(format!("{} credentials in the store", stored.len()));
    report.field("credentials", stored.len());
    Ok(())
}

fn version(firmware: &str) -> (u16, u16, u16) {
    let numbers = firmware.rsplit('_').next().unwrap_or_default();
    let mut parts = numbers
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
