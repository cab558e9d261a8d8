//! A CA, a chain and a key arrive in the modem's store byte for byte, a second run sends nothing,
//! and the functional mode is as before.

use crate::support::Bench;

fn write<'a>(port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["modem", "creds", "write", "--port", port, "--tag", "10"];
    let files = [
        "--ca",
        "dev-certs/rootca/rootca.pem",
        "--cert",
        "dev-certs/devices/d1.chain.pem",
    ];
    [
        &all[..],
        &files[..],
        &["--key", "dev-certs/devices/d1.key"],
        more,
    ]
    .concat()
}

#[test]
fn credentials_are_written_and_verified() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let modem = bench.modem(|options| options.functional_mode = 1);
    let said = bench.done(&write(modem.port(), &["--trace", "trace.txt"]));
    assert!(
        said.contains("✓ tag 10, private key (241 bytes): written and verified"),
        "{said}"
    );
    for (stored, file) in [
        ("ca", "rootca/rootca.pem"),
        ("cert", "devices/d1.chain.pem"),
        ("key", "devices/d1.key"),
    ] {
        assert_eq!(
            bench.stored(10, stored).unwrap(),
            bench.read(&format!("dev-certs/{file}"))
        );
    }
    let info = bench.json(&["modem", "info", "--port", modem.port()]);
    assert_eq!(info["functionalMode"], "1");

    let trace = bench.read("trace.txt");
    assert!(trace.contains("→ AT+CFUN=4"), "{trace}");
    assert!(trace.contains("AT%CMNG=0,10,2,\"[secret, "), "{trace}");
    assert!(!trace.contains("PRIVATE KEY"));

    let said = bench.done(&write(modem.port(), &[]));
    assert_eq!(said.matches("there already").count(), 3, "{said}");
}

#[test]
fn another_key_is_overwritten_only_if_that_is_said() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let modem = bench.modem(|options| options.refuses_overwrite = true);
    bench.done(&write(modem.port(), &[]));
    bench.done(&["device", "create", "d1", "--replace"]);
    let said = bench.fails(5, &write(modem.port(), &[]));
    assert!(
        said.contains("another device certificate is under tag 10 already"),
        "{said}"
    );
    let said = bench.done(&write(modem.port(), &["--replace"]));
    assert!(
        said.contains("private key (241 bytes): replaced and verified"),
        "{said}"
    );
    assert_eq!(
        bench.stored(10, "key").unwrap(),
        bench.read("dev-certs/devices/d1.key")
    );
}

#[test]
fn files_of_other_tools_arrive_in_the_canonical_form() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let clean = bench.read("dev-certs/rootca/rootca.pem");
    let dump = "Certificate:\n    Data:\n".repeat(400) + &clean.replace('\n', "\r\n");
    bench.write("dump.pem", &dump);
    let modem = bench.modem(|options| options.firmware = "mfw_nrf91x1_2.0.4".to_owned());
    bench.done(&[
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
        "--ca",
        "dump.pem",
    ]);
    assert_eq!(bench.stored(10, "ca").unwrap(), clean);
}
