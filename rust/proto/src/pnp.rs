//! Plug and Play: components in the twin, and the form in which a device acknowledges a property.
//! <https://learn.microsoft.com/azure/iot/concepts-convention>
//!
//! ```
//! use iothub_proto::pnp::{Acknowledgement, Patch, Value};
//!
//! let mut buffer = [0; 128];
//! let mut patch = Patch::new(&mut buffer)?;
//! patch.component("thermostat1")?;
//! patch.value("serial", Value::Text("A\"1"))?;
//! patch.acknowledge("interval", &Acknowledgement::accepted(Value::Number(5), 7))?;
//! assert_eq!(
//!     patch.finish()?,
//!     br#"{"thermostat1":{"__t":"c","serial":"A\"1","interval":{"value":5,"ac":200,"av":7,"ad":null}}}"#
//! );
//! # Ok::<(), iothub_proto::Error>(())
//! ```

use crate::error::{Capacity, Error, InvalidRequest};
use crate::json;
use crate::twin::View;
use crate::writer::{Full, Writer};

/// A JSON value. There is no float: print it as the device prints numbers, and pass it as
/// [`Value::Raw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// JSON as it is; checked when written.
    Raw(&'a [u8]),
    /// A text; escaped by us.
    Text(&'a str),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`, which deletes the property.
    Null,
}

/// The answer to a writable property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// The value that holds now.
    pub value: Value<'a>,
    /// `ac`, a status as in HTTP: 200 accepted, 202 in progress, 203 default, 400 refused.
    pub code: u16,
    /// `av`, the version of the desired properties that is answered.
    pub version: u64,
    /// `ad`, a reason. `None` is written as null: reported properties are merged, and a reason of
    /// an earlier answer would stay.
    pub description: Option<&'a str>,
}

impl<'a> Acknowledgement<'a> {
    /// 200, without a reason.
    pub const fn accepted(value: Value<'a>, version: u64) -> Self {
        Self {
            value,
            code: 200,
            version,
            description: None,
        }
    }

    /// 400, with the value that still holds.
    pub const fn refused(value: Value<'a>, version: u64, reason: &'a str) -> Self {
        Self {
            value,
            code: 400,
            version,
            description: Some(reason),
        }
    }
}

/// Writes a patch of reported properties, for [`Client::report`](crate::Client::report).
#[derive(Debug)]
pub struct Patch<'b> {
    writer: Writer<'b>,
    in_component: bool,
    /// Nothing stands since the last bracket.
    is_first: bool,
}

impl<'b> Patch<'b> {
    /// Into this buffer.
    ///
    /// # Errors
    /// [`Capacity::Buffer`] where it is too small, here and of all other methods; the patch is then
    /// of no use.
    pub fn new(buffer: &'b mut [u8]) -> Result<Self, Error> {
        let mut patch = Self {
            writer: Writer::new(buffer),
            in_component: false,
            is_first: true,
        };
        patch.writer.text("{");
        patch.check().map(|()| patch)
    }

    /// What follows belongs to this component, until the next one.
    ///
    /// # Errors
    /// As [`Patch::new`].
    pub fn component(&mut self, name: &str) -> Result<(), Error> {
        self.end_component()?;
        self.name(name);
        self.writer.text("{\"__t\":\"c\"");
        self.in_component = true;
        self.check()
    }

    /// What follows belongs to the device itself.
    ///
    /// # Errors
    /// As [`Patch::new`].
    pub fn end_component(&mut self) -> Result<(), Error> {
        if self.in_component {
            self.in_component = false;
            self.writer.text("}");
        }
        self.check()
    }

    /// A property.
    ///
    /// # Errors
    /// [`InvalidRequest::Patch`] for a raw value that is not JSON; else as [`Patch::new`].
    pub fn value(&mut self, name: &str, value: Value<'_>) -> Result<(), Error> {
        self.name(name);
        self.write_value(value)
    }

    /// The answer to a writable property.
    ///
    /// # Errors
    /// As [`Patch::value`].
    pub fn acknowledge(&mut self, name: &str, answer: &Acknowledgement<'_>) -> Result<(), Error> {
        self.name(name);
        self.writer.text("{\"value\":");
        self.write_value(answer.value)?;
        self.writer.text(",\"ac\":");
        self.writer.number(u64::from(answer.code));
        self.writer.text(",\"av\":");
        self.writer.number(answer.version);
        self.writer.text(",\"ad\":");
        self.write_value(answer.description.map_or(Value::Null, Value::Text))?;
        self.writer.text("}");
        self.check()
    }

