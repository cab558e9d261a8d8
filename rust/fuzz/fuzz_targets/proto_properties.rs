//! A property bag: decoding agrees with finding, and neither panics.
#![no_main]

use iothub_proto::Properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let properties = Properties::new(data);
    let (mut name, mut value) = ([0; 64], [0; 64]);
    for property in properties.iter() {
        let (raw, raw_value) = property.raw();
        assert!(!raw.contains(&b'=') && !raw.contains(&b'&'));
        if let Ok(name) = property.name(&mut name) {
            assert!(property.is_named(name));
            assert!(properties.find(name).is_some());
        }
        if let Ok(value) = property.value(&mut value) {
            assert_eq!(value.is_some(), raw_value.is_some());
        }
    }
});
