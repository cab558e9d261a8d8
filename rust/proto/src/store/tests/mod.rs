mod damage;
mod flash;
mod power_cuts;

use super::*;
use crate::store::layout::OPENING;
use crate::telemetry::Qos;
use flash::SimulatedFlash;

const BUFFER: usize = 2048;

type Simulated = Store<SimulatedFlash, 64>;

fn mounted(flash: SimulatedFlash) -> Simulated {
    let mut store = Store::new(flash);
    store.mount(1).unwrap();
    store
}

/// The same flash, after a restart.
fn restarted(store: &mut Simulated) -> Simulated {
    mounted(store.flash().restart())
}

fn append(store: &mut Simulated, priority: Priority, id: u32, len: usize) -> Result<u32, Error> {
    let payload = vec![id as u8; len];
    let message = Message {
        kind: Kind::Qos1,
        id,
        time_s: id,
        ttl_s: 0,
        topic: b"a=1",
        payload: &payload,
    };
    store.append(priority, &message, &mut [0; BUFFER])
}

fn put(store: &mut Simulated, key: u32, value: &[u8]) -> Result<(), Error> {
    let mut buffer = [0; BUFFER];
    buffer[CONTENT..CONTENT + value.len()].copy_from_slice(value);
    store.put(key, value.len(), &mut buffer)
}

/// What is kept under a key; empty where nothing is.
fn value(store: &mut Simulated, key: u32) -> Vec<u8> {
    store.get(key, &mut [0; BUFFER]).to_vec()
}

fn ids(store: &mut Simulated, priority: Priority) -> Vec<u32> {
    let mut buffer = [0; BUFFER];
    let mut ids = Vec::new();
    while let Some((_, message)) = store.read_next(priority, &mut buffer) {
        assert_eq!(message.topic, b"a=1");
        assert!(message.payload.iter().all(|byte| *byte == message.id as u8));
        ids.push(message.id);
    }
    ids
}

#[test]
fn what_is_not_released_is_read_again_after_a_restart() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    for id in 0..5 {
        assert_eq!(append(&mut store, Priority::Normal, id, 50), Ok(id));
    }
    assert_eq!(append(&mut store, Priority::High, 100, 9), Ok(0));
    assert_eq!(ids(&mut store, Priority::Normal), [0, 1, 2, 3, 4]);
    assert_eq!(store.read_next(Priority::Normal, &mut [0; BUFFER]), None);
    store.release(Priority::Normal, 2, 7);
    assert_eq!(store.status().depth, 4);

    let mut store = restarted(&mut store);
    let status = store.status();
    assert_eq!((status.depth, status.high, status.damaged), (4, 1, 0));
    assert_eq!(store.oldest_s(), Some(2));
    assert_eq!(store.time_s(), 100);
    assert_eq!(store.unread(Priority::Normal), 3);
    assert_eq!(ids(&mut store, Priority::Normal), [2, 3, 4]);
    assert_eq!(ids(&mut store, Priority::High), [100]);
    assert_eq!(append(&mut store, Priority::Normal, 5, 50), Ok(5));
    assert_eq!(ids(&mut store, Priority::Normal), [5]);
}

#[test]
fn the_meaning_of_a_message_is_kept() {
    let mut store = mounted(SimulatedFlash::new(512, 4, 8));
    let message = Message {
        kind: Kind::Qos0,
        id: u32::MAX,
        time_s: 10,
        ttl_s: 60,
        topic: b"",
        payload: b"{}",
    };
    let mut buffer = [0; BUFFER];
    store.append(Priority::High, &message, &mut buffer).unwrap();
    let mut store = restarted(&mut store);
    let (sequence, read) = store.read_next(Priority::High, &mut buffer).unwrap();
    assert_eq!((sequence, read), (0, message));
    assert!(!read.is_expired(69) && read.is_expired(70));
    assert_eq!(read.kind.qos(), Qos::AtMostOnce);
}

