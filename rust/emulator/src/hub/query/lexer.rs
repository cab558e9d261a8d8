//! The words of a query.

use std::fmt;

use serde_json::{Value, json};

use super::invalid;
use crate::code::Refusal;

/// A word, and where it begins (counted in characters, from 1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub at: usize,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Name(String),
    /// `[[name]]`: a name that would not be one as it stands.
    Quoted(String),
    /// A text or a number.
    Literal(Value),
    /// One of [`SIGNS`].
    Sign(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Name(name) => write!(f, "'{name}'")?,
            Kind::Quoted(name) => write!(f, "'[[{name}]]'")?,
            Kind::Literal(value) => write!(f, "{value}")?,
            Kind::Sign(sign) => write!(f, "'{sign}'")?,
        }
        write!(f, " at character {}", self.at)
    }
}

/// Splits a query into words.
///
/// # Errors
///
/// A text that is not closed, an escape that is none, a number that is none, a sign without a
/// meaning.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut lexer = Lexer {
        characters: text.chars().collect(),
        at: 0,
    };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        lexer.take_while(char::is_whitespace);
        let Some(first) = lexer.peek(0) else {
            return Ok(tokens);
        };
        let at = lexer.at + 1;
        let in_path = matches!(
            tokens.last(),
            Some(Token {
                kind: Kind::Sign("."),
                ..
            })
        );
        let kind = match first {
            '\'' | '"' => Kind::Literal(json!(lexer.text(first)?)),
            '[' if lexer.peek(1) == Some('[') => Kind::Quoted(lexer.quoted()?),
            _ if first.is_ascii_digit() && !in_path => Kind::Literal(lexer.number()?),
            _ if is_name(first) => Kind::Name(lexer.name()),
            _ => Kind::Sign(lexer.sign()?),
        };
        tokens.push(Token { kind, at });
    }
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek(0);
        self.at += usize::from(next.is_some());
        next
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
        self.characters
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    fn text(&mut self, quote: char) -> Result<String, Refusal> {
        let start = self.at + 1;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.take() {
                None => {
                    return Err(invalid(format!(
                        "the text that begins at character {start} is not closed"
                    )));
                }
                Some('\\') => text.push(self.escape()?),
                Some(character) if character == quote => return Ok(text),
                Some(character) => text.push(character),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let at = self.at;
        match self.take() {
            Some(plain @ ('\'' | '"' | '\\' | '/')) => Ok(plain),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => {
                let digits: String = (0..4).filter_map(|_| self.take()).collect();
                let code = (digits.len() == 4)
                    .then(|| u32::from_str_radix(&digits, 16).ok())
                    .flatten();
                code.and_then(char::from_u32).ok_or_else(|| {
                    invalid(format!(
                        "'\\u{digits}' at character {at} is no character: four hexadecimal digits are"
                    ))
                })
            }
            _ => Err(invalid(format!(
                "the escape at character {at} is none of \\' \\\" \\\\ \\uXXXX"
            ))),
        }
    }

    fn quoted(&mut self) -> Result<String, Refusal> {
        let start = self.at + 1;
        self.at += 2;
        let name = self.take_while(|character| character != ']');
        if self.take() == Some(']') && self.take() == Some(']') && !name.is_empty() {
            Ok(name)
        } else {
            Err(invalid(format!(
                "the name that begins with [[ at character {start} must end with ]]"
            )))
        }
    }

    fn number(&mut self) -> Result<Value, Refusal> {
        let at = self.at + 1;
        let mut text =
            self.take_while(|character| character.is_ascii_alphanumeric() || character == '.');
        let exponent = text.ends_with(['e', 'E']) && !text.starts_with("0x");
        if exponent && matches!(self.peek(0), Some('+' | '-')) {
            text.extend(self.take());
            text += &self.take_while(|character| character.is_ascii_digit());
        }
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let value = match hexadecimal {
            Some(digits) => i64::from_str_radix(digits, 16)
                .ok()
                .map(|number| json!(number)),
            None => match text.parse::<i64>() {
                Ok(whole) => Some(json!(whole)),
                Err(_) => text
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .map(|number| json!(number)),
            },
        };
        value.ok_or_else(|| invalid(format!("'{text}' at character {at} is no number")))
    }

    /// A hyphen belongs to a name where a letter follows: `tags.my-tag`, but `a-1` and `a - b`.
    fn name(&mut self) -> String {
        let mut name = self.take_while(is_name);
        while self.peek(0) == Some('-') && self.peek(1).is_some_and(char::is_alphabetic) {
            name.extend(self.take());
            name += &self.take_while(is_name);
        }
        name
    }

    fn sign(&mut self) -> Result<&'static str, Refusal> {
        let fits = |sign: &&&str| {
            sign.chars()
                .enumerate()
                .all(|(index, wanted)| self.peek(index) == Some(wanted))
        };
        match SIGNS.iter().find(fits) {
            Some(sign) => {
                self.at += sign.len();
                Ok(sign)
            }
            None => Err(invalid(format!(
                "'{}' at character {} has no meaning in a query",
                self.peek(0).unwrap_or_default(),
                self.at + 1
            ))),
        }
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

/// The longer ones first.
const SIGNS: &[&str] = &[
    "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*", "+", "-", "/", "%",
];
