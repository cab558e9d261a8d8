//! `up` is killed (SIGKILL) when its first command has gone out, its second, and so on, and when
//! its first file has appeared, its second, and so on. After each kill the same command ends with a
//! board that is ready, whose key fits its certificate.

#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Bench, Simulated};
use iothub_provision::pki::{Certificate, Key};

/// A port that leads to `target` and tells when this many commands have come; the last one is
/// carried out.
fn telling_after(commands: usize, target: &str) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("tcp:").to_owned();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut tool, _) = listener.accept().unwrap();
        let mut modem = TcpStream::connect(target).unwrap();
        let (mut back, mut to_tool) = (modem.try_clone().unwrap(), tool.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back, &mut to_tool));
        let (mut seen, mut buffer) = (0, [0; 4096]);
        while let Ok(length @ 1..) = tool.read(&mut buffer) {
            modem.write_all(&buffer[..length]).unwrap();
            let ends = buffer[..length].iter().filter(|byte| **byte == b'\r');
            seen += ends.count();
            if seen >= commands {
                let _ = sender.send(());
            }
        }
        let _ = modem.shutdown(std::net::Shutdown::Both);
    });
    (port, receiver)
}

fn start(bench: &Bench, port: &str) -> Child {
    bench
        .command(&["up", "--port", port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn finished(bench: &Bench, modem: &Simulated) {
    bench.done(&["up", "--port", modem.port()]);
    let key = Key::from_pem(&bench.stored(10, "key").unwrap(), None).unwrap();
    let leaf = Certificate::from_pem(&bench.stored(10, "cert").unwrap()).unwrap();
    assert_eq!(key.public_key(), leaf.public_key());
    bench.done(&["device", "verify", leaf.common_name().unwrap()]);
}

#[test]
fn after_each_command() {
    for commands in 1.. {
        let bench = Bench::new();
        let modem = bench.modem(|options| options.functional_mode = 1);
        let (port, told) = telling_after(commands, modem.port());
        let mut child = start(&bench, &port);
        // The sender is gone once the tool has closed the line by itself.
        if told.recv().is_err() {
            assert!(child.wait().unwrap().success());
            assert!(commands > 12, "only {commands} commands");
            return;
        }
        kill(child);
        finished(&bench, &modem);
    }
}

#[test]
fn after_each_file() {
    for files in 1..=20 {
        let bench = Bench::new();
        let modem = bench.modem(|_| {});
        let mut child = start(&bench, modem.port());
        while bench.snapshot_names().len() < files && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        kill(child);
        finished(&bench, &modem);
    }
}
