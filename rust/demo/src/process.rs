//! A child process whose lines are shown, kept, and waited for.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

#[cfg(unix)]
use rustix::process::{Pid, Signal};

use crate::{Console, Error, stop};

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    lines: Lines,
}

/// What a process has printed so far.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// How many have been forgotten before these.
    forgotten: usize,
    /// How many are kept; `None`: all.
    keep: Option<usize>,
    /// What the process has said of its own end: on standard error, from a line on that begins with
    /// `error: `.
    reason: Vec<String>,
    open: usize,
}

impl Process {
    /// Starts `command`; its output goes to `console` under `name`, and into `lines`.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        console: &Console,
        lines: Lines,
    ) -> Result<Self, Error> {
        // Ctrl-C is for us alone: the device says good-bye before its hub goes.
        alone(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| {
                Error::io(&format!("the {name} process cannot be started"), source)
            })?;
        if let Some(stdout) = child.stdout.take() {
            lines.follow(name, stdout, console.clone(), false);
        }
        if let Some(stderr) = child.stderr.take() {
            lines.follow(name, stderr, console.clone(), true);
        }
        Ok(Self { name, child, lines })
    }

    /// What it has printed.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Its number to the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut does. What a script has started ends a little later than the
    /// script, and only then lets go of its files: it has once its output is closed.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<(), Error> {
        #[cfg(unix)]
        self.signal(Signal::KILL);
        let killed = self.child.kill().and_then(|()| self.child.wait());
        drop(self.lines.drain());
        killed.map(drop).map_err(|source| {
            let what = format!("the {} process cannot be killed", self.name);
            Error::io(&what, source)
        })
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It has not ended within `timeout`.
    pub fn stop(&mut self, timeout: Duration) -> Result<ExitStatus, Error> {
        #[cfg(unix)]
        self.signal(Signal::TERM);
        #[cfg(not(unix))]
        drop(self.child.stdin.take());
        self.wait(timeout)
    }

    /// A script has children of its own: all of its group get the signal. Once it has been waited
    /// for, its number may be another's.
    #[cfg(unix)]
    fn signal(&mut self, signal: Signal) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// That it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Error> {
        let status = self.child.try_wait().ok().flatten()?;
        let reason = self.lines.reason();
        Some(reason.unwrap_or_else(|| {
            Error::new(format!(
                "the {} process ended by itself, with {status}",
                self.name
            ))
        }))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It has not within `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => {
                    self.lines.wait_for_change(Duration::from_millis(20));
                }
                Ok(None) => {
                    let _ = self.kill();
                    return Err(Error::new(format!(
                        "the {} process did not end in time",
                        self.name
                    )));
                }
                Err(source) => return Err(Error::io(self.name, source)),
            }
        }
    }
}

/// What is typed is not for it, and Ctrl-C neither.
#[cfg(unix)]
fn alone(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0).stdin(Stdio::null());
}

/// As on Unix. Where there are no signals, the end of its input is what asks a child of ours to
/// end.
#[cfg(windows)]
fn alone(command: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command
        .creation_flags(CREATE_NEW_PROCESS_GROUP)
        .stdin(Stdio::piped())
        .env(stop::PARENT, "1");
}

/// More than an error shows of them, and than a hub prints before it is ready.
const FEW: usize = 200;

/// How an error begins that a process of ours ends with.
const REASON: &str = "error: ";

/// How long the output of a process that has ended may take to arrive.
const DRAIN: Duration = Duration::from_secs(10);

/// How often a wait looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Lines {
    /// Number of lines so far: a mark for [`find_after`](Self::find_after).
    pub fn mark(&self) -> usize {
        let state = self.state();
        state.forgotten + state.lines.len()
    }

    /// Every line so far, as far as they are kept.
    pub fn all(&self) -> Vec<String> {
        self.state().lines.iter().cloned().collect()
    }

    /// Keeps the last few only: for a process that may run for days, and whose lines nobody reads
    /// back.
    pub(crate) fn last_few() -> Self {
        let lines = Self::default();
        lines.state().keep = Some(FEW);
        lines
    }

    /// Whether there will be no more of them: the process has closed its output.
    pub(crate) fn are_all(&self) -> bool {
        self.state().open == 0
    }

    /// Why the process has ended, once all of its output is there.
    pub(crate) fn reason(&self) -> Option<Error> {
        let state = self.drain();
        (!state.reason.is_empty()).then(|| Error::new(state.reason.join("\n")))
    }

    /// Waits until there will be no more of them, for a while.
    fn drain(&self) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + DRAIN;
        let mut state = self.state();
        while state.open > 0 && Instant::now() < deadline {
            state = self.wait(state, LOOK);
        }
        state
    }

    /// Waits for a line behind `mark` that contains `text`.
    ///
    /// # Errors
    /// None came within `timeout`, or the process has ended; the last lines are in the message.
    pub fn find_after(&self, mark: usize, text: &str, timeout: Duration) -> Result<String, Error> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        loop {
            stop::check()?;
            if let Some(line) = state
                .lines
                .iter()
                .skip(mark.saturating_sub(state.forgotten))
                .find(|line| line.contains(text))
            {
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.open == 0 {
                let tail: Vec<_> = state.lines.iter().rev().take(8).rev().cloned().collect();
                let why = if left.is_zero() {
                    "in time"
                } else {
                    "before the process ended"
                };
                return Err(Error::new(format!(
                    "no line with \"{text}\" {why}; the last lines:\n  {}",
                    tail.join("\n  ")
                )));
            }
            state = self.wait(state, left.min(LOOK));
        }
    }

    fn follow(
        &self,
        name: &'static str,
        stream: impl std::io::Read + Send + 'static,
        console: Console,
        is_end: bool,
    ) {
        let lines = self.clone();
        lines.state().open += 1;
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // Zephyr colours its log by itself.
                let line = anstream::adapter::strip_str(&line).to_string();
                if !is_end || !lines.is_reason(&line) {
                    console.line(name, &line);
                }
                lines.push(line);
                lines.0.1.notify_all();
            }
            lines.state().open -= 1;
            lines.0.1.notify_all();
        });
    }

    fn push(&self, line: String) {
        let mut state = self.state();
        state.lines.push_back(line);
        if state.keep.is_some_and(|keep| state.lines.len() > keep) {
            state.lines.pop_front();
            state.forgotten += 1;
        }
    }

    /// Keeps what a process says of its own end. It is shown once: by whoever has started the
    /// process.
    fn is_reason(&self, line: &str) -> bool {
        let reason = &mut self.state().reason;
        match line.strip_prefix(REASON) {
            Some(first) => *reason = vec![first.to_owned()],
            None if reason.is_empty() => return false,
            None => reason.push(line.to_owned()),
        }
        true
    }

    fn wait_for_change(&self, timeout: Duration) {
        drop(self.wait(self.state(), timeout));
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.0
            .1
            .wait_timeout(state, timeout)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_last_few_lines_are_kept_and_marks_still_hold() {
        let lines = Lines::last_few();
        lines.state().open = 1;
        (0..FEW).for_each(|line| lines.push(format!("old {line}")));
        let mark = lines.mark();
        (0..1000).for_each(|line| lines.push(format!("new {line}")));
        assert_eq!(lines.all().len(), FEW);
        assert_eq!(lines.mark(), FEW + 1000);
        let found = |mark, text| lines.find_after(mark, text, Duration::ZERO).ok();
        assert_eq!(found(mark, "old"), None);
        assert_eq!(found(lines.mark() - 1, "new").as_deref(), Some("new 999"));
        assert_eq!(found(lines.mark(), "new"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_killed_script_had_started_holds_nothing_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let start = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(&path);
            Process::start("script", command, &Console::silent(), Lines::default()).expect("sh")
        };
        for _ in 0..50 {
            let mut script =
                start("flock --no-fork --nonblock \"$1\" sh -c 'echo held; exec sleep 1000'; true");
            let held = script.lines().find_after(0, "held", DRAIN * 6);
            held.expect("nobody else holds it");
            script.kill().expect("killed");
        }
    }

    #[test]
    fn a_scenario_keeps_all() {
        let lines = Lines::default();
        (0..10_000).for_each(|line| lines.push(line.to_string()));
        assert_eq!(lines.all().len(), 10_000);
    }
}
