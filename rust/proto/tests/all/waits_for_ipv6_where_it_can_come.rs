//! Waiting for the network: registered and activated, and IPv6 only where the PDN can give it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::Device;
use iothub_proto::network::Input::*;
use iothub_proto::network::{Config, Input, Peer};

const SECOND: Duration = Duration::from_secs(1);

fn waiting_for_network() -> Device {
    let mut device = Device::new(|config| config.network = Config::new());
    device.act(|client, now| client.connect(now).unwrap());
    device.expect("> attach");
    device
}

fn lines(device: &mut Device, inputs: &[Input]) -> Vec<String> {
    for input in inputs {
        device.network(*input);
    }
    device
        .take()
        .into_iter()
        .map(|line| {
            line.trim_start_matches("* Network(")
                .trim_end_matches(')')
                .into()
        })
        .collect()
}

fn connects(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with("> connect"))
}

#[test]
fn dual_stack_in_the_order_of_the_air() {
    let mut device = waiting_for_network();
    let before = lines(
        &mut device,
        &[
            Searching,
            Activated { reason: None },
            Registered { roaming: true },
        ],
    );
    assert_eq!(
        before,
        [
            "Registered { roaming: true }",
            "WaitingForIpv6 { timeout: 5s }"
        ]
    );
    let after = lines(&mut device, &[Ipv6Up]);
    assert_eq!(after[0], "Up(Families { v4: true, v6: true }");
    assert!(connects(&after));
}

#[test]
fn every_order_of_the_same_facts_ends_the_same() {
    let inputs = [
        Registered { roaming: false },
        Activated { reason: None },
        Ipv6Up,
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut device = waiting_for_network();
        let all = lines(&mut device, &order.map(|at| inputs[at]));
        assert!(
            all.contains(&"Up(Families { v4: true, v6: true }".into()),
            "{order:?}"
        );
        assert!(connects(&all), "{order:?}");
    }
}

#[test]
fn no_wait_where_only_ipv4_is_allowed() {
    for input in [Esm(50), Activated { reason: Some(0) }] {
        let mut device = waiting_for_network();
        let all = lines(
            &mut device,
            &[
                input,
                Activated { reason: None },
                Registered { roaming: false },
            ],
        );
        assert_eq!(
            all[..3],
            [
                "Registered { roaming: false }",
                "Ipv6NotComing(Ipv4Only",
                "Up(Families { v4: true, v6: false }"
            ]
        );
        assert!(connects(&all));
    }
}

#[test]
fn waiting_ends_and_goes_on_with_what_is_there() {
    let mut device = waiting_for_network();
    lines(
        &mut device,
        &[Activated { reason: None }, Registered { roaming: false }],
    );
    assert_eq!(device.wait_for_timer(), 5 * SECOND);
    let all = lines(&mut device, &[]);
    assert_eq!(
        all[..2],
        [
            "Ipv6NotComing(Timeout",
            "Up(Families { v4: true, v6: false }"
        ]
    );
    assert!(connects(&all));
    // It comes after all: told, and no reason to connect anew.
    assert_eq!(
        lines(&mut device, &[Ipv6Up]),
        ["Up(Families { v4: true, v6: true }"]
    );

    let mut device = waiting_for_network();
    lines(
        &mut device,
        &[Activated { reason: Some(1) }, Registered { roaming: false }],
    );
    assert_eq!(device.wait_for_timer(), 30 * SECOND);
    assert!(connects(&device.take()));
}

#[test]
fn an_ipv6_only_network_without_ipv6_is_none() {
    for only in [Esm(51), Activated { reason: Some(1) }] {
        let mut device = waiting_for_network();
        let all = lines(
            &mut device,
            &[
                only,
                Activated { reason: None },
                Registered { roaming: false },
                Ipv6Down,
            ],
        );
        assert_eq!(all.last().unwrap(), "Ipv6NotComing(Failed");
        assert!(connects(&lines(&mut device, &[Ipv6Up])));
    }
    // In a dual stack it ends the waiting.
    let mut device = waiting_for_network();
    let all = lines(
        &mut device,
        &[
            Activated { reason: None },
            Registered { roaming: false },
            Ipv6Down,
        ],
    );
    assert!(connects(&all));
}

#[test]
fn where_ipv6_has_failed_and_nothing_else_is_there_it_is_tried_all_the_same() {
    let mut device = waiting_for_network();
    let all = lines(
        &mut device,
        &[
            Activated { reason: Some(1) },
            Registered { roaming: false },
            Ipv6Down,
        ],
    );
    assert!(!connects(&all));
    assert_eq!(device.wait_for_timer(), 30 * SECOND);
    let all = lines(&mut device, &[]);
    assert_eq!(all[1], "Up(Families { v4: false, v6: false }");
    assert!(connects(&all));
}

#[test]
fn a_lost_network_ends_the_connection_and_its_return_is_not_waited_out() {
    for lost in [Deactivated, Detached] {
        let mut device = waiting_for_network();
        let up = [
            Activated { reason: None },
            Registered { roaming: false },
            Ipv6Up,
        ];
        lines(&mut device, &up);
        device.connack(0);
        device.suback(true);
        device.wait(10 * SECOND);
        device.skip();
        let all = lines(&mut device, &[lost]);
        assert_eq!(
            all[1..],
            ["Disconnected NetworkLost".to_string(), "> abort".into()].map(|l| {
                if l.starts_with('D') {
                    format!("* {l}")
                } else {
                    l
                }
            })
        );
        device.wait(3600 * SECOND);
        device.silent();
        assert!(connects(&lines(&mut device, &up)));
    }
}

#[test]
fn ipv6_lost_ends_only_what_it_carried() {
    let up = [
        Activated { reason: None },
        Registered { roaming: false },
        Ipv6Up,
    ];
    for (peer, ends) in [
        (Peer::V4([20, 0, 0, 1]), false),
        (Peer::V6([0x20; 16]), true),
    ] {
        let mut device = waiting_for_network();
        lines(&mut device, &up);
        device.connack(0);
        device.act(|client, _| client.handle_peer(peer));
        device.skip();
        let all = lines(&mut device, &[Ipv6Down]);
        assert_eq!(all.iter().any(|line| line == "> abort"), ends, "{all:?}");
    }
}

#[test]
fn suspension_and_lost_registration_keep_the_connection_but_start_none() {
    let up = [
        Activated { reason: None },
        Registered { roaming: false },
        Ipv6Up,
    ];
    let mut device = waiting_for_network();
    lines(&mut device, &up);
    device.connack(0);
    device.skip();
    assert!(
        lines(&mut device, &[Suspended, Searching])
            .iter()
            .all(|line| line != "> abort")
    );
    device.closed();
    device.wait(60 * SECOND);
    assert!(!connects(&device.take()));
    lines(&mut device, &[Registered { roaming: false }]);
    assert!(connects(&lines(&mut device, &[Resumed])));
}

#[test]
fn refusals_are_told() {
    let mut device = waiting_for_network();
    assert_eq!(lines(&mut device, &[Denied]), ["Refused(Denied"]);
    assert_eq!(lines(&mut device, &[UiccFail]), ["Refused(UiccFail"]);
}

#[test]
fn a_modem_that_does_not_start_is_tried_again() {
    let mut device = Device::new(|config| config.network = Config::new());
    device.fail("> attach", -1);
    device.act(|client, now| client.connect(now).unwrap());
    device.expect("> attach");
    assert!(device.wait_for_timer() >= SECOND);
    device.expect("> attach");
    device.wait(3600 * SECOND);
    device.silent();
}
