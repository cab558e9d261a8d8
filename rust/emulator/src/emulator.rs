//! Starting and stopping.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rusqlite::OptionalExtension as _;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::amqp::{self, Amqp};
use crate::auth::server_certificate::{self, identity};
use crate::auth::tls;
use crate::blobs::{Account, Blobs};
use crate::clock::{Clock, UnixMs};
use crate::configurations::Configurations;
use crate::dps::Dps;
use crate::fault_timetable::{self, Timetable};
use crate::faults::Faults;
use crate::file;
use crate::firmware::{self, Firmware, Ports};
use crate::http;
use crate::hub::c2d;
use crate::hub::connections::Connections;
use crate::hub::feedback;
use crate::hub::files::NOTIFICATIONS;
use crate::hub::hubs::Hubs;
use crate::hub::orders::Orders;
use crate::hub::partitions;
use crate::hub::ring::Ring;
use crate::hub::service::Service;
use crate::jobs::Jobs;
use crate::journal::{Event, Journal};
use crate::management;
use crate::mqtt::listener;
use crate::options::{AmqpPort, Options, StartError};
use crate::random;
use crate::rest::{self, Access, Api, Encryption, Port};
use crate::routing::Routing;
use crate::settings::{C2dPolicy, Settings};
use crate::state::{self, Intake};
use crate::stop::stopped;
use crate::store::{self, Store};
use crate::websocket;

/// A running emulator. Dropping it ends it at once; [`Emulator::shutdown`] ends it in good order.
#[derive(Debug)]
pub struct Emulator {
    mqtt: SocketAddr,
    http: SocketAddr,
    https: Option<SocketAddr>,
    amqp: Option<SocketAddr>,
    hostname: String,
    ca_pem: Option<String>,
    service_key: String,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    data_dir: Option<PathBuf>,
    _temporary: Option<Temporary>,
    _lock: Option<File>,
}

