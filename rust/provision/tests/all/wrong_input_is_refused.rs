//! A table of wrong input: each row has an exit status, the words of a command and what the
//! sentence has in it. Nothing is written, into no folder and no modem.

#![allow(clippy::unwrap_used)]

use crate::support::{Bench, CODE};

/// `~` stands for a blank inside a word, PORT for the simulated modem, CODE for a verification
/// code.
const TABLE: &str = include_str!("wrong_input.txt");

#[test]
fn each_is_refused_with_a_sentence_and_changes_nothing() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    for (name, content) in [
        ("no.pem", "hello\n"),
        ("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n"),
        ("empty", ""),
        ("rand", "\u{1}\u{fe}\u{0}\u{80}\n"),
        ("none.csv", "deviceId,csr\n"),
        ("twice.csv", "deviceId\nd2\nd2\n"),
        ("bad.csv", "deviceId\na b\n"),
        ("root.pem", &bench.read("dev-certs/rootca/rootca.pem")),
        (
            "two",
            "HostName=h;HostName=g;SharedAccessKeyName=o;SharedAccessKey=a2V5\n",
        ),
        (
            "cs",
            "HostName=h;SharedAccessKeyName=o;SharedAccessKey=a2V5\n",
        ),
    ] {
        bench.write(name, content);
    }
    let modem = bench.modem(|_| {});
    let before = bench.snapshot();
    let rows = TABLE.lines().filter(|row| !row.starts_with('#'));
    for row in rows {
        let mut parts = row.splitn(3, '|');
        let [Some(status), Some(command), sentence] = [(); 3].map(|()| parts.next()) else {
            panic!("no row: {row}");
        };
        let (status, sentence) = (status.parse().unwrap(), sentence.unwrap());
        let words: Vec<String> = command
            .replace("PORT", &format!("--port {}", modem.port()))
            .replace("CODE", CODE)
            .split(' ')
            .map(|word| word.replace('~', " "))
            .collect();
        let said = bench.fails(
            status,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        assert!(said.contains(sentence), "{row}: {said}");
        assert!(!said.contains("panicked"), "{row}: {said}");
        assert!(before == bench.snapshot(), "{row} changed files");
    }
}

#[test]
fn an_address_with_a_password_is_refused_unseen() {
    let bench = Bench::new();
    bench.write("token", "abc\n");
    let resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/IotHubs/h";
    let azure =
        format!("hub ca list --resource-id {resource} --bearer-token-file token --management");
    for command in [
        "hub device list --emulator",
        "up --emulator",
        "nrfcloud get /v1/x --token-file token --out o --api",
        &azure,
    ] {
        for address in [
            "http://user:secret@127.0.0.1:1",
            "https://secret@127.0.0.1:1/x",
            "user:secret@127.0.0.1:1",
            "ftp://user:secret@127.0.0.1",
        ] {
            let words: Vec<&str> = command.split(' ').chain([address]).collect();
            let said = bench.fails(2, &words);
            assert!(said.contains("name or a password"), "{command}: {said}");
            assert!(!said.contains("secret"), "{command}: {said}");
        }
    }
    let asked = bench
        .command(&["hub", "device", "list"])
        .env("IOTHUB_EMULATOR_URL", "http://user:secret@127.0.0.1:1")
        .output()
        .unwrap();
    let said = crate::support::text(&asked);
    assert_eq!(asked.status.code(), Some(2), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_bad_connection_string_is_named_by_its_place() {
    let bench = Bench::new();
    let asked = bench
        .command(&["hub", "device", "list"])
        .env("IOTHUB_CONNECTION_STRING", "HostName=h")
        .output()
        .unwrap();
    let said = crate::support::text(&asked);
    assert_eq!(asked.status.code(), Some(4), "{said}");
    assert!(
        said.contains("IOTHUB_CONNECTION_STRING: the connection string has no"),
        "{said}"
    );
}

#[test]
fn blanks_around_a_verification_code_are_no_part_of_it() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["ca", "prove", &format!(" {CODE}\r\n")]);
    let proof = bench.read("dev-certs/subca/proof.pem");
    let proof = iothub_provision::pki::Certificate::from_pem(&proof).unwrap();
    assert_eq!(proof.common_name(), Some(CODE));
}
