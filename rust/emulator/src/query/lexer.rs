//! The words of a query.

use super::invalid;
use crate::code::Refusal;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
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

const SIGNS: &[&str] = &[
    "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*",
];
