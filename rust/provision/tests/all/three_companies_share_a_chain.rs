//! The supply chain of Microsoft's X.509 page: a company signs a factory, the factory signs a
//! technician, the technician signs a device. Each has a folder of its own and only its own key.

use crate::support::{Bench, has_openssl};

#[test]
fn three_companies_share_a_chain() {
    let bench = Bench::new();
    let at = |home: &str, command: &str| {
        let mut all: Vec<&str> = command.split(' ').collect();
        all.extend(["--home", home]);
        bench.done(&all)
    };
    at("company", "ca create --name root --common-name Company-X");
    at("factory", "ca csr --name factory --common-name Factory-Y");
    at(
        "company",
        "ca sign-ca --issuer root --csr factory/factory/factory.csr --path-length 1 --out factory.pem",
    );
    at("factory", "ca import-chain --name factory factory.pem");
    at(
        "bench",
        "ca csr --name technician --common-name Technician-Z",
    );
    at(
        "factory",
        "ca sign-ca --issuer factory --csr bench/technician/technician.csr --path-length 0 --out technician.pem",
    );
    at("bench", "ca import-chain --name technician technician.pem");
    at("bench", "device create d1 --issuer technician");
    at(
        "company",
        "device verify d1 --chain bench/devices/d1.chain.pem",
    );

    let chain = bench.read("bench/devices/d1.chain.pem");
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 3);
    let keys: Vec<String> = bench
        .snapshot()
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "key"))
        .map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        keys,
        ["d1.key", "technician.key", "root.key", "factory.key"]
    );
    if has_openssl() {
        let arguments = ["verify", "-x509_strict", "-CAfile", "company/root/root.pem"];
        bench.openssl(
            &[
                &arguments[..],
                &["-untrusted", "technician.pem", "bench/devices/d1.pem"],
            ]
            .concat(),
        );
    }
}
