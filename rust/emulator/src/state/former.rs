//! Folders that an older emulator has left.

use std::path::Path;

use rusqlite::Connection;

use crate::hub::query::Query;
use crate::hub::registry;
use crate::store::{DATABASE, SCHEMA, Store};

/// What a folder of each former version has: `without` of these columns, and the number in
/// `user_version`.
fn former(path: &Path, version: i64, without: &[&str]) {
    let c = Connection::open(path).unwrap();
    let (devices, rest) = SCHEMA.split_once(';').unwrap();
    // Before 1 there was no index of tags, and before 2 no count of devices.
    let tables = match version {
        0 => String::new(),
        1 => rest[rest.find("-- Every text").unwrap()..rest.find("-- What management").unwrap()]
            .to_owned(),
        _ => rest.to_owned(),
    };
    c.execute_batch(&format!(
        "{devices}; {tables}; PRAGMA user_version = {version}"
    ))
    .unwrap();
    for (name, definition) in [
        ("parent", "TEXT"),
        ("managed_by", "TEXT"),
        ("configurations", "TEXT NOT NULL DEFAULT '{}'"),
    ] {
        if !without.contains(&name) {
            let add = format!("ALTER TABLE devices ADD COLUMN {name} {definition}");
            c.execute_batch(&add).unwrap();
        }
    }
    for (id, status) in [("a", "enabled"), ("a/m", "enabled"), ("b", "disabled")] {
        c.execute(
            "INSERT INTO devices (hub, id, generation_id, etag, status, status_updated, auth_type, primary_key, \
             secondary_key, created, tags, desired) VALUES ('h', ?1, 'g', 7, ?2, 0, 'sas', 'k', 'l', 0, ?3, '{\"x\":1}')",
            [id, status, "{\"site\":\"roof\"}"],
        )
        .unwrap();
    }
}

#[tokio::test]
async fn a_folder_of_each_former_version_opens() {
    for (version, without) in [
        (0, &["parent", "managed_by", "configurations"][..]),
        (1, &["parent", "managed_by", "configurations"]),
        (1, &["managed_by", "configurations"]),
        (2, &["managed_by", "configurations"]),
        (2, &["configurations"]),
        (2, &[]),
    ] {
        let case = format!("{version} without {without:?}");
        let folder = tempfile::tempdir().unwrap();
        former(&folder.path().join(DATABASE), version, without);
        // Twice, since what is brought up to date once stays so. Both stay open: who closes holds a
        // lock for a moment.
        let mut both = Vec::new();
        for _ in 0..2 {
            let store = Store::open(Some(folder.path()), false).expect(&case);
            let found = store.run(|c| {
                let device = registry::require(c, "h", "a")?;
                let plan = Query::parse("SELECT * FROM devices WHERE tags.site = 'roof'")?.plan();
                let found = registry::search(c, "h", &plan, "", 10)?.devices;
                let ids: Vec<String> = found.into_iter().map(|it| it.id).collect();
                device.save(c)?;
                Ok((device, registry::count(c, "h")?, ids))
            });
            let (device, counted, ids) = found.await.expect(&case);
            assert_eq!((device.etag, counted), (7, (2, 1)), "{case}");
            assert_eq!(device.desired.properties["x"], 1, "{case}");
            assert_eq!(ids, ["a", "b"], "{case}");
            let nothing = (None, None, true);
            let empty = device.configurations.is_empty();
            assert_eq!((device.parent, device.managed_by, empty), nothing, "{case}");
            both.push(store);
        }
    }
}
