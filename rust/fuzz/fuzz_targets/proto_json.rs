//! JSON: looking into anything does not panic, what is accepted as a patch is what
//! serde_json_core's grammar can walk, and members that are found lie inside.
#![no_main]

use iothub_proto::twin::View;
use iothub_proto::{Client, Config};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let view = View::new(data);
    let mut buffer = [0; 64];
    let _ = view.number("a");
    let _ = view.text("a", &mut buffer);
    let _ = view.read::<u32>("a");
    let _ = view.read::<bool>("$version");
    let _ = view
        .object("desired")
        .map(|desired| desired.number("$version"));
    let members = view.members().count();
    let mut config = Config::new("hub.example", "dev1");
    config.network.enabled = false;
    config.limits.transmit = 65_536;
    let mut client = Client::<8192>::new(&config).expect("the configuration is good");
    if client.report(data, None).is_ok() {
        let colons = data.iter().filter(|byte| **byte == b':').count();
        assert!(members <= colons);
        for (_, value) in view.members() {
            assert!(!value.is_empty());
        }
    }
});
