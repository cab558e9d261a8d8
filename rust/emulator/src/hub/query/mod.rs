//! IoT Hub's query language over twins, after Microsoft's page "IoT Hub query language for device
//! and module twins, jobs, and message routing":
//!
//! ```text
//! SELECT [TOP n] * | element [AS name], …   element: a path, COUNT(), AVG SUM MIN MAX(path)
//! FROM devices | devices.modules | devices.jobs [alias]
//! [WHERE condition] [GROUP BY path, …]
//! ```
//!
//! Conditions: `OR AND NOT`, `= != <> < <= > >= IN NIN`, `+ - * / %`, texts in either quote with
//! `\' \" \\ \uXXXX`, decimal and hexadecimal numbers, arrays, every function of that page.

use std::collections::HashMap;

use serde_json::{Map, Number, Value, json};

use self::expression::{Expression, Path};
use self::lexer::{Kind, tokens};
use self::parser::Parser;
use self::values::{number, order};
use crate::code::{ErrorCode, Refusal};

mod expression;
mod functions;
mod lexer;
mod parser;
mod plan;
mod values;

pub(crate) use plan::{Condition, Plan};

/// A parsed query.
#[derive(Debug)]
pub(crate) struct Query {
    collection: Collection,
    top: Option<usize>,
    columns: Columns,
    filter: Option<Expression>,
    groups: Vec<Path>,
}

/// What a query is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    /// Twins of devices.
    Devices,
    /// Twins of modules.
    Modules,
    /// What jobs have done with each device.
    Jobs,
}

#[derive(Debug)]
enum Columns {
    All,
    /// With the name in the answer.
    Some(Vec<(Column, String)>),
}

