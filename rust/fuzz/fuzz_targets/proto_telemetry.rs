//! Properties out and in again: what was sent is what is decoded, byte by byte.
#![no_main]

use iothub_proto::{Client, Command, Config, Instant, Properties, Property, Telemetry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let parts: Vec<_> = data.split('\n').collect();
    let properties: Vec<_> = parts
        .chunks(2)
        .map(|pair| Property {
            name: pair[0],
            value: pair.get(1).copied(),
        })
        .collect();
    let mut message = Telemetry::new(b"body");
    message.properties = &properties;
    let mut config = Config::new("hub.example", "dev1");
    config.network.enabled = false;
    let mut client = Client::<4096>::new(&config).expect("the configuration is good");
    let now = Instant::from_millis(0);
    client.connect(now).expect("the first one");
    if client.send(&message).is_err() {
        return;
    }
    let mut buffer = [0; 4096];
    let (id, _) = client.poll_command(now, &mut buffer).expect("a connect");
    client.complete(now, id, Ok(()));
    client.handle_connack(now, 0, false);
    while let Some((id, command)) = client.poll_command(now, &mut buffer) {
        if let Command::Publish { topic, .. } = command
            && let Some(bag) = topic.strip_prefix("devices/dev1/messages/events/")
        {
            assert!(!bag.contains(['/', '+', '#']));
            let received = Properties::new(bag.as_bytes());
            assert_eq!(received.iter().count(), properties.len());
            for (sent, received) in properties.iter().zip(received.iter()) {
                let (mut name, mut value) = ([0; 4096], [0; 4096]);
                assert_eq!(received.name(&mut name), Ok(sent.name));
                assert_eq!(received.value(&mut value), Ok(sent.value));
            }
        }
        client.complete(now, id, Ok(()));
    }
});
