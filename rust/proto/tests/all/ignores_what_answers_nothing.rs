//! Answers to nothing that is waited for change nothing.

use iothub_proto::{Client, Command, Errno, Instant, Phase, Telemetry};

use crate::support::{Device, OUTBOX, config};

#[test]
fn a_suback_of_another_id_grants_nothing() {
    let mut device = Device::new(|_| {});
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    let id = device.last_packet();
    device.skip();
    for other in [id.wrapping_add(1), id.wrapping_sub(1), 0] {
        for granted in [true, false] {
            device.act(|client, now| client.handle_suback(now, other, granted));
            device.silent();
            assert_eq!(device.client.status().phase, Phase::Connected);
        }
    }
    device.act(|client, now| client.handle_suback(now, id, true));
    assert_eq!(device.client.status().phase, Phase::Ready);
}

#[test]
fn the_completion_of_an_earlier_command_is_no_completion_of_this_one() {
    let mut config = config();
    config.request_twin = false;
    let mut client = Client::<OUTBOX>::new(&config).unwrap();
    let (mut buffer, mut now) = ([0; 1024], Instant::from_millis(1000));
    client.connect(now).unwrap();
    let (earlier, command) = client.poll_command(now, &mut buffer).unwrap();
    assert!(matches!(command, Command::Connect { .. }));
    // mqtt_helper tells the end of it before the call returns.
    client.handle_disconnect(now, Errno(-111));
    assert_eq!(client.status().failures.transient, 1);
    let this = loop {
        match client.poll_command(now, &mut buffer) {
            Some((id, Command::Connect { .. })) => break id,
            Some((id, _)) => client.complete(now, id, Ok(())),
            None => {
                now = client.poll_timeout().unwrap().max(now);
                client.handle_timeout(now);
            }
        }
    };
    client.complete(now, earlier, Err(Errno(-111)));
    let status = client.status();
    assert_eq!(
        (status.phase, status.failures.transient),
        (Phase::Connecting, 1)
    );
    client.complete(now, earlier, Ok(()));
    client.complete(now, this, Err(Errno(-111)));
    let status = client.status();
    assert_eq!(
        (status.phase, status.failures.transient),
        (Phase::Closing, 2)
    );
}

#[test]
fn an_answer_to_no_report_takes_nothing_that_is_on_its_way() {
    let mut device = Device::ready(|_| {});
    device.act(|client, _| client.send(&Telemetry::new(b"1")).unwrap());
    let report = device.act(|client, _| client.report(b"{}", None).unwrap().as_u32());
    device.skip();
    device.publish(
        &format!("$iothub/twin/res/204/?$rid={}&$version=2", report + 1),
        "",
    );
    let log = device.take();
    assert!(log[0].starts_with("* UnmatchedAnswer"), "{log:?}");
    assert_eq!(log.len(), 1, "{log:?}");
    device.publish(
        &format!("$iothub/twin/res/204/?$rid={report}&$version=2"),
        "",
    );
    let log = device.take();
    assert!(log[0].starts_with("* Reported"), "{log:?}");
    let id = device.last_packet();
    assert_ne!(id, 0);
    assert!(
        device.client.status().outbox_used > 0,
        "the message is there"
    );
}