    /// The patch.
    ///
    /// # Errors
    /// As [`Patch::new`].
    pub fn finish(mut self) -> Result<&'b [u8], Error> {
        self.end_component()?;
        self.writer.text("}");
        self.writer.finish().map(|patch| &*patch).map_err(full)
    }

    fn check(&self) -> Result<(), Error> {
        if self.writer.is_full() {
            Err(full(Full))
        } else {
            Ok(())
        }
    }

    fn name(&mut self, name: &str) {
        let separator = if self.is_first { "" } else { "," };
        self.is_first = false;
        self.writer.text(separator);
        self.writer.json_text(name);
        self.writer.text(":");
    }

    fn write_value(&mut self, value: Value<'_>) -> Result<(), Error> {
        match value {
            Value::Raw(raw) if !json::is_valid(raw) => {
                return Err(Error::InvalidRequest(InvalidRequest::Patch));
            }
            Value::Raw(raw) => self.writer.bytes(raw),
            Value::Text(text) => self.writer.json_text(text),
            Value::Number(number) => self.writer.signed(number),
            Value::Bool(true) => self.writer.text("true"),
            Value::Bool(false) => self.writer.text("false"),
            Value::Null => self.writer.text("null"),
        }
        self.check()
    }
}

/// Whether a member of the twin is a component: it says `"__t":"c"`.
pub fn is_component(view: View<'_>) -> bool {
    view.raw("__t")
        .and_then(json::quoted)
        .is_some_and(|text| json::is_text(text, "c"))
}

fn full(_: Full) -> Error {
    Error::Capacity(Capacity::Buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(answer: &Acknowledgement<'_>) -> std::string::String {
        let mut buffer = [0; 128];
        let mut patch = Patch::new(&mut buffer).unwrap();
        patch.acknowledge("interval", answer).unwrap();
        std::str::from_utf8(patch.finish().unwrap()).unwrap().into()
    }

    #[test]
    fn an_answer_without_a_reason_takes_an_earlier_reason_away() {
        assert_eq!(
            patch(&Acknowledgement::refused(Value::Number(5), 7, "too short")),
            r#"{"interval":{"value":5,"ac":400,"av":7,"ad":"too short"}}"#
        );
        assert_eq!(
            patch(&Acknowledgement::accepted(Value::Number(60), 8)),
            r#"{"interval":{"value":60,"ac":200,"av":8,"ad":null}}"#
        );
        let in_progress = Acknowledgement {
            code: 202,
            ..Acknowledgement::accepted(Value::Bool(true), 9)
        };
        assert_eq!(
            patch(&in_progress),
            r#"{"interval":{"value":true,"ac":202,"av":9,"ad":null}}"#
        );
    }

    #[test]
    fn every_step_says_that_the_buffer_is_too_small() {
        type Step = fn(&mut Patch<'_>) -> Result<(), Error>;
        // Each with the bytes that it needs behind the bracket.
        let steps: [(Step, &str); 4] = [
            (|patch| patch.component("led"), r#""led":{"__t":"c""#),
            (|patch| patch.value("a", Value::Number(-5)), r#""a":-5"#),
            (|patch| patch.value("a", Value::Text("\"")), r#""a":"\"""#),
            (
                |patch| patch.acknowledge("a", &Acknowledgement::accepted(Value::Null, 7)),
                r#""a":{"value":null,"ac":200,"av":7,"ad":null}"#,
            ),
        ];
        for (step, written) in steps {
            let mut buffer = [0; 64];
            let too_small = Err(Error::Capacity(Capacity::Buffer));
            let mut patch = Patch::new(&mut buffer[..written.len()]).unwrap();
            assert_eq!(step(&mut patch), too_small, "{written}");
            let mut patch = Patch::new(&mut buffer[..written.len() + 1]).unwrap();
            assert_eq!(step(&mut patch), Ok(()), "{written}");
        }
        assert!(Patch::new(&mut []).is_err());
    }

    #[test]
    fn a_component_says_that_it_is_one() {
        for (json, expected) in [
            (r#"{"__t":"c","a":1}"#, true),
            (r#"{"__t":"\u0063"}"#, true),
            (r#"{"__t":"d"}"#, false),
            (r#"{"__t":99}"#, false),
            (r#"{"a":1}"#, false),
        ] {
            let is_component = is_component(View::new(json.as_bytes()));
            assert_eq!(is_component, expected, "{json}");
        }
    }
}
