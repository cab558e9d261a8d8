//! The program as a person starts it, and ends it by Ctrl-C.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use super::TIMEOUT;

pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// What it has printed up to the last wait.
    pub printed: Vec<String>,
}

impl Program {
    pub fn start(change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iothub-demo"));
        change(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            printed: Vec::new(),
        }
    }

    /// Waits for a line that contains `text`.
    pub fn waits_for(&mut self, text: &str) {
        // Other lines may come for ever.
        let deadline = Instant::now() + 5 * TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left.min(TIMEOUT));
            let line = line.unwrap_or_else(|_| panic!("no {text:?} after {:#?}", self.printed));
            let found = line.contains(text);
            self.printed.push(line);
            if found {
                return;
            }
        }
    }

    /// Waits for that many further lines; whether it has printed so many.
    pub fn waits_for_lines(&mut self, count: usize) -> bool {
        (0..count).all(|_| match self.lines.recv_timeout(TIMEOUT) {
            Ok(line) => {
                self.printed.push(line);
                true
            }
            Err(RecvTimeoutError::Timeout) => panic!("silence after {:#?}", self.printed),
            Err(RecvTimeoutError::Disconnected) => false,
        })
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it lives");
    }

    /// Its status and its standard error, once it has ended by itself.
    pub fn ends(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.printed.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.printed),
            }
        }
        let mut stderr = String::new();
        let stream = self.child.stderr.take();
        stream
            .expect("piped")
            .read_to_string(&mut stderr)
            .expect("text");
        (self.child.wait().expect("its status"), stderr)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file at which a process waits until the test opens it too.
pub struct Gate(PathBuf);

impl Gate {
    pub fn at(path: PathBuf) -> Self {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        Self(path)
    }

    /// Waits until somebody is about to write it, and lets him.
    pub fn lets_write(&self) -> File {
        meets(self.0.clone(), |path| File::open(path))
    }

    /// Waits until somebody is about to read it; he has read it when what is returned is dropped.
    pub fn lets_read(&self) -> File {
        meets(self.0.clone(), |path| {
            File::options().write(true).open(path)
        })
    }
}

fn meets(path: PathBuf, open: fn(&Path) -> std::io::Result<File>) -> File {
    let (sender, opened) = mpsc::channel();
    std::thread::spawn(move || sender.send(open(&path)));
    let opened = opened.recv_timeout(TIMEOUT).expect("somebody opens it");
    opened.expect("a pipe")
}
