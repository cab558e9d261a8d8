//! What the program says when it serves: a line for programs, and labelled ones for people.

use std::io::Write as _;
use std::path::Path;

use iothub_emulator::Emulator;

/// A reader that goes away after the first line is no reason to stop.
pub(crate) fn announce(emulator: &Emulator, data_dir: Option<&Path>, has_token: bool) {
    let http = emulator.http_addr();
    let https = emulator.https_addr();
    let https = https.map(|it| format!(" https=https://{it}/"));
    let amqp = emulator.amqp_addr().map(|it| format!("amqp={it} "));
    let mut text = format!(
        "ready mqtt={} {}http=http://{http}/{}\n",
        emulator.mqtt_addr(),
        amqp.unwrap_or_default(),
        https.unwrap_or_default()
    );
    let mut line = |label: &str, value: &str| text.push_str(&format!("{label:<20}{value}\n"));
    line("page", &format!("http://{http}/"));
    match (emulator.ca_pem(), data_dir) {
        (None, _) => {}
        (Some(_), Some(folder)) => {
            let path = folder.join("server-ca.pem");
            line("CA to trust", &path.display().to_string());
        }
        (Some(_), None) => line("CA to trust", &format!("http://{http}/admin/server-ca.pem")),
    }
    // Whoever reads the log of an emulator that others can reach should not have its key.
    if has_token {
        line(
            "connection string",
            "iothub-emulator connection-string --token-file FILE",
        );
    } else {
        line("connection string", &emulator.connection_string());
        if let Some(event_hub) = emulator.event_hub_connection_string() {
            line("event hub", &event_hub);
        }
    }
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
