//! Statements whose effect is known, so that what they belong to is answered before they are
//! executed: many of them are executed together, and of those that replace each other the last.
//!
//! They are durable all the same. A transaction puts what it leaves for later into one row of the
//! table `later`, and whoever opens the database executes what is found there. Nobody reads a table
//! without them: every other job is preceded by [`Later::settle`].

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::code::Refusal;

/// What is to be executed later. Whoever has the connection has it.
#[derive(Debug, Default)]
pub(crate) struct Later {
    /// Of transactions that were committed.
    pending: Vec<Statement>,
    /// Where each of them is that can be replaced.
    places: HashMap<String, usize>,
    /// Of the transaction that is open.
    fresh: Vec<Statement>,
    /// Whether the open transaction has executed what is pending.
    settled: bool,
    /// Whether the next transaction is to, since what was known of the tables is forgotten.
    overdue: bool,
    /// Roughly the bytes of what is pending, and of what it has replaced.
    bytes: usize,
    /// The same of the open transaction.
    fresh_bytes: usize,
    generation: u64,
    /// Whether there is a file, so that it outlives the process.
    kept: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    /// A later one of the same key makes this one needless.
    key: Option<String>,
    text: &'static str,
    values: Vec<Value>,
}

impl Later {
    /// `kept` if what is left for later has to outlive the process.
    pub(super) fn new(kept: bool) -> Self {
        Self {
            kept,
            ..Self::default()
        }
    }

    /// What somebody has read of the tables is still so, as far as he has written them himself, as
    /// long as this number stays.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Leaves a statement for later; it replaces an earlier one of the same key, which has written
    /// nothing else.
    pub(crate) fn put(
        &mut self,
        key: Option<String>,
        text: &'static str,
        values: impl Into<Vec<Value>>,
    ) {
        let values = values.into();
        self.fresh_bytes += values.iter().map(size).sum::<usize>();
        self.fresh.push(Statement { key, text, values });
    }

    /// Executes what was left for later, in the transaction that is open. The tables may then be
    /// read; who writes them says so by [`Later::touch`].
    pub(crate) fn settle(&mut self, c: &Connection) -> Result<(), Refusal> {
        if !self.settled {
            self.pending.iter().try_for_each(|it| it.execute(c))?;
            if self.kept && self.bytes > 0 {
                c.prepare_cached("DELETE FROM later")?.execute([])?;
            }
            self.settled = true;
        }
        self.fresh_bytes = 0;
        self.fresh.drain(..).try_for_each(|it| it.execute(c))
    }

    /// Says that tables have been written by something else.
    pub(crate) fn touch(&mut self) {
        self.generation += 1;
    }

    /// Whether anything of before the open transaction is left.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Looks whether another process has written, which then has executed what was left.
    pub(super) fn begin(&mut self, c: &Connection, version: &mut i64) -> Result<(), Refusal> {
        let now = c
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if now != *version {
            *version = now;
            let is_left = c.prepare_cached("SELECT 1 FROM later")?.exists([])?;
            if !is_left {
                self.forget();
            }
            self.overdue = true;
        }
        self.catch_up(c)
    }

    /// Lets the next transaction execute what is left.
    pub(super) fn demand(&mut self) {
        self.overdue = true;
    }

    /// Executes what is overdue.
    pub(super) fn catch_up(&mut self, c: &Connection) -> Result<(), Refusal> {
        if self.overdue {
            self.settle(c)?;
            self.touch();
        }
        Ok(())
    }

    /// Before a commit: puts away what the transaction leaves for later, or executes it where that
    /// has become much. Says how many bytes it has written.
    pub(super) fn finish(&mut self, c: &Connection) -> Result<usize, Refusal> {
        let (statements, bytes) = match self.settled {
            true => (0, 0),
            false => (self.pending.len(), self.bytes),
        };
        if statements + self.fresh.len() >= MAX_STATEMENTS || bytes + self.fresh_bytes >= MAX_BYTES
        {
            self.settle(c)?;
        }
        if !self.kept || self.fresh.is_empty() {
            return Ok(0);
        }
        let row = encode(&self.fresh);
        let size = row.len();
        c.prepare_cached("INSERT INTO later (statements) VALUES (?1)")?
            .execute([row])?;
        Ok(size)
    }

    /// After a commit.
    pub(super) fn committed(&mut self) {
        if self.settled {
            self.forget();
            self.overdue = false;
        }
        self.bytes += std::mem::take(&mut self.fresh_bytes);
        for statement in self.fresh.drain(..) {
            let Some(key) = &statement.key else {
                self.pending.push(statement);
                continue;
            };
            match self.places.get(key) {
                Some(&at) => self.pending[at] = statement,
                None => {
                    self.places.insert(key.clone(), self.pending.len());
                    self.pending.push(statement);
                }
            }
        }
    }

