//! Readings that wait, kept beside the outbox in flash: a power cut takes none of them along.
//!
//! They stand in values of the outbox, a [`Slot`] each, which hold consecutive readings of the
//! store. A slot is written anew when a reading joins it, and is empty once the outbox has all of
//! its readings.

use core::net::IpAddr;

use iothub::{Error, KEPT, Keep};

use crate::{
    reading::{Environment, FuelGauge, Kind, Network, Position, Reading, Taken, Value},
    store::Store,
    time::UnixTime,
};

/// Numbers of the readings in a slot, as the store counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    first: u32,
    end: u32,
}

impl Slot {
    const EMPTY: Self = Self { first: 0, end: 0 };

    fn is_empty(self) -> bool {
        self.first == self.end
    }
}

pub(crate) struct Kept {
    slots: [Slot; KEPT as usize],
    is_full: bool,
    is_failing: bool,
}

/// Bytes of a slot: an eighth of a page of 4 KiB, without what the outbox puts around it.
const SLOT: usize = 448;

/// Where the outbox in flash keeps nothing by itself, readings are not kept either.
pub(crate) const IS_ON: bool = iothub::OUTBOX_FLASH && !matches!(iothub::KEEP, Keep::Never);

impl Kept {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [Slot::EMPTY; KEPT as usize],
            is_full: false,
            is_failing: false,
        }
    }

    /// Whether there are more readings than can be kept: it is time to send.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether the reading with this number is in flash.
    pub(crate) fn has(&self, number: u32) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|slot| (slot.first..slot.end).contains(&number))
    }

    /// Puts into the store what waited when the power was cut.
    pub(crate) fn restore<const N: usize>(&mut self, store: &mut Store<N>) {
        if IS_ON {
            self.restore_with(store, |key, buffer| iothub::kept(key, buffer).len());
            if !store.is_empty() {
                log::info!("{} readings of before wait", store.len());
            }
        }
    }

    /// Keeps what waits, and nothing else. `stamped`: readings that are kept have got a time
    /// meanwhile.
    pub(crate) fn update<const N: usize>(&mut self, store: &Store<N>, stamped: bool) {
        if !IS_ON {
            return;
        }
        match self.update_with(store, stamped, iothub::keep) {
            Ok(()) => self.is_failing = false,
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                log::warn!("readings that wait cannot be kept in flash: {error}");
            }
            Err(_) => {}
        }
    }

    fn restore_with<const N: usize>(
        &mut self,
        store: &mut Store<N>,
        read: impl Fn(u8, &mut [u8]) -> usize,
    ) {
        let mut order = [(0, 0); KEPT as usize];
        for (key, place) in (0..KEPT).zip(&mut order) {
            let mut buffer = [0; 4];
            let is_there = read(key, &mut buffer) == buffer.len();
            *place = (
                u32::from_le_bytes(buffer),
                if is_there { key } else { KEPT },
            );
        }
        order.sort_unstable();
        for (first, key) in order {
            let Some(slot) = self.slots.get_mut(usize::from(key)) else {
                continue;
            };
            let mut buffer = [0; SLOT];
            let len = read(key, &mut buffer);
            if store.is_empty() {
                store.count_from(first);
            }
            let begin = store.end();
            let mut reader = Reader(buffer.get(4..len).unwrap_or_default());
            while let Some(reading) = reader.reading() {
                store.push(reading);
            }
            *slot = Slot {
                first: begin,
                end: store.end(),
            };
        }
    }

    fn update_with<const N: usize>(
        &mut self,
        store: &Store<N>,
        stamped: bool,
        keep: impl Fn(u8, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.is_full = false;
        let mut next = store.first();
        for (key, slot) in (0..).zip(&mut self.slots) {
            if slot.is_empty() {
                continue;
            }
            if slot.end <= store.first() {
                keep(key, &[])?;
                *slot = Slot::EMPTY;
            } else {
                next = next.max(slot.end);
                if stamped {
                    Self::write(slot, store, key, slot.end, &keep)?;
                }
            }
        }
        while next < store.end() {
            let newest = (0..).zip(&mut self.slots);
            let open = newest.filter(|(_, slot)| !slot.is_empty() && slot.end == next);
            let mut written = false;
            if let Some((key, slot)) = open.last() {
                written = Self::write(slot, store, key, store.end(), &keep)?;
                next = slot.end;
            }
            if !written {
                let mut slots = (0..).zip(&mut self.slots);
                let Some((key, slot)) = slots.find(|(_, slot)| slot.is_empty()) else {
                    self.is_full = true;
                    return Ok(());
                };
                (slot.first, slot.end) = (next, next);
                Self::write(slot, store, key, store.end(), &keep)?;
                next = slot.end;
            }
        }
        Ok(())
    }

    /// Writes the slot anew, with as many readings up to `until` as there is room for; whether
    /// there are more than before.
    fn write<const N: usize>(
        slot: &mut Slot,
        store: &Store<N>,
        key: u8,
        until: u32,
        keep: &impl Fn(u8, &[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let first = slot.first.max(store.first());
        let mut writer = Writer::new(first);
        let mut end = first;
        for reading in store.iter().skip((first - store.first()) as usize) {
            if end >= until || writer.reading(reading).is_none() {
                break;
            }
            end += 1;
        }
        // What is full is not written once more.
        let is_more = end > slot.end;
        if is_more || until == slot.end {
            keep(key, writer.written())?;
            *slot = Slot { first, end };
        }
        Ok(is_more)
    }
}

/// Most fields of a reading.
const FIELDS: usize = 9;

type Fields = [Option<i64>; FIELDS];

/// A reading is: kind, a bit for each field that is there, its time in ms (0: not known), the
/// fields. All of it in base 128.
struct Writer {
    bytes: heapless::Vec<u8, SLOT>,
}

impl Writer {
    fn new(first: u32) -> Self {
        let mut bytes = heapless::Vec::new();
        // There is room.
        let _ = bytes.extend_from_slice(&first.to_le_bytes());
        Self { bytes }
    }

    fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// `None`, and nothing of it written, where there is no room.
    fn reading(&mut self, reading: &Reading) -> Option<()> {
        let before = self.bytes.len();
        let written = self.try_reading(reading);
        if written.is_none() {
            self.bytes.truncate(before);
        }
        written
    }

    fn try_reading(&mut self, reading: &Reading) -> Option<()> {
        let fields = fields(&reading.value);
        let present = (0..).zip(&fields).filter(|(_, field)| field.is_some());
        let mask = present.fold(0_u64, |mask, (at, _)| mask | 1 << at);
        self.number(u64::from(reading.value.kind() as u8))?;
        self.number(mask)?;
        // A time takes the same room as none, so that a slot whose readings are stamped has room
        // for all of them.
        let millis = reading.time().map_or(0, UnixTime::as_millis).to_le_bytes();
        self.bytes.extend_from_slice(millis.get(..6)?).ok()?;
        for field in fields.into_iter().flatten() {
            self.number((field << 1 ^ field >> 63).cast_unsigned())?;
        }
        Some(())
    }

    fn number(&mut self, mut value: u64) -> Option<()> {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80).ok()?;
            value >>= 7;
        }
        self.bytes.push(value as u8).ok()
    }
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    /// `None` at the end, and where it is none.
    fn reading(&mut self) -> Option<Reading> {
        let kind = self.number()?;
        let kind = Kind::ALL.into_iter().find(|of| *of as u64 == kind)?;
        let mask = self.number()?;
        let mut millis = [0; 8];
        let (time, rest) = self.0.split_at_checked(6)?;
        self.0 = rest;
        millis.get_mut(..6)?.copy_from_slice(time);
        let mut fields = [None; FIELDS];
        for (at, field) in fields.iter_mut().enumerate() {
            if mask >> at & 1 == 1 {
                let number = self.number()?;
                *field = Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        let time = UnixTime::from_millis(i64::from_le_bytes(millis));
        Some(Reading {
            taken: time.map_or(Taken::Before, Taken::At),
            value: value(kind, fields)?,
        })
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

fn fields(value: &Value) -> Fields {
    let mut fields = [None; FIELDS];
    let mut places = fields.iter_mut();
    let mut put = |field: Option<i64>| {
        if let Some(place) = places.next() {
            *place = field;
        }
    };
    match value {
        Value::Environment(of) => {
            for field in [of.temperature, of.humidity, of.pressure, of.gas, of.light] {
                put(field.map(i64::from));
            }
        }
        Value::Battery(millivolts) => put(Some(i64::from(*millivolts))),
        Value::FuelGauge(of) => {
            put(Some(of.voltage.into()));
            put(Some(of.current.into()));
            put(Some(of.temperature.into()));
            put(Some(of.charge.into()));
            put(of.to_empty.map(i64::from));
            put(of.to_full.map(i64::from));
        }
        Value::Position(of) => {
            for field in [
                of.latitude,
                of.longitude,
                of.accuracy,
                of.altitude,
                of.speed,
            ] {
                put(Some(field.into()));
            }
            put(of.heading.map(i64::from));
        }
        Value::Network(of) => {
            let (low, high) = match of.address {
                None => (None, None),
                Some(IpAddr::V4(address)) => (Some(address.to_bits().into()), None),
                Some(IpAddr::V6(address)) => {
                    let bits = address.to_bits();
                    let half = |bits: u128| Some((bits as u64).cast_signed());
                    (half(bits), half(bits >> 64))
                }
            };
            put(Some(of.is_nb_iot.into()));
            put(of.earfcn.map(i64::from));
            put(of.rsrp.map(i64::from));
            put(Some(of.area.into()));
            put(Some(of.mccmnc.into()));
            put(Some(of.cell.into()));
            put(of.energy.map(i64::from));
            put(low);
            put(high);
        }
        Value::Button(number) => put(Some(i64::from(*number))),
        Value::Impact(strength) => put(Some(i64::from(*strength))),
    }
    fields
}

/// `None` for what cannot be.
fn value(kind: Kind, fields: Fields) -> Option<Value> {
    fn of<T: TryFrom<i64>>(field: Option<i64>) -> Option<T> {
        field?.try_into().ok()
    }
    let [a, b, c, d, e, f, g, low, high] = fields;
    Some(match kind {
        Kind::Environment => Value::Environment(Environment {
            temperature: of(a),
            humidity: of(b),
            pressure: of(c),
            gas: of(d),
            light: of(e),
        }),
        Kind::Battery => Value::Battery(of(a)?),
        Kind::FuelGauge => Value::FuelGauge(FuelGauge {
            voltage: of(a)?,
            current: of(b)?,
            temperature: of(c)?,
            charge: of(d)?,
            to_empty: of(e),
            to_full: of(f),
        }),
        Kind::Position => Value::Position(Position {
            latitude: of(a)?,
            longitude: of(b)?,
            accuracy: of(c)?,
            altitude: of(d)?,
            speed: of(e)?,
            heading: of(f),
        }),
        Kind::Network => Value::Network(Network {
            is_nb_iot: a? != 0,
            earfcn: of(b),
            rsrp: of(c),
            area: of(d)?,
            mccmnc: of(e)?,
            cell: of(f)?,
            energy: of(g),
            address: match (low, high) {
                (Some(low), Some(high)) => {
                    let half = |bits: i64| u128::from(bits.cast_unsigned());
                    Some(IpAddr::V6((half(high) << 64 | half(low)).into()))
                }
                (Some(low), None) => Some(IpAddr::V4(u32::try_from(low).ok()?.into())),
                _ => None,
            },
        }),
        Kind::Button => Value::Button(of(a)?),
        Kind::Impact => Value::Impact(of(a)?),
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::cell::RefCell;
    use std::{vec, vec::Vec};

    use super::*;

    const TIME: i64 = 1_800_000_000_123;

    fn reading(value: Value) -> Reading {
        Reading {
            taken: Taken::At(UnixTime::from_millis(TIME).unwrap()),
            value,
        }
    }

    /// The flash of a device, whose power can be cut.
    #[derive(Default)]
    struct Flash {
        slots: RefCell<[Vec<u8>; KEPT as usize]>,
        writes: RefCell<usize>,
    }

    impl Flash {
        fn update(&self, kept: &mut Kept, store: &Store<64>, stamped: bool) {
            let keep = |key: u8, bytes: &[u8]| {
                self.slots.borrow_mut()[usize::from(key)] = bytes.into();
                *self.writes.borrow_mut() += 1;
                Ok(())
            };
            kept.update_with(store, stamped, keep).expect("kept");
        }

        fn boot(&self) -> (Kept, Store<64>) {
            let (mut kept, mut store) = (Kept::new(), Store::new());
            kept.restore_with(&mut store, |key, buffer| {
                let slot = &self.slots.borrow()[usize::from(key)];
                let len = slot.len().min(buffer.len());
                buffer[..len].copy_from_slice(&slot[..len]);
                len
            });
            (kept, store)
        }
    }

    fn numbers(store: &Store<64>) -> Vec<u16> {
        let number = |reading: &Reading| match reading.value {
            Value::Impact(number) => number,
            _ => 0,
        };
        store.iter().map(number).collect()
    }

    #[test]
    fn every_kind_of_reading_is_read_as_it_was_written() {
        let network = Network {
            is_nb_iot: true,
            earfcn: None,
            rsrp: Some(-140),
            area: u16::MAX,
            mccmnc: 999_999,
            cell: u32::MAX,
            address: Some("2001:db8:ffff:ffff:8000::1".parse().unwrap()),
            energy: Some(9),
        };
        let position = Position {
            latitude: -900_000_000,
            longitude: 1_800_000_000,
            accuracy: i32::MAX,
            altitude: -1,
            speed: 0,
            heading: Some(36_000),
        };
        let gauge = FuelGauge {
            voltage: u16::MAX,
            current: -400,
            temperature: -400,
            charge: 100,
            to_empty: None,
            to_full: Some(u32::MAX),
        };
        let environment = Environment {
            temperature: Some(i32::MIN),
            humidity: None,
            pressure: Some(101_325),
            gas: Some(i32::MAX),
            light: None,
        };
        let all = [
            reading(Value::Environment(environment)),
            reading(Value::Environment(Environment::default())),
            reading(Value::Battery(u16::MAX)),
            reading(Value::FuelGauge(gauge)),
            reading(Value::Position(position)),
            reading(Value::Position(Position {
                heading: None,
                ..position
            })),
            reading(Value::Network(network)),
            reading(Value::Network(Network {
                is_nb_iot: false,
                address: Some("255.255.255.255".parse().unwrap()),
                ..network
            })),
            reading(Value::Network(Network {
                address: None,
                energy: None,
                ..network
            })),
            reading(Value::Button(u8::MAX)),
            Reading {
                taken: Taken::Before,
                ..reading(Value::Impact(u16::MAX))
            },
        ];
        let mut writer = Writer::new(7);
        for reading in &all {
            writer.reading(reading).expect("room");
        }
        let mut reader = Reader(&writer.written()[4..]);
        let read: Vec<_> = core::iter::from_fn(|| reader.reading()).collect();
        assert_eq!(read, all);
        assert_eq!(reader.0, b"");
        for len in 0..writer.written().len() {
            let mut cut = Reader(writer.written().get(4..len).unwrap_or_default());
            assert!(core::iter::from_fn(|| cut.reading()).count() < all.len());
        }
    }

    #[test]
    fn what_waits_is_there_after_a_power_cut_at_any_moment() {
        let flash = Flash::default();
        let (mut kept, mut store) = flash.boot();
        let mut expected = Vec::new();
        for number in 0..200_u16 {
            store.push(reading(Value::Impact(number)));
            expected.push(number);
            flash.update(&mut kept, &store, false);
            if number % 7 == 3 {
                // The outbox took these.
                let count = usize::from(number % 5) + 6;
                let count = count.min(expected.len());
                store.remove(count);
                expected.drain(..count);
                flash.update(&mut kept, &store, false);
            }
            if number % 11 == 5 {
                (kept, store) = flash.boot();
                let restored = numbers(&store);
                assert!(restored.ends_with(&expected), "{restored:?} {expected:?}");
                assert!(restored.is_sorted());
                // What was taken out of a slot that is not empty yet may come twice.
                let again = restored.len() - expected.len();
                assert!(again < SLOT / 10, "{again}");
                store.remove(again);
            }
        }
        store.remove(expected.len());
        flash.update(&mut kept, &store, false);
        assert!(flash.slots.borrow().iter().all(Vec::is_empty));
    }

    #[test]
    fn a_slot_is_written_when_a_reading_joins_it_and_at_no_other_time() {
        let flash = Flash::default();
        let (mut kept, mut store) = flash.boot();
        for number in 0..5 {
            store.push(reading(Value::Impact(number)));
            flash.update(&mut kept, &store, false);
            flash.update(&mut kept, &store, false);
        }
        assert_eq!(*flash.writes.borrow(), 5);
        assert!(kept.has(4) && !kept.has(5));
    }

    #[test]
    fn more_than_there_is_room_for_says_so_and_what_is_kept_stays() {
        let flash = Flash::default();
        let (mut kept, mut store) = (Kept::new(), Store::<64>::new());
        let network = Network {
            is_nb_iot: false,
            earfcn: Some(9410),
            rsrp: Some(-97),
            area: 6699,
            mccmnc: 50_501,
            cell: 19_088_743,
            address: Some("2001:db8:ffff:ffff:8000::1".parse().unwrap()),
            energy: Some(8),
        };
        for _ in 0..64 {
            store.push(reading(Value::Network(network)));
            flash.update(&mut kept, &store, false);
        }
        assert!(kept.is_full());
        let (_, restored) = flash.boot();
        assert!((40..64).contains(&restored.len()), "{}", restored.len());
        store.remove(40);
        flash.update(&mut kept, &store, false);
        assert!(!kept.is_full());
        let (_, restored) = flash.boot();
        assert!(restored.len() >= 24);
    }

    #[test]
    fn a_time_that_comes_later_is_kept_too() {
        let flash = Flash::default();
        let (mut kept, mut store) = flash.boot();
        let now = iothub::Instant::from_millis(5);
        for number in 0..60 {
            store.push(Reading {
                taken: Taken::Unstamped(now),
                ..reading(Value::Impact(number))
            });
        }
        flash.update(&mut kept, &store, false);
        let (_, unstamped) = flash.boot();
        assert!(unstamped.iter().all(|it| it.taken == Taken::Before));
        let time = UnixTime::from_millis(TIME).unwrap();
        assert!(store.stamp(now, time));
        flash.update(&mut kept, &store, true);
        let (_, stamped) = flash.boot();
        assert_eq!(numbers(&stamped), (0..60).collect::<Vec<_>>());
        assert!(stamped.iter().all(|it| it.taken == Taken::At(time)));
        // One of a life before has no time to come.
        let mut unstamped = unstamped;
        assert!(!unstamped.stamp(now, time) && !unstamped.awaits_time());
    }

    #[test]
    fn what_is_damaged_ends_its_slot_and_no_other() {
        let flash = Flash::default();
        let (mut kept, mut store) = flash.boot();
        for number in 0..60 {
            store.push(reading(Value::Impact(number)));
        }
        flash.update(&mut kept, &store, false);
        let whole = numbers(&flash.boot().1).len();
        flash.slots.borrow_mut()[0] = vec![0, 0, 0, 0, 0x80];
        let rest = numbers(&flash.boot().1);
        assert!(rest.len() < whole && rest.last() == Some(&59), "{rest:?}");
        flash.slots.borrow_mut()[0] = vec![1, 2];
        assert_eq!(numbers(&flash.boot().1), rest);
    }
}
