//! What a board keeps over a restart: why it has started, its last fault, a core dump. And which
//! thread hangs.

use std::{
    ffi::c_uint,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use ncs_sys as sys;

use crate::errno::Errno;

/// The folder, and what was in it at the start.
pub(crate) struct Health {
    folder: PathBuf,
    pub(crate) reset_cause: u32,
    fault: Option<Fault>,
}

/// The fault that ended the run before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: u32,
    pub(crate) thread: String,
}

/// Bits of Zephyr's `hwinfo.h`.
const SOFTWARE: u32 = 1 << 1;
const POWER_ON: u32 = 1 << 3;

const FAULT: &str = "fault";
const REBOOTED: &str = "rebooted";
const COREDUMP: &str = "coredump";

impl Health {
    /// What the run before has left is taken: the next start sees its own.
    pub(crate) fn new(folder: PathBuf) -> Self {
        let take = |name| {
            let path = folder.join(name);
            let text = fs::read_to_string(&path).ok();
            let _ = fs::remove_file(&path);
            text
        };
        let fault = take(FAULT).as_deref().and_then(Fault::parse);
        let reset_cause = take(REBOOTED).map_or(POWER_ON, |_| SOFTWARE);
        Self {
            folder,
            reset_cause,
            fault,
        }
    }

    pub(crate) fn last_fault(&self) -> Result<&Fault, Errno> {
        self.fault.as_ref().ok_or(Errno::NOENT)
    }

    pub(crate) fn coredump(&self) -> Result<Vec<u8>, Errno> {
        fs::read(self.folder.join(COREDUMP)).map_err(|error| Errno::from(&error))
    }

    pub(crate) fn erase_coredump(&self) -> Result<(), Errno> {
        match fs::remove_file(self.folder.join(COREDUMP)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Errno::from(&error)),
            _ => Ok(()),
        }
    }

    /// For the next start: that the program starts itself anew.
    pub(crate) fn keep_reboot(&self) -> io::Result<()> {
        self.keep(REBOOTED, "")
    }

    /// For the next start: the fault, and what the threads do.
    pub(crate) fn keep_fault(&self, reason: u32, thread: &str) -> io::Result<()> {
        let mut dump = format!("reason {reason}\nthread {thread}\n");
        // Without such a folder there is nothing to tell.
        let _ = list_threads(Path::new("/proc/self/task"), &mut dump);
        self.keep(FAULT, &format!("{reason} {thread}"))?;
        self.keep(COREDUMP, &dump)
    }

    fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::write(self.folder.join(name), text)
    }
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (reason, thread) = text.split_once(' ')?;
        Some(Self {
            reason: reason.parse().ok()?,
            thread: thread.to_owned(),
        })
    }
}

fn list_threads(folder: &Path, dump: &mut String) -> io::Result<()> {
    for task in fs::read_dir(folder)? {
        let path = task?.path();
        for name in ["comm", "wchan", "syscall", "stat"] {
            let text = fs::read_to_string(path.join(name)).unwrap_or_default();
            let _ = writeln!(dump, "{name} {}", text.trim());
        }
    }
    Ok(())
}

/// Names as on Zephyr.
const THREADS: [(&str, c_uint); 2] = [
    ("iothub", sys::IOTHUB_WAITER_DRIVER),
    ("main", sys::IOTHUB_WAITER_APPLICATION),
];

/// A thread that works longer than `work`, or does not come back from its rest.
pub(crate) fn hung(
    now: Duration,
    work: Duration,
    alive: impl Fn(c_uint) -> Option<Duration>,
) -> Option<&'static str> {
    let is_hung = |waiter| alive(waiter).is_some_and(|alive| now.saturating_sub(alive) > work);
    THREADS
        .into_iter()
        .find(|(_, waiter)| is_hung(*waiter))
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let health = Health::new(folder.path().join("board"));
        assert_eq!(health.reset_cause, POWER_ON);
        assert_eq!(health.last_fault(), Err(Errno::NOENT));
        assert_eq!(health.erase_coredump(), Ok(()));
        health.keep_fault(256, "main").unwrap();
        health.keep_reboot().unwrap();
        let health = Health::new(folder.path().join("board"));
        let fault = health.last_fault().unwrap();
        assert_eq!((fault.reason, fault.thread.as_str()), (256, "main"));
        assert_eq!(health.reset_cause, SOFTWARE);
        let health = Health::new(folder.path().join("board"));
        assert_eq!(health.reset_cause, POWER_ON);
        assert_eq!(health.last_fault(), Err(Errno::NOENT));
        let dump = health.coredump().unwrap();
        assert!(dump.starts_with(b"reason 256\nthread main\n"));
        assert_eq!(health.erase_coredump(), Ok(()));
        assert!(health.coredump().is_err());
    }

    #[test]
    fn a_thread_that_rests_is_not_hung_and_one_that_works_too_long_is() {
        let (work, now) = (Duration::from_secs(30), Duration::from_secs(100));
        let of = |name, alive| move |waiter: c_uint| (waiter == name).then_some(alive);
        let driver = |seconds| of(sys::IOTHUB_WAITER_DRIVER, Duration::from_secs(seconds));
        assert_eq!(hung(now, work, |_| None), None);
        assert_eq!(hung(now, work, driver(500)), None, "at rest");
        assert_eq!(hung(now, work, driver(70)), None, "at work");
        assert_eq!(hung(now, work, driver(69)), Some("iothub"));
        let application = of(sys::IOTHUB_WAITER_APPLICATION, Duration::from_secs(69));
        assert_eq!(hung(now, work, application), Some("main"));
    }
}
