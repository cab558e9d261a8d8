//! The device that `--device` names: a program or a command with arguments, in place of the Linux
//! one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// How to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceCommand {
    /// A program for native_sim: it takes its options as arguments, and keeps its flash in the
    /// folder where it is started.
    Program(PathBuf),
    /// A command line, such as a script or QEMU with an image. It is started where the user is, so
    /// that files in it are found; it reads what it needs from its environment, or has `{}` among
    /// its words in place of the arguments.
    Line(Vec<String>),
}

/// The port that an image has from its build (`CONFIG_MQTT_HELPER_PORT`), and need not be told.
pub(crate) const BUILT_PORT: u16 = 8883;

/// What a device is told: as arguments or as environment.
pub(crate) struct Told<'a> {
    /// The folder of its certificates and key.
    pub(crate) credentials: &'a Path,
    /// A folder of its own, for what it keeps.
    pub(crate) data: &'a Path,
    /// The hub's name for it.
    pub(crate) hostname: &'a str,
    /// The hub's port of MQTT over TLS.
    pub(crate) port: u16,
    /// The id of the device.
    pub(crate) device_id: &'a str,
    /// The kind of network that a simulated modem is to find.
    pub(crate) network: &'a str,
    /// How long a new image may take to reach the hub, in seconds; `None`: what the device has by
    /// itself.
    pub(crate) trial_s: Option<u32>,
    /// The file of the world around it; `None`: it is in none.
    pub(crate) world: Option<&'a Path>,
}

impl DeviceCommand {
    /// The value of `--device`: a file of that name, else words as a shell splits them.
    ///
    /// # Errors
    /// There is no such program, it may not be executed, or a quotation mark is left open.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::new(format!("--device {text}: {why}"));
        let whole = Path::new(text);
        let words = shlex::split(text).ok_or_else(|| wrong("a quotation mark is left open"))?;
        match words.as_slice() {
            [] => Err(wrong("name a program, or a command with its arguments")),
            [_] => program(whole).map(Self::Program),
            _ if whole.exists() => program(whole).map(Self::Program),
            [first, ..] if first.contains('/') => {
                program(Path::new(first)).map(|_| Self::Line(words))
            }
            [first, ..] if in_path(first) => Ok(Self::Line(words)),
            [first, ..] => Err(wrong(&format!("{first} is not in PATH"))),
        }
        .map_err(|error| match error.to_string() {
            said if said.starts_with("--device") => error,
            said => wrong(&said),
        })
    }

    /// The command that starts it.
    pub(crate) fn command(&self, told: &Told<'_>) -> Command {
        let mut options = vec![
            format!("--credentials={}", told.credentials.display()),
            format!("--hostname={}", told.hostname),
            format!("--device-id={}", told.device_id),
            format!("--network={}", told.network),
        ];
        if told.port != BUILT_PORT {
            options.push(format!("--port={}", told.port));
        }
        options.extend(told.trial_s.map(|it| format!("--fota-trial={it}")));
        options.extend(told.world.map(|it| format!("--world={}", it.display())));
        let mut command = match self {
            Self::Program(program) => {
                let mut command = Command::new(program);
                command.args(options).current_dir(told.data);
                command
            }
            Self::Line(words) => {
                let mut words = words.iter();
                let mut command = Command::new(words.next().map_or("", String::as_str));
                for word in words {
                    match word.as_str() {
                        "{}" => command.args(&options),
                        word => command.arg(word),
                    };
                }
                command
            }
        };
        command
            .env("IOTHUB_CREDENTIALS", told.credentials)
            .env("IOTHUB_DATA", told.data)
            .env("IOTHUB_HOSTNAME", told.hostname)
            .env("IOTHUB_PORT", told.port.to_string())
            .env("IOTHUB_DEVICE_ID", told.device_id)
            .env("IOTHUB_NETWORK", told.network);
        if let Some(trial_s) = told.trial_s {
            command.env("IOTHUB_FOTA_TRIAL", trial_s.to_string());
        }
        if let Some(world) = told.world {
            command.env("IOTHUB_WORLD", world);
        }
        command
    }
}

