//! What of a condition the storage can use to find devices; the condition itself is asked again of
//! each that it finds.

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value};

use super::expression::{Binary, Expression, Operation, Path, Step};

/// How devices are found that a condition may hold for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// Only these.
    Ids(Vec<String>),
    /// By the index of tags: a document that has nothing but the tag's path, and the value.
    Tag(String, Sql),
    /// By the index of states: those that are disabled.
    Disabled,
    /// All, as far as these conditions over the columns of `devices` hold.
    Scan(Vec<Condition>),
}

/// A condition in SQL with its parameters, each a `?`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// The text.
    pub sql: String,
    /// What stands for each `?`.
    pub parameters: Vec<Sql>,
}

impl Plan {
    pub(super) fn new(filter: Option<&Expression>) -> Self {
        let conjuncts = filter.map(Expression::conjuncts).unwrap_or_default();
        let tests: Vec<Test<'_>> = conjuncts
            .iter()
            .filter_map(|part| Test::new(part))
            .collect();
        let ids = tests.iter().find_map(Test::ids);
        let tag = || tests.iter().find_map(Test::tag);
        let disabled = || {
            tests
                .iter()
                .any(Test::is_disabled)
                .then_some(Self::Disabled)
        };
        let scan = || {
            Self::Scan(
                tests
                    .iter()
                    .filter_map(Test::condition)
                    .take(MAX_CONDITIONS)
                    .collect(),
            )
        };
        ids.map(Self::Ids)
            .or_else(tag)
            .or_else(disabled)
            .unwrap_or_else(scan)
    }
}

/// A value of the document and what it must be.
struct Test<'e> {
    column: Column,
    comparison: Comparison<'e>,
}

