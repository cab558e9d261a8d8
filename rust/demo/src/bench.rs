//! A hub and a device, each a process, with the certificates between them.

use std::{
    fs::File,
    net::SocketAddr,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use iothub_host::Network;
use iothub_provision::up::Step;
use rustix::process::Signal;

use crate::{
    Arguments, Console, DEVICE_ID, Error, Lines, Process, Rest, Setup, hub::READY, provisioning,
    setup::lock, stop,
};

/// Hub and device.
pub struct Bench {
    setup: Setup,
    console: Console,
    /// How much is kept of what each process prints.
    lines: fn() -> Lines,
    program: PathBuf,
    hub: Process,
    hub_address: SocketAddr,
    http_address: SocketAddr,
    device: Option<Process>,
    /// Telemetry up to here is an earlier run's.
    since: u64,
    _lock: File,
}

/// How the device is started.
#[derive(Clone, Debug)]
pub struct DeviceOptions {
    /// What its modem finds.
    pub network: Network,
    /// Factor for the modem's delays.
    pub time_factor: f64,
    /// Where the device looks for the hub instead of at its real port.
    pub port: Option<u16>,
    /// Longest wait for TCP, for the TLS handshake and for a write.
    pub send_timeout: Duration,
    /// Device program to start instead of our own role `device`.
    pub program: Option<PathBuf>,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            network: Network::DualStack,
            time_factor: 1.0,
            port: None,
            send_timeout: Duration::from_secs(60),
            program: None,
        }
    }
}

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);

impl Bench {
    pub(crate) fn start(
        arguments: &Arguments,
        temporary: Option<&Path>,
        console: Console,
    ) -> Result<Self, Error> {
        let program =
            std::env::current_exe().map_err(|source| Error::io("this program", source))?;
        let data = match (&arguments.data, temporary) {
            (Some(data), _) => data.clone(),
            (None, Some(folder)) => folder.to_owned(),
            (None, None) => program.parent().unwrap_or(Path::new(".")).join("demo-data"),
        };
        let lines = if arguments.once {
            Lines::default
        } else {
            Lines::last_few
        };
        Self::with(&data, &program, arguments.ports(), console, lines)
    }

    /// A hub on free ports, with its data under `data`, and a provisioned device; `program` is the demonstration's.
    ///
    /// # Errors
    /// Certificates cannot be made, the hub does not start, or the modem refuses them.
    pub fn for_test(data: &Path, program: &Path) -> Result<Self, Error> {
        let mut bench = Self::with(data, program, (0, 0), Console::silent(), Lines::default)?;
        bench.provision()?;
        Ok(bench)
    }

    fn with(
        data: &Path,
        program: &Path,
        ports: (u16, u16),
        console: Console,
        lines: fn() -> Lines,
    ) -> Result<Self, Error> {
        let setup = Setup::open(data)?;
        // Two would mix their devices.
        let lock = lock(data, "demonstration")?;
        stop::check()?;
        let (hub, hub_address, http_address) = start_hub(program, data, ports, &console, lines())?;
        let mut bench = Self {
            setup,
            console,
            lines,
            program: program.to_owned(),
            hub,
            hub_address,
            http_address,
            device: None,
            since: 0,
            _lock: lock,
        };
        let earlier = bench.rest().telemetry(DEVICE_ID, 0)?;
        bench.since = earlier
            .last()
            .and_then(|last| last["seq"].as_u64())
            .unwrap_or(0);
        Ok(bench)
    }

    /// Provisions the device over AT commands and registers it; what is done already stays.
    ///
    /// # Errors
    /// What modem, folder or hub refuse.
    pub fn provision(&mut self) -> Result<Vec<Step>, Error> {
        let steps = provisioning::provision(&self.setup, self.http_address)?;
        if self.rest().device(DEVICE_ID)?["status"] == "disabled" {
            self.rest().set_status(DEVICE_ID, "enabled")?;
        }
        let changed: Vec<_> = steps.iter().filter(|step| step.changed).collect();
        if !changed.is_empty() {
            self.console.line("modem", "provisioned over AT:");
        }
        for step in changed {
            self.console.line("modem", &step.what);
        }
        Ok(steps)
    }

    /// Certificates and folders.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// MQTT's address.
    pub fn hub_address(&self) -> SocketAddr {
        self.hub_address
    }

    /// The address of page and REST.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// A client of the service side.
    pub fn rest(&self) -> Rest {
        Rest::new(self.http_address)
    }

