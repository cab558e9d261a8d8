//! `disconnect` writes what was accepted before it says goodbye.

use iothub_proto::{Client, Command, Config, Event, Instant, Qos, Telemetry};

const NOW: Instant = Instant::from_millis(0);

#[test]
fn writes_before_it_leaves() {
    let mut config = Config::new("contoso.azure-devices.net", "one");
    config.network.enabled = false;
    config.request_twin = false;
    let mut client = Client::<2048>::new(&config).unwrap();
    let mut buffer = [0; 4096];
    client.connect(NOW).unwrap();
    let (id, _) = client.poll_command(NOW, &mut buffer).unwrap();
    client.complete(NOW, id, Ok(()));
    client.handle_connack(NOW, 0, false);
    let (id, command) = client.poll_command(NOW, &mut buffer).unwrap();
    let Command::Subscribe { message_id, .. } = command else {
        panic!("{command:?}")
    };
    client.complete(NOW, id, Ok(()));
    client.handle_suback(NOW, message_id, true);

    let message = |qos| Telemetry {
        payload: b"1",
        qos,
        ..Telemetry::default()
    };
    client.send(&message(Qos::AtMostOnce)).unwrap();
    client.send(&message(Qos::AtLeastOnce)).unwrap();
    // The first is in the driver's hands when the application leaves.
    let (id, command) = client.poll_command(NOW, &mut buffer).unwrap();
    assert!(
        matches!(command, Command::Publish { qos: 0, .. }),
        "{command:?}"
    );
    client.disconnect(NOW).unwrap();
    client.complete(NOW, id, Ok(()));
    let (id, command) = client.poll_command(NOW, &mut buffer).unwrap();
    assert!(
        matches!(command, Command::Publish { qos: 1, .. }),
        "{command:?}"
    );
    client.complete(NOW, id, Ok(()));
    let (id, command) = client.poll_command(NOW, &mut buffer).unwrap();
    assert_eq!(command, Command::Disconnect);
    client.complete(NOW, id, Ok(()));
    while client.poll_event().is_some_and(|event| {
        assert!(!matches!(event, Event::Dropped(_)));
        true
    }) {}
}
