//! The store of the outbox over the flash functions of the platform and Zephyr's flash simulator.
//! From a certain write or erase on the simulator does nothing, and says that it did, as where the
//! power was cut; then the store is mounted anew.
#![no_std]

use iothub_proto::{
    Errno,
    store::{Flash, Geometry, Kind, Message, Priority, Store},
};
use ncs::flash;
use zephyr::printkln;

unsafe extern "C" {
    safe fn cut_at(writes: u32, bytes: u32, erases: u32);
    safe fn power_on();
    safe fn write_calls() -> u32;
    safe fn erase_calls() -> u32;
}

struct Partition;

impl Flash for Partition {
    fn geometry(&mut self) -> Geometry {
        let flash::Geometry {
            sector_size,
            sectors,
            write_size,
        } = flash::open().expect("the partition");
        Geometry {
            sector_size,
            sectors,
            write_size,
        }
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
        flash::read(at, bytes).map_err(number)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        flash::write(at, bytes).map_err(number)
    }

    fn erase(&mut self, at: u32, len: u32) -> Result<(), Errno> {
        flash::erase(at, len).map_err(number)
    }
}

fn number(errno: ncs::Errno) -> Errno {
    Errno(errno.get())
}

type Outbox = Store<Partition, 8>;

fn mounted() -> Outbox {
    let mut store = Store::new(Partition);
    store.mount(1).expect("the shape");
    store
}

/// Bytes of a message with this number.
fn len(id: u32) -> usize {
    (id * 37 % 150) as usize
}

/// What a life leaves behind.
#[derive(Default)]
struct Left {
    /// Messages that were accepted, from 0 on.
    accepted: u32,
    /// Nothing below was needed any more.
    released: u32,
}

/// Appends and releases until the power is gone, or there is enough of it.
fn live(messages: u32, has_power: impl Fn() -> bool) -> Left {
    let (mut store, mut buffer) = (mounted(), [0; 256]);
    let mut left = Left::default();
    while left.accepted < messages && has_power() {
        let id = left.accepted;
        let content = [id as u8; 150];
        let message = Message {
            kind: Kind::Qos1,
            id,
            time_s: id,
            ttl_s: 0,
            topic: b"t",
            payload: &content[..len(id)],
        };
        let result = store.append(Priority::Normal, &message, &mut buffer);
        match (result, has_power()) {
            (Ok(sequence), true) => {
                assert_eq!(sequence, id);
                left.accepted += 1;
            }
            // As nobody may have been told, it need not be there.
            (_, false) => break,
            (Err(error), true) => panic!("message {id}: {error}"),
        }
        // A dozen wait.
        if left.accepted > left.released + 12 {
            left.released += 3;
            store.release(Priority::Normal, left.released, id);
        }
    }
    left
}

fn check(left: &Left) {
    power_on();
    let (mut store, mut buffer) = (mounted(), [0; 256]);
    let mut next = store.released(Priority::Normal);
    assert!(next <= left.released, "{next} is released, {} was asked", left.released);
    while let Some((sequence, message)) = store.read_next(Priority::Normal, &mut buffer) {
        assert_eq!(sequence, next, "in order and without a gap");
        assert_eq!(message.id, sequence);
        assert_eq!(message.payload.len(), len(sequence));
        assert!(message.payload.iter().all(|byte| *byte == sequence as u8));
        next += 1;
    }
    assert!(next >= left.accepted, "{next} of {} are there", left.accepted);
    store.release(Priority::Normal, next, 0);
}

fn erase_all() {
    power_on();
    let Geometry {
        sector_size,
        sectors,
        ..
    } = Partition.geometry();
    flash::erase(0, sector_size * sectors).expect("erased");
}

/// Called by the `main` of zephyr-lang-rust.
#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    erase_all();
    // Enough of them that each sector is used again.
    let messages = 6 * Partition.geometry().sector_size / 100;
    let (writes, erases) = (write_calls(), erase_calls());
    let left = live(messages, || true);
    assert_eq!(left.accepted, messages);
    check(&left);
    let (writes, erases) = (write_calls() - writes, erase_calls() - erases);
    assert!(writes > messages && erases > 5, "{writes} writes, {erases} erases");

    let mut lost_power = 0;
    for cut in 1..=writes {
        for bytes in [0, 4, 20, 60] {
            erase_all();
            let last = write_calls() + cut;
            cut_at(cut, bytes, 0);
            let left = live(messages, || write_calls() < last);
            lost_power += u32::from(left.accepted < messages);
            check(&left);
        }
    }
    assert!(lost_power > 4 * messages);
    printkln!("cut in {writes} writes, torn in 4 ways each: nothing lost");

    for cut in 1..=erases {
        erase_all();
        let last = erase_calls() + cut;
        cut_at(0, 0, cut);
        let left = live(messages, || erase_calls() < last);
        check(&left);
    }
    printkln!("cut in {erases} erases: nothing lost");
}
