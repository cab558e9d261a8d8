//! Prefixes: what is embedded is extracted, and discovery finds nothing that is not there.
#![no_main]

use iothub_proto::address::{Prefix, Prefixes, V6};
use iothub_proto::network::{Peer, PeerView};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let records: Vec<V6> = data
        .chunks_exact(16)
        .filter_map(|bytes| bytes.try_into().ok())
        .collect();
    let prefixes = Prefixes::discover(&records);
    for prefix in prefixes.iter() {
        let found = records.iter().filter_map(|record| prefix.extract(*record));
        assert!(
            found
                .into_iter()
                .any(|v4| matches!(v4, [192, 0, 0, 170 | 171]))
        );
    }
    for record in &records {
        let _ = PeerView::new(Peer::V6(*record), &prefixes);
        for length in 0..=255 {
            if let Some(prefix) = Prefix::new(*record, length) {
                assert_eq!(
                    prefix.extract(prefix.embed([1, 2, 3, 4])),
                    Some([1, 2, 3, 4])
                );
            }
        }
    }
});
