//! A hub, a PKI and a device for the tests: real TLS, real MQTT packets.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)] // each test uses its part

use std::sync::Arc;
use std::time::Duration;

use iothub_emulator::{Emulator, Options};
use mqtt_protocol_core::mqtt::packet::{Qos, SubEntry, SubOpts, v3_1_1};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub mod amqp;
pub mod process;

/// Everything waits for an event with this deadline.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub const HUB: &str = "hub.localhost";

/// A CA for devices.
pub struct Ca {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a device shows: chain (leaf first) and key.
#[derive(Clone)]
pub struct Credentials {
    pub chain: Vec<CertificateDer<'static>>,
    key_pem: String,
}

impl Ca {
    pub fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    pub fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca_params(name);
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, |_| {})
    }

    pub fn intermediate_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca_params(name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn device(&self, name: &str) -> Credentials {
        self.device_with(name, |_| {})
    }

    pub fn device_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = named(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Credentials {
            chain: vec![certificate.der().clone()],
            key_pem: key.serialize_pem(),
        }
    }
}

impl Credentials {
    /// Adds a CA's certificate to what the device sends.
    pub fn with(mut self, ca: &Ca) -> Self {
        self.chain
            .push(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap());
        self
    }

    pub fn leaf_pem(&self) -> String {
        pem(&self.chain[0])
    }

    pub fn sha256(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.chain[0]);
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

pub fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// A running hub with a registered CA.
pub struct Hub {
    pub emulator: Emulator,
    pub ca: Ca,
    pub server_ca: String,
}

impl Hub {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(HUB);
        options.mqtt = "127.0.0.1:0".parse().unwrap();
        options.http = "127.0.0.1:0".parse().unwrap();
        change(&mut options);
        let emulator = Emulator::start(options).await.unwrap();
        let server_ca = emulator.ca_pem().unwrap().to_owned();
        let hub = Self {
            emulator,
            ca: Ca::root("Test Root CA"),
            server_ca,
        };
        hub.register_ca("root", &hub.ca.pem, true).await;
        hub
    }

    pub async fn register_ca(&self, name: &str, pem: &str, verified: bool) {
        let document = json!({"name": name, "certificate": pem, "isVerified": verified});
        assert_eq!(self.post("/admin/certificates", &document).await.0, 201);
    }

    /// Registers a device behind the CA.
    pub async fn register(&self, id: &str) {
        let document = json!({"deviceId": id, "authentication": {"type": "certificateAuthority"}});
        let (status, answer) = self.put(&format!("/devices/{id}"), &document).await;
        // 409: it is there already.
        assert!(matches!(status, 200 | 409), "{answer}");
    }

    /// Registers a device and connects it with a clean session.
    pub async fn device(&self, id: &str) -> Device {
        self.register(id).await;
        self.connect(id, &self.ca.device(id), true).await
    }

    pub async fn connect(&self, id: &str, credentials: &Credentials, clean: bool) -> Device {
        let mut device = self.dial(Some(credentials)).await;
        device.connect(id, clean).await;
        assert_eq!(device.connack().await.1, 0);
        device
    }

    /// TLS only.
    pub async fn dial(&self, credentials: Option<&Credentials>) -> Device {
        Device::dial(self.emulator.mqtt_addr(), &self.server_ca, credentials)
            .await
            .unwrap()
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.request("GET", path, &[], b"").await
    }

    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request("PUT", path, &[], body.to_string().as_bytes())
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request("POST", path, &[], body.to_string().as_bytes())
            .await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request("PATCH", path, &[], body.to_string().as_bytes())
            .await
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        self.request("DELETE", path, &[], b"").await
    }

    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Value) {
        let (status, text) = http(self.emulator.http_addr(), method, path, headers, body).await;
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// JSON lines of a stream that ends.
    pub async fn lines(&self, path: &str) -> Vec<Value> {
        let (status, text) = http(self.emulator.http_addr(), "GET", path, &[], b"").await;
        assert_eq!(status, 200, "{text}");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The first event of a kind; waits for it.
    pub async fn event(&self, kind: &str) -> Value {
        self.event_where(kind, |_| true).await
    }

    pub async fn event_where(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut stream = TcpStream::connect(self.emulator.http_addr()).await.unwrap();
        let request = format!(
            "GET /admin/events.jsonl?follow=true HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.emulator.http_addr()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let find = async {
            let mut text = Vec::new();
            loop {
                assert_ne!(
                    stream.read_buf(&mut text).await.unwrap(),
                    0,
                    "the stream of events ended"
                );
                let seen = String::from_utf8_lossy(&text);
                let complete = seen.rsplit_once('\n').map_or("", |(complete, _)| complete);
                let mut events = complete
                    .lines()
                    .filter_map(|line| serde_json::from_str::<Value>(line).ok());
                if let Some(event) = events.find(|event| event["event"] == kind && wanted(event)) {
                    return event;
                }
            }
        };
        within(&format!("event '{kind}'"), find).await
    }
}

/// Waits with the deadline.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {DEADLINE:?}"),
    }
}

