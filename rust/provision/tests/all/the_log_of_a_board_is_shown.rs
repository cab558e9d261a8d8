//! `monitor` shows each line of the board with the time, without the board's own colours.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use std::io::Write as _;

#[test]
fn the_log_of_a_board_is_shown() {
    let bench = Bench::new();
    let board = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", board.local_addr().unwrap());
    let log = "\u{1b}[0m[00:00:04.396] <inf> mqtt_helper: connected\u{1b}[0m\r\n\r\n[00:00:05] <err> x\r\n";
    let writer = std::thread::spawn(move || board.accept().unwrap().0.write_all(log.as_bytes()));
    let said = bench.done(&["monitor", "--port", &port, "--count", "2"]);
    writer.join().unwrap().unwrap();
    let lines: Vec<&str> = said.lines().map(|line| &line[14..]).collect();
    assert_eq!(
        lines,
        [
            "[00:00:04.396] <inf> mqtt_helper: connected",
            "[00:00:05] <err> x"
        ]
    );
}
