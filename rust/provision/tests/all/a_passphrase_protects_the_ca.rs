//! A CA whose key is encrypted signs only with its passphrase, which comes from a file.

use crate::support::{Bench, has_openssl};

#[test]
fn a_passphrase_protects_the_ca() {
    let bench = Bench::new();
    bench.write("right", "correct horse\n");
    bench.write("wrong", "battery staple\n");
    bench.done(&["ca", "create", "--passphrase-file", "right"]);
    assert!(
        bench
            .read("dev-certs/subca/subca.key")
            .contains("BEGIN ENCRYPTED PRIVATE KEY")
    );

    let create = ["device", "create", "d1"];
    let said = bench.fails(7, &create);
    assert!(
        said.contains("subca.key: the key is encrypted and no passphrase is given"),
        "{said}"
    );
    let said = bench.fails(
        7,
        &[&create[..], &["--signer-passphrase-file", "wrong"]].concat(),
    );
    assert!(said.contains("does not open the key"), "{said}");
    assert!(!bench.path("dev-certs/devices").exists());

    bench.done(&[&create[..], &["--signer-passphrase-file", "right"]].concat());
    bench.done(&["device", "verify", "d1"]);
    if has_openssl() {
        let key = "dev-certs/rootca/rootca.key";
        bench.openssl(&[
            "pkey",
            "-in",
            key,
            "-passin",
            "file:right",
            "-check",
            "-noout",
        ]);
    }
}
