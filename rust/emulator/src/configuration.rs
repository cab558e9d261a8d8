//! Options from a TOML file: `http = "127.0.0.1:8080"` is `--http 127.0.0.1:8080`. The command line
//! goes before the environment, and the environment before the file, also where one of them has an
//! option that excludes another's.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::{BoolishValueParser, Resettable, TypedValueParser as _};
use clap::{Arg, ArgAction, Command};
use toml::Value;

use crate::file_argument::{self, Unreadable};

/// The command, whose switches take as variables what people write for yes and no: `true`, `1`,
/// `yes`, `on`, and the other way round.
pub(crate) fn with_switches(command: Command) -> Command {
    command.mut_args(|option| match is_switch(&option) {
        true => option.value_parser(BoolishValueParser::new()),
        false => option,
    })
}

/// Why the file gives no options.
#[derive(Debug)]
pub(crate) enum FileError {
    Unreadable(Unreadable),
    Wrong(PathBuf, Mistake),
}

/// What is wrong in the file.
#[derive(Debug)]
pub(crate) enum Mistake {
    /// It is no TOML.
    Syntax(toml::de::Error),
    /// There is no such option; those that there are.
    Unknown(String, Vec<String>),
    NoBool(String),
    NoText(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, mistake) = match self {
            Self::Unreadable(error) => return error.fmt(f),
            Self::Wrong(path, mistake) => (path.display(), mistake),
        };
        write!(f, "--config {path}: ")?;
        match mistake {
            Mistake::Syntax(error) => error.fmt(f),
            Mistake::Unknown(name, known) => {
                write!(f, "option '{name}' is none of {}", known.join(", "))
            }
            Mistake::NoBool(name) => write!(f, "{name} must be true or false"),
            Mistake::NoText(name) => write!(f, "{name} must be a text"),
        }
    }
}

impl std::error::Error for FileError {}

/// The command line with the options of the file that it or the environment names, before those
/// that it has itself.
pub(crate) fn expand(
    command: &Command,
    given: Vec<OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, FileError> {
    let texts: Vec<String> = given
        .iter()
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    let subcommand = |it: &str| command.find_subcommand(it).is_some() || it == "help";
    if texts.get(1).is_some_and(|first| subcommand(first)) {
        return Ok(given);
    }
    let Some(path) = named(&texts)
        .map(OsString::from)
        .or_else(|| environment(CONFIG))
    else {
        return Ok(given);
    };
    let path = Path::new(&path);
    let wrong = |mistake| FileError::Wrong(path.to_owned(), mistake);
    let text = file_argument::read("--config ", path).map_err(FileError::Unreadable)?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(Mistake::Syntax(error)))?;
    let is_given = |name: &str| is_given(&texts, name);
    let in_environment =
        |option: &Arg| variable(option, &environment).is_some_and(|value| !is_off(option, &value));
    let mut all: Vec<OsString> = given.first().cloned().into_iter().collect();
    for (name, value) in &table {
        let known = command
            .get_arguments()
            .find(|it| it.get_long() == Some(name));
        let known = known
            .filter(|it| it.get_long() != Some("config"))
            .ok_or_else(|| {
                let names = command.get_arguments().filter_map(clap::Arg::get_long);
                let names = names.filter(|it| *it != "config").map(str::to_owned);
                wrong(Mistake::Unknown(name.clone(), names.collect()))
            })?;
        let is_list = matches!(known.get_action(), ArgAction::Append);
        if variable(known, &environment).is_some() || (!is_list && is_given(name)) {
            continue;
        }
        if excluded(command, known)
            .iter()
            .any(|it| in_environment(it) || it.get_long().is_some_and(is_given))
        {
            continue;
        }
        let is_path = matches!(
            known
                .get_value_names()
                .unwrap_or_default()
                .first()
                .map(|it| it.as_str()),
            Some("FILE" | "FOLDER")
        );
        let option = |value: &Value| -> Result<Option<OsString>, FileError> {
            let text = match (value, known.get_action()) {
                (Value::Boolean(false), ArgAction::SetTrue) => return Ok(None),
                (Value::Boolean(true), ArgAction::SetTrue) => {
                    return Ok(Some(format!("--{name}").into()));
                }
                (_, ArgAction::SetTrue) => {
                    return Err(wrong(Mistake::NoBool(name.clone())));
                }
                // As seen from the file.
                (Value::String(text), _) if is_path => {
                    let folder = path.parent().unwrap_or(Path::new(""));
                    folder.join(text).to_string_lossy().into_owned()
                }
                (Value::String(text), _) => text.clone(),
                (Value::Integer(number), _) => number.to_string(),
                _ => return Err(wrong(Mistake::NoText(name.clone()))),
            };
            Ok(Some(format!("--{name}={text}").into()))
        };
        match value {
            Value::Array(values) if is_list => {
                for value in values {
                    all.extend(option(value)?);
                }
            }
            value => all.extend(option(value)?),
        }
    }
    all.extend(given.into_iter().skip(1));
    Ok(all)
}

