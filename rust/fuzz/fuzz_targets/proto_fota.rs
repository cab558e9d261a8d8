//! The desired object `firmware`, a record, and inputs in any order: no panic, no loop, no text
//! that C would read on.
#![no_main]

use iothub_proto::fota::{COMMAND_MAX, Command, Config, ImageVersion, Reason, Updater};
use iothub_proto::{Errno, Instant, RequestId, twin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0xFF);
    let mut config = Config::new("1.0.0");
    config.record = parts.next().unwrap_or_default();
    config.confirmed = config.record.first().is_none_or(|byte| byte % 2 == 0);
    let mut now = Instant::from_millis(0);
    let mut updater = Updater::NEW;
    updater.boot(now, &config);
    let mut requests = 0;
    for part in parts {
        let (kind, rest) = part.split_first().unwrap_or((&0, &[]));
        let number = u32::from(rest.first().copied().unwrap_or_default());
        match kind % 10 {
            0 => updater.handle_progress(now, number, number * 2),
            1 if rest.is_empty() => updater.handle_done(now),
            1 => updater.handle_version(now, ImageVersion::new(number << 24, 0)),
            2 => updater.handle_failed(now, Reason::from_cause(number, 404)),
            3 => updater.handle_stopped(now),
            4 => updater.handle_ready(now),
            5 => {
                let result = (number % 2 == 0)
                    .then_some(())
                    .ok_or(twin::Failure::Timeout);
                updater.handle_reported(now, RequestId::new(requests), result);
            }
            6 => updater.handle_twin(
                now,
                &twin::Document {
                    request: RequestId::new(0),
                    version: 1,
                    json: rest,
                },
            ),
            _ => updater.handle_desired(
                now,
                &twin::Desired {
                    version: 1,
                    patch: rest,
                },
            ),
        }
        if let Some(at) = updater.poll_timeout().filter(|_| number % 3 == 0) {
            now = now.max(at);
            updater.handle_timeout(now);
        }
        let mut buffer = [0; COMMAND_MAX];
        let mut calls = 0;
        while let Some(command) = updater.poll_command(&mut buffer) {
            match command {
                Command::Start(source) => {
                    assert!(!source.host().is_empty() && !source.path().is_empty());
                    assert!(source.path().to_bytes().iter().all(u8::is_ascii_graphic));
                }
                Command::Report(json) => {
                    assert!(json.starts_with(b"{\"firmware\":{") && json.ends_with(b"}}"));
                    requests += 1;
                    updater.accepted(RequestId::new(requests));
                }
                _ => {}
            }
            let result = if number % 7 == 1 {
                Err(Errno(-5))
            } else {
                Ok(())
            };
            updater.complete(now, result);
            calls += 1;
            assert!(calls < 20, "a loop");
        }
        while updater.poll_event().is_some() {}
    }
});