    /// The sequence number of the last telemetry message of an earlier run on the same folder.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Why it cannot go on: hub or device has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<Error> {
        let device = self.device.as_mut().and_then(Process::ended);
        device.or_else(|| self.hub.ended())
    }

    /// What the hub has printed.
    pub fn hub_lines(&self) -> &Lines {
        self.hub.lines()
    }

    /// Starts the device; one that runs is killed first, as by a power cut.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start_device(&mut self, options: &DeviceOptions) -> Result<Lines, Error> {
        let command = match &options.program {
            Some(program) => self.zephyr_program(program, options),
            None => self.own_device(options),
        };
        // One at a time has its folder.
        self.device = None;
        let device = Process::start("device", command, &self.console, (self.lines)())?;
        let lines = device.lines().clone();
        self.device = Some(device);
        Ok(lines)
    }

    fn own_device(&self, options: &DeviceOptions) -> Command {
        let port = options.port.unwrap_or(self.hub_address.port());
        let mut command = Command::new(&self.program);
        command
            .arg("device")
            .arg("--data")
            .arg(self.setup.device_data())
            .args(["--port", &port.to_string()])
            .args(["--network", &options.network.to_string()])
            .args(["--time-factor", &options.time_factor.to_string()])
            .args([
                "--send-timeout",
                &options.send_timeout.as_secs().to_string(),
            ]);
        command
    }

    /// A native_sim program resolves names by the machine's own resolver, so that the hub has to be called localhost.
    fn zephyr_program(&self, program: &Path, options: &DeviceOptions) -> Command {
        let mut command = Command::new(program);
        command
            .arg(format!(
                "--credentials={}",
                self.setup.credentials().display()
            ))
            .arg("--hostname=localhost")
            .arg(format!("--device-id={DEVICE_ID}"))
            .arg(format!("--network={}", options.network))
            .current_dir(self.setup.device_data());
        command
    }

    /// What the device has printed; nothing before its start.
    pub(crate) fn device_lines(&self) -> Lines {
        self.device
            .as_ref()
            .map(|device| device.lines().clone())
            .unwrap_or_default()
    }

    /// The device's process, once started.
    pub fn device(&mut self) -> Option<&mut Process> {
        self.device.as_mut()
    }

    /// Ends the hub as a power cut does.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill_hub(&mut self) -> Result<(), Error> {
        self.hub.kill()
    }

    /// Starts the hub again, on the same ports and with the same data.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart_hub(&mut self) -> Result<(), Error> {
        let ports = (self.hub_address.port(), self.http_address.port());
        let lines = self.hub.lines().clone();
        let (hub, ..) = start_hub(
            &self.program,
            self.setup.data(),
            ports,
            &self.console,
            lines,
        )?;
        self.hub = hub;
        Ok(())
    }

    /// Ends the device, then the hub; both are asked, none is killed.
    ///
    /// # Errors
    /// One of them does not end, or not with status 0.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.end(ExitStatus::success)
    }

    /// As [`stop`](Self::stop), for children that may have been started a moment ago.
    pub(crate) fn interrupt(&mut self) -> Result<(), Error> {
        self.end(as_asked)
    }

    fn end(&mut self, well: fn(&ExitStatus) -> bool) -> Result<(), Error> {
        if let Some(mut device) = self.device.take() {
            ended(&mut device, "device", well)?;
        }
        ended(&mut self.hub, "hub", well)
    }
}

/// SIGTERM is what we have sent; it ends a process that does not catch signals yet.
fn as_asked(status: &ExitStatus) -> bool {
    status.success() || status.signal() == Some(Signal::TERM.as_raw())
}

fn ended(process: &mut Process, name: &str, well: fn(&ExitStatus) -> bool) -> Result<(), Error> {
    let status = process.stop(STOP)?;
    if well(&status) {
        return Ok(());
    }
    let reason = process.lines().reason();
    Err(reason.unwrap_or_else(|| Error::new(format!("the {name} process ended with {status}"))))
}

fn start_hub(
    program: &Path,
    data: &Path,
    (mqtt, http): (u16, u16),
    console: &Console,
    lines: Lines,
) -> Result<(Process, SocketAddr, SocketAddr), Error> {
    let mut command = Command::new(program);
    command
        .arg("hub")
        .arg("--data")
        .arg(data)
        .args(["--mqtt", &mqtt.to_string()])
        .args(["--http", &http.to_string()]);
    let mark = lines.mark();
    let hub = Process::start("hub", command, console, lines)?;
    let ready = hub
        .lines()
        .find_after(mark, READY, START)
        .map_err(|error| match stop::wanted() {
            true => error,
            // The hub has said why.
            false => hub.lines().reason().unwrap_or(error),
        })?;
    let addresses = ready
        .split_once(READY)
        .map_or("", |(_, addresses)| addresses);
    let mut addresses = addresses.split(' ').map(str::parse);
    match (addresses.next(), addresses.next()) {
        (Some(Ok(mqtt)), Some(Ok(http))) => Ok((hub, mqtt, http)),
        _ => Err(Error::new(format!(
            "the hub's first line is not understood: {ready}"
        ))),
    }
}
