//! Images with ranges, their deployment, and what can go wrong on the way.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::net::SocketAddr;

use crate::support::{Hub, exchange};
use serde_json::{Value, json};

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

/// RFC 9110, section 14.2: what is no range of bytes is not looked at; only one that is not there
/// is refused.
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
        let deployment = json!({"deviceId": "dev", "image": name, "version": "1.0.0"});
        let (status, _) = images
            .hub
            .post("/admin/firmware/deployments", &deployment)
            .await;
        assert_eq!(status, 404, "{name}");
    }
    assert_eq!(images.range("/link.bin", "").await.2, IMAGE);
    // A link does not lead out of the folder.
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.join("out.bin")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("etc")).unwrap();
    for name in ["out.bin", "etc"] {
        assert_eq!(images.range(&format!("/{name}"), "").await.0, 404, "{name}");
    }
    let (_, about) = images.hub.get("/admin/firmware").await;
    let names = about["images"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|it| &it["name"]).collect();
    assert_eq!(names, ["app.bin", "link.bin"]);
}

/// Larger than what is read at once; and no more of it than that is held.
#[tokio::test]
async fn a_large_image_is_streamed() {
    let text: String = (0..40_000).map(|n| format!("{n:010}")).collect();
    let images = Images::new(&text).await;
    assert_eq!(images.range("/app.bin", "").await.2, text);
    let (status, _, part) = images.range("/app.bin", "bytes=65530-200005").await;
    assert_eq!((status, part.as_str()), (206, &text[65_530..=200_005]));
    let (_, about) = images.hub.get("/admin/firmware").await;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hash: String = hash.as_ref().iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(about["images"][0]["sha256"], hash);
    assert_eq!(about["images"][0]["size"], 400_000);
    images.fault(json!({"kind": "corrupt", "times": 1})).await;
    let wrong = images.range("/app.bin", "").await.2;
    let differing: Vec<_> = (text.bytes().zip(wrong.bytes()).enumerate())
        .filter(|(_, (right, sent))| right != sent)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(differing, [200_000]);
    images
        .fault(json!({"kind": "cut", "at": 100_000, "times": 1}))
        .await;
    assert_eq!(images.range("/app.bin", "").await.2, &text[..100_000]);
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
    let desired = &devices[0]["desired"];
    assert_eq!(
        (&desired["fwVersion"], &desired["jobId"], &desired["size"]),
        (&json!("2.0.0"), &json!("j1"), &json!(10))
    );
    assert_eq!(desired["fwLocation"]["path"], "app.bin");
    // Nordic's library takes no document without it.
    assert_eq!(desired["fwFragmentSize"], 1800);
    for (size, status) in [(json!(1024), 201), (json!("512"), 201), (json!(64), 400)] {
        let deployment = json!({"deviceId": "dev", "image": "app.bin", "version": "2.0.0", "fragmentSize": size});
        let (got, made) = images
            .hub
            .post("/admin/firmware/deployments", &deployment)
            .await;
        assert_eq!(got, status, "{made}");
        assert!(
            status == 400 || made["fwFragmentSize"].is_number(),
            "{made}"
        );
    }
    assert_eq!(desired["fwLocation"]["port"], images.address.port());
    assert_eq!(
        desired["sha256"],
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

#[tokio::test]
async fn an_image_is_put_in_and_taken_out() {
    let images = Images::new(IMAGE).await;
    let put = async |name: &str, body: &[u8]| {
        let path = format!("/admin/firmware/images/{name}");
        images.hub.request("PUT", &path, &[], body).await
    };
    let (status, told) = put("2.bin", b"abc").await;
    assert_eq!((status, &told["size"]), (201, &json!(3)), "{told}");
    assert_eq!(images.range("/2.bin", "").await.2, "abc");
    assert_eq!(put("2.bin", b"abcd").await.0, 201);
    assert_eq!(images.range("/2.bin", "bytes=3-").await.2, "d");
    for name in [
        "..%2Fup.bin",
        ".hidden",
        "a%2Fb",
        "a%5Cb",
        "nul%00",
        &"x".repeat(101),
    ] {
        let (status, answer) = put(name, b"x").await;
        assert_eq!(status, 400, "{name}: {answer}");
    }
    let names = async || {
        let (_, about) = images.hub.get("/admin/firmware").await;
        let all = about["images"].as_array().unwrap().clone();
        let names = all.iter().map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names().await, "2.bin app.bin");
    assert_eq!(
        images.hub.delete("/admin/firmware/images/2.bin").await.0,
        204
    );
    assert_eq!(
        images.hub.delete("/admin/firmware/images/2.bin").await.0,
        404
    );
    assert_eq!(names().await, "app.bin");
    let left = std::fs::read_dir(images.folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left over");
}

#[tokio::test]
async fn without_a_folder_an_image_is_refused_with_what_to_do() {
    let hub = Hub::start().await;
    let (status, answer) = hub
        .request("PUT", "/admin/firmware/images/a.bin", &[], b"x")
        .await;
    assert_eq!(status, 400);
    assert!(
        answer["Message"].as_str().unwrap().contains("--firmware"),
        "{answer}"
    );
    assert_eq!(hub.get("/admin/firmware").await.1["folder"], false);
}
