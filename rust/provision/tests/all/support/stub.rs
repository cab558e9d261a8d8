//! A server that answers from a table and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Method, path with query, headers in lower case, body.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: String,
    pub body: String,
}

/// A running stub.
pub struct Stub {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// Answers as the emulator does, as far as this tool asks it; knows no device and trusts no CA
    /// yet.
    pub fn emulator(hostname: &str, server_ca: Option<&str>) -> Self {
        let about =
            serde_json::json!({"hubs": [hostname], "idScope": "0ne1", "serverCa": server_ca})
                .to_string();
        let known = Mutex::new(BTreeMap::<String, String>::new());
        Self::start(move |asked| {
            let mut known = known.lock().unwrap();
            let path = asked.path.split('?').next().unwrap();
            if path.contains("/providers/Microsoft.Devices/") {
                return management(&mut known, asked, path);
            }
            match asked.method.as_str() {
                "GET" if path == "/admin" => (200, about.clone()),
                "GET" if path == "/admin/certificates" => {
                    let all = known.get(path).cloned().unwrap_or_default();
                    (200, serde_json::json!({ "value": all }).to_string())
                }
                "GET" => known
                    .get(path)
                    .map_or((404, "{}".to_owned()), |body| (200, body.clone())),
                _ => {
                    let mut body = asked.body.clone();
                    if path == "/admin/certificates" {
                        let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
                        let pem = sent["certificate"].as_str().unwrap();
                        body = iothub_provision::pki::Certificate::from_pem(pem)
                            .unwrap()
                            .thumbprint();
                    }
                    known.insert(path.to_owned(), body);
                    (201, "{}".to_owned())
                }
            }
        })
    }

    /// `answer` gives status and body for each request.
    pub fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                while let Some(request) = next(&mut reader) {
                    let (status, body) = answer(&request);
                    seen.lock().unwrap().push(request);
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let stream = reader.get_mut();
                    stream.write_all((head + &body).as_bytes()).unwrap();
                }
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Certificates in Azure Resource Manager's shapes: uploaded, asked for their code, proved.
fn management(known: &mut BTreeMap<String, String>, asked: &Asked, path: &str) -> (u16, String) {
    use iothub_provision::pki::Certificate;
    let sent: serde_json::Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let certificate = |value: &serde_json::Value| {
        let der = STANDARD.decode(value.as_str().unwrap()).unwrap();
        Certificate::from_der(der).unwrap()
    };
    let name = path.split("/certificates/").nth(1).unwrap_or_default();
    let (name, action) = name.split_once('/').unwrap_or((name, ""));
    let mut shown =
        serde_json::json!({"name": name, "etag": "AA0=", "properties": {"isVerified": false}});
    match (asked.method.as_str(), action) {
        ("GET", _) => return (200, r#"{"value":[]}"#.to_owned()),
        ("PUT", _) => {
            let uploaded = certificate(&sent["properties"]["certificate"]);
            shown["properties"]["isVerified"] = sent["properties"]["isVerified"].clone();
            known.insert("uploaded".to_owned(), uploaded.pem());
        }
        (_, "generateVerificationCode") => {
            shown["properties"]["verificationCode"] = super::CODE.into();
        }
        _ => {
            let proof = certificate(&sent["certificate"]);
            let uploaded = Certificate::from_pem(&known["uploaded"]).unwrap();
            let is_proved = uploaded.has_signed(&proof) && proof.common_name() == Some(super::CODE);
            shown["properties"]["isVerified"] = is_proved.into();
        }
    }
    (200, shown.to_string())
}

fn next(reader: &mut impl std::io::BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    let mut first = line.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        headers.push_str(&line.to_lowercase());
    }
    let length = headers
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}