    /// After a transaction that has left no trace.
    pub(super) fn rolled_back(&mut self) {
        self.fresh.clear();
        self.fresh_bytes = 0;
        self.settled = false;
        self.overdue = true;
        self.generation += 1;
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.places.clear();
        self.bytes = 0;
        self.settled = false;
    }
}

impl Statement {
    fn execute(&self, c: &Connection) -> Result<(), Refusal> {
        c.prepare_cached(self.text)?
            .execute(params_from_iter(&self.values))?;
        Ok(())
    }
}

/// Executes what a process has left that was killed.
pub(super) fn execute_left(c: &Connection) -> rusqlite::Result<()> {
    let is_left = |c: &Connection| c.prepare("SELECT 1 FROM later")?.exists([]);
    if !is_left(c)? {
        return Ok(());
    }
    c.execute_batch("BEGIN IMMEDIATE")?;
    let all = || {
        let mut select = c.prepare("SELECT statements FROM later ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let statements = row.get_ref(0)?.as_blob()?;
            let statements = decode(statements).ok_or(rusqlite::Error::InvalidQuery)?;
            for (text, values) in statements {
                c.prepare_cached(&text)?.execute(params_from_iter(values))?;
            }
        }
        drop(rows);
        c.execute_batch("DELETE FROM later; COMMIT")
    };
    all().inspect_err(|_| {
        let _ = c.execute_batch("ROLLBACK");
    })
}