#[derive(Debug)]
enum Column {
    Value(Path),
    Aggregate(Aggregate, Option<Path>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Count,
    Average,
    Sum,
    Least,
    Most,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// Where it goes wrong and what was expected there; a query of more than 8,192 characters.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(invalid(format!(
                "it has {length} characters, and {MAX_LENGTH} are the most"
            )));
        }
        let mut parser = Parser {
            tokens: tokens(text)?,
            at: 0,
            prefixes: Vec::new(),
        };
        parser.expect_keyword("SELECT")?;
        let top = parser
            .take_keyword("TOP")
            .then(|| parser.count())
            .transpose()?;
        // The alias is known only behind FROM.
        let columns = parser.at;
        parser.columns()?;
        parser.expect_keyword("FROM")?;
        let collection = parser.collection()?;
        let behind = std::mem::replace(&mut parser.at, columns);
        let columns = parser.columns()?;
        parser.at = behind;
        let filter = parser
            .take_keyword("WHERE")
            .then(|| parser.expression())
            .transpose()?;
        let groups = if parser.take_keyword("GROUP") {
            parser.expect_keyword("BY")?;
            parser.paths()?
        } else {
            Vec::new()
        };
        if parser.kind(0).is_some() {
            return Err(parser.expected("the end"));
        }
        let query = Self {
            collection,
            top,
            columns,
            filter,
            groups,
        };
        query.check()?;
        Ok(query)
    }

    /// What it is about.
    pub(crate) fn collection(&self) -> Collection {
        self.collection
    }

    /// Whether whole twins come out.
    pub(crate) fn is_twins(&self) -> bool {
        matches!(self.columns, Columns::All)
    }

    /// Whether its rows are only known when every document was seen.
    pub(crate) fn is_aggregate(&self) -> bool {
        match &self.columns {
            Columns::All => false,
            Columns::Some(columns) => {
                !self.groups.is_empty()
                    || columns
                        .iter()
                        .any(|(column, _)| matches!(column, Column::Aggregate(..)))
            }
        }
    }

    /// How many rows there may be.
    pub(crate) fn top(&self) -> usize {
        self.top.unwrap_or(usize::MAX)
    }

    /// The row of a document, if the condition holds; of a query that is no aggregate.
    pub(crate) fn row(&self, document: Value) -> Option<Value> {
        if !self.holds(&document) {
            return None;
        }
        Some(match &self.columns {
            Columns::All => document,
            Columns::Some(columns) => object(columns.iter().filter_map(|(column, name)| {
                let Column::Value(path) = column else {
                    return None;
                };
                Some((name.clone(), path.lookup(&document)?.clone()))
            })),
        })
    }

    /// How the storage finds what the condition may hold for.
    pub(crate) fn plan(&self) -> Plan {
        Plan::new(self.filter.as_ref())
    }

    /// Whether it counts all there are and asks nothing else: the name of the number.
    pub(crate) fn counts_all(&self) -> Option<&str> {
        match &self.columns {
            Columns::Some(columns) if self.filter.is_none() && self.groups.is_empty() => {
                match columns.as_slice() {
                    [(Column::Aggregate(Aggregate::Count, None), name)] => Some(name),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn holds(&self, document: &Value) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.holds(document))
    }

    fn check(&self) -> Result<(), Refusal> {
        let whole = self.is_twins();
        if self.collection == Collection::Jobs && !(whole && self.groups.is_empty()) {
            return Err(invalid(
                "FROM devices.jobs takes SELECT * alone, without projections and aggregates"
                    .to_owned(),
            ));
        }
        if whole && !self.groups.is_empty() {
            return Err(invalid(
                "GROUP BY needs a SELECT that names its columns".to_owned(),
            ));
        }
        let Columns::Some(columns) = &self.columns else {
            return Ok(());
        };
        let loose = columns.iter().find(
            |(column, _)| matches!(column, Column::Value(path) if !self.groups.contains(path)),
        );
        match loose {
            Some((_, name)) if self.is_aggregate() => Err(invalid(format!(
                "'{name}' stands beside an aggregate and is not in GROUP BY"
            ))),
            _ => Ok(()),
        }
    }
}

impl Parser {
    fn columns(&mut self) -> Result<Columns, Refusal> {
        if self.take_sign("*") {
            return Ok(Columns::All);
        }
        let mut columns = Vec::new();
        loop {
            let column = self.column()?;
            let name = if self.take_keyword("AS") {
                self.name()?
            } else {
                match &column {
                    Column::Value(path) => path.name(),
                    Column::Aggregate(aggregate, _) => aggregate.name().to_ascii_lowercase(),
                }
            };
            columns.push((column, name));
            if !self.take_sign(",") {
                return Ok(Columns::Some(columns));
            }
        }
    }

    fn column(&mut self) -> Result<Column, Refusal> {
        let aggregate = match (self.kind(0), self.kind(1)) {
            (Some(Kind::Name(name)), Some(Kind::Sign("("))) => Some(
                AGGREGATES
                    .iter()
                    .find(|aggregate| aggregate.name().eq_ignore_ascii_case(name))
                    .ok_or_else(|| self.expected("a path, COUNT(), AVG, SUM, MIN or MAX"))?,
            ),
            _ => None,
        };
        let Some(aggregate) = aggregate else {
            return Ok(Column::Value(self.path()?));
        };
        self.at += 2;
        let path = match aggregate {
            // COUNT(*) counts all too.
            Aggregate::Count => {
                if !self.take_sign("*") && self.kind(0) != Some(&Kind::Sign(")")) {
                    Some(self.path()?)
                } else {
                    None
                }
            }
            _ => Some(self.path()?),
        };
        self.expect_sign(")")?;
        Ok(Column::Aggregate(*aggregate, path))
    }

    fn paths(&mut self) -> Result<Vec<Path>, Refusal> {
        let mut paths = vec![self.path()?];
        while self.take_sign(",") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    fn count(&mut self) -> Result<usize, Refusal> {
        let number = match self.kind(0) {
            Some(Kind::Literal(value)) => value.as_u64().and_then(|it| usize::try_from(it).ok()),
            _ => None,
        };
        let number = number.filter(|number| *number > 0);
        let number = number.ok_or_else(|| self.expected("a whole number above 0"))?;
        self.at += 1;
        Ok(number)
    }
}

/// The groups of an aggregate, while documents come in.
#[derive(Debug, Default)]
pub(crate) struct Aggregation {
    places: HashMap<String, usize>,
    rows: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// Of each path behind GROUP BY.
    key: Vec<Option<Value>>,
    /// Of each column.
    totals: Vec<Total>,
}

#[derive(Clone, Debug, Default)]
struct Total {
    /// Values that are there; of these, numbers.
    count: u64,
    numbers: u64,
    sum: f64,
    least: Option<Value>,
    most: Option<Value>,
}

impl Query {
    /// Counts a document in, if the condition holds.
    ///
    /// # Errors
    ///
    /// More than [`MAX_GROUPS`] groups.
    pub(crate) fn add(
        &self,
        aggregation: &mut Aggregation,
        document: &Value,
    ) -> Result<(), Refusal> {
        let Columns::Some(columns) = &self.columns else {
            return Ok(());
        };
        if !self.holds(document) {
            return Ok(());
        }
        let key: Vec<Option<Value>> = self
            .groups
            .iter()
            .map(|path| path.lookup(document).cloned())
            .collect();
        // null and nothing are two groups.
        let parts: Vec<Value> = key
            .iter()
            .map(|value| json!([value, value.is_some()]))
            .collect();
        let count = aggregation.rows.len();
        let place = *aggregation
            .places
            .entry(Value::Array(parts).to_string())
            .or_insert(count);
        if place == count {
            if count == MAX_GROUPS {
                return Err(invalid(format!(
                    "GROUP BY makes more than {MAX_GROUPS} groups"
                )));
            }
            aggregation.rows.push(Group {
                key,
                totals: vec![Total::default(); columns.len()],
            });
        }
        let Some(group) = aggregation.rows.get_mut(place) else {
            return Ok(());
        };
        for (total, (column, _)) in group.totals.iter_mut().zip(columns) {
            match column {
                Column::Aggregate(_, Some(path)) => {
                    if let Some(value) = path.lookup(document) {
                        total.add(value);
                    }
                }
                Column::Aggregate(_, None) => total.count += 1,
                Column::Value(_) => {}
            }
        }
        Ok(())
    }

    /// The rows, in the order in which their groups came up.
    pub(crate) fn finish(&self, mut aggregation: Aggregation) -> Vec<Value> {
        let Columns::Some(columns) = &self.columns else {
            return Vec::new();
        };
        if aggregation.rows.is_empty() && self.groups.is_empty() {
            aggregation.rows.push(Group {
                key: Vec::new(),
                totals: vec![Total::default(); columns.len()],
            });
        }
        let rows = aggregation.rows.iter().map(|group| {
            object(
                columns
                    .iter()
                    .zip(&group.totals)
                    .filter_map(|((column, name), total)| {
                        let value = match column {
                            Column::Aggregate(aggregate, _) => total.value(*aggregate)?,
                            Column::Value(path) => {
                                let place = self.groups.iter().position(|it| it == path)?;
                                group.key.get(place)?.clone()?
                            }
                        };
                        Some((name.clone(), value))
                    }),
            )
        });
        rows.take(self.top()).collect()
    }
}

impl Total {
    fn add(&mut self, value: &Value) {
        let better = |best: &Option<Value>, wanted| match best {
            None => value.is_number() || value.is_string(),
            Some(best) => order(value, best) == Some(wanted),
        };
        if better(&self.least, std::cmp::Ordering::Less) {
            self.least = Some(value.clone());
        }
        if better(&self.most, std::cmp::Ordering::Greater) {
            self.most = Some(value.clone());
        }
        self.count += 1;
        self.numbers += u64::from(value.is_number());
        self.sum += value.as_f64().unwrap_or_default();
    }

    fn value(&self, aggregate: Aggregate) -> Option<Value> {
        match aggregate {
            Aggregate::Count => Some(Value::Number(Number::from(self.count))),
            Aggregate::Sum => number(self.sum),
            Aggregate::Average if self.numbers > 0 => number(self.sum / self.numbers as f64),
            Aggregate::Average => None,
            Aggregate::Least => self.least.clone(),
            Aggregate::Most => self.most.clone(),
        }
    }
}

impl Aggregate {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Average => "AVG",
            Self::Sum => "SUM",
            Self::Least => "MIN",
            Self::Most => "MAX",
        }
    }
}

const AGGREGATES: [Aggregate; 5] = [
    Aggregate::Count,
    Aggregate::Average,
    Aggregate::Sum,
    Aggregate::Least,
    Aggregate::Most,
];

fn object(members: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(members.collect::<Map<_, _>>())
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, format!("query: {reason}"))
}

/// Microsoft's limit, from "Queries for IoT Hub device and module twins".
const MAX_LENGTH: usize = 8192;

/// So that an answer has an end.
const MAX_GROUPS: usize = 10_000;

#[cfg(test)]
mod tests;
