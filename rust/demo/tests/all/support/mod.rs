//! A bench in a folder of its own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "each test is a crate and uses its part; one that cannot be set up has failed"
)]

#[path = "../../../../host/tests/all/support/alone.rs"]
mod alone;
pub mod program;

pub(crate) use alone::alone;

use std::{fs, time::Duration};

use iothub_demo::{Bench, DEVICE_ID, DeviceOptions, Lines};
use iothub_host::Network;
use iothub_provision::pki::{
    Identity, IdentityOptions, KeyAlgorithm, KeySource, Pki, Profile, Subject, Validity,
};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

/// How long anything may take on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(90);

pub struct World {
    pub bench: Bench,
    pub folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("iothub-test-").expect("a temporary folder");
        let bench = Bench::for_test(folder.path(), env!("CARGO_BIN_EXE_iothub-demo").as_ref())
            .expect("the hub starts");
        Self { bench, folder }
    }

    pub fn start(&mut self, network: Network) -> Lines {
        self.start_with(DeviceOptions { network, ..quick() })
    }

    pub fn start_with(&mut self, options: DeviceOptions) -> Lines {
        self.bench
            .start_device(&options)
            .expect("the device starts")
    }

    /// Starts the device in a world that begins now, at its true speed; when that was, in
    /// milliseconds since 1970.
    pub fn begin(&mut self, world: &Value) -> (u64, Lines) {
        let path = self.folder.path().join("world.json");
        fs::write(&path, world.to_string()).expect("written");
        let began = self.bench.begin_world();
        let lines = self.start_with(DeviceOptions {
            world: Some(path),
            ..quick()
        });
        (u64::try_from(began).expect("a time"), lines)
    }

    /// Replaces one of the files under the security tag; `None` takes it away.
    pub fn credential(&self, name: &str, pem: Option<&str>) {
        let path = self.bench.setup().credentials().join(name);
        match pem {
            Some(pem) => fs::write(&path, pem).expect("written"),
            None => fs::remove_file(&path).expect("removed"),
        }
    }

    /// A certificate from the bench's own intermediate.
    pub fn issue(&self, common_name: &str, validity: Validity) -> Identity {
        issue(self.bench.setup().pki(), common_name, validity)
    }

    /// A PKI that the other side knows nothing of.
    pub fn other_pki(&self) -> Pki {
        Pki::development(
            self.folder.path().join("other-pki"),
            OffsetDateTime::now_utc(),
        )
        .expect("a second PKI")
    }

    /// The hub's last event of that kind.
    pub fn event(&self, kind: &str) -> Value {
        self.bench
            .rest()
            .until(kind, TIMEOUT, |rest| {
                let events = rest.events(0)?;
                Ok(events.into_iter().rfind(|event| event["event"] == kind))
            })
            .expect("the hub has such an event")
    }

    pub fn connected(&self, lines: &Lines) {
        lines
            .find_after(0, iothub_demo::said::READY, TIMEOUT)
            .expect("ready");
    }

    /// Telemetry has arrived, so all is well.
    pub fn telemetry_arrives(&self) {
        self.bench
            .rest()
            .until("telemetry", TIMEOUT, |rest| {
                Ok(rest.telemetry(DEVICE_ID, 0)?.pop())
            })
            .expect("telemetry arrives");
    }
}

pub fn quick() -> DeviceOptions {
    DeviceOptions {
        time_factor: 0.01,
        ..DeviceOptions::default()
    }
}

pub fn issue(pki: &Pki, common_name: &str, validity: Validity) -> Identity {
    let authority = pki.authority("subca", None).expect("the intermediate");
    let options = IdentityOptions {
        profile: Profile::Device,
        name: "under-test",
        subject: Subject::common_name(common_name).expect("a name"),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity,
        replace: true,
    };
    Identity::create(pki, &authority, &options, OffsetDateTime::now_utc()).expect("issued")
}

pub fn valid_now() -> Validity {
    let now = OffsetDateTime::now_utc();
    Validity {
        not_before: now - time::Duration::HOUR,
        not_after: now + time::Duration::DAY,
    }
}

pub fn key(identity: &Identity) -> String {
    identity.key_pem().expect("a key").expose().to_owned()
}

pub fn waits_for(lines: &Lines, text: &str) -> String {
    lines
        .find_after(0, text, TIMEOUT)
        .expect("the device says so")
}
