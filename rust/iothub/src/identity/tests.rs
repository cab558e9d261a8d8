//! What stands in the settings is damaged: the device goes on with Kconfig's.
#![allow(clippy::unwrap_used, reason = "tests")]

extern crate std;

use std::{fs, path::PathBuf, string::String, sync::OnceLock};

use super::*;
use crate::{Event, Options, TELEMETRY_INTERVAL, telemetry_interval};

/// The folder of the one process' settings, empty; one thread at a time has it.
fn with_settings(f: impl FnOnce(&dyn Fn(&CStr, &[u8]))) {
    static FOLDER: OnceLock<(tempfile::TempDir, std::sync::Mutex<()>)> = OnceLock::new();
    let (folder, turn) = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = iothub_host::Options::new(folder.path());
        options.hardware_id = Some(HARDWARE_ID.into());
        iothub_host::start(options).unwrap();
        (folder, std::sync::Mutex::new(()))
    });
    let _guard = turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let settings: PathBuf = folder.path().join("settings");
    let _ = fs::remove_dir_all(&settings);
    f(&|key, value| {
        let path = settings.join(key.to_str().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value).unwrap();
    });
}

const HARDWARE_ID: &str = "352656100000001";

/// Each text with what is none of its kind though it is text, and one that is.
const TEXTS: [(&Setting, &[&str], &str); 10] = [
    (&key::HOSTNAME, NO_HOSTNAMES, "hub.azure-devices.net"),
    (&key::DEVICE_ID, NO_IDS, "thermometer-17:a@b"),
    (
        &key::APN,
        &["a b", "a\",\"b", "a\r\nAT", "é", "a\0b"],
        "iot.1nce.net",
    ),
    (
        &key::DPS_ID_SCOPE,
        &["0ne 1", "0ne_1", "0ne/1", "é", "a\0b"],
        "0ne00000001",
    ),
    (&key::DPS_ENDPOINT, NO_HOSTNAMES, "dps.example"),
    (
        &key::DPS_REGISTRATION_ID,
        &["a b", "a/b", "a.", "a*", "é", "a\0b"],
        "thermometer-17",
    ),
    (&key::ASSIGNED_HUB, NO_HOSTNAMES, "hub.azure-devices.net"),
    (&key::ASSIGNED_DEVICE_ID, NO_IDS, "thermometer-17"),
    (&key::NORDIC_HUB, NO_HOSTNAMES, "hub.azure-devices.net"),
    (&key::NORDIC_DEVICE_ID, NO_IDS, "thermometer-17"),
];
const NO_HOSTNAMES: &[&str] = &["a b", "https://hub", "hub:8883", "hub/", "hüb", "hub\0x"];
const NO_IDS: &[&str] = &["a b", "a/b", "a+", "#", "é", "a\0b", "\"a\""];

#[test]
fn a_text_that_is_none_of_its_kind_is_ignored() {
    with_settings(|write| {
        let too_long = "a".repeat(TEXT + 1);
        for (setting, damaged, valid) in TEXTS {
            let mut text = Text::new();
            let mut chosen = |value: &[u8]| {
                write(setting.key, value);
                choose(&mut text, "", setting, "of-kconfig");
                String::from(text.as_str())
            };
            assert_eq!(chosen(valid.as_bytes()), valid, "{:?}", setting.key);
            // As Zephyr's shell writes a text, and Nordic's library before NCS 2.3 the hub's name.
            let ended = std::format!("{valid}\0");
            assert_eq!(chosen(ended.as_bytes()), valid, "{:?}", setting.key);
            let damaged = damaged.iter().map(|text| text.as_bytes());
            for value in damaged.chain([too_long.as_bytes(), b"\xff\xff", b"\0\0", b"a\0\0"]) {
                assert_eq!(chosen(value), "of-kconfig", "{:?}: {value:?}", setting.key);
            }
            assert_eq!(chosen(b" \n"), "of-kconfig", "{:?}: empty", setting.key);
        }
    });
}