/// A program by its absolute path: it may be started in another folder.
fn program(path: &Path) -> Result<PathBuf, Error> {
    let found = std::fs::metadata(path).map_err(|source| {
        Error::new(format!(
            "{source}; build the application for native_sim first and name its zephyr.exe"
        ))
    })?;
    if found.is_dir() {
        return Err(Error::new(
            "this is a folder; name the program in it, zephyr.exe",
        ));
    }
    if !is_executable(&found) {
        return Err(Error::new(
            "this file is no program: it may not be executed",
        ));
    }
    std::path::absolute(path).map_err(|source| Error::path(path, source))
}

fn in_path(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .any(|folder| std::fs::metadata(folder.join(name)).is_ok_and(|it| is_executable(&it)))
}

#[cfg(unix)]
fn is_executable(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.is_file() && found.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(found: &std::fs::Metadata) -> bool {
    found.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_program_and_words_are_a_command() {
        let shell = DeviceCommand::parse("/bin/sh").ok();
        assert_eq!(shell, Some(DeviceCommand::Program("/bin/sh".into())));
        let words =
            |words: &[&str]| DeviceCommand::Line(words.iter().map(|it| (*it).to_owned()).collect());
        for (text, expected) in [
            ("sh -c 'exit 3'", words(&["sh", "-c", "exit 3"])),
            ("/bin/sh -x", words(&["/bin/sh", "-x"])),
        ] {
            assert_eq!(DeviceCommand::parse(text).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_name_with_a_blank_is_one_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("my zephyr.exe");
        std::fs::copy("/bin/sh", &path).expect("copied");
        let parsed = DeviceCommand::parse(path.to_str().expect("text"));
        assert_eq!(parsed.ok(), Some(DeviceCommand::Program(path)));
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        for (text, why) in [
            ("", "name a program"),
            ("sh -c 'open", "quotation mark"),
            (
                "no-such-emulator -M board",
                "no-such-emulator is not in PATH",
            ),
            ("/nowhere/run -M board", "No such file"),
            ("/bin", "this is a folder"),
        ] {
            let error = DeviceCommand::parse(text).expect_err(text).to_string();
            assert!(
                error.starts_with("--device ") && error.contains(why),
                "{error}"
            );
        }
    }

    #[test]
    fn arguments_stand_where_the_command_has_room_for_them() {
        let told = Told {
            credentials: Path::new("/c"),
            data: Path::new("/d"),
            hostname: "localhost",
            port: 8884,
            device_id: "thingy",
            network: "ipv6-only",
            trial_s: Some(20),
            world: Some(Path::new("/w")),
        };
        let device = DeviceCommand::Line(["run", "-v", "{}", "-x"].map(str::to_owned).to_vec());
        let command = device.command(&told);
        let arguments: Vec<_> = command.get_args().filter_map(|it| it.to_str()).collect();
        let expected = [
            "-v",
            "--credentials=/c",
            "--hostname=localhost",
            "--device-id=thingy",
            "--network=ipv6-only",
            "--port=8884",
            "--fota-trial=20",
            "--world=/w",
            "-x",
        ];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn both_forms_are_told_the_same() {
        let told = Told {
            credentials: Path::new("/c"),
            data: Path::new("/d"),
            hostname: "localhost",
            port: 7,
            device_id: "thingy",
            network: "ipv6-only",
            trial_s: None,
            world: None,
        };
        for device in [
            DeviceCommand::Program("/bin/sh".into()),
            DeviceCommand::Line(vec!["sh".into(), "-x".into()]),
        ] {
            let command = device.command(&told);
            let environment: Vec<_> = command
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
                .collect();
            assert_eq!(
                environment,
                [
                    ("IOTHUB_CREDENTIALS", "/c"),
                    ("IOTHUB_DATA", "/d"),
                    ("IOTHUB_DEVICE_ID", "thingy"),
                    ("IOTHUB_HOSTNAME", "localhost"),
                    ("IOTHUB_NETWORK", "ipv6-only"),
                    ("IOTHUB_PORT", "7"),
                ]
            );
            let arguments: Vec<_> = command.get_args().filter_map(|it| it.to_str()).collect();
            match device {
                DeviceCommand::Program(_) => {
                    assert_eq!(command.get_current_dir(), Some(Path::new("/d")));
                    assert_eq!(arguments.first(), Some(&"--credentials=/c"));
                    assert_eq!(arguments.get(4), Some(&"--port=7"));
                    assert_eq!(arguments.len(), 5);
                }
                DeviceCommand::Line(_) => {
                    assert_eq!(
                        (command.get_current_dir(), arguments.as_slice()),
                        (None, &["-x"][..])
                    );
                }
            }
        }
    }
}
