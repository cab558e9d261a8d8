//! Writing values.

use super::value::Value;

/// The items of a list or a map, as they are written.
#[derive(Debug)]
pub(in crate::amqp) struct Items<'o> {
    out: &'o mut Vec<u8>,
    count: u32,
}

impl Items<'_> {
    /// Nothing.
    pub(in crate::amqp) fn null(&mut self) -> &mut Self {
        self.item().push(0x40);
        self
    }

    /// So many nulls: the fields at the end that nobody sets.
    pub(in crate::amqp) fn nulls(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.null();
        }
        self
    }

    /// A truth value.
    pub(in crate::amqp) fn bool(&mut self, truth: bool) -> &mut Self {
        self.item().push(if truth { 0x41 } else { 0x42 });
        self
    }

    /// Of 8 bits.
    pub(in crate::amqp) fn ubyte(&mut self, number: u8) -> &mut Self {
        self.item().extend([0x50, number]);
        self
    }

    /// Of 16 bits.
    pub(in crate::amqp) fn ushort(&mut self, number: u16) -> &mut Self {
        fixed(self.item(), 0x60, number.to_be_bytes());
        self
    }

    /// Of 32 bits.
    pub(in crate::amqp) fn uint(&mut self, number: u32) -> &mut Self {
        uint(self.item(), number);
        self
    }

    /// Of 64 bits.
    pub(in crate::amqp) fn ulong(&mut self, number: u64) -> &mut Self {
        fixed(self.item(), 0x80, number.to_be_bytes());
        self
    }

    /// Signed, of 32 bits.
    pub(in crate::amqp) fn int(&mut self, number: i32) -> &mut Self {
        fixed(self.item(), 0x71, number.to_be_bytes());
        self
    }

    /// Signed, of 64 bits.
    pub(in crate::amqp) fn long(&mut self, number: i64) -> &mut Self {
        fixed(self.item(), 0x81, number.to_be_bytes());
        self
    }

    /// Milliseconds since 1970.
    pub(in crate::amqp) fn timestamp(&mut self, at: i64) -> &mut Self {
        fixed(self.item(), 0x83, at.to_be_bytes());
        self
    }

    /// Text.
    pub(in crate::amqp) fn string(&mut self, text: &str) -> &mut Self {
        variable(self.item(), 0xa1, text.as_bytes());
        self
    }

    /// A name.
    pub(in crate::amqp) fn symbol(&mut self, name: &str) -> &mut Self {
        variable(self.item(), 0xa3, name.as_bytes());
        self
    }

    /// Bytes.
    pub(in crate::amqp) fn binary(&mut self, bytes: &[u8]) -> &mut Self {
        variable(self.item(), 0xa0, bytes);
        self
    }

    /// Any value.
    pub(in crate::amqp) fn value(&mut self, it: &Value) -> &mut Self {
        value(self.item(), it);
        self
    }

    /// A text, or nothing.
    pub(in crate::amqp) fn string_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    /// A name, or nothing.
    pub(in crate::amqp) fn symbol_or_null(&mut self, name: Option<&str>) -> &mut Self {
        match name {
            Some(name) => self.symbol(name),
            None => self.null(),
        }
    }

    /// A number, or nothing.
    pub(in crate::amqp) fn uint_or_null(&mut self, number: Option<u32>) -> &mut Self {
        match number {
            Some(number) => self.uint(number),
            None => self.null(),
        }
    }

    /// A described list, with its items.
    pub(in crate::amqp) fn described(
        &mut self,
        code: u8,
        fill: impl FnOnce(&mut Items<'_>),
    ) -> &mut Self {
        described_list(self.item(), code, fill);
        self
    }

    /// A map: keys and values in turn.
    pub(in crate::amqp) fn map(&mut self, fill: impl FnOnce(&mut Items<'_>)) -> &mut Self {
        compound(self.item(), 0xd1, fill);
        self
    }

    fn item(&mut self) -> &mut Vec<u8> {
        self.count += 1;
        self.out
    }
}

/// A list that a number describes: performatives, sections, outcomes.
pub(in crate::amqp) fn described_list(
    out: &mut Vec<u8>,
    code: u8,
    fill: impl FnOnce(&mut Items<'_>),
) {
    out.extend([0x00, 0x53, code]);
    compound(out, 0xd0, fill);
}

/// A map that a number describes: sections.
pub(in crate::amqp) fn described_map(
    out: &mut Vec<u8>,
    code: u8,
    fill: impl FnOnce(&mut Items<'_>),
) {
    out.extend([0x00, 0x53, code]);
    compound(out, 0xd1, fill);
}

/// Bytes that a number describes: the body of a message.
pub(in crate::amqp) fn described_binary(out: &mut Vec<u8>, code: u8, bytes: &[u8]) {
    out.extend([0x00, 0x53, code]);
    variable(out, 0xa0, bytes);
}

/// Any value. It was read within the bounds of depth, so that a call for each level is no danger.
pub(in crate::amqp) fn value(out: &mut Vec<u8>, it: &Value) {
    match it {
        Value::Null => out.push(0x40),
        Value::Bool(true) => out.push(0x41),
        Value::Bool(false) => out.push(0x42),
        Value::Ubyte(number) => out.extend([0x50, *number]),
        Value::Ushort(number) => fixed(out, 0x60, number.to_be_bytes()),
        Value::Uint(number) => uint(out, *number),
        Value::Ulong(number) => match u8::try_from(*number) {
            Ok(number) => out.extend([0x53, number]),
            Err(_) => fixed(out, 0x80, number.to_be_bytes()),
        },
        Value::Byte(number) => fixed(out, 0x51, number.to_be_bytes()),
        Value::Short(number) => fixed(out, 0x61, number.to_be_bytes()),
        Value::Int(number) => fixed(out, 0x71, number.to_be_bytes()),
        Value::Long(number) => fixed(out, 0x81, number.to_be_bytes()),
        Value::Float(number) => fixed(out, 0x72, number.to_be_bytes()),
        Value::Double(number) => fixed(out, 0x82, number.to_be_bytes()),
        Value::Decimal(bytes) => {
            out.push(match bytes.len() {
                4 => 0x74,
                8 => 0x84,
                _ => 0x94,
            });
            out.extend(bytes);
        }
        Value::Char(code) => fixed(out, 0x73, code.to_be_bytes()),
        Value::Timestamp(at) => fixed(out, 0x83, at.to_be_bytes()),
        Value::Uuid(bytes) => fixed(out, 0x98, *bytes),
        Value::Binary(bytes) => variable(out, 0xa0, bytes),
        Value::String(text) => variable(out, 0xa1, text.as_bytes()),
        Value::Symbol(name) => variable(out, 0xa3, name.as_bytes()),
        Value::List(items) => compound(out, 0xd0, |list| {
            for item in items {
                list.value(item);
            }
        }),
        Value::Map(pairs) => compound(out, 0xd1, |map| {
            for (key, item) in pairs {
                map.value(key).value(item);
            }
        }),
        Value::Array(items) => array(out, items),
        Value::Described(parts) => {
            out.push(0x00);
            value(out, &parts.0);
            value(out, &parts.1);
        }
    }
}

/// The items of an array that was read are of one type; texts, names and bytes are written with
/// four bytes of length.
fn array(out: &mut Vec<u8>, items: &[Value]) {
    let begin = begin(out, 0xf0);
    let mut written = Vec::new();
    let mut constructor = 0x40;
    for item in items {
        written.clear();
        match item {
            Value::String(text) => wide(&mut written, 0xb1, text.as_bytes()),
            Value::Symbol(name) => wide(&mut written, 0xb3, name.as_bytes()),
            Value::Binary(bytes) => wide(&mut written, 0xb0, bytes),
            Value::Uint(number) => fixed(&mut written, 0x70, number.to_be_bytes()),
            Value::Ulong(number) => fixed(&mut written, 0x80, number.to_be_bytes()),
            Value::Bool(truth) => written.extend([0x56, u8::from(*truth)]),
            other => value(&mut written, other),
        }
        let Some((&code, rest)) = written.split_first() else {
            continue;
        };
        if out.len() == begin + 8 {
            constructor = code;
            out.push(code);
        }
        out.extend_from_slice(rest);
    }
    if out.len() == begin + 8 {
        out.push(constructor);
    }
    end(out, begin, u32::try_from(items.len()).unwrap_or(u32::MAX));
}

fn compound(out: &mut Vec<u8>, code: u8, fill: impl FnOnce(&mut Items<'_>)) {
    let begin = begin(out, code);
    let mut items = Items { out, count: 0 };
    fill(&mut items);
    let count = items.count;
    end(out, begin, count);
}

/// Code, and room for size and count.
fn begin(out: &mut Vec<u8>, code: u8) -> usize {
    out.push(code);
    let begin = out.len();
    out.extend([0; 8]);
    begin
}

fn end(out: &mut [u8], begin: usize, count: u32) {
    let size = u32::try_from(out.len() - begin - 4).unwrap_or(u32::MAX);
    out[begin..begin + 4].copy_from_slice(&size.to_be_bytes());
    out[begin + 4..begin + 8].copy_from_slice(&count.to_be_bytes());
}

fn uint(out: &mut Vec<u8>, number: u32) {
    match u8::try_from(number) {
        Ok(0) => out.push(0x43),
        Ok(number) => out.extend([0x52, number]),
        Err(_) => fixed(out, 0x70, number.to_be_bytes()),
    }
}

fn fixed<const N: usize>(out: &mut Vec<u8>, code: u8, bytes: [u8; N]) {
    out.push(code);
    out.extend(bytes);
}

/// With one byte of length where it fits; `code` is that form.
fn variable(out: &mut Vec<u8>, code: u8, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(length) => {
            out.extend([code, length]);
            out.extend_from_slice(bytes);
        }
        Err(_) => wide(out, code + 0x10, bytes),
    }
}

fn wide(out: &mut Vec<u8>, code: u8, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    fixed(out, code, length.to_be_bytes());
    out.extend_from_slice(bytes);
}
