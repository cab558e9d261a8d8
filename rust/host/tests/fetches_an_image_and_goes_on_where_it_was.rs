//! A transfer into the slot that does not run: each start has one end; what is stored is not fetched again; what is not
//! what it was to be is not kept.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    ffi::{CString, c_int},
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use ncs_sys as sys;
use support::{
    HOST,
    device::{self, IPV6_UP, errno},
};

type Told = (u32, u32, u32);

static TOLD: std::sync::Mutex<Option<mpsc::Sender<Told>>> = std::sync::Mutex::new(None);

unsafe extern "C" fn on_event(event: u32, first: u32, second: u32) {
    let told = TOLD.lock().unwrap();
    told.as_ref().unwrap().send((event, first, second)).unwrap();
}

const FRAGMENT: u16 = 256;
const DONE: Told = (sys::IOTHUB_FOTA_DONE, 0, 0);
const STOPPED: Told = (sys::IOTHUB_FOTA_STOPPED, 0, 0);

/// What the server does with the next request.
enum Turn {
    Serve,
    Cut,
    Status(&'static str),
    Hang,
}

/// Answers each request as it is told, and hands out the ranges that were asked for.
fn server(image: Vec<u8>, turns: Vec<Turn>) -> (u16, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, ranges) = mpsc::channel();
    thread::spawn(move || {
        let mut turns = turns.into_iter();
        'next: for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            loop {
                let mut from = None;
                loop {
                    let Some(Ok(line)) = lines.next() else {
                        continue 'next;
                    };
                    if let Some(range) = line.strip_prefix("Range: bytes=") {
                        from = range.split('-').next().unwrap().parse::<usize>().ok();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let from = from.unwrap();
                asked.send(from).unwrap();
                let to = (from + usize::from(FRAGMENT)).min(image.len());
                let head = |status: &str| {
                    let (len, last, all) = (to - from, to - 1, image.len());
                    format!(
                        "HTTP/1.1 {status}\r\nContent-Length: {len}\r\nContent-Range: bytes {from}-{last}/{all}\r\n\r\n"
                    )
                };
                match turns.next().unwrap_or(Turn::Serve) {
                    Turn::Serve => {
                        let mut answer = head("206 Partial Content").into_bytes();
                        answer.extend(&image[from..to]);
                        (&stream).write_all(&answer).unwrap();
                    }
                    Turn::Cut => {
                        let mut answer = head("206 Partial Content").into_bytes();
                        answer.extend(&image[from..to - 10]);
                        (&stream).write_all(&answer).unwrap();
                        continue 'next;
                    }
                    Turn::Status(status) => {
                        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                        (&stream).write_all(answer.as_bytes()).unwrap();
                    }
                    Turn::Hang => {}
                }
            }
        }
    });
    (port, ranges)
}

fn start(port: u16, identity: u32, sha256: Option<&[u8; 32]>) -> c_int {
    let host = CString::new(HOST).unwrap();
    let source = sys::iothub_fota_source {
        host: host.as_ptr(),
        path: c"app.bin".as_ptr(),
        sha256: sha256.map_or(std::ptr::null(), |hash| hash.as_ptr()),
        identity,
        port,
        fragment: FRAGMENT,
        ..Default::default()
    };
    // SAFETY: what it points to lives until the call returns.
    unsafe { sys::iothub_platform_fota_start(&raw const source, Some(on_event)) }
}

fn version(slot: u32) -> Result<String, c_int> {
    let mut image = sys::iothub_fota_image::default();
    // SAFETY: the image can be written.
    match unsafe { sys::iothub_platform_fota_image(slot, &raw mut image) } {
        0 => Ok(image
            .version
            .iter()
            .take_while(|byte| **byte != 0)
            .map(|byte| char::from(byte.cast_unsigned()))
            .collect()),
        error => Err(error),
    }
}

fn apply() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::iothub_platform_fota_apply() }
}

fn cancel() -> c_int {
    // SAFETY: no arguments.
    unsafe { sys::iothub_platform_fota_cancel() }
}

#[test]
fn fetches_an_image_and_goes_on_where_it_was() {
    let data = tempfile::tempdir().unwrap();
    let (sender, told) = mpsc::channel();
    *TOLD.lock().unwrap() = Some(sender);
    let end = || {
        loop {
            let told = told
                .recv_timeout(std::time::Duration::from_secs(30))
                .unwrap();
            if told.0 != sys::IOTHUB_FOTA_PROGRESS {
                return told;
            }
        }
    };
    device::attach(device::options(data.path(), 1), &IPV6_UP);
    assert_eq!(
        version(sys::IOTHUB_FOTA_SLOT_RUNNING).as_deref(),
        Ok("0.1.0")
    );
    assert_eq!(
        version(sys::IOTHUB_FOTA_SLOT_DOWNLOADED),
        Err(errno(sys::ENOENT))
    );
    assert_eq!(cancel(), errno(sys::ENOENT));
    assert_eq!(apply(), errno(sys::ENOENT));

    let image = iothub_host::firmware_image("2.0.0", &[7; 700]).unwrap();
    let (port, ranges) = server(
        image.clone(),
        vec![Turn::Serve, Turn::Cut, Turn::Status("503 Busy"), Turn::Hang],
    );
    let transfer = (sys::IOTHUB_FOTA_FAILED, sys::IOTHUB_FOTA_CAUSE_TRANSFER, 0);
    assert_eq!(start(port, 7, None), 0);
    assert_eq!(end(), transfer);
    assert_eq!(start(port, 7, None), 0);
    let busy = (sys::IOTHUB_FOTA_FAILED, sys::IOTHUB_FOTA_CAUSE_HTTP, 503);
    assert_eq!(end(), busy);
    // One that hangs can be stopped, and is the only one meanwhile.
    assert_eq!(start(port, 7, None), 0);
    let asked: Vec<_> = ranges.iter().take(4).collect();
    assert_eq!(asked, [0, 256, 256, 256], "a cut costs a fragment");
    assert_eq!(start(port, 7, None), errno(sys::EBUSY));
    assert_eq!(cancel(), 0);
    assert_eq!(end(), STOPPED);
    // Its own end, and no other.
    assert_eq!(cancel(), errno(sys::ENOENT));
    assert_eq!(start(port, 7, None), 0);
    assert_eq!(end(), DONE);
    assert_eq!(ranges.recv().unwrap(), 256);
    assert_eq!(
        version(sys::IOTHUB_FOTA_SLOT_DOWNLOADED).as_deref(),
        Ok("2.0.0")
    );
    assert_eq!(apply(), 0);

    // Another image begins anew, and one with another hash is not kept.
    assert_eq!(start(port, 8, Some(&[0; 32])), 0);
    assert_eq!(
        end(),
        (sys::IOTHUB_FOTA_FAILED, sys::IOTHUB_FOTA_CAUSE_HASH, 0)
    );
    let (port, ranges) = server(vec![1; 300], vec![]);
    assert_eq!(start(port, 8, None), 0);
    assert_eq!(
        end(),
        (sys::IOTHUB_FOTA_FAILED, sys::IOTHUB_FOTA_CAUSE_IMAGE, 0)
    );
    assert_eq!(ranges.recv().unwrap(), 0);
    // Nobody listens there.
    assert_eq!(start(1, 8, None), 0);
    assert_eq!(
        end(),
        (sys::IOTHUB_FOTA_FAILED, sys::IOTHUB_FOTA_CAUSE_CONNECT, 0)
    );
    assert!(told.try_recv().is_err(), "each start has one end");
}
