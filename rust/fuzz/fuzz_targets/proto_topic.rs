//! Topic, a 0 byte, and body, to a device that is ready. What is called C2D, method or desired is
//! so by its exact prefix.
#![no_main]

use iothub_proto::{Client, Config, Event, Instant};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut halves = data.splitn(2, |byte| *byte == 0);
    let topic = halves.next().unwrap_or_default();
    let payload = halves.next().unwrap_or_default();
    let mut config = Config::new("hub.example", "dev1");
    config.network.enabled = false;
    let mut client = Client::<1024>::new(&config).expect("the configuration is good");
    let now = Instant::from_millis(0);
    let mut buffer = [0; 4096];
    client.connect(now).expect("the first one");
    let (id, _) = client.poll_command(now, &mut buffer).expect("a connect");
    client.complete(now, id, Ok(()));
    client.handle_connack(now, 0, false);
    match client.handle_publish(now, topic, payload) {
        Some(Event::C2d(message)) => {
            assert!(topic.starts_with(b"devices/dev1/messages/devicebound/"));
            assert!(topic.ends_with(message.properties.as_bytes()));
        }
        Some(Event::Method(call)) => {
            assert!(topic.starts_with(b"$iothub/methods/POST/"));
            assert!(!call.name.contains('/'));
        }
        Some(Event::Desired(desired)) => {
            assert!(topic.starts_with(b"$iothub/twin/PATCH/properties/desired/"));
            assert!(std::str::from_utf8(desired.patch).is_ok());
        }
        Some(Event::UnknownTopic(unknown)) => assert_eq!(unknown, topic),
        Some(Event::UnmatchedAnswer { status, .. }) => assert!((100..1000).contains(&status)),
        Some(other) => panic!("{other:?}"),
        None => {}
    }
    while let Some((id, _)) = client.poll_command(now, &mut buffer) {
        client.complete(now, id, Ok(()));
    }
});
