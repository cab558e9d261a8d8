//! MQTT over WebSocket beside MQTT over plain TLS, at one emulator, by turns.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::device::Device;
use crate::pki::Pki;
use crate::scenario::{self, Fleet, Sample, name};
use crate::server::{Kind, Server};
use crate::{Failure, report};

/// Both doors in turn, in each kind of steady load; the ratio is that of the middle rates.
pub async fn run(
    folder: &Path,
    binary: &Path,
    pki: &Pki,
    fleet: &Fleet,
    (rounds, time): (usize, Duration),
) -> Result<(), Failure> {
    println!(
        "| devices, messages in flight each | plain TLS, messages/s | WebSocket, messages/s | ratio | processor for each, plain and WebSocket |"
    );
    println!("|---|---|---|---|---|");
    for (devices, window) in [(100, 8), (20, 32), (1, 16)] {
        let server = Server::start(Kind::Disk, folder, binary)?;
        let https = server.https.ok_or("no https")?;
        fleet.register(&server, pki, devices).await?;
        let (mut plain, mut websocket) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (door, samples) in [(None, &mut plain), (Some(https), &mut websocket)] {
                let mut connected = Vec::new();
                for index in 0..devices {
                    connected.push(connect(&server, pki, door, index).await?);
                }
                samples.push(scenario::steady(&server, &mut connected, window, time).await?);
            }
        }
        let (plain, websocket) = (middle(plain), middle(websocket));
        println!(
            "| {devices}, {window} | {:.0} | {:.0} | {:.2} | {:.0} µs, {:.0} µs |",
            plain.rate,
            websocket.rate,
            websocket.rate / plain.rate,
            plain.cpu.as_secs_f64() * 1e6,
            websocket.cpu.as_secs_f64() * 1e6,
        );
    }
    println!("\nLoad after: {}", report::load());
    Ok(())
}

async fn connect(
    server: &Server,
    pki: &Pki,
    https: Option<SocketAddr>,
    index: usize,
) -> Result<Device, Failure> {
    let id = name(index);
    let config = pki.device(&id)?;
    match https {
        Some(https) => Device::connect_by_websocket(https, config, &id).await,
        None => Device::connect(server.mqtt, config, &id).await,
    }
}

fn middle(mut samples: Vec<Sample>) -> Sample {
    samples.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    samples[samples.len() / 2]
}

/// Binary messages over TLS, as a stream of bytes.
pub struct WebSocket {
    stream: TlsStream<TcpStream>,
    /// What has come and is no whole frame yet.
    frames: Vec<u8>,
}

impl WebSocket {
    pub async fn open(mut stream: TlsStream<TcpStream>) -> Result<Self, Failure> {
        let request = format!(
            "GET /$iothub/websocket HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
            crate::HOST
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        match head.starts_with(b"HTTP/1.1 101 ") {
            true => Ok(Self {
                stream,
                frames: Vec::new(),
            }),
            false => Err(String::from_utf8_lossy(&head).into()),
        }
    }

    /// One message; its mask is of zeros, which the server takes off as any other.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut frame = vec![0x82];
        match bytes.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(long)?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(bytes);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// As [`AsyncReadExt::read_buf`].
    pub async fn read_buf(&mut self, into: &mut Vec<u8>) -> Result<usize, Failure> {
        let before = into.len();
        while into.len() == before {
            if self.stream.read_buf(&mut self.frames).await? == 0 {
                return Ok(0);
            }
            let mut rest = self.frames.as_slice();
            while let Some((opcode, payload, behind)) = cut(rest) {
                match opcode {
                    0 | 2 => into.extend(payload),
                    other => return Err(format!("a frame with opcode {other}").into()),
                }
                rest = behind;
            }
            let used = self.frames.len() - rest.len();
            self.frames.drain(..used);
        }
        Ok(into.len() - before)
    }
}

/// The first frame, and what stands behind it.
fn cut(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(2)?;
    let (length, rest) = match head[1] {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let (payload, behind) = rest.split_at_checked(length)?;
    Some((head[0] & 0x0f, payload, behind))
}
