//! The grammar of expressions, by operator precedence over a stack of what is open.

use serde_json::json;

use super::expression::{Binary, Expression, Operation, Path, Step, Unary};
use super::functions::{self, Function};
use super::lexer::{Kind, Token};
use super::{Collection, invalid};
use crate::code::Refusal;

/// Reads the words of a query one after the other.
pub(super) struct Parser {
    pub tokens: Vec<Token>,
    pub at: usize,
    /// What paths may begin with, and need not: `devices`, or the alias behind FROM.
    pub prefixes: Vec<Vec<String>>,
}

/// What has begun and waits for its end.
enum Open {
    Unary(Unary),
    Binary(Binary),
    Parenthesis,
    Call(Function, usize),
    Array(usize),
}

impl Parser {
    /// Reads one expression, up to what cannot belong to it.
    ///
    /// # Errors
    ///
    /// What was expected, and what stands there; an unknown function; nesting beyond [`MAX_DEPTH`].
    pub(super) fn expression(&mut self) -> Result<Expression, Refusal> {
        let mut building = Building::default();
        loop {
            self.operand(&mut building)?;
            if !self.operator(&mut building)? {
                return building.finish(self);
            }
        }
    }

    /// Everything up to a whole operand.
    fn operand(&mut self, building: &mut Building) -> Result<(), Refusal> {
        loop {
            if building.open.len() > MAX_DEPTH {
                return Err(invalid(format!("the query nests deeper than {MAX_DEPTH}")));
            }
            if self.take_sign("(") {
                building.open.push(Open::Parenthesis);
            } else if self.take_keyword("NOT") {
                building.open.push(Open::Unary(Unary::Not));
            } else if self.take_sign("-") {
                building.open.push(Open::Unary(Unary::Minus));
            } else if self.take_sign("[") {
                if self.take_sign("]") {
                    building.push(Operation::Array(0));
                    return Ok(());
                }
                building.open.push(Open::Array(0));
            } else if let Some(function) = self.take_function()? {
                if self.take_sign(")") {
                    building.call(function, 0)?;
                    return Ok(());
                }
                building.open.push(Open::Call(function, 0));
            } else {
                let operation = self.value()?;
                building.push(operation);
                return Ok(());
            }
        }
    }

    /// What may stand behind an operand; `false` at the end of the expression.
    fn operator(&mut self, building: &mut Building) -> Result<bool, Refusal> {
        loop {
            if let Some(binary) = self.take_binary() {
                building.end_operators(binary.precedence());
                building.open.push(Open::Binary(binary));
                return Ok(true);
            }
            match self.sign() {
                Some(",") if building.is_list() => {
                    self.at += 1;
                    building.end_operators(0);
                    building.count();
                    return Ok(true);
                }
                Some(")") => {
                    building.end_operators(0);
                    match building.open.pop() {
                        Some(Open::Parenthesis) => {}
                        Some(Open::Call(function, before)) => {
                            building.call(function, before + 1)?
                        }
                        other => {
                            building.open.extend(other);
                            return Ok(false);
                        }
                    }
                    self.at += 1;
                }
                Some("]") => {
                    building.end_operators(0);
                    match building.open.pop() {
                        Some(Open::Array(before)) => building.push(Operation::Array(before + 1)),
                        other => {
                            building.open.extend(other);
                            return Ok(false);
                        }
                    }
                    self.at += 1;
                }
                _ => return Ok(false),
            }
        }
    }

    fn take_binary(&mut self) -> Option<Binary> {
        for (sign, binary) in SIGNS {
            if self.take_sign(sign) {
                return Some(*binary);
            }
        }
        for (keyword, binary) in KEYWORDS {
            if self.take_keyword(keyword) {
                return Some(*binary);
            }
        }
        let not_in = self.is_keyword(0, "NOT") && self.is_keyword(1, "IN");
        self.at += if not_in { 2 } else { 0 };
        not_in.then_some(Binary::NotIn)
    }

    /// A function's name with its parenthesis.
    fn take_function(&mut self) -> Result<Option<Function>, Refusal> {
        let (Some(Kind::Name(name)), Some(Kind::Sign("("))) = (self.kind(0), self.kind(1)) else {
            return Ok(None);
        };
        let function = Function::find(name).ok_or_else(|| {
            invalid(format!(
                "'{name}' is none of the functions {}",
                functions::names()
            ))
        })?;
        self.at += 2;
        Ok(Some(function))
    }

