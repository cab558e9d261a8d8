//! The shape of an AT command: `AT`, a name, then `=`, `?` or `=?`, then arguments.

/// A command taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) form: Form,
    pub(crate) arguments: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Execute,
    Set,
    Read,
    Test,
}

impl Command {
    /// `None` if it does not begin with `AT`, or a quote is not closed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
        let rest = text
            .get(2..)
            .filter(|_| text[..2].eq_ignore_ascii_case("AT"))?;
        let end = rest.find(['=', '?']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        let (form, tail) = match tail {
            "" => (Form::Execute, ""),
            "?" => (Form::Read, ""),
            "=?" => (Form::Test, ""),
            _ => (Form::Set, tail.strip_prefix('=')?),
        };
        let arguments = if form == Form::Set {
            split(tail)?
        } else {
            Vec::new()
        };
        Some(Self {
            name: name.to_ascii_uppercase(),
            form,
            arguments,
        })
    }

    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.arguments.get(at)?.as_deref()
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, at: usize) -> Option<T> {
        self.text(at)?.trim().parse().ok()
    }
}

fn split(text: &str) -> Option<Vec<Option<String>>> {
    let (mut found, mut current, mut quoted, mut given) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                given = true;
            }
            ',' if !quoted => {
                found.push(take(&mut current, &mut given));
            }
            _ => current.push(c),
        }
    }
    found.push(take(&mut current, &mut given));
    (!quoted).then_some(found)
}

fn take(current: &mut String, given: &mut bool) -> Option<String> {
    let was_given = std::mem::take(given);
    let value = std::mem::take(current);
    (was_given || !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quoted_line_breaks_and_commas_stay() {
        let command = Command::parse("\nat%CMNG=0,10,2,\"a,\nb\",\"\"").unwrap();
        assert_eq!(command.name, "%CMNG");
        assert_eq!(command.text(3), Some("a,\nb"));
        assert_eq!(command.text(4), Some(""));
    }

    #[test]
    fn an_open_quote_is_no_command() {
        assert_eq!(Command::parse("AT%CMNG=0,10,2,\"abc"), None);
    }

    #[test]
    fn absent_arguments_are_none() {
        assert_eq!(Command::parse("AT%JWT=0,,\"\"").unwrap().arguments.len(), 3);
        assert_eq!(Command::parse("AT%JWT=0,,\"\"").unwrap().text(1), None);
    }
}
