//! What a server of images may do wrong: nothing is read beyond what was asked for, what cannot get
//! better ends the transfer as refused, and redirects are followed within bounds.

use std::{
    cell::Cell,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::support::{
    HOST,
    device::{self, IPV6_UP},
    fota::{DONE, FRAGMENT, Told, Transfers, failed, start},
    hub::Hub,
    pki::Pki,
};
use ncs_sys as sys;

/// A request: its path, and the range that it asks for.
struct Request {
    /// The first is 0.
    number: usize,
    path: String,
    from: usize,
    last: usize,
}

impl Request {
    fn read(number: usize, stream: &mut impl BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let path = lines[0].split(' ').nth(1)?.to_owned();
        let range = lines
            .iter()
            .find_map(|line| line.strip_prefix("Range: bytes="))?;
        let (from, last) = range.split_once('-')?;
        Some(Self {
            number,
            path,
            from: from.parse().ok()?,
            last: last.parse().ok()?,
        })
    }
}

/// What is sent: bytes, and whether more follows without end.
type Reply = (Vec<u8>, bool);

/// Answers as the script says; the number of bytes that it could send.
fn serve(script: impl Fn(&Request) -> Reply + Send + 'static) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(request) = Request::read(number, &mut reader) {
                number += 1;
                if answer(&mut stream, &script(&request), &count).is_err() {
                    break;
                }
            }
        }
    });
    (port, sent)
}

fn answer(stream: &mut impl Write, reply: &Reply, count: &AtomicU64) -> std::io::Result<()> {
    let (bytes, endless) = reply;
    stream.write_all(bytes)?;
    count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    if !endless {
        return Ok(());
    }
    loop {
        let more = [b'x'; 4096];
        stream.write_all(&more)?;
        count.fetch_add(more.len() as u64, Ordering::Relaxed);
    }
}

fn image() -> Vec<u8> {
    iothub_host::firmware_image("2.0.0", &[7; 700]).unwrap()
}

/// The part that was asked for, as a good server sends it, with more lines in its head.
fn good_with(request: &Request, headers: &str) -> Reply {
    let image = image();
    let end = (request.last + 1).min(image.len());
    let part = &image[request.from..end];
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {}-{}/{}\r\n{headers}\r\n",
        part.len(),
        request.from,
        end - 1,
        image.len()
    );
    ([head.as_bytes(), part].concat(), false)
}

fn good(request: &Request) -> Reply {
    good_with(request, "")
}

fn says(answer: impl Into<Vec<u8>>) -> Reply {
    (answer.into(), false)
}

/// A part with this head, and as many bytes as were asked for.
fn part(headers: &str) -> Reply {
    let head = format!("HTTP/1.1 206 Partial Content\r\n{headers}\r\n");
    let body = image();
    says([head.as_bytes(), &body[..usize::from(FRAGMENT)]].concat())
}

fn moved(to: &str) -> Reply {
    says(format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\nmoved"
    ))
}

const REFUSED: Told = failed(sys::IOTHUB_FOTA_CAUSE_HTTP, 0);

/// More than the sockets of this machine hold, far less than was promised.
const BOUND: u64 = 64 * 1024 * 1024;

#[test]
fn survives_hostile_image_servers() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let transfers = Transfers::new();
    let pki = Pki::new();
    pki.provision(data.path());
    device::attach(device::options(data.path(), 1), &IPV6_UP);
    let device = Device {
        transfers,
        identity: Cell::new(0),
    };
    lengths_and_ranges_that_lie(&device);
    totals_that_no_slot_has(&device);
    files_that_change(&device);
    heads_and_whole_files(&device);
    redirects(&device);
    from_http_to_https_and_never_back(&device, &pki);
    device.transfers.assert_silent();
    let log = device::log();
    assert!(log.iter().any(|line| line.contains("redirected to")));
    let is_secret = |line: &String| line.contains("secret") || line.contains("sig=");
    assert!(!log.iter().any(is_secret), "a query may be a signature");
}

struct Device {
    transfers: Transfers,
    identity: Cell<u32>,
}

impl Device {
    /// How a transfer of an image that was never there ends.
    fn fetch(&self, port: u16) -> Told {
        self.identity.set(self.identity.get() + 1);
        self.again(port)
    }

    /// How another of the same image ends.
    fn again(&self, port: u16) -> Told {
        assert_eq!(start(port, false, self.identity.get(), None), 0);
        self.transfers.end()
    }
}

