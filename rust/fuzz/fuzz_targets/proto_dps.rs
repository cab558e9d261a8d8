//! DPS's answers: status and hint by the first bytes, then the body, several in a row separated by
//! 0.
#![no_main]

use iothub_proto::{Client, Command, Config, Instant, dps};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut config = Config::new("", "");
    config.network.enabled = false;
    config.dps = Some(dps::Config::new("0ne0", "reg1"));
    let mut client = Client::<256>::new(&config).expect("the configuration is good");
    let mut now = Instant::from_millis(0);
    let mut buffer = [0; 4096];
    client.connect(now).expect("the first one");
    let mut rid = String::new();
    for answer in data.split(|byte| *byte == 0) {
        while let Some((id, command)) = client.poll_command(now, &mut buffer) {
            let mut subscribed = None;
            match command {
                Command::Connect { .. } => {}
                Command::Subscribe { message_id, .. } => subscribed = Some(message_id),
                Command::Publish { topic, .. } => {
                    if let Some((_, id)) = topic.split_once("$rid=") {
                        rid = id.split('&').next().unwrap_or_default().into();
                    }
                }
                Command::StoreAssignment {
                    hostname,
                    device_id,
                } => {
                    assert!(!hostname.is_empty() && !hostname.contains(['/', '\0']));
                    assert!(!device_id.is_empty() && !device_id.contains(['/', '#', '+', '\0']));
                }
                _ => {}
            }
            let connected = matches!(command, Command::Connect { .. });
            client.complete(now, id, Ok(()));
            if connected {
                client.handle_connack(now, 0, false);
            }
            if let Some(id) = subscribed {
                client.handle_suback(now, id, true);
            }
        }
        let (head, body) = answer.split_at(answer.len().min(2));
        let status = 100 + u32::from(*head.first().unwrap_or(&100)) * 2;
        let hint = head.get(1).copied().unwrap_or_default();
        let topic = format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after={hint}");
        let _ = client.handle_publish(now, topic.as_bytes(), body);
        while client.poll_event().is_some() {}
        if let Some(at) = client.poll_timeout() {
            now = now.max(at);
            client.handle_timeout(now);
        }
        while client.poll_event().is_some() {}
    }
});