/// Each statement: its text, or which one of those before it has the same, and its values.
fn encode(statements: &[Statement]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut texts: Vec<&str> = Vec::new();
    let length = |out: &mut Vec<u8>, of: usize| {
        out.extend(u32::try_from(of).unwrap_or(u32::MAX).to_le_bytes());
    };
    for Statement { text, values, .. } in statements {
        let known = texts.iter().position(|it| it == text);
        let at = known.unwrap_or(texts.len());
        out.push(u8::try_from(at).unwrap_or(u8::MAX));
        if known.is_none() {
            texts.push(text);
            length(&mut out, text.len());
            out.extend(text.as_bytes());
        }
        out.push(u8::try_from(values.len()).unwrap_or(u8::MAX));
        for value in values {
            match value {
                Value::Null => out.push(0),
                Value::Integer(number) => {
                    out.push(1);
                    out.extend(number.to_le_bytes());
                }
                Value::Real(number) => {
                    out.push(2);
                    out.extend(number.to_le_bytes());
                }
                Value::Text(text) => {
                    out.push(3);
                    length(&mut out, text.len());
                    out.extend(text.as_bytes());
                }
                Value::Blob(bytes) => {
                    out.push(4);
                    length(&mut out, bytes.len());
                    out.extend(bytes);
                }
            }
        }
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<Vec<(String, Vec<Value>)>> {
    let bytes = &mut bytes;
    let mut texts: Vec<String> = Vec::new();
    let mut statements = Vec::new();
    while !bytes.is_empty() {
        let at = usize::from(byte(bytes)?);
        if at == texts.len() {
            texts.push(text(bytes)?);
        }
        let count = byte(bytes)?;
        let values = (0..count).map(|_| {
            Some(match byte(bytes)? {
                0 => Value::Null,
                1 => Value::Integer(i64::from_le_bytes(array(bytes)?)),
                2 => Value::Real(f64::from_le_bytes(array(bytes)?)),
                3 => Value::Text(text(bytes)?),
                4 => Value::Blob(counted(bytes)?.to_vec()),
                _ => return None,
            })
        });
        let values = values.collect::<Option<Vec<_>>>()?;
        statements.push((texts.get(at)?.clone(), values));
    }
    Some(statements)
}

/// Roughly what a value takes.
fn size(value: &Value) -> usize {
    16 + match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 0,
    }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    array::<1>(bytes).map(|[byte]| byte)
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}

fn counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(array(bytes)?);
    let (counted, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(counted)
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    String::from_utf8(counted(bytes)?.to_vec()).ok()
}

/// Statements that wait at the most, and bytes of their rows.
const MAX_STATEMENTS: usize = 512;
const MAX_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::in_memory;

    const SET: &str = "INSERT INTO settings VALUES (?1, ?2) \
        ON CONFLICT (key) DO UPDATE SET value = value || excluded.value";

    fn set(later: &mut Later, key: &str, value: &str, replaces: bool) {
        let values = [key, value].map(|it| Value::from(it.to_owned()));
        later.put(replaces.then(|| key.to_owned()), SET, values);
    }

    fn transact(later: &mut Later, c: &Connection, job: impl FnOnce(&mut Later)) {
        c.execute_batch("BEGIN").unwrap();
        later.catch_up(c).unwrap();
        job(later);
        later.finish(c).unwrap();
        c.execute_batch("COMMIT").unwrap();
        later.committed();
    }

    fn settings(c: &Connection) -> Vec<(String, String)> {
        let mut all = c
            .prepare("SELECT key, value FROM settings ORDER BY key")
            .unwrap();
        let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        all.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        let all = all.iter();
        all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_left_is_executed_once_and_of_what_replaces_each_other_the_last() {
        let (c, mut later) = (in_memory().unwrap(), Later::new(true));
        transact(&mut later, &c, |it| {
            set(it, "a", "1", true);
            set(it, "b", "1", false);
        });
        transact(&mut later, &c, |it| {
            set(it, "a", "2", true);
            set(it, "b", "2", false);
        });
        assert!(settings(&c).is_empty() && !later.is_empty());
        let generation = later.generation();
        transact(&mut later, &c, |it| {
            it.settle(&c).unwrap();
            it.settle(&c).unwrap();
        });
        assert_eq!(settings(&c), pairs(&[("a", "2"), ("b", "12")]));
        assert!(later.is_empty() && later.generation() == generation);
        execute_left(&c).unwrap();
        assert_eq!(settings(&c), pairs(&[("a", "2"), ("b", "12")]));
    }

    #[test]
    fn whoever_opens_the_database_executes_what_was_left() {
        let (c, mut later) = (in_memory().unwrap(), Later::new(true));
        transact(&mut later, &c, |it| set(it, "before", "1", false));
        transact(&mut later, &c, |it| {
            it.settle(&c).unwrap();
            set(it, "a", "1", false);
            set(it, "b", "\u{e9}", false);
        });
        transact(&mut later, &c, |it| {
            set(it, "a", "2", false);
            let all = [
                Value::Text("c".to_owned()),
                Value::Blob(vec![0, 255]),
                Value::Null,
                Value::Real(0.5),
                Value::Integer(-7),
            ];
            let text = "INSERT INTO settings VALUES (?1, quote(?2) || quote(?3) || quote(?4) || quote(?5))";
            it.put(None, text, all);
        });
        drop(later);
        execute_left(&c).unwrap();
        let expected = pairs(&[
            ("a", "12"),
            ("b", "\u{e9}"),
            ("before", "1"),
            ("c", "X'00FF'NULL0.5-7"),
        ]);
        assert_eq!(settings(&c), expected);
        execute_left(&c).unwrap();
        assert_eq!(settings(&c), expected);
    }

    #[test]
    fn a_transaction_that_fails_takes_its_own_along_and_nothing_of_before() {
        let (c, mut later) = (in_memory().unwrap(), Later::new(true));
        transact(&mut later, &c, |it| set(it, "kept", "1", false));
        c.execute_batch("BEGIN").unwrap();
        set(&mut later, "gone", "1", false);
        later.settle(&c).unwrap();
        set(&mut later, "gone too", "1", false);
        later.finish(&c).unwrap();
        c.execute_batch("ROLLBACK").unwrap();
        let generation = later.generation();
        later.rolled_back();
        assert_ne!(later.generation(), generation);
        assert!(settings(&c).is_empty());
        // What was known of the tables is forgotten: they are read next, and have to be whole.
        transact(&mut later, &c, |_| {
            assert_eq!(settings(&c), pairs(&[("kept", "1")]));
        });
        assert!(later.is_empty());
        execute_left(&c).unwrap();
        assert_eq!(settings(&c), pairs(&[("kept", "1")]));
    }

    #[test]
    fn much_is_executed_at_once() {
        let (c, mut later) = (in_memory().unwrap(), Later::new(false));
        for _ in 1..MAX_STATEMENTS {
            transact(&mut later, &c, |it| set(it, "a", "1", false));
        }
        assert!(settings(&c).is_empty());
        transact(&mut later, &c, |it| set(it, "a", "1", false));
        assert!(later.is_empty());
        assert_eq!(settings(&c)[0].1.len(), MAX_STATEMENTS);
        let large = "x".repeat(MAX_BYTES / 3);
        for count in 1..=3 {
            transact(&mut later, &c, |it| set(it, "b", &large, true));
            assert_eq!(later.is_empty(), count == 3);
        }
        // Of those two that waited one, and the third.
        assert_eq!(settings(&c)[1].1.len(), 2 * large.len());
    }

    #[test]
    fn a_damaged_row_is_no_panic() {
        let mut later = Later::new(true);
        set(&mut later, "a", "1", false);
        let row = encode(&later.fresh);
        assert_eq!(decode(&row).map(|it| it.len()), Some(1));
        for end in 1..row.len() {
            assert_eq!(decode(&row[..end]), None, "{end}");
        }
    }
}
