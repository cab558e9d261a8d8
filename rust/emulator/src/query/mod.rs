//! The common forms of IoT Hub's query language over devices.
//!
//! `SELECT *`, paths with `AS`, or `COUNT() AS n`; `FROM devices`; `WHERE` with `= != <> < <= > >=`,
//! `IN`, `NIN`, `AND`, `OR`, `NOT`, parentheses, `is_defined`, `is_null`, `is_string`, `is_number`,
//! `is_bool`, `is_object`, `startswith`, `endswith`, `contains`.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use self::lexer::tokens;
use self::parser::Parser;
use crate::code::{ErrorCode, Refusal};

mod lexer;
mod parser;

/// A parsed query.
#[derive(Debug)]
pub(crate) struct Query {
    columns: Columns,
    filter: Option<Expression>,
}

#[derive(Debug)]
enum Columns {
    All,
    Count(String),
    /// Path and name.
    Paths(Vec<(Vec<String>, String)>),
}

#[derive(Debug)]
enum Expression {
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Value>, bool),
    Function(String, Operand, Option<Operand>),
}

#[derive(Debug)]
enum Operand {
    Path(Vec<String>),
    Literal(Value),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
impl Query {
    /// Reads a query; the refusal says where it went wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            depth: 0,
        };
        parser.keyword("SELECT")?;
        let columns = parser.columns()?;
        parser.keyword("FROM")?;
        match parser.word()?.to_ascii_lowercase().as_str() {
            "devices" => {}
            other => {
                return Err(invalid(format!(
                    "FROM {other}: only devices can be queried here"
                )));
            }
        }
        let filter = if parser.take_keyword("WHERE") {
            Some(parser.or()?)
        } else {
            None
        };
        match parser.tokens.get(parser.at) {
            None => Ok(Self { columns, filter }),
            Some(token) => Err(invalid(format!(
                "{token:?} is not understood behind the query"
            ))),
        }
    }

    /// Runs over twins.
    pub(crate) fn run(&self, twins: Vec<Value>) -> Vec<Value> {
        let found = twins
            .into_iter()
            .filter(|twin| self.filter.as_ref().is_none_or(|filter| filter.holds(twin)));
        match &self.columns {
            Columns::All => found.collect(),
            Columns::Count(name) => vec![json!({ name.as_str(): found.count() })],
            Columns::Paths(paths) => found
                .map(|twin| {
                    let pairs = paths.iter().filter_map(|(path, name)| {
                        Some((name.clone(), lookup(&twin, path)?.clone()))
                    });
                    Value::Object(pairs.collect::<Map<_, _>>())
                })
                .collect(),
        }
    }

    /// Whether whole twins come out.
    pub(crate) fn is_twins(&self) -> bool {
        matches!(self.columns, Columns::All)
    }
}

impl Expression {
    fn holds(&self, twin: &Value) -> bool {
        match self {
            Self::Or(left, right) => left.holds(twin) || right.holds(twin),
            Self::And(left, right) => left.holds(twin) && right.holds(twin),
            Self::Not(inner) => !inner.holds(twin),
            Self::Compare(left, comparison, right) => match (left.value(twin), right.value(twin)) {
                (Some(left), Some(right)) => comparison.holds(left, right),
                _ => false,
            },
            Self::In(operand, values, wanted) => operand
                .value(twin)
                .is_some_and(|value| values.iter().any(|it| same(it, value)) == *wanted),
            Self::Function(name, first, second) => {
                let value = first.value(twin);
                let texts = value
                    .and_then(Value::as_str)
                    .zip(second.as_ref().and_then(|it| it.value(twin)?.as_str()));
                match name.as_str() {
                    "is_defined" => value.is_some(),
                    "is_null" => value.is_some_and(Value::is_null),
                    "is_string" => value.is_some_and(Value::is_string),
                    "is_number" => value.is_some_and(Value::is_number),
                    "is_bool" => value.is_some_and(Value::is_boolean),
                    "is_object" => value.is_some_and(Value::is_object),
                    "startswith" => texts.is_some_and(|(text, part)| text.starts_with(part)),
                    "endswith" => texts.is_some_and(|(text, part)| text.ends_with(part)),
                    _ => texts.is_some_and(|(text, part)| text.contains(part)),
                }
            }
        }
    }
}

impl Operand {
    fn value<'v>(&'v self, twin: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Path(path) => lookup(twin, path),
            Self::Literal(value) => Some(value),
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            _ => left
                .as_f64()
                .zip(right.as_f64())
                .and_then(|(left, right)| left.partial_cmp(&right)),
        };
        match self {
            Self::Equal => same(left, right),
            Self::NotEqual => !same(left, right),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match left.as_f64().zip(right.as_f64()) {
        Some((left, right)) => left == right,
        None => left == right,
    }
}

fn lookup<'v>(twin: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(twin, |value, name| value.get(name))
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(query: &str) -> Vec<String> {
        let twins = vec![
            json!({"deviceId": "a", "status": "enabled", "tags": {"site": "A", "floor": 3}, "properties": {"reported": {"t": 21.5}}}),
            json!({"deviceId": "b", "status": "disabled", "tags": {"site": "B"}, "properties": {"reported": {"t": 30}}}),
        ];
        let found = Query::parse(query).unwrap().run(twins);
        found
            .iter()
            .map(|twin| twin["deviceId"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn the_common_forms() {
        for (condition, found) in [
            ("tags.site = 'A'", &["a"][..]),
            ("devices.tags.site != \"A\"", &["b"]),
            ("properties.reported.t > 25", &["b"]),
            ("properties.reported.t <= 30 AND status = 'enabled'", &["a"]),
            ("status = 'disabled' OR tags.floor = 3", &["a", "b"]),
            ("NOT (status = 'disabled')", &["a"]),
            ("is_defined(tags.floor)", &["a"]),
            ("deviceId IN ['b', 'c']", &["b"]),
            ("deviceId NIN ['b', 'c']", &["a"]),
            ("startswith(deviceId, 'a')", &["a"]),
            ("tags.nothing = null", &[]),
        ] {
            assert_eq!(
                ids(&format!("SELECT * FROM devices WHERE {condition}")),
                found,
                "{condition}"
            );
        }
        assert_eq!(ids("select deviceId from devices"), ["a", "b"]);
        let count = Query::parse("SELECT COUNT() AS n FROM devices")
            .unwrap()
            .run(vec![json!({}), json!({})]);
        assert_eq!(count, [json!({"n": 2})]);
    }

    #[test]
    fn says_where_it_goes_wrong() {
        let deep = format!("SELECT * FROM devices WHERE {}a = 1", "(".repeat(10_000));
        for (query, why) in [
            ("", "SELECT was expected"),
            ("SELECT * FROM jobs", "only devices"),
            ("SELECT * FROM devices WHERE", "a value was expected"),
            ("SELECT * FROM devices WHERE a", "a comparison was expected"),
            ("SELECT * FROM devices WHERE a = 'x", "not closed"),
            ("SELECT * FROM devices WHERE a ~ 1", "'~' has no meaning"),
            (
                "SELECT * FROM devices; DROP TABLE devices",
                "';' has no meaning",
            ),
            (deep.as_str(), "nests deeper"),
        ] {
            let refusal = Query::parse(query).unwrap_err();
            assert!(refusal.reason.contains(why), "{query:.60}: {refusal}");
        }
    }
}