/// The command without the variables that do not count: those of options that one of the line
/// excludes, of a value that the variable of a switch excludes (an image has the one, who starts it
/// the other), and of switches that are off.
pub(crate) fn without_excluded(
    mut command: Command,
    line: &[OsString],
    environment: impl Fn(&str) -> Option<OsString>,
) -> Command {
    let texts: Vec<String> = line
        .iter()
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    let on_line = |option: &Arg| option.get_long().is_some_and(|it| is_given(&texts, it));
    let is_on = |option: &Arg| {
        let value = variable(option, &environment);
        is_switch(option) && value.is_some_and(|value| !is_off(option, &value))
    };
    let yields = |option: &Arg| {
        variable(option, &environment).is_some_and(|value| is_off(option, &value))
            || excluded(&command, option)
                .iter()
                .any(|it| on_line(it) || (is_on(it) && !is_switch(option)))
    };
    let options = command.get_arguments();
    let names: Vec<_> = options
        .filter(|it| !on_line(it) && yields(it))
        .map(|it| it.get_id().clone())
        .collect();
    for name in names {
        command = command.mut_arg(name, |it| it.env(Resettable::<clap::builder::OsStr>::Reset));
    }
    command
}

/// The options that cannot stand beside one; it is enough that one of the two says so.
fn excluded<'c>(command: &'c Command, option: &Arg) -> Vec<&'c Arg> {
    let says = |it: &Arg, other: &Arg| {
        let conflicts = command.get_arg_conflicts_with(it);
        conflicts.iter().any(|it| it.get_id() == other.get_id())
    };
    let all = command.get_arguments();
    all.filter(|it| says(it, option) || says(option, it))
        .collect()
}

/// Whether the words have the option.
fn is_given(texts: &[String], name: &str) -> bool {
    let option = format!("--{name}");
    let with_value = format!("{option}=");
    let mut texts = texts.iter();
    texts.any(|it| *it == option || it.starts_with(&with_value))
}

fn variable(option: &Arg, environment: &impl Fn(&str) -> Option<OsString>) -> Option<OsString> {
    environment(&option.get_env()?.to_string_lossy())
}

fn is_switch(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::SetTrue)
}

/// Whether a variable is that of a switch and says no; an empty one says nothing.
fn is_off(option: &Arg, value: &OsStr) -> bool {
    let says = |value| BoolishValueParser::new().parse_ref(&Command::default(), None, value);
    is_switch(option) && (value.is_empty() || says(value).is_ok_and(|is_on| !is_on))
}

/// What `--config` names.
fn named(texts: &[String]) -> Option<&str> {
    let mut rest = texts.iter();
    while let Some(text) = rest.next() {
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(path);
        }
        if text == "--config" {
            return rest.next().map(String::as_str);
        }
    }
    None
}

