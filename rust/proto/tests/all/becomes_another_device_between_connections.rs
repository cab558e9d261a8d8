//! `reconfigure` and `send_as`: what the C API needs, whose identity comes with each connect.

use iothub_proto::{
    Client, Command, Config, ConfigError, Event, Instant, MessageId, Qos, Telemetry, dps,
};

const NOW: Instant = Instant::from_millis(0);

fn config(device_id: &str) -> Config<'_> {
    let mut config = Config::new("contoso.azure-devices.net", device_id);
    config.network.enabled = false;
    config
}

#[test]
fn becomes_another_device_between_connections() {
    let mut client = Client::<2048>::new(&config("one")).unwrap();
    let message = Telemetry {
        payload: b"1",
        qos: Qos::AtLeastOnce,
        ..Telemetry::default()
    };
    client.send_as(MessageId::new(0x1_0007), &message).unwrap();

    client.reconfigure(&config("one")).unwrap();
    assert_eq!(client.poll_event(), None);
    client.reconfigure(&config("two")).unwrap();
    assert_eq!(
        client.poll_event(),
        Some(Event::Dropped(MessageId::new(0x1_0007)))
    );
    assert_eq!(client.status().outbox_used, 0);
    assert_eq!(
        client.reconfigure(&config("not an id")),
        Err(ConfigError::DeviceId)
    );
    assert_eq!(client.device_id(), "two");

    client.connect(NOW).unwrap();
    assert_eq!(
        client.reconfigure(&config("three")),
        Err(ConfigError::Started)
    );
    let mut buffer = [0; 4096];
    let (_, command) = client.poll_command(NOW, &mut buffer).unwrap();
    assert!(
        matches!(
            command,
            Command::Connect {
                client_id: "two",
                ..
            }
        ),
        "{command:?}"
    );
}

#[test]
fn registers_under_another_name() {
    let registration = |id_scope, registration_id| {
        let mut config = config("");
        config.hostname = "";
        config.dps = Some(dps::Config::new(id_scope, registration_id));
        config
    };
    let mut client = Client::<2048>::new(&registration("0ne1", "one")).unwrap();
    client.reconfigure(&registration("0ne2", "two")).unwrap();
    client.connect(NOW).unwrap();
    let mut buffer = [0; 4096];
    let (_, command) = client.poll_command(NOW, &mut buffer).unwrap();
    let Command::Connect {
        client_id: "two",
        user_name,
        ..
    } = command
    else {
        panic!("{command:?}");
    };
    assert!(
        user_name.starts_with("0ne2/registrations/two/"),
        "{user_name}"
    );
}
