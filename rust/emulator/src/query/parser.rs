//! The grammar of a query, by recursive descent.

use serde_json::{Value, json};

use super::lexer::Token;
use super::{Columns, Comparison, Expression, Operand, invalid};
use crate::code::Refusal;

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Parser {
    pub(super) fn columns(&mut self) -> Result<Columns, Refusal> {
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

    pub(super) fn or(&mut self) -> Result<Expression, Refusal> {
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

    pub(super) fn word(&mut self) -> Result<String, Refusal> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            _ => Err(self.wrong("a name")),
        }
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.take_keyword(keyword) {
            Ok(())
        } else {
            Err(self.wrong(keyword))
        }
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
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

const COMPARISONS: &[(&str, Comparison)] = &[
    ("=", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
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
