//! The hub of a fleet: one of its own, an emulator that runs already, or any by connection string.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use iothub_provision::{
    Secret,
    hub::{Authentication, ConnectionString, Hub as Service},
    pki::{Certificate, Pki},
};
use rustls::pki_types::ServerName;
use time::OffsetDateTime;

use super::{
    FleetArguments,
    identity::{Identity, Issuer, Trust},
};
use crate::{Bench, Error, Rest, stop};

/// Where devices connect.
pub(super) struct Target {
    pub(super) hostname: String,
    pub(super) server_name: ServerName<'static>,
    pub(super) address: SocketAddr,
    pub(super) trust: Trust,
}

/// The hub, and who signs for its devices.
pub(super) struct Hub {
    service: Service,
    name: String,
    hostname: String,
    address: SocketAddr,
    roots: String,
    root: Certificate,
    issuer: Issuer,
    /// Of our own.
    own: Option<Bench>,
}

impl Hub {
    pub(super) fn open(arguments: &FleetArguments) -> Result<Self, Error> {
        let now = OffsetDateTime::now_utc();
        let data = folder(arguments)?;
        if let Some(file) = &arguments.connection_string_file {
            let roots = arguments.roots.as_deref().unwrap_or(Path::new(""));
            let access = ConnectionString::parse(&Secret::new(read(file)?)).map_err(Error::new)?;
            let hostname = access.host().to_owned();
            let found = (hostname.as_str(), MQTTS).to_socket_addrs();
            let address = found.ok().and_then(|mut all| all.next()).ok_or_else(|| {
                Error::new(format!("{hostname}: the host name could not be resolved"))
            })?;
            let service = Service::azure(access, now);
            let pki = Pki::development(&data, now).map_err(Error::new)?;
            return Self::of(
                service,
                hostname.clone(),
                hostname,
                address,
                read(roots)?,
                &pki,
                None,
            );
        }
        let (own, base) = match &arguments.emulator {
            Some(url) => (None, url.clone()),
            None => {
                let bench = Bench::for_fleet(&data, (arguments.mqtt, arguments.http))?;
                let base = format!("http://{}", bench.http_address());
                (Some(bench), base)
            }
        };
        let service = Service::emulator(&base, now);
        let about = Rest::at(&base).about()?;
        let text = |path: &str| about.pointer(path).and_then(serde_json::Value::as_str);
        let (hostname, address) = text("/hubs/0")
            .zip(text("/mqtt").and_then(|address| address.parse().ok()))
            .ok_or_else(|| Error::new(format!("{base} is not the emulator of this project")))?;
        let pki = match &own {
            Some(bench) => bench.setup().pki().clone(),
            None => Pki::development(&data, now).map_err(Error::new)?,
        };
        let root = pki.authority_certificate("rootca").map_err(Error::new)?;
        let roots = match (&own, &arguments.roots, text("/serverCa")) {
            (Some(_), ..) => root.pem(),
            (None, Some(file), _) => read(file)?,
            (None, None, Some(pem)) => pem.to_owned(),
            (None, None, None) => {
                return Err(Error::new(format!(
                    "{base} was given its certificate: name the CA behind it with --roots"
                )));
            }
        };
        let hub = Self::of(
            service,
            base,
            hostname.to_owned(),
            address,
            roots,
            &pki,
            own,
        )?;
        hub.trust_in(&hub.root)?;
        Ok(hub)
    }

    fn of(
        service: Service,
        name: String,
        hostname: String,
        address: SocketAddr,
        roots: String,
        pki: &Pki,
        own: Option<Bench>,
    ) -> Result<Self, Error> {
        Ok(Self {
            service,
            name,
            hostname,
            address,
            roots,
            root: pki.authority_certificate("rootca").map_err(Error::new)?,
            issuer: Issuer::open(pki)?,
            own,
        })
    }

    /// For the line that names it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn target(&self) -> Result<Target, Error> {
        Ok(Target {
            server_name: ServerName::try_from(self.hostname.clone())
                .map_err(|error| Error::new(format!("{}: {error}", self.hostname)))?,
            hostname: self.hostname.clone(),
            address: self.address,
            trust: Trust::new(&self.roots)?,
        })
    }

    pub(super) fn identity(&self, id: &str, trust: &Trust) -> Result<Identity, Error> {
        self.issuer.issue(id, trust)
    }

    /// Registers the devices, several at a time; those that are there already stay as they are.
    /// Every thousandth is `told`.
    pub(super) fn register(
        &self,
        ids: &[String],
        told: impl Fn(usize) + Sync,
    ) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let work = || -> Result<(), Error> {
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                stop::check()?;
                let kind = Authentication::CertificateAuthority;
                if self.service.device(id).map_err(Error::new)?.is_none() {
                    let put = self.service.put_device(id, &kind, true);
                    put.map_err(Error::new)?;
                }
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(1000) {
                    told(done);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..CALLS).map(|_| scope.spawn(work)).collect();
            all.into_iter().try_for_each(|one| {
                let ended = one.join();
                ended.unwrap_or_else(|_| Err(Error::new("registering has ended early")))
            })
        })
    }

    /// That an own hub still runs.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let ended = self.own.as_mut().and_then(Bench::ended);
        ended.map_or(Ok(()), Err)
    }

    pub(super) fn stop(&mut self) -> Result<(), Error> {
        self.own.as_mut().map_or(Ok(()), Bench::interrupt)
    }

    fn trust_in(&self, root: &Certificate) -> Result<(), Error> {
        let known = self.service.authorities().map_err(Error::new)?;
        let known = known.to_string().to_uppercase();
        if known.contains(&root.thumbprint()) || known.contains(&root.thumbprint_sha1()) {
            return Ok(());
        }
        let print = root.thumbprint();
        let name = format!("fleet-{}", print.get(..8).unwrap_or_default());
        let added = self.service.add_authority(&name, root);
        added.map(drop).map_err(Error::new)
    }
}

fn folder(arguments: &FleetArguments) -> Result<PathBuf, Error> {
    if let Some(data) = &arguments.data {
        return Ok(data.clone());
    }
    let program = std::env::current_exe().map_err(|source| Error::io("this program", source))?;
    let beside = program.parent().unwrap_or(Path::new("."));
    Ok(beside.join("fleet-data"))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::path(path, source))
}

/// MQTT over TLS.
const MQTTS: u16 = 8883;

/// Calls of the service side at a time.
const CALLS: usize = 8;