const CONFIG: &str = "IOTHUB_EMULATOR_CONFIG";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn expanded(file: &str, given: &[&str], set: &[&str]) -> Result<Vec<String>, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emulator.toml");
        std::fs::write(&path, file).unwrap();
        let mut line = vec![
            "iothub-emulator".into(),
            format!("--config={}", path.display()).into(),
        ];
        line.extend(given.iter().map(OsString::from));
        let environment = |name: &str| set.contains(&name).then(|| "x".into());
        let all = expand(&crate::Arguments::command(), line, environment)?;
        let folder = format!("{}/", folder.path().display());
        let texts = all
            .iter()
            .map(|it| it.to_str().unwrap().replace(&folder, ""));
        Ok(texts
            .filter(|it| !it.starts_with("--config"))
            .skip(1)
            .collect())
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
        let file = "http = \"127.0.0.1:1\"\nmqtt = \"127.0.0.1:2\"\nhostname = \"hub\"\njson = true\n\
                    quiet = false\nseed = \"seed.toml\"\nset = [\"maxSubscriptions=7\"]\n";
        let all = expanded(
            file,
            &["--http", "127.0.0.1:3", "--set", "a=b"],
            &["IOTHUB_EMULATOR_MQTT"],
        );
        let expected = [
            "--hostname=hub",
            "--json",
            "--seed=seed.toml",
            "--set=maxSubscriptions=7",
            "--http",
            "127.0.0.1:3",
            "--set",
            "a=b",
        ];
        let mut all = all.unwrap();
        all[..4].sort();
        assert_eq!(all, expected);
    }

    #[test]
    fn of_the_options_that_exclude_each_other_the_stronger_place_has_its_own() {
        const DATA: (&str, &str) = ("IOTHUB_EMULATOR_DATA_DIR", "/data");
        const EPHEMERAL: (&str, &str) = ("IOTHUB_EMULATOR_EPHEMERAL", "true");
        const KEPT: (&str, &str) = ("IOTHUB_EMULATOR_EPHEMERAL", "No");
        const EMPTY: (&str, &str) = ("IOTHUB_EMULATOR_EPHEMERAL", "");
        const ONE: (&str, &str) = ("IOTHUB_EMULATOR_EPHEMERAL", "1");
        const JSON: (&str, &str) = ("IOTHUB_EMULATOR_JSON", "true");
        const QUIET: (&str, &str) = ("IOTHUB_EMULATOR_QUIET", "true");
        for (line, set, expected) in [
            ("--ephemeral", &[DATA][..], &["data-dir"][..]),
            ("--data-dir=x", &[EPHEMERAL], &["ephemeral"]),
            ("--json", &[QUIET], &["quiet"]),
            ("--quiet", &[JSON], &["json"]),
            ("health", &[EPHEMERAL, DATA], &["data-dir"]),
            ("health", &[ONE, DATA], &["data-dir"]),
            ("health", &[KEPT, DATA], &["ephemeral"]),
            ("health", &[EMPTY, DATA], &["ephemeral"]),
            ("--seed=x", &[DATA], &[]),
            ("--seed=x", &[JSON, QUIET], &[]),
        ] {
            let line: Vec<OsString> = ["iothub-emulator", line].map(Into::into).into();
            let environment = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            };
            let command = without_excluded(crate::Arguments::command(), &line, environment);
            let before = crate::Arguments::command();
            let mut gone = Vec::new();
            for option in before.get_arguments().filter(|it| it.get_env().is_some()) {
                let after = command
                    .get_arguments()
                    .find(|it| it.get_id() == option.get_id());
                if after.is_some_and(|it| it.get_env().is_none()) {
                    gone.extend(option.get_long());
                }
            }
            assert_eq!(gone, expected, "{line:?} {set:?}");
        }
        let file = "ephemeral = true\n";
        let variable = "IOTHUB_EMULATOR_DATA_DIR";
        assert!(expanded(file, &[], &[variable]).unwrap().is_empty());
        assert_eq!(
            expanded(file, &["--data-dir=x"], &[]).unwrap(),
            ["--data-dir=x"]
        );
        assert_eq!(expanded(file, &[], &[]).unwrap(), ["--ephemeral"]);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_told() {
        for (file, why) in [
            (
                "htp = \"x\"",
                "option 'htp' is none of hostname, name, mqtt",
            ),
            ("json = 1", "json must be true or false"),
            ("http = [1]", "http must be a text"),
            ("config = \"x\"", "option 'config' is none of"),
            ("= 1", "TOML parse error"),
        ] {
            let error = expanded(file, &[], &[]).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.starts_with("--config "),
                "{error}"
            );
        }
    }

    #[test]
    fn subcommands_have_no_file() {
        let line: Vec<OsString> = ["iothub-emulator", "az", "--config", "nowhere"]
            .map(Into::into)
            .into();
        let all = expand(&crate::Arguments::command(), line.clone(), |_| None);
        assert_eq!(all.unwrap(), line);
    }
}
