//! Expressions: in postfix order, so that neither reading nor evaluating nor dropping one recurses,
//! however deep it nests.
//!
//! A value that is missing is undefined. What is calculated from it is undefined, a comparison with
//! it too, and a condition holds only where it is `true`.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Value, json};

use super::functions::Function;
use super::values::{number, order, same};

/// An expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    pub operations: Vec<Operation>,
}

/// A step of the evaluation; operands come before.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Path(Path),
    Literal(Option<Value>),
    Unary(Unary),
    Binary(Binary),
    Call(Function, usize),
    /// An array of so many elements.
    Array(usize),
}

/// Where a value stands in a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Path {
    pub steps: Vec<Step>,
}

/// A member or an element.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Path {
    /// The value in a document.
    pub(super) fn lookup<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.steps
            .iter()
            .try_fold(document, |value, step| match step {
                Step::Member(name) => value.get(name),
                Step::Element(index) => value.get(index),
            })
    }

    /// The name that the value has in the answer.
    pub(super) fn name(&self) -> String {
        let members = self.steps.iter().rev().find_map(|step| match step {
            Step::Member(name) => Some(name.clone()),
            Step::Element(_) => None,
        });
        members.unwrap_or_default()
    }
}

impl Operation {
    /// How many values it takes.
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Path(_) | Self::Literal(_) => 0,
            Self::Unary(_) => 1,
            Self::Binary(_) => 2,
            Self::Call(_, count) | Self::Array(count) => *count,
        }
    }
}

/// A value on the way; `None` is undefined.
type Slot<'v> = Option<Cow<'v, Value>>;

impl Expression {
    /// Whether it is true of a document.
    pub(super) fn holds(&self, document: &Value) -> bool {
        self.evaluate(document)
            .is_some_and(|value| *value == Value::Bool(true))
    }

    /// The parts that must all be true: what `AND` joins on the outside.
    pub(super) fn conjuncts(&self) -> Vec<&[Operation]> {
        let mut open = vec![self.operations.as_slice()];
        let mut conjuncts = Vec::new();
        while let Some(part) = open.pop() {
            match part.split_last() {
                Some((Operation::Binary(Binary::And), both)) => {
                    let (left, right) = both.split_at(last_operand(both));
                    open.extend([right, left]);
                }
                _ => conjuncts.push(part),
            }
        }
        conjuncts
    }

    /// The value of the expression for a document; `None` is undefined.
    pub(super) fn evaluate<'v>(&'v self, document: &'v Value) -> Slot<'v> {
        let mut stack: Vec<Slot<'v>> = Vec::new();
        for operation in &self.operations {
            let value = match operation {
                Operation::Path(path) => path.lookup(document).map(Cow::Borrowed),
                Operation::Literal(value) => value.as_ref().map(Cow::Borrowed),
                _ => {
                    let arguments = stack.split_off(stack.len().saturating_sub(operation.arity()));
                    calculate(operation, &arguments).map(Cow::Owned)
                }
            };
            stack.push(value);
        }
        stack.pop().flatten()
    }
}

/// Where the last whole operand begins.
fn last_operand(operations: &[Operation]) -> usize {
    let mut missing = 1;
    for (index, operation) in operations.iter().enumerate().rev() {
        missing = missing - 1 + operation.arity();
        if missing == 0 {
            return index;
        }
    }
    0
}

fn calculate(operation: &Operation, arguments: &[Slot<'_>]) -> Option<Value> {
    let values: Vec<Option<&Value>> = arguments.iter().map(Option::as_deref).collect();
    let at = |index: usize| values.get(index).copied().flatten();
    match operation {
        Operation::Unary(Unary::Not) => Some(json!(!at(0)?.as_bool()?)),
        Operation::Unary(Unary::Minus) => match at(0)?.as_i64() {
            Some(whole) => Some(json!(whole.checked_neg()?)),
            None => number(-at(0)?.as_f64()?),
        },
        Operation::Binary(binary) => binary.calculate(at(0), at(1)),
        Operation::Call(function, _) => function.call(&values),
        Operation::Array(_) => {
            let elements: Option<Vec<Value>> = values.iter().map(|value| value.cloned()).collect();
            elements.map(Value::Array)
        }
        Operation::Path(_) | Operation::Literal(_) => None,
    }
}

impl Binary {
    fn calculate(self, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        match self {
            Self::And | Self::Or => return self.join(truth(left), truth(right)).map(Value::Bool),
            _ => {}
        }
        let (left, right) = (left?, right?);
        match self {
            Self::And | Self::Or => None,
            Self::Equal => Some(json!(same(left, right))),
            Self::NotEqual => Some(json!(!same(left, right))),
            Self::Less => Some(json!(order(left, right)? == Ordering::Less)),
            Self::LessOrEqual => Some(json!(order(left, right)? != Ordering::Greater)),
            Self::Greater => Some(json!(order(left, right)? == Ordering::Greater)),
            Self::GreaterOrEqual => Some(json!(order(left, right)? != Ordering::Less)),
            Self::In => Some(json!(right.as_array()?.iter().any(|it| same(it, left)))),
            Self::NotIn => Some(json!(!right.as_array()?.iter().any(|it| same(it, left)))),
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder => {
                self.arithmetic(left, right)
            }
        }
    }

    /// What is undefined decides nothing: `true OR undefined` is true, `false AND undefined` is
    /// false.
    fn join(self, left: Option<bool>, right: Option<bool>) -> Option<bool> {
        let decisive = self == Self::Or;
        if left == Some(decisive) || right == Some(decisive) {
            Some(decisive)
        } else {
            left.and(right).map(|_| !decisive)
        }
    }

    fn arithmetic(self, left: &Value, right: &Value) -> Option<Value> {
        if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
            let whole = match self {
                Self::Add => left.checked_add(right),
                Self::Subtract => left.checked_sub(right),
                Self::Multiply => left.checked_mul(right),
                Self::Remainder => left.checked_rem(right),
                _ => None,
            };
            if let Some(whole) = whole {
                return Some(json!(whole));
            }
        }
        let (left, right) = (left.as_f64()?, right.as_f64()?);
        number(match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
            _ => return None,
        })
    }
}

/// A value as a condition: what is defined and not `true` is false.
fn truth(value: Option<&Value>) -> Option<bool> {
    value.map(|value| *value == Value::Bool(true))
}