#[test]
fn a_full_store_refuses_telemetry_first_and_gives_up_the_oldest_of_it() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    let mut id = 0;
    while append(&mut store, Priority::Normal, id, 100).is_ok() {
        id += 1;
    }
    // 3 a sector, and a sector is left for alarms.
    assert_eq!(id, 15);
    let mut alarms = 1000;
    while append(&mut store, Priority::High, alarms, 100).is_ok() {
        alarms += 1;
    }
    assert_eq!(alarms, 1003);

    let mut told = Vec::new();
    let mut tell = |priority, id, sequence| told.push((priority, id, sequence));
    assert!(store.drop_oldest(Priority::High, &mut tell));
    assert_eq!(told, [0, 1, 2].map(|id| (Priority::Normal, id, id)));
    assert_eq!(store.status().dropped, 3);
    assert_eq!(
        append(&mut store, Priority::Normal, 15, 100),
        Err(Error::Full),
        "the last one is for alarms"
    );
    assert!(append(&mut store, Priority::High, alarms, 100).is_ok());
    assert_eq!(ids(&mut store, Priority::Normal), Vec::from_iter(3..15));

    // Telemetry never drives alarms out; alarms do one another once there is nothing else.
    let mut nothing = |_, _, _| {};
    while store.drop_oldest(Priority::Normal, &mut nothing) {}
    assert_eq!(store.status().depth, 4);
    assert_eq!(store.status().high, 4);
    assert!(store.drop_oldest(Priority::High, &mut nothing));
    assert_eq!(store.status().high, 1);
    assert_eq!(store.status().dropped, 18);
    assert_eq!(append(&mut store, Priority::Normal, 16, 100), Ok(15));
    let mut store = restarted(&mut store);
    assert_eq!(ids(&mut store, Priority::Normal), [16]);
}

#[test]
fn a_release_is_kept_where_the_last_sector_is_full() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    for id in 0..9 {
        append(&mut store, Priority::Normal, id, 117).unwrap();
    }
    assert_eq!(ids(&mut store, Priority::Normal).len(), 9);
    store.release(Priority::Normal, 9, 9);
    assert_eq!(restarted(&mut store).status().depth, 0);
}

#[test]
fn messages_of_another_owner_are_given_up() {
    let mut store = mounted(SimulatedFlash::new(512, 4, 4));
    append(&mut store, Priority::Normal, 1, 20).unwrap();
    let mut other = Simulated::new(store.flash().restart());
    other.mount(2).unwrap();
    assert_eq!((other.status().depth, other.status().foreign), (0, 1));
    append(&mut other, Priority::Normal, 2, 20).unwrap();
    assert_eq!(ids(&mut other, Priority::Normal), [2]);
}

#[test]
fn of_each_key_the_newest_value_is_kept() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    assert_eq!(value(&mut store, 0), b"");
    for number in 0..200_u32 {
        put(&mut store, number % 3, &number.to_le_bytes()).unwrap();
        append(&mut store, Priority::Normal, number, 20).unwrap();
        store.release(Priority::Normal, number + 1, 0);
    }
    put(&mut store, KEYS - 1, b"end").unwrap();
    put(&mut store, 1, b"").unwrap();
    assert_eq!(put(&mut store, KEYS, b"no"), Err(Error::TooLarge));
    for _ in 0..2 {
        assert_eq!(value(&mut store, 0), 198_u32.to_le_bytes());
        assert_eq!(value(&mut store, 1), b"", "taken away");
        assert_eq!(value(&mut store, 2), 197_u32.to_le_bytes());
        assert_eq!(value(&mut store, KEYS - 1), b"end");
        let status = store.status();
        assert_eq!((status.depth, status.damaged), (0, 0));
        store = restarted(&mut store);
    }
    let (least, most) = store.status().erases;
    assert!(least > 0 && most < 10, "{least} {most}");
}

#[test]
fn values_have_room_where_telemetry_and_alarms_fill_the_store() {
    for priority in Priority::ALL {
        let mut store = mounted(SimulatedFlash::new(512, 5, 4));
        put(&mut store, 0, b"0").unwrap();
        let mut messages = 0;
        while append(&mut store, priority, messages, 100).is_ok() {
            messages += 1;
        }
        for number in 0..100_u32 {
            put(&mut store, 0, &number.to_le_bytes()).unwrap();
        }
        assert_eq!(value(&mut store, 0), 99_u32.to_le_bytes());
        assert_eq!(ids(&mut store, priority).len() as u32, messages);
        // 3 a sector: one of 5 is the values', one waits for them, and telemetry leaves one to
        // alarms.
        let expected = if priority == Priority::High { 9 } else { 6 };
        assert_eq!(messages, expected);
    }
}

