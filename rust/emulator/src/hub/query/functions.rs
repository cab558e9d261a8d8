//! The functions of the query language.

use serde_json::{Value, json};

use super::values::{number, same};

/// A function by its name, and how many arguments it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    pub name: &'static str,
    pub least: usize,
    pub most: usize,
    call: fn(&[Option<&Value>]) -> Option<Value>,
}

impl Function {
    /// Finds a function; its name is not case-sensitive, and may be written without its
    /// underscores.
    pub(super) fn find(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        let wanted = plain(name);
        FUNCTIONS
            .iter()
            .find(|it| plain(it.name) == wanted)
            .copied()
    }

    /// The value for these arguments; `None` is undefined, on both sides.
    pub(super) fn call(self, arguments: &[Option<&Value>]) -> Option<Value> {
        (self.call)(arguments)
    }
}

/// The names of all, for error texts.
pub(super) fn names() -> String {
    let names: Vec<&str> = FUNCTIONS.iter().map(|it| it.name).collect();
    names.join(", ")
}

const fn function(
    name: &'static str,
    least: usize,
    most: usize,
    call: fn(&[Option<&Value>]) -> Option<Value>,
) -> Function {
    Function {
        name,
        least,
        most,
        call,
    }
}

/// As on Microsoft's page "IoT Hub query language", section Functions.
const FUNCTIONS: &[Function] = &[
    function("IS_DEFINED", 1, 1, |it| Some(json!(value(it, 0).is_some()))),
    function("IS_NULL", 1, 1, |it| kind(it, Value::is_null)),
    function("IS_BOOL", 1, 1, |it| kind(it, Value::is_boolean)),
    function("IS_NUMBER", 1, 1, |it| kind(it, Value::is_number)),
    function("IS_STRING", 1, 1, |it| kind(it, Value::is_string)),
    function("IS_ARRAY", 1, 1, |it| kind(it, Value::is_array)),
    function("IS_OBJECT", 1, 1, |it| kind(it, Value::is_object)),
    function("IS_PRIMITIVE", 1, 1, |it| {
        kind(it, |value| !value.is_array() && !value.is_object())
    }),
    function("AS_NUMBER", 1, 1, |it| match value(it, 0)? {
        number @ Value::Number(_) => Some(number.clone()),
        Value::String(text) => number(text.trim().parse().ok()?),
        _ => None,
    }),
    function("ABS", 1, 1, |it| match value(it, 0)?.as_i64() {
        Some(whole) => Some(json!(whole.checked_abs()?)),
        None => math(it, f64::abs),
    }),
    function("EXP", 1, 1, |it| math(it, f64::exp)),
    function("POWER", 2, 2, |it| {
        number(value(it, 0)?.as_f64()?.powf(value(it, 1)?.as_f64()?))
    }),
    function("SQUARE", 1, 1, |it| math(it, |number| number * number)),
    function("CEILING", 1, 1, |it| math(it, f64::ceil)),
    function("FLOOR", 1, 1, |it| math(it, f64::floor)),
    function("SIGN", 1, 1, |it| {
        math(
            it,
            |number| if number == 0.0 { 0.0 } else { number.signum() },
        )
    }),
    function("SQRT", 1, 1, |it| math(it, f64::sqrt)),
    function("CONCAT", 2, 32, |it| {
        let texts: Option<Vec<&str>> = (0..it.len()).map(|index| text(it, index)).collect();
        Some(json!(texts?.concat()))
    }),
    function("LENGTH", 1, 1, |it| {
        Some(json!(text(it, 0)?.chars().count()))
    }),
    function("LOWER", 1, 1, |it| Some(json!(text(it, 0)?.to_lowercase()))),
    function("UPPER", 1, 1, |it| Some(json!(text(it, 0)?.to_uppercase()))),
    function("SUBSTRING", 2, 3, |it| {
        let start = usize::try_from(value(it, 1)?.as_i64()?).ok()?;
        let length = match it.get(2) {
            Some(length) => usize::try_from((*length)?.as_i64()?).ok()?,
            None => usize::MAX,
        };
        let part: String = text(it, 0)?.chars().skip(start).take(length).collect();
        Some(json!(part))
    }),
    function("INDEX_OF", 2, 2, |it| {
        let (whole, part) = (text(it, 0)?, text(it, 1)?);
        let before = whole.find(part).and_then(|at| whole.get(..at));
        Some(match before {
            Some(before) => json!(before.chars().count()),
            None => json!(-1),
        })
    }),
    function("STARTS_WITH", 2, 2, |it| {
        Some(json!(text(it, 0)?.starts_with(text(it, 1)?)))
    }),
    function("ENDS_WITH", 2, 2, |it| {
        Some(json!(text(it, 0)?.ends_with(text(it, 1)?)))
    }),
    function("CONTAINS", 2, 2, |it| {
        Some(json!(text(it, 0)?.contains(text(it, 1)?)))
    }),
    function("ARRAY_CONTAINS", 2, 2, |it| {
        let wanted = value(it, 1)?;
        let items = value(it, 0)?.as_array()?;
        Some(json!(items.iter().any(|item| same(item, wanted))))
    }),
];

fn value<'v>(arguments: &[Option<&'v Value>], index: usize) -> Option<&'v Value> {
    arguments.get(index).copied().flatten()
}

fn text<'v>(arguments: &[Option<&'v Value>], index: usize) -> Option<&'v str> {
    value(arguments, index)?.as_str()
}

fn kind(arguments: &[Option<&Value>], is: fn(&Value) -> bool) -> Option<Value> {
    Some(json!(value(arguments, 0).is_some_and(is)))
}

fn math(arguments: &[Option<&Value>], calculate: fn(f64) -> f64) -> Option<Value> {
    number(calculate(value(arguments, 0)?.as_f64()?))
}
