//! Starting and stopping.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::OptionalExtension as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::c2d;
use crate::clock::{Clock, UnixMs};
use crate::connections::Connections;
use crate::dps::Operations;
use crate::faults::Faults;
use crate::feedback;
use crate::firmware::{self, Firmware, Ports};
use crate::identity::{self, identity};
use crate::journal::{Event, Journal};
use crate::listener;
use crate::options::{Options, StartError};
use crate::rest::{self, Access, Api, Port};
use crate::sas;
use crate::schedule::{self, Timetable};
use crate::service::{Service, stopped};
use crate::settings::Settings;
use crate::state::{self, Intake};
use crate::store::Store;
use crate::throttle::Throttle;
use crate::tls;

/// A running emulator. Dropping it ends it at once; [`Emulator::shutdown`] ends it in good order.
#[derive(Debug)]
pub struct Emulator {
    mqtt: SocketAddr,
    http: SocketAddr,
    https: Option<SocketAddr>,
    ca_pem: Option<String>,
    service_key: String,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _lock: Option<File>,
}

impl Emulator {
    /// Binds the ports, opens the storage and serves until it is shut down.
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
        let timetable = match &options.faults {
            Some(path) => Some(
                schedule::read(path).map_err(|why| StartError::File(format!("--faults {why}")))?,
            ),
            None => None,
        };
        if let Some(folder) = &options.firmware {
            std::fs::read_dir(folder).map_err(|error| {
                let (folder, why) = (folder.display(), state::without_number(&error));
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
        let images = match &options.firmware {
            Some(_) => Some((
                listen("firmware-http", options.firmware_http).await?,
                listen("firmware-https", options.firmware_https).await?,
            )),
            None => None,
        };
        let lock = match options.data_dir.as_deref() {
            Some(folder) => Some(lock(folder).await?),
            None => None,
        };
        let (certificate, ca_pem) = identity(&options)?;
        let config =
            tls::server_config(Arc::clone(&certificate), true).map_err(StartError::Identity)?;
        let store = Store::open(
            options.data_dir.as_deref(),
            options.settings.sync_each_commit,
        )
        .map_err(StartError::Storage)?;
        let clock = Arc::new(Clock::default());
        let hubs: Vec<String> = std::iter::once(&options.hostname)
            .chain(&options.more_hubs)
            .cloned()
            .collect();
        let journal = Journal::new(Arc::clone(&clock), options.log);
        for event in identity::warnings(&certificate, &hubs, &options) {
            journal.record(event);
        }
        if let Some(path) = &options.seed {
            let taken = seed(&store, path, &hubs, clock.now()).await?;
            journal.record(Event::info("seed", taken));
        }
        let service_key = service_key(&store, options.settings.c2d).await?;
        let service = Arc::new(Service {
            hubs,
            id_scope: options.id_scope.clone(),
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
            timetable: Timetable::default(),
            registrations: Throttle::new(Duration::from_secs(60)),
            operations: Operations::default(),
            telemetry: broadcast::channel(1024).0,
            certificate: Arc::clone(&certificate),
            firmware: Firmware::new(options.firmware.clone()),
        });
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
        let router = rest::router(Api {
            service: Arc::clone(&service),
            access,
            mqtt: mqtt_addr,
            ca_pem: ca_pem.as_deref().map(Arc::from),
        });
        tasks.spawn(listener::serve(
            Arc::clone(&service),
            mqtt,
            TlsAcceptor::from(config),
            stopping.clone(),
        ));
        let plain = |router| Port {
            router,
            tls: None,
            patience: service.settings.connect_timeout,
        };
        let server = tls::server_config(certificate, false).map_err(StartError::Identity)?;
        let encrypted = |router| Port {
            tls: Some(TlsAcceptor::from(Arc::clone(&server))),
            ..plain(router)
        };
        if let Some(https) = https {
            let port = encrypted(router.clone());
            tasks.spawn(rest::serve(https, port, stopping.clone()));
        }
        tasks.spawn(rest::serve(http, plain(router), stopping.clone()));
        if let Some((http, https)) = images {
            let router = firmware::router(Arc::clone(&service));
            let (plain_at, tls_at) = (
                address("firmware-http", &http, options.firmware_http)?,
                address("firmware-https", &https, options.firmware_https)?,
            );
            service.firmware.set_ports(Ports {
                http: Some(plain_at.port()),
                https: Some(tls_at.port()),
            });
            let port = encrypted(router.clone());
            tasks.spawn(rest::serve(https, port, stopping.clone()));
            tasks.spawn(rest::serve(http, plain(router), stopping.clone()));
        }
        if let Some(plan) = timetable {
            service.timetable.start(&service, plan);
        }
        tasks.spawn(sweep(service, stopping));
        // So that it is not the first device that waits for it.
        tokio::task::spawn_blocking(tls::warm_up);
        Ok(Self {
            mqtt: mqtt_addr,
            http: http_addr,
            https: https_bound,
            ca_pem,
            service_key,
            stop,
            tasks,
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

    /// The CA that devices must trust, if the identity was made here.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The key of the policy `iothubowner`, for service clients' connection strings.
    pub fn service_key(&self) -> &str {
        &self.service_key
    }

    /// Closes all connections with a reason, and ends.
    pub async fn shutdown(mut self) {
        // Nobody listens only if all tasks have ended already.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
    }
}

/// One emulator a folder: two would not know of each other's connections. One that is just ending
/// is waited for.
async fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("lock");
    let opened = std::fs::create_dir_all(folder).and_then(|()| File::create(&path));
    let file = opened.map_err(|error| {
        let what = match folder.ancestors().find(|it| it.is_file()) {
            Some(file) if file == folder => "it is a file".to_owned(),
            Some(file) => format!("{} is a file", file.display()),
            None => state::without_number(&error),
        };
        StartError::Storage(format!(
            "--data-dir {}: {what}; name a folder that can be written",
            folder.display()
        ))
    })?;
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
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

const LOCK_PATIENCE: Duration = Duration::from_secs(3);

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
    let report = store.run(move |c| state::import(c, &document, &how)).await;
    report.map(|it| it.to_text()).map_err(|refusal| {
        StartError::File(format!("--seed {}: {}", path.display(), refusal.reason))
    })
}

async fn service_key(store: &Store, policy: c2d::Policy) -> Result<String, StartError> {
    let key = store.run(move |c| {
        c2d::unlock(c, None, policy)?;
        let known = c
            .query_row(
                "SELECT value FROM settings WHERE key = 'service key'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        let key = sas::random_key();
        c.execute(
            "INSERT INTO settings (key, value) VALUES ('service key', ?1)",
            [&key],
        )?;
        Ok(key)
    });
    key.await
        .map_err(|refusal| StartError::Storage(refusal.to_string()))
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
            c2d::sweep(c, policy, now)
        });
        if let Ok(woken) = swept.await {
            for (hub, device) in woken {
                service.wake(&hub, &device);
            }
        }
    }
}
