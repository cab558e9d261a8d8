//! What `iothub-provision up` does with a board, done with the simulated modem: its serial face is
//! started on the store that the device process reads, and spoken to in AT commands.

use std::net::{Ipv4Addr, SocketAddr};

use iothub_provision::{
    Kind,
    hub::Hub,
    modem::{Modem, Session, Trace},
    pki::Validity,
    simulator::{self, Style, Termination, Timing, serve_tcp},
    up::{Event, Options, Run, Step},
};
use time::OffsetDateTime;

use crate::{DEVICE_ID, Error, Setup, setup::SEC_TAG};

/// Makes the device ready for the hub at `http`, as far as it is not.
pub(crate) fn provision(setup: &Setup, http: SocketAddr) -> Result<Vec<Step>, Error> {
    match attempt(setup, http, false) {
        // Of another demonstration, or of a test: a key made outside of the modem, or another root.
        Err(error) if error.kind() == Kind::Exists => {
            let _ = std::fs::remove_file(setup.device_key());
            attempt(setup, http, true)
        }
        outcome => outcome,
    }
    .map_err(|error| Error::certificates(setup.data(), &error))
}

fn attempt(
    setup: &Setup,
    http: SocketAddr,
    replace: bool,
) -> Result<Vec<Step>, iothub_provision::Error> {
    let now = OffsetDateTime::now_utc();
    let mut behind_the_line = simulator::Options::new(setup.device_data());
    behind_the_line.imei = DEVICE_ID.to_owned();
    let line = serve_tcp(
        simulator::Modem::new(behind_the_line)?,
        Style::AtHost,
        Termination::Cr,
        Timing::Instant,
        (Ipv4Addr::LOCALHOST, 0).into(),
    )?;
    let mut modem = Modem::new(Session::open(line.port(), BAUD, Trace::off())?);

    let pki = setup.pki();
    let root = pki.authority_certificate("rootca")?;
    let options = Options {
        id: modem.imei()?,
        tag: SEC_TAG,
        roots: vec![root.clone()],
        secondary_tag: SEC_TAG + 1,
        replace,
        validity: Validity::days(now, DAYS)?,
    };
    let authority = pki.authority("subca", None)?;
    let mut silent = |_: Event<'_>| {};
    let mut run = Run::new(pki, &authority, &options, now, &mut silent);
    run.load(&mut modem)?;
    run.register(&Hub::emulator(&format!("http://{http}"), now), &root)?;
    Ok(run.into_steps())
}

/// The rate of the AT client's UART.
const BAUD: u32 = 115_200;

/// Ten years.
const DAYS: u32 = 3650;
