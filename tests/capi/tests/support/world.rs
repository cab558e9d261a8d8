//! The emulator in this process, and C programs as devices in others.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use iothub_emulator::{Emulator, Identity};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::pki::Pki;

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The name of the hub, and of the provisioning service.
pub(crate) const HOST: &str = "my-hub.azure-devices.net";

const PROGRAM: &str = "CAPI_TEST_PROGRAM";
const DATA: &str = "CAPI_TEST_DATA";
const PORT: &str = "CAPI_TEST_PORT";

/// A hub with its provisioning service, and the folder of a device.
pub(crate) struct World {
    test: &'static str,
    emulator: Emulator,
    // Dropped after the emulator.
    _runtime: Runtime,
    pki: Pki,
    data: TempDir,
}

/// A device that runs.
pub(crate) struct Device {
    program: String,
    child: Child,
}

/// Lines of JSON as they come.
pub(crate) struct Lines(mpsc::Receiver<Value>);

impl World {
    /// `None` in a process that was started as a device, when its program has ended well.
    pub(crate) fn start(test: &'static str) -> Option<Self> {
        if let Ok(program) = env::var(PROGRAM) {
            be_device(&program);
            return None;
        }
        let data = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.provision(data.path());
        let server = pki.leaf(|_| {});
        let mut options = iothub_emulator::Options::new(HOST);
        options.mqtt = ([127, 0, 0, 1], 0).into();
        options.http = ([127, 0, 0, 1], 0).into();
        let images = data.path().join("images");
        std::fs::create_dir(&images).unwrap();
        options.firmware = Some(images);
        options.firmware_http = ([127, 0, 0, 1], 0).into();
        options.firmware_https = ([127, 0, 0, 1], 0).into();
        options.identity = Identity::Pem {
            chain: server.certificate.pem(),
            key: server.key.serialize_pem(),
        };
        let runtime = Runtime::new().unwrap();
        let emulator = runtime.block_on(Emulator::start(options)).unwrap();
        let world = Self {
            test,
            emulator,
            _runtime: runtime,
            pki,
            data,
        };
        world.setting("iothub/dps/endpoint", HOST);
        let ca = json!({"name": "ca", "certificate": world.pki.ca_pem(), "isVerified": true});
        world.send("POST", "/admin/certificates", &ca);
        Some(world)
    }

    /// A group for every device of the CA.
    pub(crate) fn enrol(&self, status: &str) {
        let pem = self.pki.ca_pem();
        let group = json!({
            "iotHubHostName": HOST, "provisioningStatus": status,
            "attestation": {"type": "x509", "x509": {"signingCertificates": {"primary": {"certificate": pem}}}},
        });
        self.send("PUT", "/enrollmentGroups/fleet", &group);
    }

    /// Sets one of the device's settings.
    pub(crate) fn setting(&self, key: &str, value: &str) {
        let path = self.data.path().join("settings").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value).unwrap();
    }

    /// Serves a firmware image, as `{version}.bin`.
    pub(crate) fn image(&self, version: &str, body: &[u8]) {
        let image = iothub_host::firmware_image(version, body).unwrap();
        let path = self
            .data
            .path()
            .join("images")
            .join(format!("{version}.bin"));
        std::fs::write(path, image).unwrap();
    }

    /// Asks until it is so.
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self.get(path);
            if wanted(&found) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} is still {found}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &str) {
        self.spawn(program).ends();
    }

    pub(crate) fn spawn(&self, program: &str) -> Device {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", self.test, "--nocapture", "--test-threads=1"])
            .env(PROGRAM, program)
            .env(DATA, self.data.path())
            .env(PORT, self.emulator.mqtt_addr().port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Device {
            program: program.to_owned(),
            child,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.send("GET", path, &Value::Null)
    }

    /// The answer of the service, which is a good one.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = self.ask(method, path, &body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head[9..].starts_with('2'), "{method} {path}: {answer}");
        serde_json::from_str(text).unwrap_or(Value::Null)
    }

    /// A stream of lines, from its beginning and as they come.
    pub(crate) fn follow(&self, path: &str) -> Lines {
        let stream = self.ask("GET", &format!("{path}&follow=true"), "");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line)
                    && sender.send(value).is_err()
                {
                    break;
                }
            }
        });
        Lines(receiver)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let address: SocketAddr = self.emulator.http_addr();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }
}

impl Lines {
    /// The next line like this.
    pub(crate) fn find(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(_) => panic!("{what} did not come within {DEADLINE:?}"),
            }
        }
    }
}

impl Device {
    /// Its program ends well.
    pub(crate) fn ends(self) {
        // A program that is stuck in a call is killed at the deadline, which the status then shows.
        let id = self.child.id();
        let (ended, end) = mpsc::channel::<()>();
        let guard = thread::spawn(move || {
            if end.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill")
                    .arg("-ABRT")
                    .arg(id.to_string())
                    .status();
            }
        });
        let output = self.child.wait_with_output().unwrap();
        drop(ended);
        guard.join().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let program = self.program;
        assert!(
            output.status.success(),
            "{program}: {}\n{text}",
            output.status
        );
        assert!(
            text.contains("1 passed"),
            "{program}: no such test:\n{text}"
        );
    }
}

fn be_device(program: &str) {
    let mut options = iothub_host::Options::new(env::var(DATA).unwrap());
    options.port = env::var(PORT).unwrap().parse().unwrap();
    options.hosts = vec![(HOST.to_owned(), [127, 0, 0, 1].into())];
    options.time_factor = 0.01;
    iothub_host::start(options).unwrap();
    iothub_capi_tests::find(program).expect("a program of this name")();
}
