//! A hub and a device, each a process, with the certificates between them.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use iothub_host::Network;
use iothub_provision::up::Step;

use crate::{
    Arguments, Console, DEVICE_ID, DeviceCommand, Error, HOSTNAME, Lines, Process, Rest, Setup,
    device_command::Told,
    hub::{PAGE, READY},
    provisioning,
    setup::lock,
    stop,
    world::{Description, World, WorldFile, unix_ms},
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
    /// The world that a device is told of which has none by itself.
    world: Option<WorldFile>,
    /// Whether the device is the Linux one.
    is_ours: bool,
    /// When the device's world began, in milliseconds since 1970.
    began_ms: i64,
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
    /// The world around it, a JSON file; `None`: a drive that is made up.
    pub world: Option<PathBuf>,
    /// How much faster than in truth the world goes on.
    pub speed: f64,
    /// What to start instead of our own role `device`.
    pub command: Option<DeviceCommand>,
    /// How long a new image of such a device may take to reach the hub, in seconds; `None`: what it
    /// has by itself.
    pub trial_s: Option<u32>,
    /// Instead of the application: the readings of these minutes, each kept in flash from the
    /// moment that it is made.
    pub record: Option<std::ops::Range<u32>>,
    /// Sectors of 4 KiB of the outbox in flash.
    pub flash_sectors: u32,
    /// The longest work of a thread without rest.
    pub watchdog: Duration,
}

impl DeviceOptions {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, Error> {
        Ok(Self {
            network: arguments.network,
            world: arguments.world.clone(),
            speed: arguments.speed,
            command: arguments.device_command()?,
            ..Self::default()
        })
    }
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            network: Network::DualStack,
            time_factor: 1.0,
            port: None,
            send_timeout: Duration::from_secs(60),
            world: None,
            speed: 1.0,
            command: None,
            trial_s: None,
            record: None,
            flash_sectors: 16,
            watchdog: Duration::from_secs(300),
        }
    }
}

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);

