//! Every key that the demonstration makes can be read by its owner only, and none is printed.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::World;
use iothub_host::Network;

#[test]
fn keys_stay_private() {
    let mut world = World::new();
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
    let mut keys = 0;
    visit(world.folder.path(), &mut |path| {
        let content = fs::read(path).unwrap_or_default();
        if String::from_utf8_lossy(&content).contains("PRIVATE KEY-----") {
            let mode = fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
            keys += 1;
        }
    });
    assert!(keys >= 4, "root, intermediate, device, server: {keys}");
    for line in lines.all().iter().chain(&world.bench.hub_lines().all()) {
        assert!(!line.contains("PRIVATE"), "{line}");
    }
}

fn visit(folder: &Path, found: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, found)
        } else {
            found(&path)
        }
    }
}
