//! A value of any of AMQP's types.

/// A value as it was read: a type of its own for each of the wire's, so that what is echoed comes
/// back as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::amqp) enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// Unsigned, of 8 bits.
    Ubyte(u8),
    /// Unsigned, of 16 bits.
    Ushort(u16),
    /// Unsigned, of 32 bits.
    Uint(u32),
    /// Unsigned, of 64 bits.
    Ulong(u64),
    /// Signed, of 8 bits.
    Byte(i8),
    /// Signed, of 16 bits.
    Short(i16),
    /// Signed, of 32 bits.
    Int(i32),
    /// Signed, of 64 bits.
    Long(i64),
    /// Of 32 bits.
    Float(f32),
    /// Of 64 bits.
    Double(f64),
    /// A decimal number of 4, 8 or 16 bytes, which nobody here reckons with.
    Decimal(Vec<u8>),
    /// A code point, as it was sent.
    Char(u32),
    /// Milliseconds since 1970.
    Timestamp(i64),
    /// A UUID.
    Uuid([u8; 16]),
    /// Bytes.
    Binary(Vec<u8>),
    /// Text.
    String(String),
    /// A name out of a set that both sides know.
    Symbol(String),
    /// Values one after the other.
    List(Vec<Value>),
    /// Pairs, in the order in which they were sent.
    Map(Vec<(Value, Value)>),
    /// Values of one type.
    Array(Vec<Value>),
    /// A value and what describes it.
    Described(Box<(Value, Value)>),
}

impl Value {
    /// The text of a string or a symbol.
    pub(in crate::amqp) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is not negative, of whatever width.
    pub(in crate::amqp) fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Ubyte(number) => Some(number.into()),
            Self::Ushort(number) => Some(number.into()),
            Self::Uint(number) => Some(number.into()),
            Self::Ulong(number) => Some(number),
            _ => self.as_i64().and_then(|number| number.try_into().ok()),
        }
    }

    /// A number, of whatever width.
    pub(in crate::amqp) fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Ubyte(number) => Some(number.into()),
            Self::Ushort(number) => Some(number.into()),
            Self::Uint(number) => Some(number.into()),
            Self::Ulong(number) => number.try_into().ok(),
            Self::Byte(number) => Some(number.into()),
            Self::Short(number) => Some(number.into()),
            Self::Int(number) => Some(number.into()),
            Self::Long(number) | Self::Timestamp(number) => Some(number),
            _ => None,
        }
    }

    /// The code and the value of what is described by a number.
    pub(in crate::amqp) fn into_described(self) -> Option<(u64, Value)> {
        match self {
            Self::Described(parts) => Some((parts.0.as_u64()?, parts.1)),
            _ => None,
        }
    }

    /// The pairs of a map.
    pub(in crate::amqp) fn as_map(&self) -> &[(Value, Value)] {
        match self {
            Self::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The value of a name in a map.
    pub(in crate::amqp) fn entry(&self, name: &str) -> Option<&Value> {
        let mut pairs = self.as_map().iter();
        pairs.find_map(|(key, value)| (key.as_str() == Some(name)).then_some(value))
    }

    /// A scalar as text: what a property of a message becomes on its way to a device.
    pub(in crate::amqp) fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::String(text) | Self::Symbol(text) => text.clone(),
            Self::Bool(truth) => truth.to_string(),
            Self::Ulong(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Timestamp(at) => crate::clock::rfc3339(*at),
            Self::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Uuid(bytes) => guid(bytes),
            other => other.as_i64()?.to_string(),
        })
    }
}

fn guid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