#[test]
fn what_cannot_be_worked_with_is_refused() {
    for (sector_size, sectors, write_size) in [(512, 3, 4), (512, 4, 32), (512, 4, 3), (64, 8, 4)] {
        let mut store = Simulated::new(SimulatedFlash::new(sector_size, sectors, write_size));
        assert_eq!(
            store.mount(1),
            Err(Error::Geometry),
            "{sector_size} {sectors} {write_size}"
        );
        assert_eq!(
            append(&mut store, Priority::High, 1, 1),
            Err(Error::Geometry)
        );
    }
    let mut store = mounted(SimulatedFlash::new(512, 4, 4));
    let largest = 512 - SECTOR_HEADER - HEADER - META - 3;
    assert_eq!(
        append(&mut store, Priority::High, 1, largest + 1),
        Err(Error::TooLarge)
    );
    assert_eq!(append(&mut store, Priority::High, 1, largest), Ok(0));
}

#[test]
fn a_sector_that_cannot_be_written_is_left() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    store.flash().bad = Some(0);
    for id in 0..6 {
        append(&mut store, Priority::Normal, id, 100).unwrap();
    }
    store.flash().bad = Some(2);
    for id in 6..12 {
        append(&mut store, Priority::Normal, id, 100).unwrap();
    }
    assert_eq!(ids(&mut store, Priority::Normal), Vec::from_iter(0..12));
    let mut store = restarted(&mut store);
    assert_eq!(ids(&mut store, Priority::Normal), Vec::from_iter(0..12));
}

/// 200 bytes cost 232, and a release 20.
#[test]
fn a_message_of_200_bytes_costs_less_than_1_3_times_of_it() {
    let mut store = mounted(SimulatedFlash::new(4096, 16, 4));
    append(&mut store, Priority::Normal, 0, 197).unwrap();
    let before = store.flash().written;
    for id in 1..11 {
        append(&mut store, Priority::Normal, id, 197).unwrap();
    }
    assert_eq!((store.flash().written - before) / 10, 232);
    let before = store.flash().written;
    store.release(Priority::Normal, 5, 0);
    assert_eq!(store.flash().written - before, 20);
}

#[test]
fn sectors_are_erased_evenly() {
    let mut store = mounted(SimulatedFlash::new(512, 8, 4));
    let mut buffer = [0; BUFFER];
    for id in 0..4000 {
        let priority = if id % 50 == 0 {
            Priority::High
        } else {
            Priority::Normal
        };
        append(&mut store, priority, id, 60).unwrap();
        let (sequence, message) = store.read_next(priority, &mut buffer).unwrap();
        assert_eq!(message.id, id);
        store.release(priority, sequence + 1, id);
        store.prepare();
        if id % 997 == 0 {
            store = restarted(&mut store);
        }
    }
    let (least, most) = store.status().erases;
    assert!(least > 80, "{least}");
    // The sector of the alarms rests for 250 messages at a time.
    assert!(
        most - least <= 6,
        "{:?}",
        Vec::from_iter(store.sector_erases())
    );
    assert_eq!(store.status().damaged, 0);
}

/// Sectors into which nothing fitted, as they are after power cuts: of one queue in their order,
/// whatever their numbers.
#[test]
fn sectors_with_the_same_first_sequence_are_counted_in_each_queue() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    let normal = Lane::Normal;
    for (sector, lane) in [(4, normal), (1, normal), (3, Lane::High), (0, normal)] {
        assert!(store.open(sector, lane));
    }
    append(&mut store, Priority::Normal, 7, 50).unwrap();
    for _ in 0..2 {
        let repeats = [4, 1, 3, 0].map(|sector: usize| store.sectors[sector].repeat());
        assert_eq!(repeats, [0, 1, 0, 2]);
        assert_eq!(ids(&mut store, Priority::Normal), [7]);
        store = restarted(&mut store);
    }
    append(&mut store, Priority::Normal, 8, 50).unwrap();
    assert_eq!(ids(&mut store, Priority::Normal), [7, 8]);
}

