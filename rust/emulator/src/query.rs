//! The common forms of IoT Hub's query language over devices.
//!
//! `SELECT *`, paths with `AS`, or `COUNT() AS n`; `FROM devices`; `WHERE` with `= != <> < <= > >=`,
//! `IN`, `NIN`, `AND`, `OR`, `NOT`, parentheses, `is_defined`, `is_null`, `is_string`, `is_number`,
//! `is_bool`, `is_object`, `startswith`, `endswith`, `contains`.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::code::{ErrorCode, Refusal};

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

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
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

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn columns(&mut self) -> Result<Columns, Refusal> {
        if self.take_sign("*") {
            return Ok(Columns::All);
        }
        let mut paths = Vec::new();
        loop {
            let path = self.path()?;
            if path.len() == 1
                && path.iter().any(|name| name.eq_ignore_ascii_case("count"))
                && self.take_sign("(")
            {
                self.sign(")")?;
                let name = if self.take_keyword("AS") {
                    self.word()?
                } else {
                    "count".to_owned()
                };
                return Ok(Columns::Count(name));
            }
            let name = if self.take_keyword("AS") {
                self.word()?
            } else {
                path.last().cloned().unwrap_or_default()
            };
            paths.push((path, name));
            if !self.take_sign(",") {
                return Ok(Columns::Paths(paths));
            }
        }
    }

    fn or(&mut self) -> Result<Expression, Refusal> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(invalid(format!("the query nests deeper than {MAX_DEPTH}")));
        }
        let mut left = self.and()?;
        while self.take_keyword("OR") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, Refusal> {
        let mut left = self.not()?;
        while self.take_keyword("AND") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, Refusal> {
        let mut negated = false;
        while self.take_keyword("NOT") {
            negated = !negated;
        }
        let inner = self.condition()?;
        Ok(if negated {
            Expression::Not(Box::new(inner))
        } else {
            inner
        })
    }

    fn condition(&mut self) -> Result<Expression, Refusal> {
        if self.take_sign("(") {
            let inner = self.or()?;
            self.sign(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        if let Operand::Path(path) = &left
            && let [name] = path.as_slice()
            && self.take_sign("(")
        {
            return self.function(&name.to_ascii_lowercase());
        }
        for (sign, comparison) in COMPARISONS {
            if self.take_sign(sign) {
                return Ok(Expression::Compare(left, *comparison, self.operand()?));
            }
        }
        let wanted = self.take_keyword("IN");
        if wanted || self.take_keyword("NIN") {
            return Ok(Expression::In(left, self.list()?, wanted));
        }
        Err(self.wrong("a comparison"))
    }

    fn function(&mut self, name: &str) -> Result<Expression, Refusal> {
        if !FUNCTIONS.contains(&name) {
            return Err(invalid(format!(
                "function '{name}' is not one of {}",
                FUNCTIONS.join(", ")
            )));
        }
        let first = self.operand()?;
        let second = if self.take_sign(",") {
            Some(self.operand()?)
        } else {
            None
        };
        self.sign(")")?;
        Ok(Expression::Function(name.to_owned(), first, second))
    }

    fn list(&mut self) -> Result<Vec<Value>, Refusal> {
        self.sign("[")?;
        let mut values = Vec::new();
        loop {
            match self.operand()? {
                Operand::Literal(value) => values.push(value),
                Operand::Path(path) => {
                    return Err(invalid(format!(
                        "'{}' in a list is no value",
                        path.join(".")
                    )));
                }
            }
            if !self.take_sign(",") {
                break;
            }
        }
        self.sign("]")?;
        Ok(values)
    }

    fn operand(&mut self) -> Result<Operand, Refusal> {
        let literal = match self.tokens.get(self.at) {
            Some(Token::Text(text)) => json!(text),
            // A whole number stays one in the answer.
            Some(Token::Number(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
                json!(*number as i64)
            }
            Some(Token::Number(number)) => json!(number),
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "true" => json!(true),
                "false" => json!(false),
                "null" => Value::Null,
                _ => return Ok(Operand::Path(self.path()?)),
            },
            _ => return Err(self.wrong("a value")),
        };
        self.at += 1;
        Ok(Operand::Literal(literal))
    }

    /// A dotted path; `devices.` in front may be left out.
    fn path(&mut self) -> Result<Vec<String>, Refusal> {
        let mut path = vec![self.word()?];
        while self.take_sign(".") {
            path.push(self.word()?);
        }
        if path.len() > 1
            && path
                .first()
                .is_some_and(|name| name.eq_ignore_ascii_case("devices"))
        {
            path.remove(0);
        }
        Ok(path)
    }

    fn word(&mut self) -> Result<String, Refusal> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            _ => Err(self.wrong("a name")),
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.take_keyword(keyword) {
            Ok(())
        } else {
            Err(self.wrong(keyword))
        }
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let fits = matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(fits);
        fits
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), Refusal> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.wrong(&format!("'{sign}'")))
        }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let fits = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(fits);
        fits
    }

    fn wrong(&self, expected: &str) -> Refusal {
        match self.tokens.get(self.at) {
            Some(token) => invalid(format!(
                "query: {expected} was expected, and {token:?} stands there"
            )),
            None => invalid(format!("query: {expected} was expected at its end")),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' || first == '"' {
            let inner = &rest[1..];
            let end = inner
                .find(first)
                .ok_or_else(|| invalid(format!("query: a text is not closed: {rest}")))?;
            tokens.push(Token::Text(inner[..end].to_owned()));
            end + 2
        } else if first.is_ascii_digit()
            || (first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let end = rest[1..]
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .map_or(rest.len(), |end| end + 1);
            let number = rest[..end].parse();
            tokens.push(Token::Number(number.map_err(|_| {
                invalid(format!("query: '{}' is no number", &rest[..end]))
            })?));
            end
        } else if first.is_alphanumeric() || first == '_' || first == '$' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$' | '-'))
                .unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            end
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| invalid(format!("query: '{first}' has no meaning")))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const COMPARISONS: &[(&str, Comparison)] = &[
    ("=", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
];
const SIGNS: &[&str] = &[
    "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*",
];
const FUNCTIONS: &[&str] = &[
    "is_defined",
    "is_null",
    "is_string",
    "is_number",
    "is_bool",
    "is_object",
    "startswith",
    "endswith",
    "contains",
];
const MAX_DEPTH: usize = 32;

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
