//! A child process whose lines are shown, kept, and waited for.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

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
    lines: Vec<String>,
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
        use std::os::unix::process::CommandExt;
        let mut child = command
            // Ctrl-C is for us alone: the device says good-bye before its hub goes.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| {
                Error::io(&format!("the {name} process cannot be started"), source)
            })?;
        if let Some(stdout) = child.stdout.take() {
            lines.follow(name, stdout, console.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            lines.follow(name, stderr, console.clone());
        }
        Ok(Self { name, child, lines })
    }

    /// What it has printed.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Ends it at once, as a power cut does.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<(), Error> {
        let what = |source| {
            Error::io(
                &format!("the {} process cannot be killed", self.name),
                source,
            )
        };
        self.child.kill().map_err(what)?;
        self.child.wait().map(drop).map_err(what)
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It has not ended within `timeout`.
    pub fn stop(&mut self, timeout: Duration) -> Result<ExitStatus, Error> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        self.wait(timeout)
    }

    /// That it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Error> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(Error::new(format!(
            "the {} process ended by itself, with {status}",
            self.name
        )))
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

/// How often a wait looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    /// Number of lines so far: a mark for [`find_after`](Self::find_after).
    pub fn mark(&self) -> usize {
        self.state().lines.len()
    }

    /// Every line so far.
    pub fn all(&self) -> Vec<String> {
        self.state().lines.clone()
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
                .skip(mark)
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
    ) {
        let lines = self.clone();
        lines.state().open += 1;
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // Zephyr colours its log by itself.
                let line = anstream::adapter::strip_str(&line).to_string();
                console.line(name, &line);
                lines.state().lines.push(line);
                lines.0.1.notify_all();
            }
            lines.state().open -= 1;
            lines.0.1.notify_all();
        });
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