/// 24 bits of them are in RAM: at the end of these they stay.
#[test]
fn more_erases_than_are_counted_stay_at_the_most() {
    let mut flash = SimulatedFlash::new(512, 4, 4);
    for sector in flash.bytes.chunks_exact_mut(512) {
        sector[..OPENING].copy_from_slice(&layout::erased(1 << 24));
    }
    let mut store = mounted(flash);
    assert_eq!(store.status().erases, (UNKNOWN - 1, UNKNOWN - 1));
    while store.prepare() {}
    assert!(store.flash().changes > 0, "erased once more");
    assert!(store.sector_erases().all(|erases| erases == UNKNOWN - 1));
}

/// What the years in docs/reliability.md come from.
#[test]
fn an_erase_lasts_for_16_messages_of_200_bytes() {
    let mut store = mounted(SimulatedFlash::new(4096, 16, 4));
    let mut buffer = [0; BUFFER];
    for id in 0..8000 {
        append(&mut store, Priority::Normal, id, 197).unwrap();
        let (sequence, _) = store.read_next(Priority::Normal, &mut buffer).unwrap();
        store.release(Priority::Normal, sequence + 1, id);
    }
    let erases: u32 = store.sector_erases().sum();
    assert_eq!(8000 / erases, 16);
    let (least, most) = store.status().erases;
    assert!(most - least <= 1, "{least} to {most}");
}

#[test]
fn sectors_are_erased_ahead_of_need() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    while store.prepare() {}
    let changes = store.flash().changes;
    assert_eq!(changes, 2 * READY as u32, "an erase, and the proof of it");
    append(&mut store, Priority::Normal, 1, 50).unwrap();
    assert_eq!(store.flash().changes, changes + 2, "no erase");
}

/// 64 KiB, 1 MiB and 8 MiB, full of messages of 200 bytes and with a value under each key.
#[test]
fn mounting_reads_each_sector_once_and_headers_only() {
    for sectors in [16, 256, 2048] {
        let mut store = mounted(SimulatedFlash::new(4096, sectors, 4));
        for key in 0..KEYS {
            put(&mut store, key, &[key as u8; 50]).unwrap();
        }
        let mut messages = 0;
        while append(&mut store, Priority::Normal, messages, 197).is_ok() {
            messages += 1;
        }
        let flash = store.flash().restart();
        let begin = std::time::Instant::now();
        let mut store = mounted(flash);
        let elapsed = begin.elapsed();
        assert_eq!(store.status().depth, messages);
        let size = store.flash().bytes.len();
        let read = store.flash().read;
        assert!(read < size / 4, "{read} of {size}");
        let sector_size = store.sector_size;
        let times = store.flash().reads_at.clone();
        let reads: u32 = times.values().sum();
        println!(
            "{size} bytes, {messages} messages: {read} bytes in {reads} reads, {elapsed:?} here"
        );
        for at in (0..size).step_by(sector_size) {
            assert_eq!(times[&at], 1, "the sector at {at}");
        }
        // What lies in the newest of a queue is checked, and where blank flash ends is looked for.
        let again: u32 = times.values().map(|times| times - 1).sum();
        assert!(again <= 64 * 2, "{again} places are read again");
        assert_eq!(ids(&mut store, Priority::Normal).len() as u32, messages);
    }
}

/// The largest values of every key, each written again and again, move to another sector and are
/// all there.
#[test]
fn the_largest_values_of_all_keys_fit_a_sector() {
    for (sector_size, write_size) in [(528, 4), (4096, 1), (4096, 4), (4096, 16), (8192, 8)] {
        let mut store = mounted(SimulatedFlash::new(sector_size, 5, write_size));
        let max = store.value_max();
        let len = |key| if key == SHORT { SHORT_MAX } else { max };
        for number in 0..5 * KEYS {
            let key = number % KEYS;
            put(&mut store, key, &vec![number as u8; len(key)]).unwrap();
            assert_eq!(
                put(&mut store, key, &vec![0; len(key) + 1]),
                Err(Error::TooLarge)
            );
        }
        assert!(store.status().sectors.0 <= 2, "{:?}", store.status());
        let mut store = restarted(&mut store);
        for key in 0..KEYS {
            let expected = vec![(4 * KEYS + key) as u8; len(key)];
            assert_eq!(
                value(&mut store, key),
                expected,
                "{sector_size}, {write_size}"
            );
        }
        if sector_size == 4096 {
            assert!(max >= 448, "{max}: what the tracker keeps");
        }
    }
}
