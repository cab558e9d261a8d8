//! Whose the answers to reports are: the updater's or the application's.

use super::*;

/// An updater whose first report is due once there is a connection.
fn with_updates(world: &World) {
    let config = fota::Config {
        version: "1.0.0",
        by_text: false,
        confirmed: true,
        record: &[],
        policy: Policy {
            reboot: true,
            progress_step: 10,
            attempts: 3,
            trial_s: 600,
            retry_s: 60,
        },
    };
    world.updates.borrow_mut().boot(world.now(), &config);
}

/// The hub's answer to the last report.
fn answer(world: &World, status: u16) {
    let rid = world.rids.borrow_mut().pop().unwrap();
    let topic = format!("$iothub/twin/res/{status}/?$rid={rid}&$version=2");
    handle_publish(world, topic.as_bytes(), Some(b""));
}

#[test]
fn answers_to_the_updaters_reports_are_its_own() {
    let world = World::new(false, |_| {});
    with_updates(&world);
    let mut driver = ready(&world);
    // The hub believes in an update that there is none of: the updater reports, and the client
    // sends that at once.
    let twin =
        br#"{"desired":{"$version":1},"reported":{"firmware":{"fwUpdateStatus":"applying"},"$version":1}}"#;
    world.client(|client, _| client.request_twin()).unwrap();
    run(&mut driver);
    let rid = world.rids.borrow_mut().pop().unwrap();
    let topic = format!("$iothub/twin/res/200/?$rid={rid}");
    handle_publish(&world, topic.as_bytes(), Some(twin));
    is(&world.transcript(), &["> publish", "* Twin("]);
    let due = run(&mut driver);
    assert_eq!(due, Some((&world).now()));
    run(&mut driver);
    let transcript = world.transcript();
    assert!(
        transcript.len() == 1 && transcript[0].contains(r#"{"firmware":{"fwUpdateStatus""#),
        "{transcript:?}"
    );
    // Refused for now: it is the updater that tries again.
    answer(&world, 503);
    is(&world.transcript(), &[]);
    run(&mut driver);
    is(&world.transcript(), &[]);
    world.passes(Duration::from_secs(10));
    run(&mut driver);
    run(&mut driver);
    is(&world.transcript(), &["> publish"]);
    answer(&world, 204);
    is(&world.transcript(), &[]);

    // The application's own.
    world
        .client(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    run(&mut driver);
    is(&world.transcript(), &["> publish"]);
    answer(&world, 204);
    is(&world.transcript(), &["* Reported"]);
    world
        .client(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    run(&mut driver);
    answer(&world, 503);
    is(&world.transcript(), &["> publish", "* ReportFailed"]);
}

#[test]
fn without_updates_every_answer_is_the_applications() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    world
        .client(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    run(&mut driver);
    answer(&world, 204);
    is(&world.transcript(), &["> publish", "* Reported"]);
}
