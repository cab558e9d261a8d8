//! When LTE is switched on and off, and what the loss of the network does.

use super::*;

#[test]
fn lte_is_switched_on_where_that_is_the_drivers_business_alone() {
    for attach in [true, false] {
        // The gate asks for it; the application has said who may.
        let world = World::new(attach, |config| config.network.enabled = true);
        let mut driver = Driver::new(&world, Attempts::default());
        world.client(|client, now| client.connect(now)).unwrap();
        run(&mut driver);
        let transcript = world.transcript();
        if attach {
            is(&transcript, &["> attach"]);
        } else {
            is(&transcript, &[]);
        }
        world.push(REGISTERED);
        world.push(ACTIVATED);
        world.push(Input::Network(network::Input::Ipv6Up));
        run(&mut driver);
        let transcript = world.transcript();
        assert!(transcript.contains(&"> connect".into()), "{transcript:?}");
    }
}

#[test]
fn a_modem_that_has_stopped_is_started_again_and_lte_only_where_it_was_on() {
    for connect in [true, false] {
        let world = World::new(true, |_| {});
        let mut driver = Driver::new(&world, Attempts::default());
        if connect {
            world.client(|client, now| client.connect(now)).unwrap();
        }
        run(&mut driver);
        world.transcript();
        world.push(Input::ModemStopped { fault: 1 });
        let due = run(&mut driver).unwrap();
        assert_eq!(due, (&world).now() + Duration::from_secs(10));
        world.passes(Duration::from_millis(9_999));
        run(&mut driver);
        assert!(world.transcript().iter().all(|line| line.starts_with('*')));
        world.failure.replace(Some(("> ShutDown", -5)));
        world.passes(Duration::from_millis(1));
        let due = run(&mut driver).unwrap();
        is(&world.transcript(), &["> ShutDown"]);
        assert_eq!(due, (&world).now() + Duration::from_secs(10));
        world.passes(Duration::from_secs(10));
        let due = run(&mut driver);
        let calls = world.transcript();
        if connect {
            is(&calls, &["> ShutDown", "> Initialise", "> SwitchOn"]);
        } else {
            is(&calls, &["> ShutDown", "> Initialise"]);
            assert_eq!(due, None);
        }
    }
}

#[test]
fn without_a_sim_lte_is_switched_off_and_on() {
    let world = World::new(true, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    world.push(Input::Network(network::Input::UiccFail));
    run(&mut driver);
    world.transcript();
    world.passes(Duration::from_secs(299));
    run(&mut driver);
    is(&world.transcript(), &[]);
    world.passes(Duration::from_secs(1));
    run(&mut driver);
    is(&world.transcript(), &["> SwitchOff", "> SwitchOn"]);
}

#[test]
fn the_loss_of_the_network_does_not_make_the_back_off_grow() {
    let world = World::new(true, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    for attempt in 1..=5 {
        world.push(REGISTERED);
        world.push(ACTIVATED);
        world.push(Input::Network(network::Input::Ipv6Up));
        run(&mut driver);
        world.push(CONNACK);
        run(&mut driver);
        world.push(Input::Suback {
            message_id: subscribe_id(&world),
            granted: true,
        });
        run(&mut driver);
        let transcript = world.transcript();
        assert!(
            transcript.contains(&"* Connecting { attempt: 1 }".into()),
            "{attempt}: {transcript:#?}"
        );
        world.push(Input::Network(network::Input::Detached));
        run(&mut driver);
        let transcript = world.transcript();
        let end = Event::Disconnected {
            cause: Disconnect::NetworkLost,
            retry_in: None,
        };
        assert!(
            transcript.contains(&format!("* {end:?}")),
            "{transcript:#?}"
        );
        assert!(
            !transcript.iter().any(|line| line.starts_with("> store")),
            "{transcript:#?}"
        );
        // Longer than two connects have to lie apart.
        world.passes(Duration::from_secs(5));
    }
}
