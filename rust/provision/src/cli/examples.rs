//! Examples for the commands whose arguments have no room for them, by the path of the command.

use clap::Command;

/// Puts the examples under the help of each command.
pub(crate) fn add(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let path: Vec<&str> = path.split(' ').collect();
        below(command, &path, examples)
    })
}

fn below(command: Command, path: &[&'static str], examples: &'static str) -> Command {
    match path {
        [] => command.after_help(format!("Examples:\n  {}", examples.replace('\n', "\n  "))),
        [first, rest @ ..] => {
            command.mut_subcommand(*first, |command| below(command, rest, examples))
        }
    }
}

const EXAMPLES: &[(&str, &str)] = &[
    (
        "ca csr",
        "iothub-provision ca csr --name factory --common-name Factory-Y",
    ),
    (
        "ca import-chain",
        "iothub-provision ca import-chain --name factory factory.pem",
    ),
    (
        "ca prove",
        "iothub-provision ca prove 795B085A07DFCD6C59DA405FD888BA923C278A3918B64C2D",
    ),
    (
        "ca list",
        "iothub-provision ca list\niothub-provision ca list --json",
    ),
    (
        "ca renew",
        "iothub-provision ca renew subca\niothub-provision ca renew rootca --days 7300",
    ),
    ("ca export", "iothub-provision ca export --to for-the-hub"),
    (
        "device verify",
        "iothub-provision device verify 352656100367872\n\
         iothub-provision device verify 352656100367872 --chain received.pem --root upstream.pem",
    ),
    ("device list", "iothub-provision device list"),
    ("modem ports", "iothub-provision modem ports"),
    (
        "modem doctor",
        "iothub-provision modem doctor\niothub-provision modem doctor --port /dev/ttyACM0",
    ),
    ("modem info", "iothub-provision modem info --json"),
    (
        "modem creds list",
        "iothub-provision modem creds list\niothub-provision modem creds list --tag 10",
    ),
    (
        "modem creds verify",
        "iothub-provision modem creds verify --tag 10 --ca ca.pem --cert device.chain.pem",
    ),
    (
        "modem creds delete",
        "iothub-provision modem creds delete --tag 10 --only cert\n\
         iothub-provision modem creds delete --tag 10",
    ),
    (
        "modem keygen",
        "iothub-provision modem keygen --tag 10 --device-id 352656100367872 --out device.csr",
    ),
    (
        "hub ca list",
        "iothub-provision hub ca list --emulator http://127.0.0.1:8080",
    ),
    (
        "hub ca delete",
        "iothub-provision hub ca delete subca --emulator http://127.0.0.1:8080",
    ),
    (
        "hub device create",
        "iothub-provision hub device create 352656100367872 --connection-string-file hub.txt\n\
         iothub-provision hub device create 352656100367872 --thumbprint --emulator http://127.0.0.1:8080",
    ),
    (
        "hub device list",
        "iothub-provision hub device list --connection-string-file hub.txt",
    ),
    (
        "hub device enable",
        "iothub-provision hub device enable 352656100367872 --connection-string-file hub.txt",
    ),
    (
        "hub device disable",
        "iothub-provision hub device disable 352656100367872 --connection-string-file hub.txt",
    ),
    (
        "hub device delete",
        "iothub-provision hub device delete 352656100367872 --connection-string-file hub.txt",
    ),
    (
        "hub enrollment add",
        "iothub-provision hub enrollment add factory --ca subca --connection-string-file dps.txt",
    ),
    (
        "hub enrollment add-device",
        "iothub-provision hub enrollment add-device 352656100367872 --connection-string-file dps.txt\n\
         iothub-provision hub enrollment add-device 352656100367872 --device-id thermometer-7",
    ),
    (
        "hub enrollment list",
        "iothub-provision hub enrollment list --connection-string-file dps.txt",
    ),
    (
        "hub enrollment delete",
        "iothub-provision hub enrollment delete factory --connection-string-file dps.txt\n\
         iothub-provision hub enrollment delete 352656100367872 --device --connection-string-file dps.txt",
    ),
    (
        "hub monitor",
        "iothub-provision hub monitor --emulator http://127.0.0.1:8080 --device 352656100367872",
    ),
    (
        "hub az",
        "iothub-provision hub az --hub my-hub --group my-group --dps my-dps --device 352656100367872",
    ),
    (
        "nrfcloud verify",
        "iothub-provision nrfcloud verify token.txt --key dev-certs/devices/352656100367872.pem",
    ),
    (
        "nrfcloud onboard-csv",
        "iothub-provision nrfcloud onboard-csv 352656100367872 --tag thermometers --out onboard.csv",
    ),
    (
        "nrfcloud public-keys-csv",
        "iothub-provision nrfcloud public-keys-csv 352656100367872 --out keys.csv",
    ),
    (
        "nrfcloud submit",
        "iothub-provision nrfcloud submit devices onboard.csv --api-key-file api-key.txt",
    ),
    (
        "nrfcloud get",
        "iothub-provision nrfcloud get /v1/location/agnss --token-file token.txt --bytes 0-500 \\\n    \
         --out agnss.bin",
    ),
    (
        "monitor",
        "iothub-provision monitor\niothub-provision monitor --port /dev/ttyACM0 --count 100",
    ),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::cli::definition;

    /// The words of a line as a shell splits it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quote, mut word) = (Vec::new(), None, String::new());
        for c in line.chars().chain([' ']) {
            match quote {
                Some(end) if c == end => quote = None,
                Some(_) => word.push(c),
                None if matches!(c, '"' | '\'') => quote = Some(c),
                None if c == ' ' && !word.is_empty() => words.push(std::mem::take(&mut word)),
                None if c == ' ' => {}
                None => word.push(c),
            }
        }
        words
    }

    fn check(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let below: Vec<_> = command
            .get_subcommands()
            .filter(|command| command.get_name() != "help")
            .collect();
        for command in &below {
            check(command, &format!("{path} {}", command.get_name()), found);
        }
        if !below.is_empty() {
            return;
        }
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default().replace("\\\n      ", "");
        let own = |line: &str| line.contains(path);
        assert!(help.lines().any(own), "{path} has no example");
        let lines = help
            .lines()
            .filter(|line| line.starts_with("  iothub-provision "));
        found.extend(lines.map(str::to_owned));
    }

    #[test]
    fn every_command_has_an_example_that_can_be_typed() {
        let mut found = Vec::new();
        check(&definition(), "iothub-provision", &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for line in found {
            let typed = line.trim().split("   ").next().unwrap();
            let typed = typed.split(" > ").next().unwrap();
            if let Err(error) = definition().try_get_matches_from(words(typed)) {
                panic!("{typed}: {error}");
            }
        }
    }
}