/// With a body that does not end behind them.
fn lengths_and_ranges_that_lie(device: &Device) {
    let endless: &[(&str, &str, Told)] = &[
        (
            "a length beyond what was asked for",
            "Content-Length: 10000000000\r\nContent-Range: bytes 0-255/1000\r\n",
            REFUSED,
        ),
        (
            "a range beyond it",
            "Content-Length: 1000\r\nContent-Range: bytes 0-999/1000\r\n",
            REFUSED,
        ),
        (
            "a length beyond every number",
            "Content-Length: 99999999999999999999\r\nContent-Range: bytes 0-255/1000\r\n",
            REFUSED,
        ),
        (
            "two lengths",
            "Content-Length: 256\r\nContent-Length: 257\r\nContent-Range: bytes 0-255/1000\r\n",
            REFUSED,
        ),
        ("no length", "Content-Range: bytes 0-255/1000\r\n", REFUSED),
        (
            "a chunked body",
            "Transfer-Encoding: chunked\r\nContent-Range: bytes 0-255/1000\r\n",
            REFUSED,
        ),
        ("no range", "Content-Length: 256\r\n", REFUSED),
        (
            "an empty part",
            "Content-Length: 0\r\nContent-Range: bytes 0-0/1000\r\n",
            REFUSED,
        ),
    ];
    for (what, headers, expected) in endless {
        let head = format!("HTTP/1.1 206 Partial Content\r\n{headers}\r\n");
        let (port, sent) = serve(move |_| (head.clone().into_bytes(), true));
        assert_eq!(device.fetch(port), *expected, "{what}");
        assert!(sent.load(Ordering::Relaxed) < BOUND, "{what}");
    }
    for (what, whole) in [
        (
            "a head that does not end",
            "HTTP/1.1 206 Partial Content\r\nX: ",
        ),
        ("a whole file without its length", "HTTP/1.1 200 OK\r\n\r\n"),
        (
            "a whole file in chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("no HTTP", "SSH-2.0-OpenSSH_9.9\r\n"),
    ] {
        let (port, sent) = serve(move |_| (whole.as_bytes().to_vec(), true));
        assert_eq!(device.fetch(port), REFUSED, "{what}");
        assert!(sent.load(Ordering::Relaxed) < BOUND, "{what}");
    }
    let (port, _) = serve(|_| says("HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)));
    assert_eq!(device.fetch(port), REFUSED, "interim answers without end");
}

/// And none at all, and ranges that are others than asked for.
fn totals_that_no_slot_has(device: &Device) {
    let too_large = failed(sys::IOTHUB_FOTA_CAUSE_TOO_LARGE, 0);
    for (total, expected) in [
        ("4294967296", too_large),
        ("5000000000", too_large),
        ("4294967295", too_large),
        ("18446744073709551616", REFUSED),
        ("*", REFUSED),
        ("-1", REFUSED),
        ("255", REFUSED),
    ] {
        let headers = format!("Content-Length: 256\r\nContent-Range: bytes 0-255/{total}\r\n");
        let (port, _) = serve(move |_| part(&headers));
        assert_eq!(device.fetch(port), expected, "a total of {total}");
    }
    for range in [
        "1-256/1000",
        "0-256/1000",
        "256-0/1000",
        "0/1000",
        "0-255",
        "x-y/z",
    ] {
        let headers = format!("Content-Length: 256\r\nContent-Range: bytes {range}\r\n");
        let (port, _) = serve(move |_| part(&headers));
        assert_eq!(device.fetch(port), REFUSED, "a range of {range}");
    }
}

/// While they are fetched; the next transfer begins anew.
fn files_that_change(device: &Device) {
    for total in ["512", "100", "100000"] {
        let (asked, ranges) = std::sync::mpsc::channel();
        let (port, _) = serve(move |request| {
            asked.send(request.from).unwrap();
            match request.number {
                1 => {
                    let (head, _) = good(request);
                    let all = format!("/{}\r\n", image().len());
                    let head =
                        String::from_utf8_lossy(&head).replace(&all, &format!("/{total}\r\n"));
                    says(head)
                }
                _ => good(request),
            }
        });
        assert_eq!(device.fetch(port), REFUSED, "{total}");
        assert_eq!(device.again(port), DONE, "{total}");
        assert_eq!(ranges.iter().take(3).collect::<Vec<_>>(), [0, 256, 0]);
    }
    let (port, _) = serve(|request| match request.number {
        1 => says(
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */100\r\nContent-Length: 0\r\n\r\n",
        ),
        _ => good(request),
    });
    assert_eq!(device.fetch(port), REFUSED, "nothing is there any more");
    assert_eq!(device.again(port), DONE);
}

fn heads_and_whole_files(device: &Device) {
    for (count, expected) in [(33, DONE), (100, DONE), (200, REFUSED)] {
        let headers: String = (0..count)
            .map(|number| format!("X-{number}: y\r\n"))
            .collect();
        let (port, _) = serve(move |request| good_with(request, &headers));
        assert_eq!(device.fetch(port), expected, "{count} headers");
    }
    // A server without ranges, and one that ends each connection.
    let (port, _) = serve(|_| {
        let image = image();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", image.len());
        says([head.as_bytes(), &image].concat())
    });
    assert_eq!(device.fetch(port), DONE, "a whole file");
    let (port, _) = serve(|request| good_with(request, "Connection: close\r\n"));
    assert_eq!(device.fetch(port), DONE, "a connection for each part");
}

fn redirects(device: &Device) {
    let (elsewhere, _) = serve(|request| match request.path.as_str() {
        "/there/it.bin?sig=other" => good(request),
        _ => says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    });
    for to in [
        format!("http://{HOST}:{elsewhere}/there/it.bin?sig=other"),
        format!("//{HOST}:{elsewhere}/there/it.bin?sig=other"),
    ] {
        let (port, _) = serve(move |request| {
            assert_eq!(request.number, 0, "it stays where it was sent");
            moved(&to)
        });
        assert_eq!(device.fetch(port), DONE, "to another server");
    }
    for status in [
        "301 Moved Permanently",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let (port, _) = serve(move |request| match request.path.as_str() {
            "/images/app.bin?sig=secret" => says(format!(
                "HTTP/1.1 {status}\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
            )),
            "/there" => moved("images/next"),
            "/images/next" => good(request),
            path => panic!("{path}"),
        });
        assert_eq!(device.fetch(port), DONE, "{status}");
    }
    let (port, _) = serve(|request| match request.number {
        0..5 => moved(&format!("/{}", request.number)),
        _ => good(request),
    });
    assert_eq!(device.fetch(port), DONE, "five times");
    let (port, _) = serve(|request| moved(&format!("/{}", request.number)));
    assert_eq!(device.fetch(port), REFUSED, "round and round");
    for to in [
        "ftp://my-hub.azure-devices.net/app.bin",
        "file:///etc/passwd",
        "coaps://my-hub.azure-devices.net/app.bin",
        "javascript:alert(1)",
        "http:///app.bin",
    ] {
        let (port, _) = serve(move |_| moved(to));
        assert_eq!(device.fetch(port), REFUSED, "{to}");
    }
    let (port, _) = serve(|_| says("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(device.fetch(port), REFUSED, "nowhere");
    let head = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 10000000000\r\n\r\n";
    let (port, sent) = serve(move |_| (head.into(), true));
    assert_eq!(device.fetch(port), REFUSED, "a page without end");
    assert!(sent.load(Ordering::Relaxed) < BOUND);
}

fn from_http_to_https_and_never_back(device: &Device, pki: &Pki) {
    let hub = Hub::new(pki.hub());
    let tls_port = hub.port();
    let secure = |hub: &Hub, script: fn(&Request) -> Reply| {
        let mut stream = BufReader::new(hub.accept().stream);
        let mut number = 0;
        while let Some(request) = Request::read(number, &mut stream) {
            number += 1;
            let stream = stream.get_mut();
            answer(stream, &script(&request), &AtomicU64::new(0)).unwrap();
        }
    };
    let server = hub.run(move |hub| {
        secure(hub, good);
        secure(hub, |_| moved(&format!("http://{HOST}/app.bin")));
    });
    let (port, _) = serve(move |_| moved(&format!("https://{HOST}:{tls_port}/app.bin")));
    assert_eq!(device.fetch(port), DONE, "to https");
    assert_eq!(start(tls_port, true, u32::MAX, None), 0);
    assert_eq!(device.transfers.end(), REFUSED, "back to http");
    server.join().unwrap();
}
