//! HTTPS with several roots: one alone that has not signed the server's certificate is not trusted,
//! and with the right one behind it the image is fetched. The log says how far it is, and why not.

use std::fs;

use crate::support::{TIMEOUT, World, waits_for};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::{Value, json};

#[test]
fn an_image_behind_the_second_of_two_roots_is_fetched() {
    let mut world = World::new();
    let credentials = world.bench.setup().credentials();
    let right = fs::read_to_string(credentials.join("ca.pem")).expect("a root");
    let other = world.other_pki();
    let wrong = other
        .authority_certificate("rootca")
        .expect("another root")
        .pem();
    for (tag, root) in [("20", &wrong), ("21", &right)] {
        let folder = credentials.with_file_name(tag);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("ca.pem"), root).expect("written");
    }

    // The deployment is read, and taken back before the device is there.
    let rest = world.bench.rest();
    let setup = world.bench.setup();
    setup.image("1.0.0", &[7; 8000]).expect("an image");
    let mut desired = rest
        .deploy(DEVICE_ID, "1.0.0", "https")
        .expect("a deployment");
    rest.patch_desired(DEVICE_ID, &json!({ "firmware": null }))
        .expect("patched");
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
    let mut wants = |job: &str, tags: &[u32], sha256: &Value| {
        desired["jobId"] = job.into();
        desired["secTags"] = tags.into();
        desired["sha256"] = sha256.clone();
        rest.patch_desired(DEVICE_ID, &json!({ "firmware": desired }))
            .expect("patched");
    };
    wants("one", &[20], &Value::Null);
    waits_for(
        &lines,
        "<wrn> iothub_proto: firmware: TLS: the host is not trusted; again in 5 s",
    );
    wants("two", &[20, 21], &"0".repeat(64).into());
    waits_for(
        &lines,
        "<err> iothub_proto: firmware: the image has another hash than sha256 says; what runs is untouched",
    );
    let mark = lines.mark();
    wants("three", &[20, 21], &Value::Null);
    for text in ["firmware: 100 %, ", "the new firmware has reached the hub"] {
        lines.find_after(mark, text, TIMEOUT).expect(text);
    }
}
