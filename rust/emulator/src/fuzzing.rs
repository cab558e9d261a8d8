//! What the fuzz targets in `rust/fuzz` call. Not for others: it changes whenever they do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use futures_util::FutureExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::sync::{Semaphore, broadcast};

use crate::auth::chain::{self, Anchor};
use crate::auth::sas::Token;
use crate::auth::tls::{self, ServerCertificate};
use crate::blobs::{Account, Blobs};
use crate::clock::Clock;
use crate::configurations::Configurations;
use crate::dps::Dps;
use crate::fault_timetable::Plan;
use crate::faults::Faults;
use crate::file::parse_toml;
use crate::firmware::Range;
use crate::http;
use crate::hub::connections::Connections;
use crate::hub::hubs::Hubs;
use crate::hub::orders::Orders;
use crate::hub::query::{Aggregation, Query};
use crate::hub::ring::Ring;
use crate::hub::service::Service;
use crate::hub::twin::{Kind, Section, parse_object};
use crate::jobs::Jobs;
use crate::journal::{Journal, LogFormat};
use crate::management;
use crate::mqtt::topic::{Feature, Topic};
use crate::mqtt::username::UserName;
use crate::mqtt::wire::{Packet, Publish, Reader};
use crate::properties::Properties;
use crate::random;
use crate::rest::{self, Access, Api, Peer};
use crate::routing::Routing;
use crate::settings::Settings;
use crate::state::{self, Export, Intake};
use crate::store::{self, Store};

/// A query: read, planned, and asked of a twin.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(query) = Query::parse(text) else {
        return;
    };
    let twin = json!({
        "deviceId": "d", "status": "enabled", "tags": {"a": 1, "b": [true, "x"], "c": {"d": "text"}},
        "properties": {"desired": {"n": 2.5, "$version": 1}, "reported": {}},
    });
    let _ = query.plan();
    if query.is_aggregate() {
        let mut aggregation = Aggregation::default();
        for _ in 0..2 {
            let _ = query.add(&mut aggregation, &twin);
        }
        let _ = query.finish(aggregation);
    } else {
        let _ = query.row(twin);
    }
}

/// A chain and registered CAs: certificates with two bytes of length before each; the second half
/// is registered.
pub fn chain(mut bytes: &[u8]) {
    let mut certificates = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (certificate, after) = rest.split_at(length);
        certificates.push(certificate);
        bytes = after;
    }
    let (presented, registered) = certificates.split_at(certificates.len().div_ceil(2));
    let anchors: Vec<Anchor> = registered
        .iter()
        .map(|der| Anchor {
            name: "ca".to_owned(),
            der: der.to_vec(),
            verified: true,
        })
        .collect();
    if let Ok(found) = chain::verify(presented, &anchors, 1_800_000_000_000) {
        assert!(found.iter().all(|&index| index < anchors.len()));
    }
}

/// A timetable of faults, and any other TOML.
pub fn timetable(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Plan::parse(text);
        let _ = parse_toml(text);
    }
}

/// Frames of AMQP, and the messages in them.
pub fn amqp(bytes: &[u8]) {
    crate::amqp::fuzz(bytes);
}

/// A document of the whole state: taken in, and then written again and taken in once more.
pub fn import(bytes: &[u8]) {
    let Ok(c) = store::in_memory() else {
        panic!("no database in memory");
    };
    let how = Intake {
        hubs: vec!["hub".to_owned()],
        replace: true,
        now: 1_700_000_000_000,
    };
    if state::import_json(&c, bytes, &how).is_err() {
        return;
    }
    let mut export = Export::new(how.hubs.clone());
    let mut text = String::new();
    while let Ok(Some(piece)) = export.next(&c) {
        text.push_str(&piece);
    }
    if let Err(refusal) = state::import_json(&c, text.as_bytes(), &how) {
        panic!("an own export is refused: {refusal}: {text}");
    }
}

/// The range that a device asks for, of an image of 1,000 bytes.
pub fn range(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Range::Some(from, to) = Range::parse(&text, 1000) {
        assert!(from < to && to <= 1000);
    }
}

/// Everything that a connection's bytes go through before they meet the storage.
pub fn packets(bytes: &[u8]) {
    let mut reader = Reader::new(bytes, 64 * 1024);
    let mut twin = Section::default();
    // A slice is never pending.
    while let Some(Ok(packet)) = reader.next().now_or_never() {
        match packet {
            Packet::Connect(connect) => {
                let _ = UserName::parse(connect.user_name.as_deref().unwrap_or_default());
                let password = connect.password.unwrap_or_default();
                if let Ok(Ok(token)) = std::str::from_utf8(&password).map(Token::parse) {
                    let _ = token.verify(["AAAAAAAAAAAAAAAAAAAAAA=="], 0);
                }
                if let Some(will) = connect.will {
                    publish(&will, &mut twin);
                }
            }
            Packet::Publish(message) => publish(&message, &mut twin),
            Packet::Subscribe(_, filters) => {
                for (filter, qos) in filters {
                    assert!(qos <= 2);
                    let _ = Feature::parse(Some("d"), &filter);
                    let _ = Feature::parse(None, &filter);
                }
            }
            _ => {}
        }
    }
}