/// The same judgement, made before the value is stored.
#[test]
fn what_would_not_count_is_known_before_it_is_stored() {
    let too_long = "a".repeat(TEXT + 1);
    for (setting, damaged, valid) in &TEXTS[..6] {
        let counts = |value: &[u8]| setting_counts(setting.key, value).unwrap();
        assert!(
            counts(valid.as_bytes()) && counts(b"") && counts(b" \n"),
            "{:?}",
            setting.key
        );
        let damaged = damaged.iter().map(|text| text.as_bytes());
        for value in damaged.chain([too_long.as_bytes(), b"\xff\xff", b"\0\0"]) {
            assert!(!counts(value), "{:?}: {value:?}", setting.key);
        }
    }
    for key in [c"iothub/telemetry_interval", c"iothub/fota/trial_s"] {
        for value in [&b"1"[..], b"86400", b"60\n", b""] {
            assert_eq!(setting_counts(key, value), Some(true), "{key:?}: {value:?}");
        }
        for value in [&b"0"[..], b"86401", b"-5", b"ten", b"\xff"] {
            assert_eq!(
                setting_counts(key, value),
                Some(false),
                "{key:?}: {value:?}"
            );
        }
    }
    assert_eq!(setting_counts(key::ATTEMPTS, b"1"), None);
}

#[test]
fn a_number_that_is_none_is_ignored() {
    with_settings(|write| {
        for damaged in [
            &b"x"[..],
            b"5x",
            b"-1",
            b"1234",
            b"\xff",
            b"12345678901234567",
        ] {
            write(key::ATTEMPTS, damaged);
            assert_eq!(Attempts::load().0, [0; CLASSES], "{damaged:?}");
        }
        for (text, counts) in [
            (&b"7"[..], [7, 0, 0]),
            (b"512\n", [5, 1, 2]),
            (b"9\0", [9, 0, 0]),
            (b"", [0; 3]),
        ] {
            write(key::ATTEMPTS, text);
            assert_eq!(Attempts::load().0, counts, "{text:?}");
        }
        for text in [&b"90"[..], b"90\n", b"90\0"] {
            write(c"iothub/telemetry_interval", text);
            assert_eq!(telemetry_interval().as_secs(), 90, "{text:?}");
        }
        for damaged in [&b"x"[..], b"0", b"86401", b"\xff", b"12345678901234567"] {
            write(c"iothub/telemetry_interval", damaged);
            assert_eq!(telemetry_interval(), TELEMETRY_INTERVAL, "{damaged:?}");
        }
    });
}

/// Half an assignment would be a device at another's hub.
#[test]
fn an_assignment_with_a_damaged_half_is_none() {
    with_settings(|write| {
        write(key::DPS_ID_SCOPE.key, b"0ne00000001");
        for (hub, device_id) in [
            (&key::ASSIGNED_HUB, &key::ASSIGNED_DEVICE_ID),
            (&key::NORDIC_HUB, &key::NORDIC_DEVICE_ID),
        ] {
            for (hostname, id, is_there) in [
                ("hub.example", "device", true),
                ("hub example", "device", false),
                ("hub.example", "de vice", false),
            ] {
                write(hub.key, hostname.as_bytes());
                write(device_id.key, id.as_bytes());
                let mut identity = Identity::default();
                identity.load(&DeviceIdentity::Configured);
                assert_eq!(identity.assignment().is_some(), is_there, "{hostname} {id}");
            }
            write(hub.key, b"");
            write(device_id.key, b"");
        }
    });
}

/// Of two libraries' assignments this one's counts, and a part of it hides all of the other's.
#[test]
fn what_was_assigned_last_is_read_back() {
    with_settings(|write| {
        let load = || {
            let (mut hub, mut device_id) = (Text::new(), Text::new());
            load_assignment(&mut hub, &mut device_id);
            (String::from(hub.as_str()), String::from(device_id.as_str()))
        };
        write(key::NORDIC_HUB.key, b"hub.nordic");
        write(key::NORDIC_DEVICE_ID.key, b"device-nordic");
        assert_eq!(load(), ("hub.nordic".into(), "device-nordic".into()));
        write(key::ASSIGNED_HUB.key, b"hub.own");
        assert_eq!(load(), ("hub.own".into(), String::new()));
        store_assignment("hub.example", "device-1").unwrap();
        assert_eq!(load(), ("hub.example".into(), "device-1".into()));
        erase_assignment().unwrap();
        assert_eq!(load(), (String::new(), String::new()));
    });
}

