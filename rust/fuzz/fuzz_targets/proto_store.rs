//! The image of a flash: a byte that chooses its shape, then what is in it. Nothing in it makes the
//! store panic or loop, what is appended afterwards is read, and no word is written twice.
#![no_main]

use iothub_proto::{
    Errno,
    store::{CONTENT, Flash, Geometry, KEYS, Kind, Message, Priority, Store},
};
use libfuzzer_sys::fuzz_target;

struct Image {
    bytes: Vec<u8>,
    geometry: Geometry,
}

impl Flash for Image {
    fn geometry(&mut self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
        let at = at as usize;
        bytes.copy_from_slice(&self.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let place = &mut self.bytes[at as usize..at as usize + bytes.len()];
        assert!(place.iter().all(|byte| *byte == 0xFF), "written twice");
        place.copy_from_slice(bytes);
        Ok(())
    }

    fn erase(&mut self, at: u32, len: u32) -> Result<(), Errno> {
        self.bytes[at as usize..(at + len) as usize].fill(0xFF);
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((shape, image)) = data.split_first() else {
        return;
    };
    let geometry = Geometry {
        sector_size: 256 << (shape & 1),
        sectors: 4 + u32::from(shape >> 1 & 3),
        write_size: [1, 4, 8, 16][usize::from(shape >> 3 & 3)],
    };
    let mut bytes = image.to_vec();
    bytes.resize((geometry.sector_size * geometry.sectors) as usize, 0xFF);
    let mut store = Store::<_, 8>::new(Image { bytes, geometry });
    store.mount(1).expect("the shape is good");
    let mut buffer = [0; 512];
    let most = store.flash().bytes.len();
    for priority in Priority::ALL {
        let mut read = 0;
        let mut last = None;
        while let Some((sequence, _)) = store.read_next(priority, &mut buffer) {
            assert!(last < Some(sequence), "in order");
            last = Some(sequence);
            read += 1;
            assert!(read <= most, "endless");
        }
        assert_eq!(store.unread(priority), 0);
    }
    store.oldest_s();
    for key in 0..KEYS {
        assert!(store.get(key, &mut buffer).len() <= most);
    }
    let message = Message {
        kind: Kind::Qos1,
        id: 7,
        time_s: 1,
        ttl_s: 0,
        topic: b"t",
        payload: b"appended",
    };
    let mut drops = 0;
    while store.append(Priority::High, &message, &mut buffer).is_err() {
        // Sequences at the end of their range are all that stands in the way.
        if !store.drop_oldest(Priority::High, &mut |_, _, _| {}) {
            return;
        }
        drops += 1;
        assert!(drops <= 16, "endless");
    }
    let (sequence, read) = store.read_next(Priority::High, &mut buffer).expect("appended");
    assert_eq!(read, message);
    store.release(Priority::High, sequence + 1, 2);
    while store.prepare() {}
    // Values of which there is room for one under each key, where a sector is large enough for
    // that.
    for number in 0..40 {
        let value = [number; 1];
        buffer[CONTENT..CONTENT + 1].copy_from_slice(&value);
        if store.put(u32::from(number) % KEYS, 1, &mut buffer).is_ok() {
            assert_eq!(store.get(u32::from(number) % KEYS, &mut buffer), value);
        }
    }
    let depth = store.status().depth;
    store.mount(1).expect("as before");
    assert!(store.status().depth <= depth + 1);
});
