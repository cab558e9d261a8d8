//! What the version in an image's header decides, and where a text decides.

use super::*;

const fn version(major: u32) -> ImageVersion {
    ImageVersion::new(major << 24, 0)
}

#[test]
fn a_newer_image_needs_no_word() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.act(|updater, now| updater.handle_version(now, version(2)));
    bench.act(|updater, now| updater.handle_version(now, ImageVersion::new(0x0100_0000, 1)));
    bench.says(&[]);
    assert!(bench.last_report.contains(r#""reason":null"#));
}

#[test]
fn a_downgrade_is_reported_from_its_first_fragment_until_another_job() {
    const OLDER: &str = r#""reason":"the image is older than the one before it""#;
    let mut old = Bench::boot("3.0.0", true, &[], |_| {});
    old.desired(JOB);
    old.log.clear();
    old.act(|updater, now| updater.handle_version(now, version(2)));
    old.act(|updater, now| updater.handle_version(now, version(2)));
    old.says(&["> report downloading"]);
    assert!(old.last_report.contains(OLDER), "{}", old.last_report);
    old.act(|updater, now| updater.handle_done(now));
    assert!(old.last_report.contains(r#""fwUpdateStatus":"rebooting""#));
    assert!(old.last_report.contains(OLDER));

    let mut new = old.reboot("2.0.0", false);
    new.act(Updater::handle_ready);
    assert!(new.last_report.contains(r#""fwUpdateStatus":"current""#));
    assert!(new.last_report.contains(OLDER), "{}", new.last_report);
    let mut new = new.reboot("2.0.0", true);
    new.desired(&JOB.replace("j1", "j2").replace("2.0.0", "4.0.0"));
    assert!(
        new.last_report
            .contains(r#""jobId":"j2","progress":0,"reason":null"#)
    );

    // One that is taken back says that, and no more.
    let mut back = old.reboot("3.0.0", true);
    back.twin(&format!(r#""firmware":{JOB},"#), "");
    assert!(
        back.last_report
            .contains(r#""reason":"the new image did not reach the hub"#)
    );
}

#[test]
fn an_update_to_the_running_version_by_name_is_no_downgrade() {
    let mut bench = Bench::boot("3.0.0", true, &[], |_| {});
    bench.desired(JOB);
    bench.act(|updater, now| updater.handle_version(now, version(2)));
    bench.act(|updater, now| updater.handle_done(now));
    let mut bench = bench.reboot("2.0.0", false);
    bench.act(Updater::handle_ready);
    bench.desired(&JOB.replace("j1", "j2"));
    assert!(
        bench
            .last_report
            .contains(r#""jobId":"j2","progress":null,"reason":null"#)
    );
    let mut bench = bench.reboot("2.0.0", true);
    bench.twin(&format!(r#""firmware":{},"#, JOB.replace("j1", "j2")), "");
    assert!(bench.last_report.contains(r#""reason":null"#));
}

/// Both images are signed with one version: their texts tell them apart, or a back end says that
/// they may be alike.
#[test]
fn by_text_the_header_says_nothing() {
    let by_text = JOB.replace("\"jobId\"", "\"byText\":true,\"jobId\"");
    for (desired, in_config) in [(JOB, true), (by_text.as_str(), false)] {
        for in_header in [version(0), version(1), version(2)] {
            let mut bench = Bench::new(|config| config.by_text = in_config);
            bench.desired(desired);
            bench.log.clear();
            bench.act(|updater, now| updater.handle_version(now, in_header));
            bench.says(&[]);
            bench.act(|updater, now| updater.handle_done(now));
            assert_eq!(bench.log.last().map(String::as_str), Some("> reboot"));
            // It runs under the old one's name, and yet it is the new one: it is on trial.
            let mut new = bench.reboot("1.0.0", false);
            new.twin(&format!(r#""firmware":{desired},"#), "");
            new.act(Updater::handle_ready);
            assert!(new.last_report.contains(r#""fwUpdateStatus":"current","currentFwVersion":"1.0.0","pendingFwVersion":"2.0.0""#));
            new.log.clear();
            new.desired(desired);
            new.says(&[]);
            // Taken back it is confirmed, and the old one.
            let mut old = bench.reboot("1.0.0", true);
            old.twin(&format!(r#""firmware":{desired},"#), "");
            assert!(old.last_report.contains(r#""fwUpdateStatus":"rolledback""#));
        }
    }
    // Texts that look like versions are none.
    let mut bench = Bench::new(|config| config.by_text = true);
    bench.desired(JOB);
    bench.act(|updater, now| updater.handle_done(now));
    let mut new = Bench::boot("0.9.0", false, &bench.stored, |config| {
        config.by_text = true
    });
    new.act(Updater::handle_ready);
    assert!(new.last_report.contains(r#""currentFwVersion":"0.9.0""#));
    assert!(
        new.last_report.contains(r#""reason":null"#),
        "{}",
        new.last_report
    );
    let mut bench = Bench::new(|_| {});
    bench.desired(&by_text.replace("true", "\"yes\""));
    assert!(
        bench
            .last_report
            .contains(r#""reason":"byText is of the wrong type""#)
    );
    bench.desired(&by_text.replace("true", "false"));
    bench.act(|updater, now| updater.handle_version(now, version(1)));
    assert!(
        bench
            .log
            .contains(&"* Failed(the image is the version that runs)".to_owned())
    );
}

#[test]
fn a_version_that_comes_when_nothing_is_fetched_changes_nothing() {
    let mut bench = Bench::new(|_| {});
    bench.act(|updater, now| updater.handle_version(now, version(1)));
    bench.desired(JOB);
    bench.desired("null");
    bench.log.clear();
    bench.act(|updater, now| updater.handle_version(now, version(1)));
    bench.says(&[]);
    // A running version that is a free text is not compared either.
    let mut bench = Bench::boot("v1.0.0-rc1", true, &[], |_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.act(|updater, now| updater.handle_version(now, version(1)));
    bench.says(&[]);
}