enum Column {
    Id,
    Status,
    /// A column with JSON, and the members that lead to the value.
    Json(&'static str, Vec<String>),
}

enum Comparison<'e> {
    With(Binary, &'e Value),
    In(Vec<&'e Value>),
    Defined,
}

impl<'e> Test<'e> {
    fn new(part: &'e [Operation]) -> Option<Self> {
        let (path, comparison) = match part {
            [
                Operation::Path(path),
                Operation::Literal(Some(value)),
                Operation::Binary(binary),
            ] => (path, Comparison::With(*binary, value)),
            [
                Operation::Literal(Some(value)),
                Operation::Path(path),
                Operation::Binary(binary),
            ] => (path, Comparison::With(flipped(*binary)?, value)),
            [Operation::Path(path), Operation::Call(function, 1)]
                if function.name == "IS_DEFINED" =>
            {
                (path, Comparison::Defined)
            }
            [
                Operation::Path(path),
                values @ ..,
                Operation::Array(_),
                Operation::Binary(Binary::In),
            ] => {
                let values: Option<Vec<&Value>> = values
                    .iter()
                    .map(|value| match value {
                        Operation::Literal(Some(value)) => Some(value),
                        _ => None,
                    })
                    .collect();
                (path, Comparison::In(values?))
            }
            _ => return None,
        };
        Some(Self {
            column: Column::new(path)?,
            comparison,
        })
    }

    fn ids(&self) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match (&self.column, &self.comparison) {
            (Column::Id, Comparison::With(Binary::Equal, value)) => {
                Some(text(value).into_iter().collect())
            }
            (Column::Id, Comparison::In(values)) => {
                Some(values.iter().filter_map(|value| text(value)).collect())
            }
            _ => None,
        }
    }

    fn tag(&self) -> Option<Plan> {
        match (&self.column, &self.comparison) {
            (Column::Json("tags", names), Comparison::With(Binary::Equal, value)) => {
                let document = names.iter().rev().fold(Value::from(0), |inner, name| {
                    Value::Object(Map::from_iter([(name.clone(), inner)]))
                });
                Some(Plan::Tag(document.to_string(), sql(value)?))
            }
            _ => None,
        }
    }

    fn is_disabled(&self) -> bool {
        matches!(
            (&self.column, &self.comparison),
            (Column::Status, Comparison::With(Binary::Equal, Value::String(status))) if status == "disabled"
        )
    }

    fn condition(&self) -> Option<Condition> {
        let (column, path) = match &self.column {
            Column::Id => ("id".to_owned(), None),
            Column::Status => ("status".to_owned(), None),
            Column::Json(column, names) => (
                format!("json_extract({column}, ?)"),
                Some(json_path(names)?),
            ),
        };
        let mut parameters: Vec<Sql> = path.into_iter().map(Sql::Text).collect();
        let text = match &self.comparison {
            Comparison::With(binary, value) => {
                parameters.push(sql(value)?);
                let ordered = !value.is_boolean();
                let sign = match binary {
                    Binary::Equal => "=",
                    Binary::NotEqual => "<>",
                    Binary::Less if ordered => "<",
                    Binary::LessOrEqual if ordered => "<=",
                    Binary::Greater if ordered => ">",
                    Binary::GreaterOrEqual if ordered => ">=",
                    _ => return None,
                };
                format!("{column} {sign} ?")
            }
            Comparison::In(values) if values.len() <= MAX_VALUES => {
                let values: Option<Vec<Sql>> = values.iter().map(|value| sql(value)).collect();
                let values = values?;
                let marks = vec!["?"; values.len()].join(", ");
                parameters.extend(values);
                format!("{column} IN ({marks})")
            }
            Comparison::In(_) => return None,
            Comparison::Defined => match &self.column {
                Column::Json(column, _) => format!("json_type({column}, ?) IS NOT NULL"),
                Column::Id | Column::Status => return None,
            },
        };
        Some(Condition {
            sql: text,
            parameters,
        })
    }
}

impl Column {
    fn new(path: &Path) -> Option<Self> {
        let names: Option<Vec<&str>> = path
            .steps
            .iter()
            .map(|step| match step {
                Step::Member(name) => Some(name.as_str()),
                Step::Element(_) => None,
            })
            .collect();
        let json = |column, names: &[&str]| {
            let stored = !matches!(names.first(), None | Some(&"$version" | &"$metadata"));
            stored.then(|| Self::Json(column, names.iter().map(|&name| name.to_owned()).collect()))
        };
        match names?.as_slice() {
            ["deviceId"] => Some(Self::Id),
            ["status"] => Some(Self::Status),
            ["tags", names @ ..] => json("tags", names),
            ["properties", "desired", names @ ..] => json("desired", names),
            ["properties", "reported", names @ ..] => json("reported", names),
            _ => None,
        }
    }
}

/// None for a name that SQLite's paths cannot write.
fn json_path(names: &[String]) -> Option<String> {
    let plain = names.iter().all(|name| !name.contains(['"', '\\']));
    plain.then(|| {
        let members: String = names.iter().map(|name| format!(".\"{name}\"")).collect();
        format!("${members}")
    })
}

/// As `json_extract` gives such a value.
fn sql(value: &Value) -> Option<Sql> {
    match value {
        Value::String(text) => Some(Sql::Text(text.clone())),
        Value::Bool(yes) => Some(Sql::Integer(i64::from(*yes))),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(Sql::Integer(whole)),
            None => number.as_f64().map(Sql::Real),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The comparison with its sides exchanged.
fn flipped(binary: Binary) -> Option<Binary> {
    Some(match binary {
        Binary::Equal | Binary::NotEqual => binary,
        Binary::Less => Binary::Greater,
        Binary::LessOrEqual => Binary::GreaterOrEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterOrEqual => Binary::LessOrEqual,
        _ => return None,
    })
}

/// SQLite takes 32,766 parameters; nobody gains by that many.
const MAX_VALUES: usize = 500;
const MAX_CONDITIONS: usize = 20;

#[cfg(test)]
mod tests {
    use super::super::Query;
    use super::*;

    fn plan(condition: &str) -> Plan {
        let text = format!("SELECT * FROM devices WHERE {condition}");
        Query::parse(&text).unwrap().plan()
    }

    fn text(text: &str) -> Sql {
        Sql::Text(text.to_owned())
    }

    #[test]
    fn finds_by_the_best_there_is() {
        let ids = Plan::Ids(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(plan("tags.x = 1 AND deviceId IN ['a', 'b']"), ids);
        assert_eq!(plan("'a' = id"), Plan::Ids(vec!["a".to_owned()]));
        assert_eq!(plan("id = 5"), Plan::Ids(Vec::new()));
        let tag = Plan::Tag(r#"{"a":{"b":0}}"#.to_owned(), text("x"));
        assert_eq!(plan("status = 'disabled' AND tags.a.b = 'x'"), tag);
        assert_eq!(
            plan("properties.reported.t > 1 AND status = 'disabled'"),
            Plan::Disabled
        );
    }

    #[test]
    fn filters_by_what_must_be_true() {
        let Plan::Scan(conditions) = plan(
            "(properties.reported.t >= 1.5 AND is_defined(tags.a)) AND properties.desired.x IN [true, 'y'] \
             AND 'm' < status AND (deviceId = 'a' OR deviceId = 'b') AND NOT deviceId = 'c' AND tags.a[0] = 1 \
             AND properties.desired.$version = 2 AND tags.n = null AND deviceId NIN ['a']",
        ) else {
            panic!("not a scan");
        };
        let found: Vec<(&str, &[Sql])> = conditions
            .iter()
            .map(|it| (it.sql.as_str(), it.parameters.as_slice()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "json_extract(reported, ?) >= ?",
                    &[text("$.\"t\""), Sql::Real(1.5)][..]
                ),
                ("json_type(tags, ?) IS NOT NULL", &[text("$.\"a\"")]),
                (
                    "json_extract(desired, ?) IN (?, ?)",
                    &[text("$.\"x\""), Sql::Integer(1), text("y")]
                ),
                ("status > ?", &[text("m")]),
            ]
        );
        assert_eq!(plan("deviceId = 'a' OR tags.x = 1"), Plan::Scan(Vec::new()));
        assert_eq!(Plan::new(None), Plan::Scan(Vec::new()));
    }
}