fn publish(message: &Publish, twin: &mut Section) {
    let _ = Topic::parse_provisioning(&message.topic);
    match Topic::parse_hub("d", &message.topic) {
        Ok(Topic::Telemetry { bag }) => {
            if let Ok(properties) = Properties::parse(bag) {
                assert!(properties.size() <= bag.len() * 2);
            }
        }
        Ok(Topic::TwinPatch { .. }) => {
            let Ok(patch) = parse_object(&message.payload) else {
                return;
            };
            let before = twin.version;
            match twin.patch(Kind::Reported, &patch, 0) {
                Ok(()) => assert_eq!(twin.version, before + 1),
                Err(_) => assert_eq!(twin.version, before),
            }
            // What a device gets is what it can read.
            assert!(parse_object(twin.for_device().to_string().as_bytes()).is_ok());
        }
        _ => {}
    }
}

/// The REST side over a storage in memory, without sockets.
pub struct Rest {
    runtime: tokio::runtime::Runtime,
    router: TowerToHyperService<axum::Router>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rest")
    }
}

impl Rest {
    /// An empty hub; the error says what of the machine is missing.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let clock = Arc::new(Clock::default());
        let generated = tls::generate(&["hub.localhost".to_owned()])?;
        let service = Arc::new(Service {
            hubs: Hubs::given(&["hub.localhost".to_owned(), "second.localhost".to_owned()]),
            settings: Settings::default(),
            store: Store::open(None, false)?,
            clock: Arc::clone(&clock),
            journal: Journal::new(clock, LogFormat::Off),
            connections: Connections::default(),
            telemetry: broadcast::channel(16).0,
            ring: Arc::new(Ring::new(1000, 1 << 20, 4)),
            reports: Arc::default(),
            faults: Faults::default(),
            orders: Orders::default(),
            certificate: ServerCertificate::from_pem(&generated.chain_pem, &generated.key_pem)?,
        });
        let blobs = Arc::new(Blobs::elsewhere(Account::inside(random::key())));
        let access = Arc::new(Access {
            token: None,
            service_key: random::key(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        Ok(Self {
            runtime,
            router: TowerToHyperService::new(rest::router(
                Api {
                    dps: Arc::new(Dps::new(Arc::clone(&service), "0ne00000001".to_owned())),
                    timetable: Arc::default(),
                    firmware: Arc::default(),
                    service: Arc::clone(&service),
                    access,
                    streams: Arc::new(Semaphore::new(rest::MAX_STREAMS)),
                    ca_pem: None,
                    jobs: Arc::new(Jobs::new(Arc::clone(&service), Arc::clone(&blobs))),
                    blobs: Arc::clone(&blobs),
                    configurations: Arc::new(Configurations::new(Arc::clone(&service))),
                    routing: Arc::new(Routing::new(
                        Arc::clone(&service),
                        blobs,
                        std::path::PathBuf::new(),
                    )),
                    is_https: false,
                    mqtt: SocketAddr::from(([127, 0, 0, 1], 8883)),
                    amqp: None,
                    consumer_groups: Arc::default(),
                    https: None,
                },
                http::routes().merge(management::routes()),
                http::open_routes(),
            )),
        })
    }

    /// A request as text: method and path, headers, an empty line, the body. The status of the
    /// answer; `None` if the text is no request. The service must never be at fault.
    pub fn request(&self, bytes: &[u8]) -> Option<u16> {
        let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
        let line = std::str::from_utf8(parts.next()?).ok()?;
        let mut rest = parts.next().unwrap_or_default();
        let (method, path) = line.split_once(' ')?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let mut request = Request::builder().method(method).uri(path);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (header, after) = (rest.get(..end)?, rest.get(end + 1..)?);
            rest = after;
            if header.is_empty() {
                break;
            }
            let (name, value) = std::str::from_utf8(header).ok()?.split_once(": ")?;
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(rest.to_vec())).ok()?;
        if !request.headers().contains_key(header::HOST) {
            let host = header::HeaderValue::from_static("localhost");
            request.headers_mut().insert(header::HOST, host);
        }
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        request.extensions_mut().insert(ConnectInfo(Peer(peer)));
        let answer = self.runtime.block_on(async {
            // A method waits for its device, as long as the request says.
            tokio::time::timeout(Duration::from_secs(2), self.router.call(request)).await
        });
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => return Some(504),
        };
        let status = response.status();
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
        Some(status.as_u16())
    }
}
