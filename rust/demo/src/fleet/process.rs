//! What the process may use and has used.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::Error;

/// Memory and processor time of this process until now; zeros where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    resident: u64,
    processor: Duration,
}

/// The share of one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerDevice {
    bytes: u64,
    /// Of each second.
    processor: Duration,
}

impl Usage {
    pub(super) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            resident: kilobytes.unwrap_or(0) * 1024,
            processor: processor_time(),
        }
    }
}

impl PerDevice {
    /// Memory at the `end` against that `before` the devices were there; processor time since
    /// `from`, which lies `ran` before the end.
    pub(super) fn of(
        end: &Usage,
        before: &Usage,
        from: &Usage,
        ran: Duration,
        devices: u32,
    ) -> Self {
        let bytes = end.resident.saturating_sub(before.resident) / u64::from(devices.max(1));
        let processor = end.processor.saturating_sub(from.processor) / devices.max(1);
        Self {
            bytes,
            processor: processor.div_f64(ran.as_secs_f64().max(0.001)),
        }
    }

    pub(super) fn add_to(&self, report: &mut Value) {
        report["memoryBytesPerDevice"] = json!(self.bytes);
        report["processorMicrosecondsPerDeviceAndSecond"] =
            json!(self.processor.as_secs_f64() * 1e6);
    }
}

impl fmt::Display for PerDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.processor.as_secs_f64() * 1e6;
        write!(
            f,
            "{} KiB of memory and {microseconds:.1} µs of processor time a second for each device",
            self.bytes / 1024
        )
    }
}

#[cfg(unix)]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO
}

/// Sees to it that so many sockets can be open, here and in a hub that is started from here.
#[cfg(unix)]
pub(super) fn allow_sockets(devices: u32) -> Result<(), Error> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = u64::from(devices) + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(Error::new(format!(
            "--devices {devices}: this user may open {} files, and {needed} are needed: raise the hard limit (ulimit -Hn)",
            limit.maximum.unwrap_or(0)
        )));
    }
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit)
        .map_err(|error| Error::io("the limit of open files cannot be raised", error.into()))
}

#[cfg(not(unix))]
pub(super) fn allow_sockets(_: u32) -> Result<(), Error> {
    Ok(())
}

/// Beside one socket for each device.
#[cfg(unix)]
const OTHER_FILES: u64 = 200;
