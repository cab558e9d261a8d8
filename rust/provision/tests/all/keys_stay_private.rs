//! Keys are readable by their owner only, stay out of version control, and no command prints one.

use crate::support::{Bench, text};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn keys_stay_private() {
    let bench = Bench::new();
    let commands: [&[&str]; 9] = [
        &["ca", "create"],
        &["device", "create", "d1"],
        &["server", "hub", "--host", "localhost"],
        &[
            "ca",
            "csr",
            "--name",
            "factory",
            "--common-name",
            "Factory-Y",
        ],
        &["ca", "list"],
        &["ca", "renew", "subca"],
        &["ca", "export", "--to", "shared"],
        &["device", "list"],
        &["device", "verify", "d1"],
    ];
    let mut said = String::new();
    for command in commands {
        said += &text(&bench.tool(command));
        said += &text(&bench.tool(&[command, &["--json"]].concat()));
    }
    let mut keys = 0;
    for (path, content) in bench.snapshot() {
        let content = String::from_utf8(content).unwrap();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        if content.contains("PRIVATE KEY") {
            keys += 1;
            assert_eq!(mode, 0o600, "{}", path.display());
            assert!(!path.starts_with(bench.path("shared")));
            let body = content.lines().nth(1).unwrap();
            assert!(!said.contains(body), "{} was printed", path.display());
        }
        let beside = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .ends_with(".new");
        assert!(!beside, "{} was left behind", path.display());
    }
    assert_eq!(keys, 5);
    assert_eq!(bench.read("dev-certs/.gitignore"), "*\n");
    assert!(!said.contains("PRIVATE KEY"));
}