impl Emulator {
    /// Binds the ports, opens the storage and serves until it is shut down.
    ///
    /// # Errors
    /// An option cannot be, a port is taken, or the storage cannot be opened: [`StartError`] says
    /// which.
    pub async fn start(mut options: Options) -> Result<Self, StartError> {
        // An empty one would be known to everybody.
        options.token = options.token.filter(|token| !token.is_empty());
        let open = [Some(options.http), options.https]
            .into_iter()
            .flatten()
            .find(|it| !it.ip().is_loopback());
        if let (Some(address), None) = (open, &options.token) {
            return Err(StartError::TokenRequired(address));
        }
        let plan = match &options.faults {
            Some(path) => Some(
                fault_timetable::read(path)
                    .map_err(|why| StartError::File(format!("--faults {why}")))?,
            ),
            None => None,
        };
        if let Some(folder) = &options.firmware {
            std::fs::read_dir(folder).map_err(|error| {
                let (folder, why) = (folder.display(), file::without_number(&error));
                StartError::File(format!(
                    "--firmware {folder}: {why}; name a folder with images"
                ))
            })?;
        }
        let mqtt = listen("mqtt", options.mqtt).await?;
        let http = listen("http", options.http).await?;
        let https = match options.https {
            Some(address) => Some(listen("https", address).await?),
            None => None,
        };
        let amqp = match options.amqp {
            Some(AmqpPort::At(address)) => Some(listen("amqp", address).await?),
            Some(AmqpPort::Default) => match listen("amqp", AMQPS).await {
                Ok(listener) => Some(listener),
                Err(_) => Some(listen("amqp", SocketAddr::new(AMQPS.ip(), 0)).await?),
            },
            None => None,
        };
        let images = match &options.firmware {
            Some(_) => Some((
                listen("firmware-http", options.firmware_http).await?,
                listen("firmware-https", options.firmware_https).await?,
            )),
            None => None,
        };
        let lock = match options.data_dir.as_deref() {
            Some(folder) => {
                let begun = folder.join(LOCK).exists();
                let lock = lock(folder).await?;
                store::check(folder, begun)
                    .map_err(|error| StartError::Storage(error.to_string()))?;
                Some(lock)
            }
            None => None,
        };
        let (certificate, ca_pem) = identity(&options)?;
        let config = tls::server_config(Arc::clone(&certificate), true)
            .map_err(|error| StartError::Identity(error.to_string()))?;
        let store = Store::open(
            options.data_dir.as_deref(),
            options.settings.sync_each_commit,
        )
        .map_err(|error| StartError::Storage(error.to_string()))?;
        let clock = Arc::new(Clock::default());
        let given: Vec<String> = std::iter::once(&options.hostname)
            .chain(&options.more_hubs)
            .cloned()
            .collect();
        let name = options.name.clone();
        let hubs = store
            .run(move |c| Hubs::load(c, &given, name.as_deref()))
            .await
            .map_err(|refusal| StartError::Storage(refusal.to_string()))?;
        let journal = Journal::new(Arc::clone(&clock), options.log);
        for event in server_certificate::warnings(&certificate, &hubs.hosts(), &options) {
            journal.record(event);
        }
        if let Some(path) = &options.seed {
            let taken = seed(&store, path, &hubs.hosts(), clock.now()).await?;
            journal.record(Event::info("seed", taken));
        }
        let service_key = service_key(&store, options.settings.c2d).await?;
        let (blobs, temporary) = blobs(&options, &store).await?;
        let kept = options.data_dir.as_ref().map(|it| it.join("routes"));
        let short_lived = || temporary.as_ref().map(|it| it.0.join("routes"));
        let routes_folder = kept.or_else(short_lived).unwrap_or_default();
        let ring = ring(&store, &hubs, &options.settings).await?;
        let service = Arc::new(Service {
            hubs,
            settings: Settings {
                enforce_x509: options.settings.enforce_x509 || options.enforce_x509,
                verified_on_upload: options.settings.verified_on_upload
                    || options.verified_on_upload,
                ..options.settings.clone()
            },
            store,
            clock,
            journal,
            connections: Connections::default(),
            faults: Faults::default(),
            orders: Orders::default(),
            // A reader that is slower finds the rest in the storage.
            telemetry: broadcast::channel(256).0,
            ring,
            reports: Arc::default(),
            certificate: Arc::clone(&certificate),
        });
        let dps = Arc::new(Dps::new(Arc::clone(&service), options.id_scope));
        let timetable = Arc::new(Timetable::default());
        let firmware = Arc::new(Firmware::new(options.firmware));
        let access = Arc::new(Access {
            token: options.token,
            service_key: service_key.clone(),
        });
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let https_bound = match (&https, options.https) {
            (Some(listener), Some(wanted)) => Some(address("https", listener, wanted)?),
            _ => None,
        };
        let (mqtt_addr, http_addr) = (
            address("mqtt", &mqtt, options.mqtt)?,
            address("http", &http, options.http)?,
        );
        let blobs = Arc::new(blobs);
        let jobs = Arc::new(Jobs::new(Arc::clone(&service), Arc::clone(&blobs)));
        tasks.spawn(Arc::clone(&jobs).run(stopping.clone()));
        let configurations = Arc::new(Configurations::new(Arc::clone(&service)));
        tasks.spawn(Arc::clone(&configurations).run(stopping.clone()));
        let routing = Arc::new(Routing::new(
            Arc::clone(&service),
            Arc::clone(&blobs),
            routes_folder,
        ));
        let routes = routing.load().await;
        routes.map_err(|refusal| StartError::Storage(refusal.to_string()))?;
        tasks.spawn(Arc::clone(&routing).run(stopping.clone()));
        let (mqtt_door, websockets) = websocket::Door::new("mqtt");
        let (amqp_door, amqp_sockets) = websocket::Door::new("AMQPWSB10");
        let (mut doors, mut open, mut amqp_addr) = (vec![mqtt_door], Router::new(), None);
        let consumer_groups: Arc<[String]> = options.consumer_groups.into();
        if let Some(listener) = amqp {
            let at = address("amqp", &listener, AMQPS)?;
            let (groups, key) = (Arc::clone(&consumer_groups), service_key.clone());
            let services = (Arc::clone(&service), Arc::clone(&dps));
            let amqp = Arc::new(Amqp::new(services, key, groups, at.port()));
            let tls = TlsAcceptor::from(Arc::clone(&config));
            let stop = stopping.clone();
            tasks.spawn(amqp::listener::serve(
                amqp,
                listener,
                tls,
                amqp_sockets,
                stop,
            ));
            open = websocket::routes("/$servicebus/websocket", vec![amqp_door.clone()]);
            doors.push(amqp_door);
            amqp_addr = Some(at);
        }
        let open = open.merge(websocket::routes("/$iothub/websocket", doors));
        let api = Api {
            amqp: amqp_addr,
            consumer_groups,
            service: Arc::clone(&service),
            dps: Arc::clone(&dps),
            timetable: Arc::clone(&timetable),
            firmware: Arc::clone(&firmware),
            access,
            streams: Arc::new(Semaphore::new(rest::MAX_STREAMS)),
            blobs,
            configurations: Arc::clone(&configurations),
            jobs: Arc::clone(&jobs),
            routing: Arc::clone(&routing),
            is_https: false,
            mqtt: mqtt_addr,
            https: https_bound,
            ca_pem: ca_pem.as_deref().map(Arc::from),
        };
        let doors = http::routes().merge(management::routes());
        let over_https = https.is_some().then(|| {
            let api = Api {
                is_https: true,
                ..api.clone()
            };
            rest::router(api, doors.clone(), open.merge(http::open_routes()))
        });
        let router = rest::router(api, doors, http::open_routes());
        tasks.spawn(listener::serve(
            Arc::clone(&dps),
            mqtt,
            TlsAcceptor::from(config),
            websockets,
            stopping.clone(),
        ));
        let plain = |router| Port {
            router,
            tls: None,
            time_limit: service.settings.connect_timeout,
        };
        let encrypted = |router, client_certificates| {
            let config = |asks| {
                tls::server_config(Arc::clone(&certificate), asks)
                    .map_err(|error| StartError::Identity(error.to_string()))
            };
            let encryption = Encryption {
                config: config(client_certificates)?,
                browsers: config(false)?,
            };
            Ok(Port {
                tls: Some(encryption),
                ..plain(router)
            })
        };
        if let Some((https, over_https)) = https.zip(over_https) {
            let port = encrypted(over_https, service.settings.https_client_certificates)?;
            tasks.spawn(rest::serve(https, port, stopping.clone()));
        }
        tasks.spawn(rest::serve(http, plain(router), stopping.clone()));
        if let Some((http, https)) = images {
            let router = firmware::router(Arc::clone(&firmware), Arc::clone(&service));
            let (plain_at, tls_at) = (
                address("firmware-http", &http, options.firmware_http)?,
                address("firmware-https", &https, options.firmware_https)?,
            );
            firmware.set_ports(Ports {
                http: Some(plain_at.port()),
                https: Some(tls_at.port()),
            });
            let port = encrypted(router.clone(), false)?;
            tasks.spawn(rest::serve(https, port, stopping.clone()));
            tasks.spawn(rest::serve(http, plain(router), stopping.clone()));
        }
        if let Some(plan) = plan {
            timetable.start(&dps, plan);
        }
        let running = Arc::clone(&service);
        tasks.spawn(sweep(service, stopping));
        // So that it is not the first device that waits for it.
        tokio::task::spawn_blocking(tls::warm_up);
        Ok(Self {
            mqtt: mqtt_addr,
            http: http_addr,
            https: https_bound,
            amqp: amqp_addr,
            hostname: options.hostname,
            ca_pem,
            service_key,
            service: running,
            stop,
            tasks,
            data_dir: options.data_dir,
            _temporary: temporary,
            _lock: lock,
        })
    }

