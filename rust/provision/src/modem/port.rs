//! Serial ports, and TCP in their place for tests and network adapters.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serialport::{ClearBuffer, SerialPort, SerialPortType};

use crate::error::{Error, Kind};
use crate::platform::is_no_line;

/// A serial port of this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// The path of the port.
    pub path: String,
    /// What it is, where the system knows.
    pub product: String,
    /// USB vendor and product, as `1915:9100`.
    pub usb: String,
    /// Whether it is likely to lead to the modem.
    pub likely: bool,
}

/// The serial ports of this machine, the likely ones first.
///
/// # Errors
/// [`Kind::Port`] if the system cannot list them.
pub fn list_ports() -> Result<Vec<Found>, Error> {
    let ports = serialport::available_ports().map_err(|error| {
        Error::new(
            Kind::Port,
            format!("the serial ports cannot be listed: {error}"),
        )
        .advise("name the port with --port")
    })?;
    let mut found: Vec<Found> = ports
        .into_iter()
        .map(|port| match port.port_type {
            SerialPortType::UsbPort(usb) => Found {
                likely: usb.vid == NORDIC,
                usb: format!("{:04x}:{:04x}", usb.vid, usb.pid),
                product: usb.product.unwrap_or_default(),
                path: port.port_name,
            },
            _ => Found {
                path: port.port_name,
                product: String::new(),
                usb: String::new(),
                likely: false,
            },
        })
        .collect();
    found.sort_by(|a, b| (!a.likely, &a.path).cmp(&(!b.likely, &b.path)));
    Ok(found)
}

/// An open line.
pub(crate) enum Port {
    Serial(Box<dyn SerialPort>),
    Tcp(TcpStream),
}

impl Port {
    /// Opens a path, or `tcp:host:port`.
    pub(crate) fn open(name: &str, baud: u32) -> Result<Self, Error> {
        if let Some(address) = name.strip_prefix("tcp:") {
            return connect(address).map(Port::Tcp);
        }
        let port = serialport::new(name, baud)
            .timeout(TICK)
            .open()
            .map_err(|error| {
                if name.is_empty() {
                    return Error::new(Kind::Usage, "the name of the port is empty")
                        .advise("see the ports that there are: iothub-provision modem ports");
                }
                if is_no_line(name) {
                    return Error::new(Kind::Port, format!("{name} is no serial port"))
                        .advise("see the ports that there are: iothub-provision modem ports");
                }
                let advice = match error.kind() {
                    // Windows says so of a port that is not there.
                    serialport::ErrorKind::NoDevice if cfg!(unix) => {
                        "close the terminal that uses it, and check the cable"
                    }
                    serialport::ErrorKind::Io(ErrorKind::PermissionDenied) if cfg!(windows) => {
                        "close the program that uses it"
                    }
                    serialport::ErrorKind::Io(ErrorKind::PermissionDenied) => {
                        "add yourself to the group dialout, then log in again"
                    }
                    _ => "see the ports that there are: iothub-provision modem ports",
                };
                Error::new(Kind::Port, format!("cannot open {name}: {error}")).advise(advice)
            })?;
        let _ = port.clear(ClearBuffer::Input);
        Ok(Port::Serial(port))
    }

    /// Whether bytes leave at a limited speed, so that they must be paced.
    pub(crate) fn is_paced(&self) -> bool {
        matches!(self, Port::Serial(port) if port.baud_rate().is_ok_and(|rate| rate > 0))
    }

    /// Whether bytes are waiting to be read.
    pub(crate) fn has_input(&self) -> bool {
        match self {
            Port::Serial(port) => port.bytes_to_read().is_ok_and(|count| count > 0),
            Port::Tcp(stream) => {
                let peeked = stream
                    .set_nonblocking(true)
                    .and_then(|()| stream.peek(&mut [0; 1]));
                let _ = stream.set_nonblocking(false);
                peeked.is_ok_and(|count| count > 0)
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = match self {
            Port::Serial(port) => port.write_all(bytes).and_then(|()| port.flush()),
            Port::Tcp(stream) => stream.write_all(bytes),
        };
        written.map_err(|error| lost(&error))
    }

    /// Reads what is there; nothing after [`TICK`] is no error.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let read = match self {
            Port::Serial(port) => port.read(buffer),
            Port::Tcp(stream) => match stream.read(buffer) {
                Ok(0) => Err(ErrorKind::ConnectionAborted.into()),
                other => other,
            },
        };
        match read {
            Ok(length) => Ok(length),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
                ) =>
            {
                Ok(0)
            }
            Err(error) => Err(lost(&error)),
        }
    }
}

/// What a board prints, line by line, without colours.
pub struct LineReader {
    port: Port,
    pending: Vec<u8>,
}

impl LineReader {
    /// Opens a path, or `tcp:host:port`.
    ///
    /// # Errors
    /// [`Kind::Port`].
    pub fn open(name: &str, baud: u32) -> Result<Self, Error> {
        Ok(Self {
            port: Port::open(name, baud)?,
            pending: Vec::new(),
        })
    }

    /// Waits for the next whole line.
    ///
    /// # Errors
    /// [`Kind::Port`] if the line breaks.
    pub fn next_line(&mut self) -> Result<String, Error> {
        let mut buffer = [0; 1024];
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                let line = without_colours(&String::from_utf8_lossy(&line));
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            let length = self.port.read(&mut buffer)?;
            self.pending.extend_from_slice(&buffer[..length]);
        }
    }
}

fn connect(address: &str) -> Result<TcpStream, Error> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Port, format!("cannot connect to {address}: {error}"))
            .advise("check that the simulated modem or the adapter is running")
    };
    let is_address = address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_address {
        return Err(
            Error::new(Kind::Usage, format!("tcp:{address} is not tcp:HOST:PORT"))
                .advise("give host and port, as in tcp:127.0.0.1:9100"),
        );
    }
    let target = address.to_socket_addrs().map_err(failed)?.next();
    let target = target.ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
    let stream = TcpStream::connect_timeout(&target, CONNECT).map_err(failed)?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(TICK)))
        .map_err(failed)?;
    Ok(stream)
}

fn lost(error: &std::io::Error) -> Error {
    Error::new(Kind::Port, format!("the line to the modem broke: {error}"))
        .advise("check the cable and the power, then run the same command again")
}

/// Nordic Semiconductor's USB vendor id.
const NORDIC: u16 = 0x1915;
/// How long one read waits.
const TICK: Duration = Duration::from_millis(20);
const CONNECT: Duration = Duration::from_secs(5);

/// A line without the escape sequences of a terminal.
pub(crate) fn without_colours(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            clean.push(c);
        } else if rest.next() == Some('[') {
            rest.by_ref().find(char::is_ascii_alphabetic);
        }
    }
    clean
}
