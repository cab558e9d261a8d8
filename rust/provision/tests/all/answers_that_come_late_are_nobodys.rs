//! Modems that answer late, twice, or what nobody has asked: the answer to each command is its own.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use iothub_provision::modem::{Ending, Framing, Modem, Session, Trace};

/// What a modem does on each line that it is sent.
type Script = Box<dyn FnMut(&str, &mut VecDeque<String>) + Send>;

/// A modem that ends commands with `ending` and answers in the order of the commands. Its script
/// says what it puts out at once; the rest stays in the queue until the script lets it go.
fn scripted(ending: &'static [u8], mut script: Script) -> Session {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut buffer, mut byte) = (Vec::new(), [0]);
        while let Ok(1) = stream.read(&mut byte) {
            buffer.push(byte[0]);
            if !buffer.ends_with(ending) {
                continue;
            }
            let line = String::from_utf8(buffer.clone()).unwrap();
            let line = line
                .trim_matches(['\r', '\n', '\0', '"', '\u{8}'])
                .to_owned();
            buffer.clear();
            if !line.is_empty() {
                put(&mut stream, &line, &mut script);
            }
        }
    });
    Session::open(&port, 115_200, Trace::off()).unwrap()
}

fn put(stream: &mut TcpStream, line: &str, script: &mut Script) {
    let mut out = VecDeque::new();
    script(line, &mut out);
    for text in out {
        let _ = stream.write_all(text.as_bytes());
    }
}

fn answer(line: &str) -> String {
    match line {
        "AT+CMEE?" => "+CMEE: 0\r\nOK\r\n",
        "AT+CGATT?" => "+CGATT: 0\r\nOK\r\n",
        "AT+CPSMS?" => "+CPSMS: 0\r\nOK\r\n",
        "AT+CFUN?" => "+CFUN: 0\r\nOK\r\n",
        "AT+CGEREP?" => "+CGEREP: 0,0\r\nOK\r\n",
        "AT+CGSN=1" => "+CGSN: \"352656100367872\"\r\nOK\r\n",
        "AT+CGSN" => "352656100367872\r\nOK\r\n",
        "AT+CGMR" => "mfw_nrf9160_1.3.5\r\nOK\r\n",
        "AT+CMEE=1" => "OK\r\n",
        _ => "ERROR\r\n",
    }
    .to_owned()
}

/// Answers each of the first `held` commands only when the one after that many has come.
fn behind_by(held: usize) -> Script {
    let mut waiting = VecDeque::new();
    let mut seen = 0;
    Box::new(move |line, out| {
        seen += 1;
        waiting.push_back(answer(line));
        if seen > held {
            out.append(&mut waiting);
        }
    })
}

fn asked(session: Session) -> String {
    Modem::new(session).ask("AT+CGMR").unwrap()
}

#[test]
fn an_answer_later_than_the_next_question_is_known_by_its_content() {
    for held in 1..3 {
        let session = scripted(b"\r", behind_by(held));
        assert_eq!(session.framing(), Framing::AtHost(Ending::Cr), "{held}");
        assert!(!session.was_wedged());
        assert_eq!(asked(session), "mfw_nrf9160_1.3.5");
    }
}

#[test]
fn a_line_that_ends_with_lf_is_found_though_it_answers_late() {
    for held in 1..3 {
        let session = scripted(b"\n", behind_by(held));
        assert_eq!(session.framing(), Framing::AtHost(Ending::Lf), "{held}");
        assert_eq!(asked(session), "mfw_nrf9160_1.3.5");
    }
}

/// Before its own answer to each of the first two commands, `text`.
fn with_first(text: &'static str) -> Script {
    let mut left = 2;
    Box::new(move |line, out| {
        if left > 0 {
            left -= 1;
            out.push_back(text.to_owned());
        }
        out.push_back(answer(line));
    })
}

#[test]
fn stale_endings_are_skipped() {
    for stale in ["OK\r\n", "ERROR\r\n", "+CME ERROR: 513\r\n", "OK\r\nOK\r\n"] {
        let session = scripted(b"\r", with_first(stale));
        assert_eq!(session.framing(), Framing::AtHost(Ending::Cr), "{stale}");
        assert_eq!(asked(session), "mfw_nrf9160_1.3.5", "{stale}");
    }
}

#[test]
fn what_nobody_asked_for_is_no_answer() {
    let script: Script = Box::new(|line, out| {
        out.push_back("+CGEV: ME PDN ACT 0\r\n%NCELLMEAS: 0\r\n".to_owned());
        out.push_back(answer(line));
        out.push_back("+CEREG: 5,\"8169\"\r\n".to_owned());
    });
    let mut modem = Modem::new(scripted(b"\r", script));
    assert_eq!(modem.ask("AT+CGMR").unwrap(), "mfw_nrf9160_1.3.5");
    assert_eq!(modem.functional_mode().unwrap(), 0);
    assert_eq!(modem.imei().unwrap(), "352656100367872");
}

/// The answer to a command is lost once: it is asked again, and what comes late is not taken for
/// the answer to the next.
#[test]
fn a_question_without_an_answer_is_asked_again() {
    let mut kept = None;
    let mut is_first = true;
    let script: Script = Box::new(move |line, out| {
        if line == "AT+CGMR" && std::mem::take(&mut is_first) {
            kept = Some(answer(line));
            return;
        }
        out.extend(kept.take());
        out.push_back(answer(line));
    });
    let mut modem = Modem::new(scripted(b"\r", script));
    assert_eq!(modem.ask("AT+CGMR").unwrap(), "mfw_nrf9160_1.3.5");
    assert_eq!(modem.functional_mode().unwrap(), 0);
}

#[test]
fn a_line_that_is_never_in_step_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        while stream.write_all(b"OK\r\n+CME ERROR: 50\r\n").is_ok() {
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    let refused = Session::open(&port, 115_200, Trace::off()).err().unwrap();
    assert!(
        refused.message().contains("answers AT commands"),
        "{refused}"
    );
}
