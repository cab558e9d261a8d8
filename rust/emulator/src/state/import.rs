//! Taking a document in, row by row as it is read.

use std::fmt;
use std::io::Read;

use rusqlite::Connection;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value, json};

use super::{FORMAT, Intake, PARTS, Report, invalid, take};
use crate::code::Refusal;
use crate::fields;

/// Takes JSON in, all of it or, with a refusal that names the part, nothing; never holds more of it
/// than a row.
pub(crate) fn import_json(
    c: &Connection,
    document: impl Read,
    how: &Intake,
) -> Result<Report, Refusal> {
    let mut json = serde_json::Deserializer::from_reader(document);
    let mut import = Import::new(c, how);
    let read = json.deserialize_map(&mut import).and_then(|()| json.end());
    import.finish(read)
}

/// Takes a document in that is read already, as [`import_json`] does.
pub(crate) fn import(c: &Connection, document: Value, how: &Intake) -> Result<Report, Refusal> {
    let mut import = Import::new(c, how);
    let read = document.deserialize_map(&mut import);
    import.finish(read)
}

/// An import in progress. A row's refusal goes past serde, whose errors are texts.
struct Import<'a> {
    c: &'a Connection,
    how: &'a Intake,
    report: Report,
    refusal: Option<Refusal>,
    /// What is to be said if the document has another form than expected at this place.
    expected: String,
    /// Messages that stand before the devices that they are for.
    early: Vec<Value>,
}

impl<'a> Import<'a> {
    fn new(c: &'a Connection, how: &'a Intake) -> Self {
        Self {
            c,
            how,
            report: Report::default(),
            refusal: None,
            expected: "the document must be an object".to_owned(),
            early: Vec::new(),
        }
    }

    fn finish(mut self, read: Result<(), serde_json::Error>) -> Result<Report, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        read.map_err(|error| match error.classify() {
            Category::Data => invalid(self.expected.as_str()),
            _ => invalid(format!("the document is not JSON: {error}")),
        })?;
        for (index, one) in std::mem::take(&mut self.early).iter().enumerate() {
            self.row("messages", index, one)?;
        }
        Ok(self.report)
    }

    fn row(&mut self, part: &str, index: usize, one: &Value) -> Result<(), Refusal> {
        let done = take(self.c, part, one, self.how, &mut self.report).map_err(|refusal| {
            let reason = format!("{part}, number {}: {}", index + 1, refusal.reason);
            Refusal::new(refusal.code, reason)
        })?;
        match done {
            true => self.count(part, 1),
            false => self.report.kept += 1,
        }
        Ok(())
    }

    fn count(&mut self, part: &str, more: u64) {
        let known = self.report.written.get(part).and_then(Value::as_u64);
        let all = known.unwrap_or_default() + more;
        self.report.written.insert(part.to_owned(), json!(all));
    }

    fn refuse<E: serde::de::Error>(&mut self, refusal: Refusal) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }
}

impl<'de> Visitor<'de> for &mut Import<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(part) = map.next_key::<String>()? {
            if part == "format" {
                let format: Value = map.next_value()?;
                if format != FORMAT {
                    let reason = format!("format {format} is not '{FORMAT}'");
                    return Err(self.refuse(invalid(reason)));
                }
                continue;
            }
            let Some(part) = PARTS.iter().find(|known| **known == part) else {
                let unknown = Map::from_iter([(part, Value::Null)]);
                return match fields::check(&unknown, PARTS) {
                    Err(error) => Err(self.refuse(error.into())),
                    Ok(()) => Err(A::Error::custom("a part that is none")),
                };
            };
            self.expected = format!("'{part}' must be a list");
            map.next_value_seed(Part { part, import: self })?;
        }
        Ok(())
    }
}

/// One part of the document.
struct Part<'p, 'a> {
    part: &'static str,
    import: &'p mut Import<'a>,
}

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        self.import.count(self.part, 0);
        let mut index = 0;
        while let Some(one) = rows.next_element::<Value>()? {
            if self.part == "messages" && !self.import.report.written.contains_key("devices") {
                self.import.early.push(one);
            } else if let Err(refusal) = self.import.row(self.part, index, &one) {
                return Err(self.import.refuse(refusal));
            }
            index += 1;
        }
        Ok(())
    }
}
