//! Where a receiver begins: the filter `apache.org:selector-filter:string` of its source.

use rusqlite::Connection;

use crate::amqp::codec::value::Value;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::hub::partitions::Partition;

/// Where a receiver begins: behind a message, or with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) enum Start {
    /// With the oldest message.
    Beginning,
    /// With what comes from now on.
    Latest,
    /// By an offset.
    Offset(i64, bool),
    /// By a sequence number.
    Sequence(i64, bool),
    /// By a moment.
    Time(UnixMs, bool),
}

impl Start {
    /// Reads the filters of a source; without one a receiver begins with the oldest message.
    pub(in crate::amqp) fn of_filters(filters: &Value) -> Result<Self, Refusal> {
        let Some((_, filter)) = selector(filters) else {
            return Ok(Self::Beginning);
        };
        let text = match filter {
            Value::Described(parts) => parts.1.as_str(),
            plain => plain.as_str(),
        };
        let text = text.unwrap_or_default();
        Self::parse(text).ok_or_else(|| {
            Refusal::new(
                ErrorCode::ArgumentInvalid,
                format!(
                    "the filter \"{text}\" is none on {OFFSET}, {SEQUENCE_NUMBER} or {ENQUEUED_TIME} with > or >="
                ),
            )
        })
    }

    /// `amqp.annotation.x-opt-offset > '12'`, with or without quotes.
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once(char::is_whitespace)?;
        let rest = rest.trim_start().strip_prefix('>')?;
        let (inclusive, value) = match rest.strip_prefix('=') {
            Some(value) => (true, value),
            None => (false, rest),
        };
        let value = value.trim().trim_matches('\'');
        let name = name.strip_prefix("amqp.annotation.")?;
        if name == OFFSET && value == "@latest" {
            return Some(Self::Latest);
        }
        let number: i64 = value.parse().ok()?;
        match name {
            OFFSET | SEQUENCE_NUMBER if number < 0 => Some(Self::Beginning),
            OFFSET => Some(Self::Offset(number, inclusive)),
            SEQUENCE_NUMBER => Some(Self::Sequence(number, inclusive)),
            ENQUEUED_TIME | "x-opt-enqueuedtimeutc" => Some(Self::Time(number, inclusive)),
            _ => None,
        }
    }

    /// The sequence number behind which a receiver of a partition begins.
    pub(in crate::amqp) fn position(
        self,
        c: &Connection,
        partition: &Partition,
    ) -> Result<i64, Refusal> {
        match self {
            Self::Beginning => Ok(-1),
            Self::Latest => partition.latest(c),
            Self::Offset(offset, inclusive) => partition.before_offset(c, offset, inclusive),
            Self::Sequence(number, inclusive) => partition.before_sequence(c, number, inclusive),
            Self::Time(at, inclusive) => partition.before_time(c, at, inclusive),
        }
    }
}

/// The filters that are in force: the selector, of those that a receiver asks for. Others are not
/// known here.
pub(in crate::amqp) fn in_force(filters: &Value) -> Value {
    match selector(filters) {
        Some(selector) => Value::Map(vec![selector.clone()]),
        None => Value::Null,
    }
}

/// The selector among filters, with its name.
fn selector(filters: &Value) -> Option<&(Value, Value)> {
    let all = filters.as_map();
    let named = all.iter().find(|(name, _)| name.as_str() == Some(NAME));
    named.or_else(|| all.iter().find(|(_, filter)| is_selector(filter)))
}

/// Whether a filter is a selector by its type, under whatever name of its own: Proton's is
/// `selector`, rhea's `jms-selector`.
fn is_selector(filter: &Value) -> bool {
    let Value::Described(parts) = filter else {
        return false;
    };
    parts.0.as_str() == Some(NAME) || parts.0.as_u64() == Some(SELECTOR)
}

const NAME: &str = "apache.org:selector-filter:string";
const SELECTOR: u64 = 0x0000_468c_0000_0004;

pub(in crate::amqp) const OFFSET: &str = "x-opt-offset";
pub(in crate::amqp) const SEQUENCE_NUMBER: &str = "x-opt-sequence-number";
pub(in crate::amqp) const ENQUEUED_TIME: &str = "x-opt-enqueued-time";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_filters_of_the_sdks() {
        for (text, start) in [
            ("amqp.annotation.x-opt-offset > '-1'", Start::Beginning),
            ("amqp.annotation.x-opt-offset > '@latest'", Start::Latest),
            (
                "amqp.annotation.x-opt-offset >= '12'",
                Start::Offset(12, true),
            ),
            (
                "amqp.annotation.x-opt-sequence-number > '12'",
                Start::Sequence(12, false),
            ),
            (
                "amqp.annotation.x-opt-sequence-number >= 0",
                Start::Sequence(0, true),
            ),
            (
                "amqp.annotation.x-opt-enqueued-time > '1795233725123'",
                Start::Time(1_795_233_725_123, false),
            ),
            (
                "amqp.annotation.x-opt-enqueuedtimeutc >= 5",
                Start::Time(5, true),
            ),
        ] {
            let symbol = |name: &str| Value::Symbol(name.to_owned());
            for (name, kind) in [
                (NAME, Value::Ulong(SELECTOR)),
                ("jms-selector", Value::Ulong(SELECTOR)),
                ("selector", symbol(NAME)),
            ] {
                let described = (kind, Value::String(text.to_owned()));
                let filter = Value::Described(Box::new(described));
                let filters = Value::Map(vec![(symbol(name), filter)]);
                assert_eq!(Start::of_filters(&filters), Ok(start), "{name} {text}");
            }
        }
        assert_eq!(Start::of_filters(&Value::Null), Ok(Start::Beginning));
    }

    #[test]
    fn refuses_any_other_selector() {
        for text in [
            "",
            "x",
            "amqp.annotation.x-opt-offset < '1'",
            "amqp.annotation.x-opt-offset > 'soon'",
            "amqp.annotation.x-opt-sequence-number > '@latest'",
            "color > '1'",
        ] {
            let filters = Value::Map(vec![(
                Value::Symbol(NAME.to_owned()),
                Value::String(text.to_owned()),
            )]);
            assert!(Start::of_filters(&filters).is_err(), "{text}");
        }
    }
}
