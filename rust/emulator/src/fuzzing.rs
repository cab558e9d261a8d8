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
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::connections::Connections;
use crate::faults::Faults;
use crate::journal::{Journal, LogFormat};
use crate::properties::Properties;
use crate::rest::{self, Access, Api, Peer};
use crate::sas::{self, Token};
use crate::service::Service;
use crate::settings::Settings;
use crate::store::Store;
use crate::throttle::Throttle;
use crate::tls::{self, ServerCertificate};
use crate::topic::{Feature, Topic};
use crate::twin::{Kind, Section, parse_object};
use crate::username::UserName;
use crate::wire::{Packet, Publish, Reader};

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
    pub fn new() -> Result<Self, String> {
        let clock = Arc::new(Clock::default());
        let generated = tls::generate(&["hub.localhost".to_owned()])?;
        let service = Arc::new(Service {
            hubs: vec!["hub.localhost".to_owned(), "second.localhost".to_owned()],
            id_scope: "0ne00000001".to_owned(),
            settings: Settings::default(),
            store: Store::open(None, false)?,
            clock: Arc::clone(&clock),
            journal: Journal::new(clock, LogFormat::Off),
            connections: Connections::default(),
            telemetry: broadcast::channel(16).0,
            faults: Faults::default(),
            timetable: crate::schedule::Timetable::default(),
            registrations: Throttle::new(Duration::from_secs(60)),
            operations: crate::dps::Operations::default(),
            certificate: ServerCertificate::from_pem(&generated.chain_pem, &generated.key_pem)?,
            firmware: crate::firmware::Firmware::default(),
        });
        let access = Arc::new(Access {
            token: None,
            service_key: sas::random_key(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            runtime,
            router: TowerToHyperService::new(rest::router(Api {
                service,
                access,
                ca_pem: None,
                mqtt: SocketAddr::from(([127, 0, 0, 1], 8883)),
            })),
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
