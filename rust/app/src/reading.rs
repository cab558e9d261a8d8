//! What was measured, and when.

use core::net::IpAddr;

use iothub::Instant;

use crate::time::UnixTime;

/// One reading. It is stamped with the time of day when it is taken, or, where nobody knew the time
/// then, as soon as it is known; what it is stamped with stays, whatever the clock does afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) taken: Taken,
    pub(crate) value: Value,
}

/// As the help of `CONFIG_IOTHUB_READINGS` says.
const _: () = assert!(size_of::<Reading>() <= 64);

impl Reading {
    pub(crate) fn time(&self) -> Option<UnixTime> {
        match self.taken {
            Taken::At(time) => Some(time),
            Taken::Unstamped(_) | Taken::Before => None,
        }
    }
}

/// When a reading was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    At(UnixTime),
    /// Nobody knew the time: by the clock that never jumps.
    Unstamped(Instant),
    /// Before this start of the device, and nobody knew the time.
    Before,
}

impl Taken {
    /// `taken` by the clock that never jumps.
    pub(crate) fn new(taken: Instant, time: Option<UnixTime>) -> Self {
        time.map_or(Self::Unstamped(taken), Self::At)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Environment(Environment),
    /// mV.
    Battery(u16),
    FuelGauge(FuelGauge),
    Position(Position),
    Network(Network),
    /// The number of the button.
    Button(u8),
    /// 0.01 g.
    Impact(u16),
}

impl Value {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Environment(_) => Kind::Environment,
            Self::Battery(_) => Kind::Battery,
            Self::FuelGauge(_) => Kind::FuelGauge,
            Self::Position(_) => Kind::Position,
            Self::Network(_) => Kind::Network,
            Self::Button(_) => Kind::Button,
            Self::Impact(_) => Kind::Impact,
        }
    }
}

/// What a reading is of, under the names of nRF Asset Tracker's documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Environment,
    Battery,
    FuelGauge,
    Position,
    Network,
    Button,
    Impact,
}

impl Kind {
    /// In the order of a document: what was measured first, then where the network was, which is
    /// less urgent.
    pub(crate) const ALL: [Self; 7] = [
        Self::Position,
        Self::Environment,
        Self::Button,
        Self::Impact,
        Self::Battery,
        Self::FuelGauge,
        Self::Network,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Environment => "env",
            Self::Battery => "bat",
            Self::FuelGauge => "fg",
            Self::Position => "gnss",
            Self::Network => "roam",
            Self::Button => "btn",
            Self::Impact => "impact",
        }
    }

    /// Whether it is a state, of which the newest counts, and not something that happened.
    pub(crate) const fn is_state(self) -> bool {
        !matches!(self, Self::Button | Self::Impact)
    }

    /// The bit of this kind in a set of kinds.
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a board without a sensor has not, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// 0.001 °C.
    pub(crate) temperature: Option<i32>,
    /// 0.001 %.
    pub(crate) humidity: Option<i32>,
    /// Pa.
    pub(crate) pressure: Option<i32>,
    /// Ohm.
    pub(crate) gas: Option<i32>,
    /// Lux.
    pub(crate) light: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FuelGauge {
    /// mV.
    pub(crate) voltage: u16,
    /// mA, negative while it is charged.
    pub(crate) current: i32,
    /// 0.1 °C.
    pub(crate) temperature: i32,
    /// %.
    pub(crate) charge: u8,
    /// Seconds.
    pub(crate) to_empty: Option<u32>,
    /// Seconds.
    pub(crate) to_full: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// 1e-7 degrees.
    pub(crate) latitude: i32,
    /// 1e-7 degrees.
    pub(crate) longitude: i32,
    /// 0.1 m.
    pub(crate) accuracy: i32,
    /// 0.1 m.
    pub(crate) altitude: i32,
    /// 0.01 m/s.
    pub(crate) speed: i32,
    /// 0.01 degrees.
    pub(crate) heading: Option<i32>,
}

/// Where the modem is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) is_nb_iot: bool,
    /// Channel of the downlink, which the documents call `band`.
    pub(crate) earfcn: Option<u32>,
    /// dBm.
    pub(crate) rsrp: Option<i16>,
    pub(crate) area: u16,
    pub(crate) mccmnc: u32,
    pub(crate) cell: u32,
    pub(crate) address: Option<IpAddr>,
    /// 5 (costly) to 9 (cheap).
    pub(crate) energy: Option<u8>,
}

impl Network {
    /// Whether it is the same but for how well it is heard.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        let place = |network: &Self| {
            (
                network.is_nb_iot,
                network.area,
                network.mccmnc,
                network.cell,
                network.address,
            )
        };
        place(self) == place(other)
    }
}
