//! The IPv4 address behind a NAT64 is told for certain where the prefix is known: well known, or
//! discovered by `ipv4only.arpa`, as long as the network is the same.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use crate::support::Device;
use iothub_proto::Event;
use iothub_proto::network::{Input, Peer, PeerView};

/// 20.49.110.3 under 2001:db8:64::/96.
const HUB: [u8; 16] = [
    0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0, 20, 49, 110, 3,
];
/// The same under 2001:db8:64::/48, which has no shape of its own.
const HUB_48: [u8; 16] = [
    0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 20, 49, 0, 110, 3, 0, 0, 0, 0, 0,
];
/// `ipv4only.arpa` under each.
const RECORDS: [[u8; 16]; 1] = [[
    0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0, 192, 0, 0, 170,
]];
const RECORDS_48: [[u8; 16]; 1] = [[
    0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 192, 0, 0, 0, 170, 0, 0, 0, 0, 0,
]];
const V4: [u8; 4] = [20, 49, 110, 3];

fn view(device: &mut Device, address: [u8; 16]) -> PeerView {
    device.client.handle_peer(Peer::V6(address));
    let mut last = None;
    while let Some(event) = device.client.poll_event() {
        if let Event::Peer(view) = event {
            last = Some(view);
        }
    }
    last.expect("it is told")
}

fn nat64(address: [u8; 16], prefix: u8, certain: bool) -> PeerView {
    PeerView::Nat64 {
        address,
        prefix,
        v4: V4,
        certain,
    }
}

#[test]
fn a_prefix_counts_once_it_is_discovered_and_until_the_network_is_lost() {
    let mut device = Device::new(|config| config.network.enabled = true);
    assert_eq!(view(&mut device, HUB), nat64(HUB, 96, false));
    assert_eq!(view(&mut device, HUB_48), PeerView::V6(HUB_48));

    device.client.handle_ipv4only(&RECORDS);
    assert_eq!(view(&mut device, HUB), nat64(HUB, 96, true));
    device.client.handle_ipv4only(&RECORDS_48);
    assert_eq!(view(&mut device, HUB_48), nat64(HUB_48, 48, true));

    for input in [
        Input::Registered { roaming: false },
        Input::Activated { reason: None },
        Input::Ipv6Up,
    ] {
        device.network(input);
    }
    assert_eq!(view(&mut device, HUB_48), nat64(HUB_48, 48, true));
    device.network(Input::Detached);
    assert_eq!(view(&mut device, HUB_48), PeerView::V6(HUB_48));
}

#[test]
fn without_a_nat64_nothing_is_made_certain() {
    let mut device = Device::new(|_| ());
    device.client.handle_ipv4only(&RECORDS);
    device.client.handle_ipv4only(&[]);
    assert_eq!(view(&mut device, HUB), nat64(HUB, 96, false));
    let well_known = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 20, 49, 110, 3];
    assert_eq!(view(&mut device, well_known), nat64(well_known, 96, true));
}
