//! The power goes at any moment: between two commands, or in the middle of one, which then was or
//! was not carried out. The device always comes back with the old or with the new image, gets where
//! it is to get, and says which.

use super::*;

/// A device with MCUboot's way of swapping, on a hub that works; what lies in flash survives.
struct World {
    random: u64,
    /// The image that runs, and the one in the other slot.
    primary: &'static str,
    secondary: Option<&'static str>,
    marked: bool,
    confirmed: bool,
    record: Vec<u8>,
    /// Bytes in the slot, which survive.
    offset: u32,
    reported: String,
    boots: u32,
}

const SIZE: u32 = 1000;
const FRAGMENT: u32 = 100;

/// Whether the new image reaches the hub.
#[derive(Clone, Copy, PartialEq)]
enum Image {
    Good,
    Bad,
}

impl World {
    fn chance(&mut self, one_in: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.is_multiple_of(one_in)
    }

    /// What the boot loader does.
    fn boot_loader(&mut self) {
        self.boots += 1;
        let other = self.secondary;
        if core::mem::take(&mut self.marked) {
            self.secondary = Some(self.primary);
            self.primary = other.expect("marked only what is there");
            self.confirmed = false;
        } else if !self.confirmed {
            self.secondary = Some(self.primary);
            self.primary = other.expect("the image before the trial");
            self.confirmed = true;
        }
    }

    /// Runs until a power cut or a reboot; `true` once there is nothing left to do.
    fn run(&mut self, image: Image, cuts: bool) -> bool {
        let mut config = Config::new(self.primary);
        config.confirmed = self.confirmed;
        let record = self.record.clone();
        config.record = &record;
        let mut now = Instant::from_millis(0);
        let mut updater = Updater::NEW;
        updater.boot(now, &config);
        let mut requests = 0;
        let mut running = false;
        let reaches_hub = self.primary == "1.0.0" || image == Image::Good;
        if reaches_hub {
            updater.handle_ready(now);
            self.document(&mut updater, now);
        }
        loop {
            let cut = cuts && self.chance(12);
            let mut buffer = [0; COMMAND_MAX];
            let Some(command) = updater.poll_command(&mut buffer) else {
                if cut {
                    return false;
                }
                if running {
                    // Another fragment.
                    self.offset = (self.offset + FRAGMENT).min(SIZE);
                    updater.handle_progress(now, self.offset, SIZE);
                    if self.offset == SIZE {
                        running = false;
                        self.secondary = Some("2.0.0");
                        updater.handle_done(now);
                    }
                } else if let Some(at) = updater.poll_timeout() {
                    now = now.max(at);
                    updater.handle_timeout(now);
                } else {
                    return true;
                }
                while updater.poll_event().is_some() {}
                continue;
            };
            let done = !cut || self.chance(2);
            match command {
                Command::Store(record) if done => self.record = record.to_vec(),
                Command::Start(source) if done => {
                    assert_eq!(source.path(), c"app.bin");
                    // The slot holds the old image after a swap: the platform sees that by its
                    // identity.
                    if self.secondary.take().is_some_and(|other| other != "2.0.0") {
                        self.offset = 0;
                    }
                    running = true;
                }
                Command::Apply if done => {
                    assert_eq!(self.offset, SIZE, "a part of an image is never marked");
                    self.secondary = Some("2.0.0");
                    self.marked = true;
                }
                Command::Confirm if done => {
                    assert!(reaches_hub, "only what reaches the hub stays");
                    self.confirmed = true;
                }
                Command::Reboot if done => return false,
                Command::Report(json) if reaches_hub => {
                    requests += 1;
                    if done {
                        self.reported = std::str::from_utf8(json).expect("text").into();
                    }
                    updater.accepted(RequestId::new(requests));
                }
                _ => {}
            }
            if cut {
                return false;
            }
            let was_report = requests;
            updater.complete(now, Ok(()));
            if was_report > 0 {
                updater.handle_reported(now, RequestId::new(was_report), Ok(()));
            }
            while updater.poll_event().is_some() {}
        }
    }

    fn document(&self, updater: &mut Updater, now: Instant) {
        let reported = self
            .reported
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .map(|rest| format!("{rest},"))
            .unwrap_or_default();
        let json = format!(
            r#"{{"desired":{{"firmware":{JOB},"$version":4}},"reported":{{{reported}"$version":5}}}}"#
        );
        let document = twin::Document {
            request: RequestId::new(0),
            version: 4,
            json: json.as_bytes(),
        };
        updater.handle_twin(now, &document);
    }
}

fn survive(seed: u64, image: Image) -> u32 {
    let mut world = World {
        random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        primary: "1.0.0",
        secondary: None,
        marked: false,
        confirmed: true,
        record: Vec::new(),
        offset: 0,
        reported: String::new(),
        boots: 0,
    };
    loop {
        // AfterStop it is left in peace.
        let cuts = world.boots < 10;
        if world.run(image, cuts) && !cuts {
            break;
        }
        world.boot_loader();
        assert!(world.boots < 20, "seed {seed}: it does not come to rest");
        assert!(matches!(world.primary, "1.0.0" | "2.0.0"));
    }
    let (status, version) = match world.primary {
        "2.0.0" => ("current", "2.0.0"),
        _ => ("rolledback", "1.0.0"),
    };
    if image == Image::Bad {
        assert_eq!(world.primary, "1.0.0", "seed {seed}");
    }
    assert!(world.confirmed, "seed {seed}");
    let says = format!(r#""fwUpdateStatus":"{status}","currentFwVersion":"{version}""#);
    assert!(
        world.reported.contains(&says),
        "seed {seed}: {}",
        world.reported
    );
    u32::from(world.primary == "2.0.0")
}

#[test]
fn a_thousand_devices_lose_power_again_and_again() {
    let updated: u32 = (0..1000).map(|seed| survive(seed, Image::Good)).sum();
    // A cut during the trial takes a good image back as well; the rest have it.
    assert!(
        (300..1000).contains(&updated),
        "{updated} of 1000 run the new image"
    );
    for seed in 0..1000 {
        survive(seed, Image::Bad);
    }
}