    fn value(&mut self) -> Result<Operation, Refusal> {
        let literal = match self.kind(0) {
            Some(Kind::Literal(value)) => Some(value.clone()),
            Some(Kind::Name(name)) => match name.to_ascii_lowercase().as_str() {
                "true" => Some(json!(true)),
                "false" => Some(json!(false)),
                "null" => Some(json!(null)),
                "undefined" => None,
                _ => return Ok(Operation::Path(self.path()?)),
            },
            Some(Kind::Quoted(_)) => return Ok(Operation::Path(self.path()?)),
            _ => return Err(self.expected("a value")),
        };
        self.at += 1;
        Ok(Operation::Literal(literal))
    }

    /// `tags.site`, `tags['site']`, `tags.[[site]]`, `list[0]`.
    pub(super) fn path(&mut self) -> Result<Path, Refusal> {
        let mut steps = vec![Step::Member(self.name()?)];
        loop {
            if self.take_sign(".") {
                steps.push(Step::Member(self.name()?));
            } else if self.take_sign("[") {
                let step = match self.kind(0) {
                    Some(Kind::Literal(value)) => match (value.as_str(), value.as_u64()) {
                        (Some(name), _) => Some(Step::Member(name.to_owned())),
                        (_, Some(index)) => usize::try_from(index).ok().map(Step::Element),
                        _ => None,
                    },
                    _ => None,
                };
                steps.push(step.ok_or_else(|| {
                    self.expected("a name in quotes or the number of an element")
                })?);
                self.at += 1;
                self.expect_sign("]")?;
            } else if matches!(self.kind(0), Some(Kind::Quoted(_))) {
                steps.push(Step::Member(self.name()?));
            } else {
                break;
            }
        }
        for prefix in &self.prefixes {
            let fits = steps.len() > prefix.len()
                && prefix.iter().zip(&steps).all(|(wanted, step)| {
                    matches!(step, Step::Member(name) if name.eq_ignore_ascii_case(wanted))
                });
            if fits {
                steps.drain(..prefix.len());
                break;
            }
        }
        canonical(&mut steps);
        Ok(Path { steps })
    }

