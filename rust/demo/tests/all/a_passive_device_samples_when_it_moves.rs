//! `cfg.act` false: nothing while it stands, and while it moves a sample no more often than
//! `cfg.mvres`.

use std::{
    collections::BTreeSet,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use serde_json::{Value, json};

/// Milliseconds until it moves.
const STANDS: u64 = 10_000;

const TRACK: &str = r#"<gpx><trk><trkseg>
    <trkpt lat="-27.47" lon="153.02"><time>2024-05-01T08:00:00Z</time></trkpt>
    <trkpt lat="-27.47" lon="153.02"><time>2024-05-01T08:00:10Z</time></trkpt>
    <trkpt lat="-27.40" lon="153.02"><time>2024-05-01T08:10:00Z</time></trkpt>
    </trkseg></trk></gpx>"#;

#[test]
fn a_passive_device_samples_when_it_moves() {
    let mut world = World::new();
    fs::write(world.folder.path().join("track.gpx"), TRACK).expect("written");
    let (began, lines) = world.begin(&json!({ "gpx": "track.gpx" }));
    world.connected(&lines);
    let rest = world.bench.rest();
    let cfg = json!({ "act": false, "mvres": 2, "accito": 0.5, "mvt": 3600, "nod": ["gnss"] });
    let version = rest
        .patch_desired(DEVICE_ID, &json!({ "cfg": cfg }))
        .expect("patched");
    rest.until("an acknowledgement", TIMEOUT, |rest| {
        let twin = rest.twin(DEVICE_ID)?;
        Ok((twin["properties"]["reported"]["cfg"]["av"] == version).then_some(()))
    })
    .expect("acknowledged");
    let passive = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    let passive = u64::try_from(passive.as_millis()).expect("a number");

    let samples = rest
        .until("samples of the drive", TIMEOUT, |rest| {
            let messages = rest.telemetry(DEVICE_ID, 0)?;
            let readings = messages
                .iter()
                .filter_map(|message| message["body"]["bat"].as_array());
            let stamps = readings
                .flatten()
                .filter_map(|reading: &Value| reading["ts"].as_u64());
            let after: BTreeSet<_> = stamps.filter(|stamp| *stamp > passive).collect();
            Ok((after.len() >= 4).then_some(after))
        })
        .expect("it samples");
    let samples: Vec<_> = samples.into_iter().collect();
    assert!(
        samples.iter().all(|stamp| *stamp >= began + STANDS),
        "it stood until {}: {samples:?}",
        began + STANDS
    );
    // The device counts by another clock than the one that stamps.
    assert!(
        samples.windows(2).all(|pair| pair[1] - pair[0] >= 1900),
        "{samples:?}"
    );
}
