//! Counters over all starts, in a flash whose device is started again and again.

use std::{cell::RefCell, string::String, vec::Vec};

use super::*;
use crate::{
    client,
    totals::{self, Numbers, Totals, Urgency},
};

#[derive(Default)]
struct Flash {
    value: RefCell<Vec<u8>>,
    writes: RefCell<usize>,
}

impl Flash {
    fn start(&self) -> Totals {
        double::with(|double| {
            double.now = 0;
            double.status = Some(iothub::Status::default());
        });
        let mut totals = Totals::new();
        totals.begin_with(|buffer| {
            let value = self.value.borrow();
            buffer[..value.len()].copy_from_slice(&value);
            value.len()
        });
        totals
    }

    /// Lets the device's loop come by; whether anything was written.
    fn update(&self, totals: &mut Totals, seconds: u64, urgency: Urgency) -> bool {
        double::with(|double| double.now = seconds * 1000);
        let before = *self.writes.borrow();
        let keep = |bytes: &[u8]| {
            *self.value.borrow_mut() = bytes.into();
            *self.writes.borrow_mut() += 1;
            Ok(())
        };
        totals
            .update_with(client::now(), urgency, keep)
            .expect("kept");
        *self.writes.borrow() > before
    }
}

fn count(connected: u32, sent: u32, received: u32) {
    double::with(|double| {
        let counters = &mut double.status.as_mut().unwrap().counters;
        counters.connected = connected;
        (counters.bytes_sent, counters.bytes_received) = (sent, received);
    });
}

/// As `diagnostics` tells them, without the radio's.
fn told(totals: &Totals) -> String {
    let mut text = String::new();
    let status = client::status().unwrap();
    let numbers = totals.before().and_since(client::now(), &status);
    numbers.write(&mut text).unwrap();
    let (counters, _) = text.split_once(r#","radio":{"seconds":"#).unwrap();
    counters.into()
}

#[test]
fn a_power_cut_takes_what_was_counted_since_the_last_write() {
    let _world = World::new();
    let flash = Flash::default();
    let mut device = flash.start();
    assert!(flash.update(&mut device, 0, Urgency::None), "the start");
    count(1, 4_000_000_000, 10);
    assert!(!flash.update(&mut device, 59, Urgency::None));
    assert!(flash.update(&mut device, 60, Urgency::None), "a connection");
    count(1, 4_100_000_000, 20);
    assert!(!flash.update(&mut device, 659, Urgency::None));
    assert!(flash.update(&mut device, 660, Urgency::None));
    count(1, 4_200_000_000, 30);
    assert_eq!(
        told(&device),
        r#","total":{"starts":1,"resets":0,"faults":1,"uptime":660,"connected":1,"bytesSent":4200000000,"bytesReceived":30"#
    );

    let mut device = flash.start();
    count(2, 1_000_000_000, 5);
    assert_eq!(
        told(&device),
        r#","total":{"starts":2,"resets":0,"faults":2,"uptime":660,"connected":3,"bytesSent":5100000000,"bytesReceived":25"#
    );
    assert!(flash.update(&mut device, 1, Urgency::None));
    assert!(!flash.update(&mut device, 2, Urgency::Soon));
    assert!(flash.update(&mut device, 2, Urgency::Now), "a restart");
    count(2, 1_000_000_001, 5);
    assert!(!flash.update(&mut device, 61, Urgency::Soon));
    assert!(flash.update(&mut device, 62, Urgency::Soon), "the battery");
    let device = flash.start();
    assert_eq!(
        told(&device),
        r#","total":{"starts":3,"resets":0,"faults":3,"uptime":722,"connected":3,"bytesSent":5100000001,"bytesReceived":25"#
    );
}

#[test]
fn a_restart_by_the_driver_takes_nothing_along() {
    let _world = World::new();
    let flash = Flash::default();
    let keep = |bytes: &[u8]| {
        *flash.value.borrow_mut() = bytes.into();
        *flash.writes.borrow_mut() += 1;
        Ok(())
    };
    let mut device = flash.start();
    assert!(flash.update(&mut device, 0, Urgency::None), "the start");
    count(1, 700, 30);
    double::with(|double| double.now = 5_000);
    totals::keep_before_restart_with(device.before(), keep).expect("kept");
    let device = flash.start();
    assert_eq!(
        told(&device),
        r#","total":{"starts":2,"resets":0,"faults":2,"uptime":5,"connected":1,"bytesSent":700,"bytesReceived":30"#
    );
    // A loop that has not come by yet has not read what is in flash.
    totals::keep_before_restart_with(Numbers::NONE, keep).expect("kept");
    assert_eq!(*flash.writes.borrow(), 2);
}

#[test]
fn a_day_without_events_takes_a_write_each_ten_minutes() {
    let _world = World::new();
    let flash = Flash::default();
    let mut device = flash.start();
    for minute in 0..=24 * 60 {
        flash.update(&mut device, minute * 60, Urgency::None);
    }
    assert_eq!(*flash.writes.borrow(), 145);
}

#[test]
fn what_is_shorter_or_longer_is_read_as_far_as_it_goes() {
    let _world = World::new();
    let flash = Flash::default();
    *flash.value.borrow_mut() = [7, 0, 0, 0, 1, 0, 0, 0, 9].into();
    let told_of = told(&flash.start());
    assert!(
        told_of.contains(r#""starts":8,"resets":1,"faults":1,"uptime":0"#),
        "{told_of}"
    );
    *flash.value.borrow_mut() = std::vec![1; 64];
    let told_of = told(&flash.start());
    assert!(told_of.contains(r#""uptime":16843009,"#), "{told_of}");
}