#[test]
fn an_access_point_name_ends_in_a_0() {
    with_settings(|write| {
        assert_eq!(apn(), None);
        write(key::APN.key, b"iot.1nce.net");
        assert_eq!(apn().as_deref(), Some("iot.1nce.net\0"));
        write(key::APN.key, &[b'a'; APN]);
        assert_eq!(apn().map(|apn| apn.len()), Some(APN + 1));
        write(key::APN.key, &[b'a'; APN + 1]);
        assert_eq!(apn(), None);
    });
}

/// Every setting at once, and the device still has what to connect with.
#[test]
fn the_device_starts_with_damaged_settings() {
    with_settings(|write| {
        let damage = |without: &Setting| {
            for (setting, damaged, _) in TEXTS {
                if setting.key != without.key {
                    write(setting.key, damaged[0].as_bytes());
                }
            }
        };
        damage(&key::DPS_ID_SCOPE);
        write(key::DPS_ID_SCOPE.key, b"0ne00000001");
        let options = Options::new(&|_: Event<'_>| {});
        let configured = options.with_config(&mut |config| {
            let dps = config.dps.as_ref().unwrap();
            assert_eq!(dps.id_scope, "0ne00000001");
            assert_eq!(dps.hostname, kconfig::IOTHUB_DPS_HOSTNAME);
            assert_eq!(dps.registration_id, HARDWARE_ID);
            assert!(config.assignment.is_none());
            Ok(())
        });
        assert_eq!(configured, Ok(()));

        damage(&key::HOSTNAME);
        write(key::HOSTNAME.key, b"hub.example");
        let configured = options.with_config(&mut |config| {
            assert!(config.dps.is_none());
            assert_eq!(config.hostname, "hub.example");
            assert_eq!(config.device_id, HARDWARE_ID);
            Ok(())
        });
        assert_eq!(configured, Ok(()));
        assert_eq!(apn(), None);
    });
}

#[test]
fn the_c_api_reads_and_forgets_what_dps_has_assigned() {
    use crate::capi_support::Assigned;
    with_settings(|_| {
        let mut buffer = [0; 32];
        assert_eq!(Assigned::Hub.load(&mut buffer), None);
        let command = iothub_proto::Command::StoreAssignment {
            hostname: "hub.example",
            device_id: "device-1",
        };
        assert_eq!(crate::execute::command(&command), (Ok(()), None));
        assert_eq!(Assigned::Hub.load(&mut buffer), Some("hub.example"));
        assert_eq!(Assigned::DeviceId.load(&mut buffer), Some("device-1"));
        assert_eq!(Assigned::Hub.load(&mut [0; 10]), None, "no room");
        assert_eq!(Assigned::DeviceId.load(&mut [0; 8]), Some("device-1"));
        Assigned::DeviceId.forget().unwrap();
        assert_eq!(Assigned::DeviceId.load(&mut buffer), None);
        assert_eq!(Assigned::Hub.load(&mut buffer), Some("hub.example"));
        Assigned::Hub.forget().unwrap();
        assert_eq!(Assigned::Hub.load(&mut buffer), None);
        crate::execute::command(&command).0.unwrap();
        let erase = iothub_proto::Command::EraseAssignment;
        assert_eq!(crate::execute::command(&erase), (Ok(()), None));
        assert_eq!(Assigned::Hub.load(&mut buffer), None);
    });
}

#[test]
fn failed_connects_are_counted_over_a_reboot_by_class() {
    with_settings(|write| {
        let load = || Attempts::load().failures();
        assert_eq!(load(), Failures::default());
        let failures = Failures {
            transient: 3,
            refused_by_hub: 0,
            refused_by_dps: 12,
        };
        let mut attempts = Attempts::load();
        assert!(attempts.update(&failures));
        assert!(!attempts.update(&failures), "the same again");
        attempts.store();
        let mut buffer = [0; 8];
        let stored = settings::read(key::ATTEMPTS, &mut buffer);
        assert_eq!(stored.unwrap(), Some(&b"309"[..]));
        let expected = Failures {
            refused_by_dps: 9,
            ..failures
        };
        assert_eq!(load(), expected);
        assert!(attempts.update(&Failures::default()));
        attempts.store();
        assert_eq!(settings::read(key::ATTEMPTS, &mut buffer).unwrap(), None);
        for (text, transient) in [
            (&b"5"[..], 5),
            (b"50", 5),
            (b"x", 0),
            (b"1234", 0),
            (b"", 0),
        ] {
            write(key::ATTEMPTS, text);
            assert_eq!(load().transient, transient, "{text:?}");
        }
    });
}

#[test]
fn the_trial_of_an_image_is_the_settings_or_none() {
    use crate::fota::{TRIAL, trial_s};
    with_settings(|write| {
        assert_eq!(trial_s(), None);
        write(TRIAL, b"77");
        assert_eq!(trial_s(), Some(77));
        write(TRIAL, b"0");
        assert_eq!(trial_s(), None);
        write(TRIAL, &[b'1'; 17]);
        assert_eq!(trial_s(), None, "more than is read");
    });
}

#[test]
fn an_update_begins_with_what_runs_and_with_the_record_of_the_last() {
    use crate::fota::{FOTA, Firmware, execute, prepare};
    with_settings(|write| {
        let booted = |firmware| {
            let found = std::cell::RefCell::new(None);
            prepare(firmware, &|config| {
                let record = String::from_utf8(config.record.to_vec()).unwrap();
                let policy = config.policy;
                *found.borrow_mut() = Some((record, policy.reboot, policy.trial_s));
            });
            found.into_inner()
        };
        assert_eq!(booted(Firmware::Off), None);
        if !FOTA {
            return;
        }
        let own = kconfig::IOTHUB_FOTA_TRIAL_S as u32;
        assert_eq!(
            booted(Firmware::Automatic),
            Some((String::new(), true, own))
        );
        let command = iothub_proto::fota::Command::Store(b"a record");
        assert_eq!(execute(&command), Ok(()));
        write(crate::fota::TRIAL, b"77");
        assert_eq!(
            booted(Firmware::Application),
            Some(("a record".into(), false, 77))
        );
        assert_eq!(execute(&iothub_proto::fota::Command::Store(b"")), Ok(()));
        assert_eq!(
            booted(Firmware::Application),
            Some((String::new(), false, 77))
        );
    });
}

/// By the names of the setting and of the option, since those are what is to be changed.
#[test]
fn what_cannot_start_names_the_setting_and_the_option() {
    use crate::{ConfigError, StartError};
    for (error, setting, option) in [
        (
            ConfigError::Hostname,
            "iothub/hostname",
            "CONFIG_IOTHUB_HOSTNAME",
        ),
        (
            ConfigError::DeviceId,
            "iothub/device_id",
            "CONFIG_IOTHUB_DEVICE_ID",
        ),
        (
            ConfigError::IdScope,
            "iothub/dps/id_scope",
            "CONFIG_IOTHUB_DPS_ID_SCOPE",
        ),
        (
            ConfigError::RegistrationId,
            "iothub/dps/registration_id",
            "CONFIG_IOTHUB_DPS_REGISTRATION_ID",
        ),
    ] {
        let text = std::string::ToString::to_string(&StartError::Config(error));
        assert!(
            text.starts_with(&std::string::ToString::to_string(&error)),
            "{text}"
        );
        assert!(text.contains(setting) && text.ends_with(option), "{text}");
    }
    let started = std::string::ToString::to_string(&StartError::AlreadyStarted);
    assert!(
        !started.is_empty() && !started.contains("CONFIG"),
        "{started}"
    );
}

/// There is no network here: each call of C fails, and says so.
#[test]
fn what_c_refuses_is_the_result_of_a_command() {
    use iothub_proto::{Command, Filter};
    with_settings(|_| {
        for command in [
            Command::Connect {
                hostname: c"hub.example",
                client_id: "device",
                user_name: "user",
            },
            Command::Subscribe {
                message_id: 1,
                filters: &[Filter { topic: "a", qos: 0 }],
            },
            Command::Publish {
                message_id: 1,
                topic: "a",
                payload: b"",
                qos: 0,
                dup: false,
            },
            Command::Disconnect,
        ] {
            let (result, peer) = crate::execute::command(&command);
            assert!(result.is_err(), "{command:?}");
            assert_eq!(peer, None);
        }
        assert_eq!(crate::execute::step(crate::retry::Step::Nothing), Ok(()));
    });
}
