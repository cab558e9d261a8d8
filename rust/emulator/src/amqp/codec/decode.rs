//! Reading values.

use std::fmt;

use super::value::Value;

/// What is not AMQP: at which byte, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::amqp) struct Malformed {
    at: usize,
    what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not AMQP 1.0: {} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Malformed {}

/// Reads values one after the other.
#[derive(Debug)]
pub(in crate::amqp) struct Decoder<'b> {
    bytes: &'b [u8],
    at: usize,
    /// How many values may still come: a null takes a byte on the wire and much more in memory.
    values: usize,
}

/// A value that holds others and is not whole yet.
struct Open {
    shape: Shape,
    /// How many items are missing.
    left: u32,
    /// Where it ends, if it says so.
    end: Option<usize>,
    items: Vec<Value>,
}

enum Shape {
    List,
    Map,
    /// With the constructor of its items.
    Array(u8),
    Described,
}

enum Begun {
    Whole(Value),
    Open(Open),
}

impl<'b> Decoder<'b> {
    /// Reads these bytes, and not more values than that, nested ones counted.
    pub(in crate::amqp) fn new(bytes: &'b [u8], values: usize) -> Self {
        Self {
            bytes,
            at: 0,
            values,
        }
    }

    /// What has not been read.
    pub(in crate::amqp) fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next value, whole.
    pub(in crate::amqp) fn value(&mut self) -> Result<Value, Malformed> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let code = match open.last().map(|it| &it.shape) {
                Some(Shape::Array(code)) => *code,
                _ => self.byte()?,
            };
            let mut done = match self.begin(code)? {
                Begun::Whole(value) => value,
                Begun::Open(begun) if begun.left == 0 => self.finish(begun)?,
                Begun::Open(_) if open.len() == MAX_DEPTH => {
                    return Err(self.malformed("values nested too deeply"));
                }
                Begun::Open(begun) => {
                    open.push(begun);
                    continue;
                }
            };
            loop {
                let Some(top) = open.last_mut() else {
                    return Ok(done);
                };
                top.items.push(done);
                top.left -= 1;
                if top.left > 0 {
                    break;
                }
                done = match open.pop() {
                    Some(whole) => self.finish(whole)?,
                    None => return Err(self.malformed("a value without a place")),
                };
            }
        }
    }

    fn begin(&mut self, code: u8) -> Result<Begun, Malformed> {
        let left = self.values.checked_sub(1);
        self.values = left.ok_or_else(|| self.malformed("too many values"))?;
        let value = match code {
            0x00 => return Ok(self.open(Shape::Described, 2, None)),
            0x40 => Value::Null,
            0x41 => Value::Bool(true),
            0x42 => Value::Bool(false),
            0x43 => Value::Uint(0),
            0x44 => Value::Ulong(0),
            0x45 => Value::List(Vec::new()),
            0x50 => Value::Ubyte(self.byte()?),
            0x51 => Value::Byte(i8::from_be_bytes(self.array()?)),
            0x52 => Value::Uint(self.byte()?.into()),
            0x53 => Value::Ulong(self.byte()?.into()),
            0x54 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            0x55 => Value::Long(i8::from_be_bytes(self.array()?).into()),
            0x56 => Value::Bool(self.byte()? != 0),
            0x60 => Value::Ushort(u16::from_be_bytes(self.array()?)),
            0x61 => Value::Short(i16::from_be_bytes(self.array()?)),
            0x70 => Value::Uint(u32::from_be_bytes(self.array()?)),
            0x71 => Value::Int(i32::from_be_bytes(self.array()?)),
            0x72 => Value::Float(f32::from_be_bytes(self.array()?)),
            0x73 => Value::Char(u32::from_be_bytes(self.array()?)),
            0x74 => Value::Decimal(self.take(4)?.to_vec()),
            0x80 => Value::Ulong(u64::from_be_bytes(self.array()?)),
            0x81 => Value::Long(i64::from_be_bytes(self.array()?)),
            0x82 => Value::Double(f64::from_be_bytes(self.array()?)),
            0x83 => Value::Timestamp(i64::from_be_bytes(self.array()?)),
            0x84 => Value::Decimal(self.take(8)?.to_vec()),
            0x94 => Value::Decimal(self.take(16)?.to_vec()),
            0x98 => Value::Uuid(self.array()?),
            0xa0 | 0xb0 => Value::Binary(self.variable(code)?.to_vec()),
            0xa1 | 0xb1 => Value::String(self.text(code)?),
            0xa3 | 0xb3 => Value::Symbol(self.text(code)?),
            0xc0 | 0xd0 => return self.compound(code, Shape::List),
            0xc1 | 0xd1 => return self.compound(code, Shape::Map),
            0xe0 | 0xf0 => return self.compound(code, Shape::Array(0x40)),
            _ => return Err(self.malformed("an unknown type")),
        };
        Ok(Begun::Whole(value))
    }

    /// Size and number of items, of one byte or of four each; of an array the constructor as well.
    fn compound(&mut self, code: u8, shape: Shape) -> Result<Begun, Malformed> {
        let narrow = code & 0x10 == 0;
        let size = self.number(narrow)?;
        let end = usize::try_from(size)
            .ok()
            .and_then(|it| self.at.checked_add(it));
        let end = end.filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.malformed("a size beyond the end"))?;
        let count = self.number(narrow)?;
        let shape = match shape {
            Shape::Array(_) => match self.byte()? {
                0x00 => return Err(self.malformed("an array of described values")),
                element => Shape::Array(element),
            },
            Shape::Map if count % 2 != 0 => {
                return Err(self.malformed("a map with a key that has no value"));
            }
            other => other,
        };
        Ok(self.open(shape, count, Some(end)))
    }

    fn open(&self, shape: Shape, left: u32, end: Option<usize>) -> Begun {
        Begun::Open(Open {
            shape,
            left,
            end,
            items: Vec::new(),
        })
    }

    fn finish(&self, open: Open) -> Result<Value, Malformed> {
        if open.end.is_some_and(|end| end != self.at) {
            return Err(self.malformed("a size that does not fit its items"));
        }
        let mut items = open.items.into_iter();
        Ok(match open.shape {
            Shape::List => Value::List(items.collect()),
            Shape::Array(_) => Value::Array(items.collect()),
            Shape::Map => {
                let mut pairs = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Value::Map(pairs)
            }
            Shape::Described => {
                let (descriptor, value) = (items.next(), items.next());
                Value::Described(Box::new((
                    descriptor.unwrap_or_default(),
                    value.unwrap_or_default(),
                )))
            }
        })
    }

    fn text(&mut self, code: u8) -> Result<String, Malformed> {
        let bytes = self.variable(code)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        text.map_err(|_| self.malformed("a text that is not UTF-8"))
    }

    fn variable(&mut self, code: u8) -> Result<&'b [u8], Malformed> {
        let length = self.number(code & 0x10 == 0)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn number(&mut self, narrow: bool) -> Result<u32, Malformed> {
        match narrow {
            true => Ok(self.byte()?.into()),
            false => Ok(u32::from_be_bytes(self.array()?)),
        }
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N)?.first_chunk();
        bytes.copied().ok_or_else(|| self.malformed("the end"))
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let taken = self.rest().get(..count);
        let taken = taken.ok_or_else(|| self.malformed("the end inside of a value"))?;
        self.at += count;
        Ok(taken)
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }
}

