//! The house: a file of a room names only rooms below its own; doors know all rooms, and no door
//! knows another that knows it.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From the ground up. What is not named here is a door: it stands above all of these.
const FLOORS: &[&str] = &[
    "code",
    "clock",
    "fields",
    "host",
    "random",
    "etag",
    "id",
    "file",
    "stop",
    "throttle",
    "properties",
    "settings",
    "journal",
    "options",
    "store",
    "faults",
    "auth",
    "http_client",
    "blobs",
    "hub",
    "configurations",
    "jobs",
    "routing",
    "dps",
    "fault_timetable",
    "state",
    "offline",
];
/// They put the house together.
const ASSEMBLY: &[&str] = &["lib", "main", "emulator", "fuzzing"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The room of a file and each other room that it names.
fn arrows(source: &Path) -> BTreeSet<(String, String)> {
    let mut all = Vec::new();
    files(source, &mut all);
    let mut arrows = BTreeSet::new();
    for path in all {
        let inside = path.strip_prefix(source).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        let room = room.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // Its tests may look at more than it does.
        let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        for after in text.split("crate::").skip(1) {
            let name: String = after
                .chars()
                .take_while(|it| it.is_ascii_alphanumeric() || *it == '_')
                .collect();
            if name != room && !name.is_empty() {
                arrows.insert((room.clone(), name));
            }
        }
    }
    arrows
}

#[test]
fn no_room_names_one_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let arrows = arrows(&source);
    let floor = |room: &str| {
        FLOORS
            .iter()
            .position(|it| *it == room)
            .unwrap_or(FLOORS.len())
    };
    let mut wrong = Vec::new();
    for (room, named) in &arrows {
        if ASSEMBLY.contains(&room.as_str()) {
            continue;
        }
        let is_door = |it: &str| floor(it) == FLOORS.len();
        let back = (named.clone(), room.clone());
        let both_ways = is_door(room) && is_door(named) && arrows.contains(&back);
        if floor(named) > floor(room) || ASSEMBLY.contains(&named.as_str()) || both_ways {
            wrong.push(format!("{room} names {named}"));
        }
    }
    // It does see the arrows that there are.
    assert!(arrows.contains(&("dps".to_owned(), "hub".to_owned())));
    assert_eq!(wrong, Vec::<String>::new());
}
