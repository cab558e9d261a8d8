//! Images with ranges, the wish for one, and what can go wrong on the way.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::{Hub, exchange};

struct Images {
    hub: Hub,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Images {
    async fn new(image: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.bin"), image).unwrap();
        let images = folder.path().to_owned();
        let hub = Hub::start_with(|options| {
            options.firmware = Some(images);
            options.firmware_http = ([127, 0, 0, 1], 0).into();
            options.firmware_https = ([127, 0, 0, 1], 0).into();
        })
        .await;
        let (_, about) = hub.get("/admin/firmware").await;
        let port = about["httpPort"].as_u64().unwrap();
        assert!(about["httpsPort"].as_u64().is_some(), "{about}");
        Self {
            hub,
            address: ([127, 0, 0, 1], u16::try_from(port).unwrap()).into(),
            folder,
        }
    }

    async fn range(&self, path: &str, range: &str) -> (u16, String, String) {
        let headers: &[_] = if range.is_empty() {
            &[]
        } else {
            &[("range", range)]
        };
        exchange(self.address, "GET", path, headers, b"").await
    }

    async fn fault(&self, fault: Value) {
        let (status, answer) = self.hub.post("/admin/firmware/faults", &fault).await;
        assert_eq!(status, 201, "{answer}");
    }
}

const IMAGE: &str = "0123456789";

#[tokio::test]
async fn serves_ranges_and_counts_what_went_out() {
    let images = Images::new(IMAGE).await;
    let (status, head, body) = images.range("/app.bin?sig=x", "bytes=2-5").await;
    assert_eq!((status, body.as_str()), (206, "2345"));
    assert!(head.contains("content-range: bytes 2-5/10"), "{head}");
    let (status, _, body) = images.range("/app.bin", "").await;
    assert_eq!((status, body.as_str()), (200, IMAGE));
    let (status, head, _) = images.range("/app.bin", "bytes=10-19").await;
    assert_eq!(status, 416);
    assert!(head.contains("content-range: bytes */10"), "{head}");
    assert_eq!(images.range("/other.bin", "").await.0, 404);
    assert_eq!(images.range("/..%2fapp.bin", "").await.0, 404);

    let (_, about) = images.hub.get("/admin/firmware").await;
    assert_eq!(about["images"][0]["bytesServed"], 14);
    assert_eq!(about["images"][0]["requests"], 2);
    assert_eq!(about["images"][0]["version"], Value::Null);
}

/// RFC 9110, section 14.2: what is no range of bytes is not looked at; only one that is not there is refused.
#[tokio::test]
async fn a_header_range_that_means_nothing_is_ignored() {
    let images = Images::new(IMAGE).await;
    for range in [
        "lines=0-1",
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=-",
        "bytes=0-1,4-5",
        "bytes=0-1, 99-",
    ] {
        let (status, head, body) = images.range("/app.bin", range).await;
        assert_eq!((status, body.as_str()), (200, IMAGE), "{range}");
        assert!(!head.contains("content-range"), "{range}: {head}");
    }
    for range in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
        assert_eq!(images.range("/app.bin", range).await.0, 416, "{range}");
    }
    let (status, _, body) = images.range("/app.bin", "Bytes=2-3").await;
    assert_eq!((status, body.as_str()), (206, "23"));
    // There is no validator that a condition could name.
    let headers = [("range", "bytes=2-3"), ("if-range", "\"x\"")];
    let (status, _, body) = exchange(images.address, "GET", "/app.bin", &headers, b"").await;
    assert_eq!((status, body.as_str()), (200, IMAGE));
}