/// How many values may lie in each other.
pub(in crate::amqp) const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::codec::encode;

    fn read(bytes: &[u8]) -> Result<Value, Malformed> {
        let mut decoder = Decoder::new(bytes, 64);
        let value = decoder.value()?;
        assert_eq!(decoder.rest(), b"");
        Ok(value)
    }

    #[test]
    fn reads_every_type_that_it_writes() {
        let text = |text: &str| Value::String(text.to_owned());
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
            Value::Ubyte(0xff),
            Value::Ushort(0xfffe),
            Value::Uint(0),
            Value::Uint(7),
            Value::Uint(70_000),
            Value::Ulong(0),
            Value::Ulong(7),
            Value::Ulong(u64::MAX),
            Value::Byte(-1),
            Value::Short(-2),
            Value::Int(-3),
            Value::Int(300),
            Value::Long(-4),
            Value::Long(i64::MIN),
            Value::Float(1.5),
            Value::Double(-2.5),
            Value::Decimal(vec![1; 4]),
            Value::Decimal(vec![1; 8]),
            Value::Decimal(vec![1; 16]),
            Value::Char(0x1f600),
            Value::Timestamp(1_795_233_725_123),
            Value::Uuid([9; 16]),
            Value::Binary(vec![0, 255]),
            Value::Binary(vec![1; 300]),
            text("é"),
            text(&"x".repeat(300)),
            Value::Symbol("amqp:accepted:list".to_owned()),
            Value::List(vec![Value::Null, Value::List(vec![text("a")])]),
            Value::Map(vec![(
                text("k"),
                Value::Map(vec![(Value::Int(1), Value::Null)]),
            )]),
            Value::Array(vec![text("a"), text("b")]),
            Value::Array(Vec::new()),
            Value::Described(Box::new((Value::Ulong(0x24), Value::List(Vec::new())))),
        ] {
            let mut bytes = Vec::new();
            encode::value(&mut bytes, &value);
            assert_eq!(read(&bytes), Ok(value), "{bytes:02x?}");
        }
    }

    #[test]
    fn reads_the_short_forms() {
        for (bytes, value) in [
            (&[0x45][..], Value::List(Vec::new())),
            (&[0x56, 1], Value::Bool(true)),
            (
                &[0xc0, 3, 2, 0x41, 0x42],
                Value::List(vec![Value::Bool(true), Value::Bool(false)]),
            ),
            (
                &[0xe0, 4, 2, 0x50, 1, 2],
                Value::Array(vec![Value::Ubyte(1), Value::Ubyte(2)]),
            ),
            // An array of lists, each without a constructor.
            (
                &[0xe0, 6, 2, 0xc0, 1, 0, 1, 0],
                Value::Array(vec![Value::List(Vec::new()), Value::List(Vec::new())]),
            ),
        ] {
            assert_eq!(read(bytes), Ok(value));
        }
    }

    #[test]
    fn refuses_what_would_grow_or_never_end() {
        let nested: Vec<u8> = [0xc0, 200, 1].repeat(40);
        // Four billion nulls, of no byte each.
        let nulls = [0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40];
        let described = [0u8; 50];
        for (bytes, what) in [
            (&nested[..], "a size beyond the end"),
            (
                &[&nested[..], &[0; 255]].concat(),
                "values nested too deeply",
            ),
            (&nulls, "too many values"),
            (&described, "values nested too deeply"),
            (&[0xb1, 0xff, 0xff, 0xff, 0xff], "the end inside of a value"),
            (&[0xa1, 1, 0xff], "a text that is not UTF-8"),
            (
                &[0xc0, 3, 1, 0x40, 0x40],
                "a size that does not fit its items",
            ),
            (&[0xc1, 2, 1, 0x40], "a map with a key that has no value"),
            (&[0xe0, 2, 0, 0x00], "an array of described values"),
            (&[0xee], "an unknown type"),
            (&[], "the end inside of a value"),
        ] {
            let refused = Decoder::new(bytes, 64).value().map_err(|it| it.what);
            assert_eq!(refused, Err(what), "{bytes:02x?}");
        }
    }
}
