//! A cloud-to-device message that cannot be received is read away and acknowledged, so that it does
//! not come again after every connect; the device says so and stays connected. A method with such a
//! body is answered with 413.

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::json;

#[test]
fn a_message_larger_than_the_buffer_does_not_stop_the_device() {
    let mut world = World::new();
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
    let mark = lines.mark();
    world
        .bench
        .rest()
        .send_c2d(DEVICE_ID, &"x".repeat(8 * 1024))
        .expect("queued");
    lines
        .find_after(mark, iothub_demo::said::TOO_LARGE, TIMEOUT)
        .expect("the device says why");
    world
        .bench
        .rest()
        .until("an empty queue", TIMEOUT, |rest| {
            Ok((rest.device(DEVICE_ID)?["cloudToDeviceMessageCount"] == 0).then_some(()))
        })
        .expect("the hub does not send it again");
    world
        .bench
        .rest()
        .until("a method is answered", TIMEOUT, |rest| {
            let (status, answer) = rest.method(DEVICE_ID, "led", &json!(1))?;
            Ok((status == 200 && answer["status"] == 200).then_some(()))
        })
        .expect("the device is there");
    let (status, answer) = world
        .bench
        .rest()
        .method(DEVICE_ID, "led", &json!("x".repeat(8 * 1024)))
        .expect("an answer");
    assert_eq!((status, &answer["status"]), (200, &json!(413)));
    assert!(
        !lines
            .all()
            .iter()
            .any(|line| line.contains(iothub_demo::said::DISCONNECTED)),
        "the connection stays"
    );
}