#[tokio::test]
async fn what_is_no_regular_file_is_no_image() {
    let images = Images::new(IMAGE).await;
    let folder = images.folder.path();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.join("pipe.bin"))
        .status();
    assert!(made.unwrap().success());
    std::fs::create_dir(folder.join("folder.bin")).unwrap();
    std::os::unix::fs::symlink("app.bin", folder.join("link.bin")).unwrap();
    for name in ["pipe.bin", "folder.bin"] {
        assert_eq!(images.range(&format!("/{name}"), "").await.0, 404, "{name}");
        let wish = json!({"deviceId": "dev", "image": name, "version": "1.0.0"});
        let (status, _) = images.hub.post("/admin/firmware/deployments", &wish).await;
        assert_eq!(status, 404, "{name}");
    }
    assert_eq!(images.range("/link.bin", "").await.2, IMAGE);
    let (_, about) = images.hub.get("/admin/firmware").await;
    let names = about["images"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|it| &it["name"]).collect();
    assert_eq!(names, ["app.bin", "link.bin"]);
}

/// The wrong byte is in the middle of the image, whatever part of it is asked for.
#[tokio::test]
async fn a_wrong_byte_is_where_it_is() {
    let images = Images::new(IMAGE).await;
    images.fault(json!({"kind": "corrupt"})).await;
    for (range, body) in [
        ("bytes=0-4", "01234"),
        ("bytes=5-6", "46"),
        ("bytes=6-", "6789"),
    ] {
        assert_eq!(images.range("/app.bin", range).await.2, body, "{range}");
    }
}

#[tokio::test]
async fn makes_the_wish_and_takes_it_back() {
    let images = Images::new(IMAGE).await;
    images.hub.register("dev").await;
    let deployment = json!({"deviceId": "dev", "image": "app.bin"});
    let (status, answer) = images
        .hub
        .post("/admin/firmware/deployments", &deployment)
        .await;
    assert_eq!(status, 400, "no version in it: {answer}");
    let deployment = json!({
        "deviceId": "dev", "image": "app.bin", "version": "2.0.0", "jobId": "j1", "protocol": "http"
    });
    let (status, _) = images
        .hub
        .post("/admin/firmware/deployments", &deployment)
        .await;
    assert_eq!(status, 201);
    let (_, devices) = images.hub.get("/admin/firmware/devices").await;
    let wish = &devices[0]["desired"];
    assert_eq!(
        (&wish["fwVersion"], &wish["jobId"], &wish["size"]),
        (&json!("2.0.0"), &json!("j1"), &json!(10))
    );
    assert_eq!(wish["fwLocation"]["path"], "app.bin");
    assert_eq!(wish["fwLocation"]["port"], images.address.port());
    assert_eq!(
        wish["sha256"],
        "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
    );
    let (status, _) = images.hub.delete("/admin/firmware/deployments/dev").await;
    assert_eq!(status, 204);
    let (_, devices) = images.hub.get("/admin/firmware/devices").await;
    assert_eq!(devices, json!([]));
}

#[tokio::test]
async fn lets_things_go_wrong() {
    let images = Images::new(IMAGE).await;
    images
        .fault(json!({"kind": "status", "status": 503, "times": 1}))
        .await;
    assert_eq!(images.range("/app.bin", "").await.0, 503);
    images.fault(json!({"kind": "corrupt", "times": 1})).await;
    assert_eq!(images.range("/app.bin", "").await.2, "0123446789");
    images.fault(json!({"kind": "cut", "at": 4})).await;
    assert_eq!(images.range("/app.bin", "bytes=0-3").await.2, "0123");
    assert_eq!(images.range("/app.bin", "bytes=2-7").await.2, "23");
    assert_eq!(images.range("/app.bin", "bytes=2-7").await.2, "234567");
    images.fault(json!({"kind": "corrupt"})).await;
    let (status, _) = images.hub.delete("/admin/firmware/faults").await;
    assert_eq!(status, 204);
    assert_eq!(images.range("/app.bin", "").await.2, IMAGE);
    let (status, _) = images
        .hub
        .post("/admin/firmware/faults", &json!({"kind": "fire"}))
        .await;
    assert_eq!(status, 400);
}
