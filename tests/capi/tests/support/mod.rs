//! Runs a C program in a process of its own, since there is one client a process.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use iothub_host::Options;

use crate::{
    hub::{Hub, Sent, Session},
    pki::Pki,
};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// The name of the hub in every program.
pub(crate) const HOST: &str = "my-hub.azure-devices.net";

/// Says in a child process which test it is.
const CHILD: &str = "CAPI_TEST_CHILD";

/// What the program sends.
pub(crate) trait Next {
    /// The next packet, but for the client's own report of its firmware, which can come at any time
    /// and is accepted.
    fn next(&mut self) -> Sent;
}

impl Next for Session {
    fn next(&mut self) -> Sent {
        loop {
            let sent = self.recv();
            let Sent::Publish { topic, payload, .. } = &sent else {
                return sent;
            };
            let rid = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?$rid=");
            let Some(rid) = rid.filter(|_| payload.starts_with(br#"{"firmware":"#)) else {
                return sent;
            };
            let topic = format!("$iothub/twin/res/204/?$rid={rid}");
            let len = u8::try_from(topic.len()).unwrap();
            let packet = [&[0x30, len + 2, 0, len], topic.as_bytes()].concat();
            // Where the device is gone already it does not matter.
            let _ = self.stream.write_all(&packet);
            let _ = self.stream.flush();
        }
    }
}

/// A C program and its hub.
pub(crate) struct Case {
    name: &'static str,
    pub(crate) keep_alive: Duration,
    settings: Vec<(&'static str, &'static str)>,
}

impl Case {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            keep_alive: Duration::from_secs(60),
            settings: vec![("iothub/dps/endpoint", HOST)],
        }
    }

    pub(crate) fn setting(mut self, key: &'static str, value: &'static str) -> Self {
        self.settings.push((key, value));
        self
    }

    /// Runs both to their ends.
    pub(crate) fn run<T: Send + 'static>(
        self,
        program: fn(),
        script: impl FnOnce(&Hub) -> T + Send + 'static,
    ) {
        self.run_either(program, script, true);
    }

    /// Runs the program to its end.
    pub(crate) fn run_beside<T: Send + 'static>(
        self,
        program: fn(),
        script: impl FnOnce(&Hub) -> T + Send + 'static,
    ) {
        self.run_either(program, script, false);
    }

    fn run_either<T: Send + 'static>(
        self,
        program: fn(),
        script: impl FnOnce(&Hub) -> T + Send + 'static,
        join: bool,
    ) {
        if env::var_os(CHILD).is_none() {
            return in_child(self.name);
        }
        let data = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.provision(data.path());
        for (key, value) in &self.settings {
            let path = data.path().join("settings").join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        }
        let hub = Hub::new(pki.hub());
        let mut options = Options::new(data.path());
        options.port = hub.port();
        options.hosts = vec![(HOST.to_owned(), "127.0.0.1".parse().unwrap())];
        options.time_factor = 0.01;
        options.keep_alive = self.keep_alive;
        iothub_host::start(options).unwrap();

        let (ended, end) = mpsc::channel();
        let hub = thread::spawn(move || {
            // Only its drop counts: the end of the script, or its panic.
            let _ended = ended;
            script(&hub)
        });
        program();
        if join {
            let late = end.recv_timeout(DEADLINE) == Err::<(), _>(mpsc::RecvTimeoutError::Timeout);
            assert!(!late, "the hub waits for more");
            hub.join().expect("the hub's script");
        }
    }
}

fn in_child(name: &str) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{name}: {}\n{text}", output.status);
    assert!(text.contains("1 passed"), "{name} is no test here:\n{text}");
}

/// Asks for an update whose server answers 404, and answers what the device asks and reports, until
/// it leaves.
pub(crate) fn refuses_an_update(session: &mut Session) {
    let images = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = images.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = images.accept() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.is_empty() {
                    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(answer).unwrap();
                }
            }
        }
    });
    let firmware = format!(
        r#""firmware":{{"fwVersion":"9.9.9","jobId":"job-1","fwLocation":{{"protocol":"http","host":"{HOST}","port":{port},"path":"app.bin"}}}},"$version":2"#
    );
    let desired = "$iothub/twin/PATCH/properties/desired/?$version=2";
    session.publish(desired, format!("{{{firmware}}}").as_bytes(), None);
    loop {
        match session.next() {
            Sent::End => return,
            Sent::Publish { topic, .. } => {
                let (asked, rid) = topic.split_once("?$rid=").expect("a request");
                let (status, body) = if asked == "$iothub/twin/GET/" {
                    (
                        200,
                        format!(r#"{{"desired":{{{firmware}}},"reported":{{}}}}"#),
                    )
                } else {
                    (204, String::new())
                };
                let topic = format!("$iothub/twin/res/{status}/?$rid={rid}&$version=2");
                session.publish(&topic, body.as_bytes(), None);
            }
            _ => {}
        }
    }
}
