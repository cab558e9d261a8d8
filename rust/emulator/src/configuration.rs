//! Options from a TOML file: `http = "127.0.0.1:8080"` is `--http 127.0.0.1:8080`. The command line goes before the
//! environment, and the environment before the file.

use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, Command};
use toml::Value;

/// The command line with the options of the file that it or the environment names, before those that it has itself.
pub(crate) fn expand(
    command: &Command,
    given: Vec<OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, String> {
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
    let wrong = |why: String| format!("--config {}: {why}", path.display());
    let text = super::read("--config ", path)?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let is_given = |name: &str| {
        let option = format!("--{name}");
        texts
            .iter()
            .any(|it| *it == option || it.starts_with(&format!("{option}=")))
    };
    let mut all: Vec<OsString> = given.first().cloned().into_iter().collect();
    for (name, value) in &table {
        let known = command
            .get_arguments()
            .find(|it| it.get_long() == Some(name));
        let known = known
            .filter(|it| it.get_long() != Some("config"))
            .ok_or_else(|| {
                let names = command.get_arguments().filter_map(clap::Arg::get_long);
                let names: Vec<&str> = names.filter(|it| *it != "config").collect();
                wrong(format!("option '{name}' is none of {}", names.join(", ")))
            })?;
        let in_environment = known
            .get_env()
            .is_some_and(|it| environment(&it.to_string_lossy()).is_some());
        let is_list = matches!(known.get_action(), ArgAction::Append);
        if in_environment || (!is_list && is_given(name)) {
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
        let option = |value: &Value| -> Result<Option<OsString>, String> {
            let text = match (value, known.get_action()) {
                (Value::Boolean(false), ArgAction::SetTrue) => return Ok(None),
                (Value::Boolean(true), ArgAction::SetTrue) => {
                    return Ok(Some(format!("--{name}").into()));
                }
                (_, ArgAction::SetTrue) => {
                    return Err(wrong(format!("{name} must be true or false")));
                }
                // As seen from the file.
                (Value::String(text), _) if is_path => {
                    let folder = path.parent().unwrap_or(Path::new(""));
                    folder.join(text).to_string_lossy().into_owned()
                }
                (Value::String(text), _) => text.clone(),
                (Value::Integer(number), _) => number.to_string(),
                _ => return Err(wrong(format!("{name} must be a text"))),
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

    fn expanded(file: &str, given: &[&str], set: &[&str]) -> Result<Vec<String>, String> {
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
            let error = expanded(file, &[], &[]).unwrap_err();
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
        assert_eq!(all, Ok(line));
    }
}
