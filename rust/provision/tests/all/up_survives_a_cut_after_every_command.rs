//! The line to the modem breaks after the first command of `up`, then after the second, and so on
//! until one run gets through. After each cut the same command, run again, ends with a board that
//! is ready, whose key fits its certificate.

#![allow(clippy::unwrap_used)]

use crate::support;
use crate::support::Bench;
use iothub_provision::pki::{Certificate, Key};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

const ID: &str = "352656100367872";

/// A port that leads to `target`, and breaks when this many commands have gone through: the modem
/// carries out the last one, its answer is lost.
fn breaking_after(commands: usize, target: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("tcp:").to_owned();
    std::thread::spawn(move || {
        let (tool, _) = listener.accept().unwrap();
        let modem = TcpStream::connect(target).unwrap();
        let (mut from_modem, mut to_tool) = (modem.try_clone().unwrap(), tool.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_modem, &mut to_tool));
        forward(commands, tool, modem);
    });
    port
}

fn forward(commands: usize, mut tool: TcpStream, mut modem: TcpStream) {
    let (mut seen, mut buffer) = (0, [0; 4096]);
    while let Ok(length @ 1..) = tool.read(&mut buffer) {
        seen += buffer[..length]
            .iter()
            .filter(|byte| **byte == b'\r')
            .count();
        if seen >= commands {
            tool.shutdown(Shutdown::Both).unwrap();
        }
        modem.write_all(&buffer[..length]).unwrap();
    }
    let _ = modem.shutdown(Shutdown::Write);
}

#[test]
fn up_survives_a_cut_after_every_command() {
    for commands in 1.. {
        let bench = Bench::new();
        let modem = bench.modem(|options| options.functional_mode = 1);
        let root = ["--root", "root.pem"];
        bench.done(&["ca", "create"]);
        bench.write("root.pem", &bench.read("dev-certs/rootca/rootca.pem"));
        let port = breaking_after(commands, modem.port());
        let cut = bench.tool(&[&["up", "--port", &port][..], &root[..]].concat());
        bench.done(&[&["up", "--port", modem.port()][..], &root[..]].concat());
        let key = Key::from_pem(&bench.stored(10, "key").unwrap(), None).unwrap();
        let leaf = Certificate::from_pem(&bench.stored(10, "cert").unwrap()).unwrap();
        assert_eq!(
            key.public_key(),
            leaf.public_key(),
            "after {commands} commands"
        );
        assert_eq!(leaf.common_name(), Some(ID));
        if cut.status.success() {
            assert!(commands > 12, "only {commands} commands were cut");
            return;
        }
        let says = support::text(&cut);
        assert!(matches!(cut.status.code(), Some(10 | 14)), "{says}");
        assert!(!says.contains("--replace"), "{says}");
    }
}
