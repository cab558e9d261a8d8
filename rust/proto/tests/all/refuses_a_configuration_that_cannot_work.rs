//! What cannot work is refused before anything is sent, with an error that names the field.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use core::time::Duration;

use crate::support;
use crate::support::{Device, HUB, OUTBOX};
use iothub_proto::{Client, Config, ConfigError, Limits, Telemetry, dps};

fn refused(change: impl FnOnce(&mut Config<'static>)) -> Option<ConfigError> {
    let mut config = support::config();
    change(&mut config);
    Client::<OUTBOX>::new(&config).err()
}

#[test]
fn a_keep_alive_above_the_hubs_limit() {
    let with = |seconds, limit| {
        refused(|config| {
            config.keep_alive = Duration::from_secs(seconds);
            config.keep_alive_limit = Duration::from_secs(limit);
        })
    };
    let default = Config::new(HUB, "dev1").keep_alive_limit.as_secs();
    assert_eq!(default, 1177);
    assert_eq!(with(0, default), None);
    assert_eq!(with(1177, default), None);
    assert_eq!(with(1178, default), Some(ConfigError::KeepAlive));
    assert_eq!(with(1767, 1767), None);
    assert_eq!(with(1768, 1767), Some(ConfigError::KeepAlive));
    assert_eq!(with(1768, 9999), Some(ConfigError::KeepAlive));
}

#[test]
fn a_back_off_without_a_minimum_or_with_its_bounds_the_wrong_way_round() {
    let zero = Duration::ZERO;
    for change in [
        |config: &mut Config<'_>| config.backoff.min = Duration::ZERO,
        |config: &mut Config<'_>| config.backoff.authorisation_min = Duration::ZERO,
        |config: &mut Config<'_>| config.backoff.max = config.backoff.min / 2,
        |config: &mut Config<'_>| {
            config.backoff.authorisation_max = config.backoff.authorisation_min / 2;
        },
    ] {
        assert_eq!(refused(change), Some(ConfigError::Backoff));
    }
    assert_eq!(refused(|config| config.backoff.stable_after = zero), None);
}

/// The smallest packet buffer, or transmit buffer, for this device.
fn smallest(device_id: &'static str, set: fn(&mut Limits, usize)) -> (usize, ConfigError) {
    let with = |size| {
        refused(|config| {
            config.device_id = device_id;
            set(&mut config.limits, size);
        })
    };
    let size = (0..2000).find(|size| with(*size).is_none()).unwrap();
    (size, with(size - 1).unwrap())
}

const LONG: &str = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\
                    dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

fn words(device_id: &str) -> usize {
    let user_name = format!("{HUB}/{device_id}/?api-version=2021-04-12&DeviceClientType=t");
    device_id.len() + user_name.len()
}

#[test]
fn buffers_that_do_not_hold_connect_or_subscribe() {
    let packet = |limits: &mut Limits, size| limits.packet = size;
    let transmit = |limits: &mut Limits, size| limits.transmit = size;
    // SUBSCRIBE with its four filters is the longest where names are short, else CONNECT: its
    // header, "MQTT", level, flags, keep-alive, and a length before each of the two words.
    assert_eq!(smallest("dev1", packet), (130, ConfigError::PacketBuffer));
    let connect = 5 + 10 + 2 + 2 + words(LONG);
    assert_eq!(smallest(LONG, packet), (connect, ConfigError::PacketBuffer));
    // The host name with a 0 behind it goes through the transmit buffer as well.
    for device_id in ["dev1", LONG] {
        let expected = words(device_id) + 128 + 1;
        assert_eq!(
            smallest(device_id, transmit),
            (expected, ConfigError::TransmitBuffer)
        );
    }
}

/// Whatever DPS assigns has to fit, and so does what DPS itself is told.
#[test]
fn buffers_that_do_not_hold_the_longest_names_that_dps_can_assign() {
    let scope = &LONG[..32];
    let with = |packet, transmit| {
        refused(|config| {
            config.hostname = "";
            config.device_id = "";
            config.dps = Some(dps::Config::new(scope, LONG));
            config.limits = Limits { packet, transmit };
        })
    };
    // Hub, device and device again, in 128 bytes each.
    let words = words(LONG) - HUB.len() + 128;
    let (packet, transmit) = (5 + 10 + 2 + 2 + words, words + 128 + 1);
    assert_eq!(with(packet, transmit), None);
    assert_eq!(with(packet - 1, transmit), Some(ConfigError::PacketBuffer));
    assert_eq!(
        with(packet, transmit - 1),
        Some(ConfigError::TransmitBuffer)
    );

    let mut device = Device::new(|config| {
        config.hostname = "";
        config.device_id = "";
        config.dps = Some(dps::Config::new(scope, LONG));
        config.limits = Limits { packet, transmit };
    });
    device.act(|client, now| client.connect(now).unwrap());
    let written = device.take().join("\n");
    let user_name = format!("{scope}/registrations/{LONG}/api-version=2019-03-31&ClientVersion=t");
    assert!(written.contains(&user_name), "{written}");
}

#[test]
fn the_smallest_buffers_are_enough() {
    let mut device = Device::new(|config| {
        config.limits = Limits {
            packet: 130,
            transmit: words("dev1") + 128 + 1,
        };
        config.request_twin = true;
    });
    device.act(|client, now| {
        client.connect(now).unwrap();
        client.send(&Telemetry::new(b"")).unwrap();
    });
    device.connack(0);
    let written = device.take().join("\n");
    for command in [
        "> connect",
        "> subscribe",
        "$iothub/twin/GET/",
        "/messages/events/",
    ] {
        assert!(written.contains(command), "{written}");
    }
}