/// Takes one step of a scenario, and says whether it passed.
pub(crate) type TakeStep<'c> =
    dyn FnMut(&'static str, &mut dyn FnMut() -> Result<String, Error>) -> bool + 'c;

impl Bench {
    /// The first step of a scenario: the hub is up, and then what `prepare` does. `None` where it
    /// has failed.
    pub(crate) fn begin(
        check: &mut TakeStep<'_>,
        name: &'static str,
        (arguments, temporary, console): (&Arguments, Option<&Path>, &Console),
        prepare: fn(&mut Self) -> Result<(), Error>,
    ) -> Option<Self> {
        let mut started = None;
        let is_up = check(name, &mut || {
            let mut bench = Self::start(arguments, temporary, console.clone())?;
            prepare(&mut bench)?;
            let address = bench.hub_address();
            started = Some(bench);
            Ok(format!("{HOSTNAME} at {address}"))
        });
        started.filter(|_| is_up)
    }

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

    /// A hub on free ports, with its data under `data`, and a provisioned device; `program` is the
    /// demonstration's.
    ///
    /// # Errors
    /// Certificates cannot be made, the hub does not start, or the modem refuses them.
    pub fn for_test(data: &Path, program: &Path) -> Result<Self, Error> {
        let mut bench = Self::with(data, program, (0, 0), Console::silent(), Lines::default)?;
        bench.provision()?;
        Ok(bench)
    }

    /// A hub with its data under `data`, which does not print, and no device.
    pub(crate) fn for_fleet(data: &Path, ports: (u16, u16)) -> Result<Self, Error> {
        let program =
            std::env::current_exe().map_err(|source| Error::io("this program", source))?;
        Self::with(data, &program, ports, Console::silent(), Lines::last_few)
    }

    fn with(
        data: &Path,
        program: &Path,
        ports: (u16, u16),
        console: Console,
        lines: fn() -> Lines,
    ) -> Result<Self, Error> {
        // A device is started in a folder of its own, and has to find the files that it is told.
        let data = &std::path::absolute(data).map_err(|source| Error::path(data, source))?;
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
            world: None,
            is_ours: true,
            began_ms: unix_ms(),
            since: 0,
            _lock: lock,
        };
        bench.since = bench.rest().last_telemetry(DEVICE_ID)?;
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

    /// The device's world begins now; returns when, in milliseconds since 1970.
    pub fn begin_world(&mut self) -> i64 {
        self.began_ms = unix_ms();
        self.began_ms
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

    /// What is to be said of a device that has closed its output.
    pub(crate) fn why_device_ended(&mut self) -> Error {
        let Some(device) = &mut self.device else {
            return Error::new("there is no device");
        };
        match device.wait(STOP) {
            Ok(status) => {
                let reason = device.lines().reason();
                reason.unwrap_or_else(|| Error::new(format!("it has ended with {status}")))
            }
            Err(error) => error,
        }
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
        let command = match &options.command {
            Some(command) => {
                self.world = None;
                self.world = self.world_for(options)?;
                self.other_device(command, options)
            }
            None => self.own_device(options),
        };
        // One at a time has its folder.
        self.device = None;
        let device = Process::start("device", command, &self.console, (self.lines)())?;
        let lines = device.lines().clone();
        self.device = Some(device);
        self.is_ours = options.command.is_none();
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
            ])
            .args(["--flash-sectors", &options.flash_sectors.to_string()])
            .args(["--watchdog", &options.watchdog.as_secs().to_string()])
            .args(["--speed", &options.speed.to_string()])
            .args(["--world-began", &self.began_ms.to_string()]);
        if let Some(world) = &options.world {
            command.arg("--world").arg(world);
        }
        if let Some(minutes) = &options.record {
            command.args(["--record", &format!("{}..{}", minutes.start, minutes.end)]);
        }
        command
    }

    /// Another device is in a world where one is named, or a speed.
    fn world_for(&self, options: &DeviceOptions) -> Result<Option<WorldFile>, Error> {
        let description = match &options.world {
            Some(path) => Description::read(path, self.began_ms)?,
            None if options.speed != 1.0 => Description::new(self.began_ms),
            None => return Ok(None),
        };
        let file = self.setup.device_data().join("world");
        WorldFile::begin(World::new(description), options.speed, self.began_ms, file).map(Some)
    }

    /// A native_sim program resolves names by the machine's own resolver, so that the hub has to be
    /// called localhost.
    fn other_device(&self, device: &DeviceCommand, options: &DeviceOptions) -> Command {
        device.command(&Told {
            credentials: &self.setup.credentials(),
            data: &self.setup.device_data(),
            hostname: "localhost",
            port: options.port.unwrap_or(self.hub_address.port()),
            device_id: DEVICE_ID,
            network: options.network.name(),
            trial_s: options.trial_s,
            world: self.world.as_ref().map(WorldFile::path),
        })
    }

    /// Whether the device is the Linux one.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
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

    /// Ends the device, then the hub; both are asked, none is killed. Returns how they ended.
    ///
    /// # Errors
    /// One of them does not end, or not with status 0; what has been started in place of our device
    /// may be ended by the signal.
    pub fn stop(&mut self) -> Result<String, Error> {
        let well = match self.is_ours {
            true => ExitStatus::success,
            false => as_asked,
        };
        let device = match self.device.take() {
            Some(mut device) => Some(ended(&mut device, "device", well)?),
            None => None,
        };
        ended(&mut self.hub, "hub", ExitStatus::success)?;
        Ok(match device {
            Some(status) if !status.success() => {
                format!("the device was ended by our {status}; the hub ended with status 0")
            }
            _ => "both processes ended with status 0".to_owned(),
        })
    }

    /// As [`stop`](Self::stop), for children that may have been started a moment ago.
    pub(crate) fn interrupt(&mut self) -> Result<(), Error> {
        if let Some(mut device) = self.device.take() {
            ended(&mut device, "device", as_asked)?;
        }
        ended(&mut self.hub, "hub", as_asked).map(drop)
    }
}

/// SIGTERM is what we have sent; it ends a process that does not catch signals yet.
fn as_asked(status: &ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        status.success() || status.signal() == Some(rustix::process::Signal::TERM.as_raw())
    }
    #[cfg(not(unix))]
    status.success()
}

fn ended(
    process: &mut Process,
    name: &str,
    well: fn(&ExitStatus) -> bool,
) -> Result<ExitStatus, Error> {
    let status = process.stop(STOP)?;
    if well(&status) {
        return Ok(status);
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
    let mut addresses = addresses.split(PAGE).map(str::parse);
    match (addresses.next(), addresses.next()) {
        (Some(Ok(mqtt)), Some(Ok(http))) => Ok((hub, mqtt, http)),
        _ => Err(Error::new(format!(
            "the hub's first line is not understood: {ready}"
        ))),
    }
}