pub async fn http(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String) {
    let (status, _, body) = exchange(address, method, path, headers, body).await;
    (status, body)
}

/// Status, head and body.
pub async fn exchange(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    exchange_over(stream, &address.to_string(), method, path, headers, body).await
}

/// The same over a connection that is there.
pub async fn exchange_over(
    mut stream: impl Stream,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String, String) {
    let exchange = async {
        let mut request = format!("{method} {path} HTTP/1.0\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request.push_str(&format!("host: {host}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let answer = within(&format!("{method} {path}"), exchange).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head[9..12].parse().unwrap(),
        head.to_owned(),
        body.to_owned(),
    )
}

/// What bytes go over.
pub trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Stream for T {}

/// TLS to the hub, with the certificate of a device if there is one.
pub async fn tls(
    address: std::net::SocketAddr,
    server_ca: &str,
    credentials: Option<&Credentials>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(server_ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots);
    let config = match credentials {
        Some(credentials) => {
            let key = PrivateKeyDer::from_pem_slice(credentials.key_pem.as_bytes()).unwrap();
            builder
                .with_client_auth_cert(credentials.chain.clone(), key)
                .unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(HUB).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// An MQTT client that does exactly what it is told.
pub struct Device {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    pub host: String,
}

/// A message from the hub.
#[derive(Debug, PartialEq)]
pub struct Received {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub packet_id: u16,
    pub dup: bool,
}

impl Device {
    pub async fn dial(
        address: std::net::SocketAddr,
        server_ca: &str,
        credentials: Option<&Credentials>,
    ) -> std::io::Result<Self> {
        Ok(Self::over(tls(address, server_ca, credentials).await?))
    }

    /// Over anything that carries bytes.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
            host: HUB.to_owned(),
        }
    }

    pub async fn connect(&mut self, id: &str, clean: bool) {
        let user_name = format!("{}/{id}/?api-version=2021-04-12", self.host);
        self.connect_as(id, &user_name, clean, 60, None).await;
    }

    pub async fn connect_as(
        &mut self,
        client_id: &str,
        user_name: &str,
        clean: bool,
        keep_alive: u16,
        password: Option<&str>,
    ) {
        let packet = v3_1_1::Connect::builder()
            .client_id(client_id)
            .unwrap()
            .user_name(user_name)
            .unwrap()
            .clean_session(clean)
            .keep_alive(keep_alive);
        let packet = match password {
            Some(password) => packet.password(password).unwrap(),
            None => packet,
        };
        self.write(&packet.build().unwrap().to_continuous_buffer())
            .await;
    }

    /// Session present and return code.
    pub async fn connack(&mut self) -> (bool, u8) {
        let (first, body) = self.packet().await.expect("the hub closed before CONNACK");
        assert_eq!((first, body.len()), (0x20, 2));
        (body[0] == 1, body[1])
    }

    pub async fn subscribe(&mut self, filters: &[&str]) {
        assert_eq!(
            self.try_subscribe(filters, 1).await,
            Some(vec![1; filters.len()])
        );
    }

    /// The granted qualities of service; `None` if the hub closes.
    pub async fn try_subscribe(&mut self, filters: &[&str], qos: u8) -> Option<Vec<u8>> {
        let options = SubOpts::new().set_qos(Qos::try_from(qos).unwrap());
        let entries: Vec<SubEntry> = filters
            .iter()
            .map(|filter| SubEntry::new(*filter, options).unwrap())
            .collect();
        let packet = v3_1_1::Subscribe::builder()
            .packet_id(77u16)
            .entries(entries)
            .build()
            .unwrap();
        self.write(&packet.to_continuous_buffer()).await;
        let (first, body) = self.packet().await?;
        assert_eq!((first, &body[..2]), (0x90, &[0, 77][..]));
        Some(body[2..].to_vec())
    }

    /// Publishes with QoS 0, or 1 if the packet id is not zero.
    pub async fn publish(&mut self, topic: &str, payload: &str, packet_id: u16) {
        self.try_publish(topic, payload, packet_id).await.unwrap();
    }

    /// Fails if the hub has closed already.
    pub async fn try_publish(
        &mut self,
        topic: &str,
        payload: &str,
        packet_id: u16,
    ) -> std::io::Result<()> {
        let builder = v3_1_1::Publish::builder()
            .topic_name(topic)
            .unwrap()
            .payload(payload.as_bytes().to_vec());
        let packet = match packet_id {
            0 => builder.qos(Qos::AtMostOnce).build(),
            id => builder.qos(Qos::AtLeastOnce).packet_id(id).build(),
        };
        self.try_write(&packet.unwrap().to_continuous_buffer())
            .await
    }

    pub async fn puback(&mut self, packet_id: u16) {
        let [high, low] = packet_id.to_be_bytes();
        self.write(&[0x40, 2, high, low]).await;
    }

    pub async fn expect_puback(&mut self, packet_id: u16) {
        let (first, body) = self.packet().await.expect("the hub closed before PUBACK");
        assert_eq!((first, body), (0x40, packet_id.to_be_bytes().to_vec()));
    }

    pub async fn ping(&mut self) {
        self.write(&[0xc0, 0]).await;
        assert_eq!(self.packet().await, Some((0xd0, Vec::new())));
    }

    pub async fn message(&mut self) -> Received {
        let (first, body) = self
            .packet()
            .await
            .expect("the hub closed before a message");
        assert_eq!(
            first >> 4,
            3,
            "PUBLISH was expected, not {first:#x} {body:?}"
        );
        let (packet, _) = v3_1_1::Publish::parse(first & 0x0f, Arc::from(body)).unwrap();
        Received {
            topic: packet.topic_name().to_owned(),
            payload: String::from_utf8(packet.payload().as_slice().to_vec()).unwrap(),
            qos: (first >> 1) & 3,
            packet_id: packet.packet_id().unwrap_or(0),
            dup: packet.dup(),
        }
    }

    pub async fn disconnect(mut self) {
        self.write(&[0xe0, 0]).await;
        self.expect_close().await;
    }

    pub async fn expect_close(&mut self) {
        assert_eq!(self.packet().await, None, "the hub was expected to close");
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.unwrap();
    }

    /// Fails if the hub has closed already.
    pub async fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// First byte and body of the next packet; `None` if the hub closed.
    pub async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        within("a packet", async {
            loop {
                if let Some(packet) = self.take() {
                    return Some(packet);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (mut length, mut at) = (0, 1);
        loop {
            let byte = *self.buffer.get(at)?;
            length |= usize::from(byte & 0x7f) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = self.buffer.get(at..at + length)?.to_vec();
        let first = self.buffer[0];
        self.buffer.drain(..at + length);
        Some((first, body))
    }
}

/// A shared access signature that ends in `seconds` from now.
pub fn token(resource: &str, key: &str, seconds: i64, policy: Option<&str>) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let expiry = i64::try_from(now).unwrap() + seconds;
    let resource = encode(resource);
    let signature = encode(&hmac_sha256(key, &format!("{resource}\n{expiry}")));
    let policy = policy
        .map(|policy| format!("&skn={policy}"))
        .unwrap_or_default();
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{policy}")
}

/// Base64 of the HMAC of a text with a key in base64.
pub fn hmac_sha256(key: &str, text: &str) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &engine.decode(key).unwrap());
    engine.encode(hmac::sign(&key, text.as_bytes()))
}