    /// Where devices connect.
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt
    }

    /// Where REST and page are.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where REST is over HTTPS.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Where services speak AMQP.
    pub fn amqp_addr(&self) -> Option<SocketAddr> {
        self.amqp
    }

    /// The connection string of services, with the key of `iothubowner`.
    pub fn connection_string(&self) -> String {
        partitions::service_connection_string(&self.hostname, &self.owner_key())
    }

    /// The connection string of the Event Hubs-compatible endpoint, with the key of `iothubowner`.
    pub fn event_hub_connection_string(&self) -> Option<String> {
        let port = self.amqp?.port();
        let (hub, key) = (&self.hostname, self.owner_key());
        Some(partitions::connection_string(hub, port, &key))
    }

    /// The CA that devices must trust, if the identity was made here or its CA was given.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    fn owner_key(&self) -> String {
        self.service
            .hubs
            .owner_key(&self.hostname, &self.service_key)
    }

    /// The key that the policies have from the start, `iothubowner` too, for service clients'
    /// connection strings.
    pub fn service_key(&self) -> &str {
        &self.service_key
    }

    /// Closes all connections with a reason, and ends.
    pub async fn shutdown(mut self) {
        // Nobody listens only if all tasks have ended already.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
        if let Some(folder) = self.data_dir.take() {
            // What is not folded now is folded by the next start.
            let _ = tokio::task::spawn_blocking(move || store::fold(&folder)).await;
        }
    }
}

