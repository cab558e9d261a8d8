//! A device: TLS, CONNECT, and as much MQTT as the scenarios need.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Failure;
use crate::websocket::WebSocket;

/// A connected device.
pub struct Device {
    pub id: String,
    stream: Link,
    buffer: Vec<u8>,
}

/// What carries MQTT.
enum Link {
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<WebSocket>),
}

impl Link {
    async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Tls(stream) => Ok(stream.write_all(bytes).await?),
            Self::WebSocket(socket) => socket.write_all(bytes).await,
        }
    }

    async fn read_buf(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Failure> {
        match self {
            Self::Tls(stream) => Ok(stream.read_buf(buffer).await?),
            Self::WebSocket(socket) => socket.read_buf(buffer).await,
        }
    }
}

/// A packet: its first byte and its body.
pub type Packet = (u8, Vec<u8>);

impl Device {
    /// TLS handshake and CONNECT.
    pub async fn connect(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        id: &str,
    ) -> Result<Self, Failure> {
        let stream = tls(address, config).await?;
        Self::connect_over(Link::Tls(Box::new(stream)), id).await
    }

    /// The same over WebSocket, at the HTTPS port.
    pub async fn connect_by_websocket(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        id: &str,
    ) -> Result<Self, Failure> {
        let socket = WebSocket::open(tls(address, config).await?).await?;
        Self::connect_over(Link::WebSocket(Box::new(socket)), id).await
    }

    async fn connect_over(mut stream: Link, id: &str) -> Result<Self, Failure> {
        let mut body = b"\x00\x04MQTT\x04\x82\x00\xf0".to_vec();
        text(&mut body, id);
        text(
            &mut body,
            &format!("{}/{id}/?api-version=2021-04-12", crate::HOST),
        );
        stream.write_all(&packet(0x10, &body)).await?;
        let mut device = Self {
            id: id.to_owned(),
            stream,
            buffer: Vec::new(),
        };
        match device.next().await? {
            (0x20, body) if body.get(1) == Some(&0) => Ok(device),
            (_, body) => Err(format!("CONNACK {body:?}").into()),
        }
    }

    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<(), Failure> {
        let mut body = vec![0, 1];
        text(&mut body, filter);
        body.push(qos);
        self.stream.write_all(&packet(0x82, &body)).await?;
        match self.next().await? {
            (0x90, body) if body.get(2) == Some(&qos) => Ok(()),
            (_, body) => Err(format!("SUBACK {body:?}").into()),
        }
    }

    /// QoS 0 without a packet id, else QoS 1.
    pub async fn publish(&mut self, topic: &str, payload: &[u8], id: u16) -> Result<(), Failure> {
        let bytes = publish(topic, payload, id);
        self.stream.write_all(&bytes).await
    }

    pub async fn next(&mut self) -> Result<Packet, Failure> {
        loop {
            if let Some((packet, used)) = cut(&self.buffer) {
                self.buffer.drain(..used);
                return Ok(packet);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed".into());
            }
        }
    }

    /// Keeps `window` messages with QoS 1 in flight until `end`; the time of each, if it began
    /// after `begin`. Answers come in the order of the messages.
    pub async fn pump(
        &mut self,
        window: u16,
        payload: &[u8],
        begin: Instant,
        end: Instant,
    ) -> Result<Vec<Duration>, Failure> {
        let topic = format!("devices/{}/messages/events/", self.id);
        let mut times = Vec::new();
        let mut sent = std::collections::VecDeque::new();
        let mut next: u16 = 0;
        let mut room = window;
        let mut bytes = Vec::new();
        loop {
            let now = Instant::now();
            bytes.clear();
            if now < end {
                for _ in 0..room {
                    next = next.checked_add(1).unwrap_or(1);
                    bytes.extend(publish(&topic, payload, next));
                    sent.push_back((next, now));
                }
                self.stream.write_all(&bytes).await?;
            } else if sent.is_empty() {
                return Ok(times);
            }
            room = 0;
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed".into());
            }
            let now = Instant::now();
            while let Some(((first, body), used)) = cut(&self.buffer) {
                self.buffer.drain(..used);
                let (id, at) = sent.pop_front().ok_or("an answer too many")?;
                if first != 0x40 || body != id.to_be_bytes() {
                    return Err(format!("packet {first:#x} {body:?}, not PUBACK {id}").into());
                }
                if at >= begin && now < end {
                    times.push(now - at);
                }
                room += 1;
            }
        }
    }

    /// A message every `period`, first after `offset`; the times until each PUBACK.
    pub async fn beat(
        &mut self,
        period: Duration,
        offset: Duration,
        payload: &[u8],
        begin: Instant,
        end: Instant,
    ) -> Result<Vec<Duration>, Failure> {
        let topic = format!("devices/{}/messages/events/", self.id);
        let mut times = Vec::new();
        let mut due = begin + offset;
        let mut id = 0u16;
        while due < end {
            tokio::time::sleep_until(due.into()).await;
            id = id.checked_add(1).unwrap_or(1);
            self.publish(&topic, payload, id).await?;
            match self.next().await? {
                (0x40, body) if body == id.to_be_bytes() => times.push(due.elapsed()),
                (first, body) => return Err(format!("packet {first:#x} {body:?}").into()),
            }
            due += period;
        }
        Ok(times)
    }
}

async fn tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(crate::HOST)?;
    Ok(TlsConnector::from(config).connect(name, tcp).await?)
}

/// The topic of a PUBLISH.
pub fn topic(body: &[u8]) -> &str {
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    std::str::from_utf8(&body[2..2 + length]).unwrap_or_default()
}

pub fn publish(topic: &str, payload: &[u8], id: u16) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    if id != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(if id == 0 { 0x30 } else { 0x32 }, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend((text.len() as u16).to_be_bytes());
    body.extend(text.as_bytes());
}

fn cut(bytes: &[u8]) -> Option<(Packet, usize)> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().skip(1).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 2;
            let body = bytes.get(start..start + length)?;
            return Some(((bytes[0], body.to_vec()), start + length));
        }
    }
    None
}
