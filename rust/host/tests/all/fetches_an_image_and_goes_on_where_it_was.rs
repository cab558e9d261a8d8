//! A transfer into the slot that does not run: each start has one end; what is stored is not
//! fetched again; what is not what it was to be is not kept.

use std::{
    ffi::c_int,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use crate::support::{
    device::{self, IPV6_UP, errno},
    fota::{DONE, FRAGMENT, STOPPED, Transfers, failed, start},
};
use ncs_sys as sys;

/// What the server does with the next request.
enum Reply {
    Serve,
    Cut,
    Status(&'static str),
    Hang,
}

/// Answers each request as it is told, and hands out the ranges that were asked for.
fn server(image: Vec<u8>, replies: Vec<Reply>) -> (u16, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, ranges) = mpsc::channel();
    thread::spawn(move || {
        let mut replies = replies.into_iter();
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
                match replies.next().unwrap_or(Reply::Serve) {
                    Reply::Serve => {
                        let mut answer = head("206 Partial Content").into_bytes();
                        answer.extend(&image[from..to]);
                        (&stream).write_all(&answer).unwrap();
                    }
                    Reply::Cut => {
                        let mut answer = head("206 Partial Content").into_bytes();
                        answer.extend(&image[from..to - 10]);
                        (&stream).write_all(&answer).unwrap();
                        continue 'next;
                    }
                    Reply::Status(status) => {
                        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                        (&stream).write_all(answer.as_bytes()).unwrap();
                    }
                    Reply::Hang => {}
                }
            }
        }
    });
    (port, ranges)
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
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let transfers = Transfers::new();
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
        vec![
            Reply::Serve,
            Reply::Cut,
            Reply::Status("503 Busy"),
            Reply::Hang,
        ],
    );
    let transfer = failed(sys::IOTHUB_FOTA_CAUSE_TRANSFER, 0);
    assert_eq!(start(port, false, 7, None), 0);
    assert_eq!(transfers.end(), transfer);
    assert_eq!(
        *transfers.versions.borrow(),
        [0x0200_0000],
        "with the first fragment"
    );
    assert_eq!(start(port, false, 7, None), 0);
    let busy = failed(sys::IOTHUB_FOTA_CAUSE_HTTP, 503);
    assert_eq!(transfers.end(), busy);
    // One that hangs can be stopped, and is the only one meanwhile.
    assert_eq!(start(port, false, 7, None), 0);
    let asked: Vec<_> = ranges.iter().take(4).collect();
    assert_eq!(asked, [0, 256, 256, 256], "a cut costs a fragment");
    assert_eq!(start(port, false, 7, None), errno(sys::EBUSY));
    assert_eq!(cancel(), 0);
    assert_eq!(transfers.end(), STOPPED);
    // Its own end, and no other.
    assert_eq!(cancel(), errno(sys::ENOENT));
    assert_eq!(start(port, false, 7, None), 0);
    assert_eq!(transfers.end(), DONE);
    assert_eq!(
        *transfers.versions.borrow(),
        [0x0200_0000; 2],
        "and before the end"
    );
    assert_eq!(ranges.recv().unwrap(), 256);
    assert_eq!(
        version(sys::IOTHUB_FOTA_SLOT_DOWNLOADED).as_deref(),
        Ok("2.0.0")
    );
    assert_eq!(apply(), 0);

    // Another image begins anew, and one with another hash is not kept.
    assert_eq!(start(port, false, 8, Some(&[0; 32])), 0);
    assert_eq!(transfers.end(), failed(sys::IOTHUB_FOTA_CAUSE_HASH, 0));
    let (port, ranges) = server(vec![1; 300], vec![]);
    assert_eq!(start(port, false, 8, None), 0);
    assert_eq!(transfers.end(), failed(sys::IOTHUB_FOTA_CAUSE_IMAGE, 0));
    assert_eq!(ranges.recv().unwrap(), 0);
    // Nobody listens there.
    assert_eq!(start(1, false, 8, None), 0);
    assert_eq!(transfers.end(), failed(sys::IOTHUB_FOTA_CAUSE_CONNECT, 0));
    transfers.assert_silent();
}
