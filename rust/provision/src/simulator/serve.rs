//! The line: a PTY or a TCP port, with the speed and the delays of the real thing if wanted.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[cfg(unix)]
use serialport::{SerialPort as _, TTYPort};
use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::simulator::{Face, Modem, Notice, Style, Termination};

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Timing {
    /// As fast as this machine can.
    Instant,
    /// 115200 baud and the modem's own times, multiplied by this.
    Real(f64),
}

/// A simulated modem at work. Dropping it ends it.
pub struct Running {
    address: String,
    busy_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    #[cfg(unix)]
    _slave: Option<TTYPort>,
}

impl Running {
    /// What to give as the port: the path of the PTY, or `tcp:host:port`.
    pub fn port(&self) -> &str {
        &self.address
    }

    /// How long line and modem would have worked so far at their real speed: what no tool can save.
    pub fn busy(&self) -> Duration {
        Duration::from_micros(self.busy_us.load(Ordering::SeqCst))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Serves one modem on a new pseudo terminal.
///
/// # Errors
/// [`Kind::Port`] if the system gives none.
#[cfg(unix)]
pub fn serve_pty(
    modem: Modem,
    style: Style,
    termination: Termination,
    timing: Timing,
) -> Result<Running, Error> {
    let failed = |error: serialport::Error| {
        Error::new(
            Kind::Port,
            format!("no pseudo terminal could be opened: {error}"),
        )
    };
    let (mut master, slave) = TTYPort::pair().map_err(failed)?;
    let address = slave.name().unwrap_or_default();
    master.set_timeout(TICK).map_err(failed)?;
    let reader = master.try_clone_native().map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let line = Line::new(modem, style, termination, timing);
    let busy_us = Arc::clone(&line.busy_us);
    let threads = line.start(reader, master, Arc::clone(&stop));
    Ok(Running {
        address,
        busy_us,
        stop,
        threads,
        _slave: Some(slave),
    })
}

/// There are no pseudo terminals on this system.
///
/// # Errors
/// [`Kind::Port`], always.
#[cfg(not(unix))]
pub fn serve_pty(_: Modem, _: Style, _: Termination, _: Timing) -> Result<Running, Error> {
    Err(
        Error::new(Kind::Port, "this system has no pseudo terminals")
            .advise("give --tcp 127.0.0.1:9100"),
    )
}

/// Serves one modem on a TCP port, one connection at a time.
///
/// # Errors
/// [`Kind::Port`] if the address is in use.
pub fn serve_tcp(
    modem: Modem,
    style: Style,
    termination: Termination,
    timing: Timing,
    address: SocketAddr,
) -> Result<Running, Error> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Port, format!("cannot listen on {address}: {error}"))
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let mut line = Line::new(modem, style, termination, timing);
    let busy_us = Arc::clone(&line.busy_us);
    let thread = thread::spawn(move || {
        while !flag.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, _)) => line = line.connection(stream, &flag),
                Err(_) => thread::park_timeout(TICK),
            }
        }
    });
    Ok(Running {
        address: format!("tcp:{bound}"),
        busy_us,
        stop,
        threads: vec![thread],
        #[cfg(unix)]
        _slave: None,
    })
}

struct Line {
    busy_us: Arc<AtomicU64>,
    lost: Vec<u64>,
    received: u64,
    modem: Modem,
    style: Style,
    termination: Termination,
    timing: Timing,
}

impl Line {
    fn new(mut modem: Modem, style: Style, termination: Termination, timing: Timing) -> Self {
        if style == Style::Slm {
            modem.behind_serial_modem();
        }
        Self {
            busy_us: Arc::default(),
            lost: modem.lost_bytes(),
            received: 0,
            modem,
            style,
            termination,
            timing,
        }
    }

    #[cfg(unix)]
    fn start(
        mut self,
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        stop: Arc<AtomicBool>,
    ) -> Vec<JoinHandle<()>> {
        let (sender, receiver) = channel();
        let flag = Arc::clone(&stop);
        let reading = thread::spawn(move || read(reader, &sender, &flag));
        let working = thread::spawn(move || self.work(&receiver, writer));
        vec![reading, working]
    }

    fn connection(mut self, stream: TcpStream, stop: &Arc<AtomicBool>) -> Self {
        let prepared = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_nodelay(true))
            .and_then(|()| stream.set_read_timeout(Some(TICK)))
            .and_then(|()| stream.try_clone());
        let Ok(reader) = prepared else { return self };
        let (sender, receiver) = channel();
        let flag = Arc::clone(stop);
        let reading = thread::spawn(move || read(reader, &sender, &flag));
        self.work(&receiver, stream);
        let _ = reading.join();
        self
    }

    fn work(&mut self, bytes: &Receiver<Vec<u8>>, mut writer: impl Write) {
        let mut face = Face::new(self.style, self.termination);
        let mut waiting: Vec<(Instant, String)> = Vec::new();
        let mut send = |text: &str| {
            let _ = writer
                .write_all(text.as_bytes())
                .and_then(|()| writer.flush());
        };
        send(face.banner());
        loop {
            let now = Instant::now();
            waiting.retain(|(due, line)| {
                if *due <= now {
                    send(&format!("{line}\r\n"));
                }
                *due > now
            });
            let next = waiting
                .iter()
                .map(|(due, _)| due.saturating_duration_since(now))
                .min();
            match bytes.recv_timeout(next.unwrap_or(FOREVER)) {
                Ok(chunk) => self.take(&chunk, &mut face, &mut waiting, &mut send),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(
        &mut self,
        chunk: &[u8],
        face: &mut Face,
        waiting: &mut Vec<(Instant, String)>,
        send: &mut impl FnMut(&str),
    ) {
        self.spend(BYTE.saturating_mul(u32::try_from(chunk.len()).unwrap_or(u32::MAX)));
        for byte in chunk {
            self.received += 1;
            if self.lost.contains(&self.received) {
                continue;
            }
            if let Some(echo) = face.echo(*byte) {
                send(&echo);
            }
            let Some(line) = face.feed(*byte) else {
                continue;
            };
            match face.command(&line) {
                Err(said) => send(&format!("{said}{PROMPT}")),
                Ok(command) => {
                    let answer = self.modem.execute(&command, OffsetDateTime::now_utc());
                    self.spend(answer.takes);
                    send(&face.dress(&answer.text()));
                    waiting.extend(self.scheduled(&answer.notices));
                }
            }
        }
    }

    fn scheduled(&self, notices: &[Notice]) -> Vec<(Instant, String)> {
        let mut due = Instant::now();
        notices
            .iter()
            .map(|notice| {
                due += match self.timing {
                    Timing::Instant => Duration::ZERO,
                    Timing::Real(factor) => notice.after.mul_f64(factor),
                };
                (due, notice.line.clone())
            })
            .collect()
    }

    fn spend(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.busy_us.fetch_add(us, Ordering::SeqCst);
        if let Timing::Real(factor) = self.timing {
            thread::sleep(time.mul_f64(factor));
        }
    }
}

fn read(mut reader: impl Read, sender: &Sender<Vec<u8>>, stop: &AtomicBool) {
    let mut buffer = [0; 512];
    while !stop.load(Ordering::SeqCst) {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
                ) => {}
            Err(_) => return,
        }
    }
}

const TICK: Duration = Duration::from_millis(50);
const FOREVER: Duration = Duration::from_secs(3600);
/// One byte at 115200 baud, 8N1.
const BYTE: Duration = Duration::from_nanos(86_806);
const PROMPT: &str = "uart:~$ ";