    /// What is queried, and what its documents are called from here on.
    pub(super) fn collection(&mut self) -> Result<Collection, Refusal> {
        let at = self.at;
        let mut name = self.name()?;
        while self.take_sign(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let collection = match name.to_ascii_lowercase().as_str() {
            "devices" => Collection::Devices,
            "devices.modules" => Collection::Modules,
            "devices.jobs" => Collection::Jobs,
            _ => {
                self.at = at;
                return Err(self.expected("devices, devices.modules or devices.jobs"));
            }
        };
        self.take_keyword("AS");
        let clause = |ahead| {
            self.kind(ahead).is_none()
                || ["WHERE", "GROUP"]
                    .iter()
                    .any(|it| self.is_keyword(ahead, it))
        };
        if !clause(0)
            && clause(1)
            && let Some(Kind::Name(alias)) = self.kind(0)
        {
            self.prefixes.push(vec![alias.clone()]);
            self.at += 1;
        }
        let own: Vec<String> = name.split('.').map(str::to_owned).collect();
        self.prefixes.push(own);
        Ok(collection)
    }

    pub(super) fn name(&mut self) -> Result<String, Refusal> {
        match self.kind(0) {
            Some(Kind::Name(name) | Kind::Quoted(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.take_keyword(keyword) {
            Ok(())
        } else {
            Err(self.expected(keyword))
        }
    }

    pub(super) fn expect_sign(&mut self, sign: &'static str) -> Result<(), Refusal> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.expected(&format!("'{sign}'")))
        }
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let fits = self.is_keyword(0, keyword);
        self.at += usize::from(fits);
        fits
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let fits = self.sign() == Some(sign);
        self.at += usize::from(fits);
        fits
    }

    pub(super) fn is_keyword(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.kind(ahead), Some(Kind::Name(name)) if name.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn kind(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    fn sign(&self) -> Option<&'static str> {
        match self.kind(0) {
            Some(Kind::Sign(sign)) => Some(sign),
            _ => None,
        }
    }

    pub(super) fn expected(&self, what: &str) -> Refusal {
        invalid(match self.tokens.get(self.at) {
            Some(token) => format!("{what} was expected, and {token} stands there"),
            None => format!("{what} was expected at the end of the query"),
        })
    }
}

/// An expression while it is read.
#[derive(Default)]
struct Building {
    operations: Vec<Operation>,
    open: Vec<Open>,
}

impl Building {
    fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Ends the operators that bind at least as strongly; with 0 all, up to a bracket.
    fn end_operators(&mut self, precedence: u8) {
        while let Some(open) = self.open.pop() {
            let (ends, operation) = match open {
                Open::Binary(binary) => {
                    (binary.precedence() >= precedence, Operation::Binary(binary))
                }
                Open::Unary(unary) => (unary.precedence() >= precedence, Operation::Unary(unary)),
                bracket => {
                    self.open.push(bracket);
                    return;
                }
            };
            if !ends {
                self.open.push(open);
                return;
            }
            self.operations.push(operation);
        }
    }

    /// Whether a comma belongs to what is open.
    fn is_list(&self) -> bool {
        let bracket = self
            .open
            .iter()
            .rev()
            .find(|open| !matches!(open, Open::Unary(_) | Open::Binary(_)));
        matches!(bracket, Some(Open::Call(..) | Open::Array(_)))
    }

    /// Counts the element that has just ended.
    fn count(&mut self) {
        if let Some(Open::Call(_, count) | Open::Array(count)) = self.open.last_mut() {
            *count += 1;
        }
    }

    fn call(&mut self, function: Function, count: usize) -> Result<(), Refusal> {
        if !(function.least..=function.most).contains(&count) {
            let wanted = if function.least == function.most {
                function.least.to_string()
            } else {
                format!("{} to {}", function.least, function.most)
            };
            return Err(invalid(format!(
                "{} takes {wanted} arguments, and there are {count}",
                function.name
            )));
        }
        self.operations.push(Operation::Call(function, count));
        Ok(())
    }

    fn finish(mut self, parser: &Parser) -> Result<Expression, Refusal> {
        self.end_operators(0);
        match self.open.last() {
            None => Ok(Expression {
                operations: self.operations,
            }),
            Some(Open::Array(_)) => Err(parser.expected("']'")),
            Some(_) => Err(parser.expected("')'")),
        }
    }
}

impl Unary {
    fn precedence(self) -> u8 {
        match self {
            Self::Not => 3,
            Self::Minus => 7,
        }
    }
}

impl Binary {
    fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
            _ => 4,
        }
    }
}

/// Gives names of the document's own members the case that they have there: they are not
/// case-sensitive, and `id` is `deviceId`. Tags and properties are as they are written.
fn canonical(steps: &mut [Step]) {
    let mut names = TOP_LEVEL;
    for step in steps {
        let Step::Member(name) = step else { return };
        if names == TOP_LEVEL && name.eq_ignore_ascii_case("id") {
            "deviceId".clone_into(name);
        }
        let Some(known) = names.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            return;
        };
        (*known).clone_into(name);
        names = match *known {
            "properties" => &["desired", "reported"],
            "desired" | "reported" => &["$metadata", "$version"],
            "capabilities" => &["iotEdge"],
            "x509Thumbprint" => &["primaryThumbprint", "secondaryThumbprint"],
            _ => return,
        };
    }
}

/// The members of a twin, as Azure writes them.
const TOP_LEVEL: &[&str] = &[
    "deviceId",
    "moduleId",
    "etag",
    "deviceEtag",
    "status",
    "statusReason",
    "statusUpdateTime",
    "connectionState",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
    "authenticationType",
    "x509Thumbprint",
    "modelId",
    "version",
    "tags",
    "properties",
    "capabilities",
    "deviceScope",
    "parentScopes",
    "configurations",
];

const SIGNS: &[(&str, Binary)] = &[
    ("=", Binary::Equal),
    ("!=", Binary::NotEqual),
    ("<>", Binary::NotEqual),
    ("<=", Binary::LessOrEqual),
    ("<", Binary::Less),
    (">=", Binary::GreaterOrEqual),
    (">", Binary::Greater),
    ("+", Binary::Add),
    ("-", Binary::Subtract),
    ("*", Binary::Multiply),
    ("/", Binary::Divide),
    ("%", Binary::Remainder),
];

const KEYWORDS: &[(&str, Binary)] = &[
    ("AND", Binary::And),
    ("OR", Binary::Or),
    ("IN", Binary::In),
    ("NIN", Binary::NotIn),
];

/// How many brackets and operators may be open at once.
pub(super) const MAX_DEPTH: usize = 256;