/// One emulator a folder: two would not know of each other's connections. One that is just ending
/// is waited for.
async fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join(LOCK);
    let opened = std::fs::create_dir_all(folder).and_then(|()| File::create(&path));
    let file = opened.map_err(|error| {
        let what = match folder.ancestors().find(|it| it.is_file()) {
            Some(file) if file == folder => "it is a file".to_owned(),
            Some(file) => format!("{} is a file", file.display()),
            None => file::without_number(&error),
        };
        StartError::Storage(format!(
            "--data-dir {}: {what}; name a folder that can be written",
            folder.display()
        ))
    })?;
    let deadline = tokio::time::Instant::now() + LOCK_TIME_LIMIT;
    while file.try_lock().is_err() {
        if tokio::time::Instant::now() >= deadline {
            return Err(StartError::Storage(format!(
                "--data-dir {}: another emulator runs on it; end it, or name another folder",
                folder.display()
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(file)
}

/// Azure's port for AMQP over TLS.
const AMQPS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5671);

const LOCK: &str = "lock";
const LOCK_TIME_LIMIT: Duration = Duration::from_secs(3);

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError::Listen {
            what,
            address,
            error,
        })
}

fn address(
    what: &'static str,
    listener: &TcpListener,
    address: SocketAddr,
) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Listen {
        what,
        address,
        error,
    })
}

/// Takes a TOML file in, beside what is there already.
async fn seed(
    store: &Store,
    path: &Path,
    hubs: &[String],
    now: UnixMs,
) -> Result<String, StartError> {
    let document =
        state::read_toml(path).map_err(|why| StartError::File(format!("--seed {why}")))?;
    let how = Intake {
        hubs: hubs.to_vec(),
        replace: false,
        now,
    };
    let report = store.run(move |c| state::import(c, document, &how)).await;
    report.map(|it| it.to_text()).map_err(|refusal| {
        StartError::File(format!("--seed {}: {}", path.display(), refusal.reason))
    })
}

/// What is kept of telemetry, in the partitions of each hub.
async fn ring(store: &Store, hubs: &Hubs, settings: &Settings) -> Result<Arc<Ring>, StartError> {
    let ring = Arc::new(Ring::new(
        settings.keep_telemetry,
        settings.keep_telemetry_bytes,
        settings.event_hub_partitions,
    ));
    for hub in hubs.all() {
        ring.partitions.set_count(&hub.host, hub.partition_count());
    }
    let taken = Arc::clone(&ring);
    let taken = store.run(move |c| taken.partitions.take_over(c)).await;
    taken.map_err(|refusal| StartError::Storage(refusal.to_string()))?;
    Ok(ring)
}

async fn service_key(store: &Store, policy: C2dPolicy) -> Result<String, StartError> {
    let unlocked = store.run(move |c| c2d::unlock(c, None, policy)).await;
    unlocked.map_err(|refusal| StartError::Storage(refusal.to_string()))?;
    stored_key(store, "service key").await
}

/// A key that is made at the first start and kept.
async fn stored_key(store: &Store, name: &'static str) -> Result<String, StartError> {
    let key = store.run(move |c| {
        let known = c
            .query_row("SELECT value FROM settings WHERE key = ?1", [name], |row| {
                row.get(0)
            })
            .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        let key = random::key();
        c.execute(
            "INSERT INTO settings (key, value) VALUES (?1, ?2)",
            [name, &key],
        )?;
        Ok(key)
    });
    key.await
        .map_err(|refusal| StartError::Storage(refusal.to_string()))
}

/// A folder that goes with the emulator.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nobody is told if it stays.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where files of devices go: another storage, the data folder, or a folder that does not stay.
async fn blobs(options: &Options, store: &Store) -> Result<(Blobs, Option<Temporary>), StartError> {
    if let Some(text) = &options.blob_storage {
        let account = Account::parse(text);
        let account = account.map_err(|why| StartError::File(format!("--blob-storage: {why}")))?;
        return Ok((Blobs::elsewhere(account), None));
    }
    let key = stored_key(store, "storage key").await?;
    let (folder, temporary) = match &options.data_dir {
        Some(folder) => (folder.join("files"), None),
        None => {
            let name = format!("iothub-emulator-{}", random::hex::<8>());
            let folder = std::env::temp_dir().join(name);
            (folder.clone(), Some(Temporary(folder)))
        }
    };
    let shown = folder.display().to_string();
    let opened = Blobs::inside(folder, key, options.settings.files_max_bytes);
    let blobs = opened.map_err(|error| {
        let why = file::without_number(&error);
        StartError::Storage(format!("the folder of files {shown}: {why}"))
    })?;
    Ok((blobs, temporary))
}

/// Lets locks and messages of the cloud-to-device queues run out.
async fn sweep(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopped(&mut stop) => return,
        }
        let (policy, now) = (service.settings.c2d, service.clock.now());
        let feedback_ttl = service.settings.feedback_ttl_ms;
        let swept = service.store.run(move |c| {
            feedback::sweep(c, feedback_ttl, now)?;
            NOTIFICATIONS.sweep(c, feedback_ttl, now)?;
            c2d::sweep(c, policy, now)
        });
        if let Ok(woken) = swept.await {
            for (hub, device) in woken {
                service.wake(&hub, &device);
            }
        }
    }
}
