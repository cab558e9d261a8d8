//! The modem's attestation goes into a list, once a device, and the devices of the list are
//! claimed.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use crate::support::stub::Stub;

#[test]
fn devices_are_claimed_by_their_attestation() {
    let bench = Bench::new();
    bench.write("key", "team-key\n");
    let list = |imei: &str, model: &str| {
        let modem = bench.modem(|options| {
            options.imei = imei.to_owned();
            options.model = model.to_owned();
        });
        let attest = [
            "nrfcloud",
            "attestation-csv",
            "--port",
            modem.port(),
            "--out",
            "list.csv",
        ];
        bench.done(&attest)
    };
    let said = list("352656100367872", "nRF9151-LACA");
    assert!(!said.contains("nRF9160"), "{said}");
    let first = bench.read("list.csv");
    let fields: Vec<&str> = first.trim_end().split(',').collect();
    assert_eq!((fields.len(), fields[0]), (4, "352656100367872"));
    assert_eq!(fields[1].len(), 36);
    list("352656100367872", "nRF9151-LACA");
    assert_eq!(bench.read("list.csv").lines().count(), 1);
    assert!(list("352656100367880", "nRF9160-SICA").contains("does not take an nRF9160"));
    assert_eq!(bench.read("list.csv").lines().count(), 2);

    let cloud = Stub::start(|asked| match asked.body.contains("second") {
        true => (409, r#"{"message":"claimed already"}"#.to_owned()),
        false => (201, "{}".to_owned()),
    });
    let claim = [
        "nrfcloud",
        "claim",
        "list.csv",
        "--api-key-file",
        "key",
        "--api",
        &cloud.url,
    ];
    let said = bench.json(&[&claim[..], &["--tag", "kitchen"]].concat());
    assert_eq!(said["claimed"].as_array().unwrap().len(), 2);
    let asked = cloud.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.method == "POST" && asked.path == "/v1/claimed-devices")
    );
    assert!(asked[0].headers.contains("authorization: bearer team-key"));
    let sent: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    let token = bench.read("list.csv").split(',').nth(2).unwrap().to_owned();
    assert_eq!(
        (&sent["claimToken"], &sent["tags"][0]),
        (&token.into(), &"kitchen".into())
    );
    let said = bench.fails(22, &[&claim[..], &["--tag", "second"]].concat());
    assert!(
        said.contains("409") && said.contains("2 of 2 devices are not claimed"),
        "{said}"
    );
}

#[test]
fn another_list_is_left_alone() {
    let bench = Bench::new();
    bench.write("key", "team-key\n");
    let modem = bench.modem(|_| {});
    for text in ["deviceId,token\n", "1,2,3\n", "352656100367872\n"] {
        bench.write("list.csv", text);
        let attest = [
            "nrfcloud",
            "attestation-csv",
            "--port",
            modem.port(),
            "--out",
            "list.csv",
        ];
        bench.fails(4, &attest);
        bench.fails(
            4,
            &["nrfcloud", "claim", "list.csv", "--api-key-file", "key"],
        );
        assert_eq!(bench.read("list.csv"), text);
    }
}
