//! Text that a person copies into a shell: every argument arrives there as it is.

use crate::error::{Error, Kind};

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Shell {
    /// bash, zsh and other POSIX shells.
    Bash,
    /// PowerShell.
    PowerShell,
}

impl Shell {
    /// That of this system.
    pub fn here() -> Self {
        if cfg!(windows) {
            Shell::PowerShell
        } else {
            Shell::Bash
        }
    }

    /// A line that keeps what a command prints in a variable.
    pub(crate) fn assigned(self, variable: &str, command: &str) -> String {
        match self {
            Shell::Bash => format!("{variable}=$({command})"),
            Shell::PowerShell => format!("${variable} = {command}"),
        }
    }

    /// What a variable holds, as one argument.
    pub(crate) fn variable(self, name: &str) -> String {
        match self {
            Shell::Bash => format!("\"${name}\""),
            Shell::PowerShell => format!("${name}"),
        }
    }

    /// The argument, in quotes where the shell would read something into it.
    pub fn quoted(self, argument: &str) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        if !argument.is_empty() && !argument.starts_with('-') && argument.chars().all(is_plain) {
            return argument.to_owned();
        }
        match self {
            Shell::Bash => format!("'{}'", argument.replace('\'', "'\\''")),
            Shell::PowerShell => format!("'{}'", argument.replace('\'', "''")),
        }
    }
}

/// Refuses what no name or path of a command to be copied has in it: control characters, which a
/// terminal obeys, and double quotes, which PowerShell drops on the way to a program.
pub(crate) fn check(argument: &str) -> Result<(), Error> {
    let odd = argument.chars().find(|c| c.is_control() || *c == '"');
    match odd {
        None => Ok(()),
        Some(c) => Err(Error::new(
            Kind::Usage,
            format!("{argument:?} must not have {c:?} in it"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_reads_something_into_is_quoted() {
        let quoted = |text| (Shell::Bash.quoted(text), Shell::PowerShell.quoted(text));
        let same = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(
            quoted("dev-certs/subca/subca.pem"),
            same("dev-certs/subca/subca.pem")
        );
        for text in [
            "my hub; rm -rf",
            "$(reboot)",
            "a,b",
            "@x",
            "",
            "-x",
            "%PATH%",
            "a=b",
        ] {
            assert_eq!(quoted(text), same(&format!("'{text}'")));
        }
        assert_eq!(
            quoted("it's"),
            ("'it'\\''s'".to_owned(), "'it''s'".to_owned())
        );
    }
}
