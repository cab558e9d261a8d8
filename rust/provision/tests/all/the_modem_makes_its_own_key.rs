//! `%KEYGEN`: the key stays in the modem, its request (with the modem's NULL parameters) is
//! accepted here and by OpenSSL, and the certificate fits.

use crate::support::{Bench, has_openssl};

#[test]
fn the_modem_makes_its_own_key() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|options| options.functional_mode = 1);
    let keygen = ["modem", "keygen", "--port", modem.port(), "--out", "d.csr"];
    bench.done(&keygen);
    let said = bench.fails(12, &keygen);
    assert!(
        said.contains("there is a key under this tag already"),
        "{said}"
    );
    bench.done(&["device", "create", "352656100367872", "--csr", "d.csr"]);
    assert!(!bench.path("dev-certs/devices/352656100367872.key").exists());

    let request = iothub_provision::pem::blocks(&bench.read("d.csr"))
        .unwrap()
        .remove(0)
        .der;
    let null_parameters = [
        0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 5, 0,
    ];
    assert!(request.windows(14).any(|found| found == null_parameters));

    let chain = "dev-certs/devices/352656100367872.chain.pem";
    let root = "dev-certs/rootca/rootca.pem";
    let write = [
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
    ];
    bench.done(&[&write[..], &["--ca", root, "--cert", chain]].concat());
    if has_openssl() {
        bench.openssl(&["req", "-in", "d.csr", "-verify", "-noout"]);
        bench.write("stored.key", &bench.stored(10, "key").unwrap());
        let leaf = "dev-certs/devices/352656100367872.pem";
        assert_eq!(
            bench.openssl(&["pkey", "-in", "stored.key", "-pubout"]),
            bench.openssl(&["x509", "-in", leaf, "-pubkey", "-noout"])
        );
    }
}
