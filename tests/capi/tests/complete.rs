//! Every function and every event of the headers is in a program, and the list of them in README.md
//! is complete.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeSet, fs};

const CURRENT: &[&str] = &[
    "include/net/azure_iot_hub.h",
    "include/net/azure_iot_hub_dps.h",
];
const LEGACY: &[&str] = &["legacy/net/azure_iot_hub.h"];

fn read(path: &str) -> String {
    fs::read_to_string(path).expect(path)
}

/// The words of the text that begin so.
fn words<'a>(text: &'a str, starts: &[&str]) -> BTreeSet<&'a str> {
    text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .filter(|word| starts.iter().any(|start| word.starts_with(start)))
        .collect()
}

/// Functions and events of headers, by name.
fn declared(headers: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for header in headers {
        let text = read(&format!("../../rust/capi/{header}"));
        // Comments mention functions too.
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
        for line in lines {
            let events = words(
                line,
                &["AZURE_IOT_HUB_EVT_", "AZURE_IOT_HUB_DPS_REG_STATUS_"],
            );
            names.extend(events.into_iter().map(str::to_owned));
            if let Some((name, _)) = line
                .strip_prefix("int azure_iot_hub_")
                .and_then(|rest| rest.split_once('('))
            {
                // The header names the older form's by `#define`.
                let name = name.trim_start_matches("legacy_");
                names.insert(format!("azure_iot_hub_{name}"));
            }
        }
    }
    names
}

/// The names in tables of README.md with these heads, each with programs that there are.
fn listed(heads: &[&str]) -> BTreeSet<String> {
    let text = read("README.md");
    let mut names = BTreeSet::new();
    let mut wanted = false;
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", head, "programs", ""] = cells[..] {
            wanted = heads.contains(&head);
        } else if let ["", name, programs, ""] = cells[..]
            && wanted
            && !name.starts_with('-')
        {
            names.insert(name.trim_matches('`').to_owned());
            let programs: Vec<_> = programs.split('`').skip(1).step_by(2).collect();
            assert!(!programs.is_empty(), "{name} has no program");
            for program in programs {
                assert!(
                    iothub_capi_tests::find(program).is_some(),
                    "there is no program {program}"
                );
            }
        } else if cells.len() < 3 {
            wanted = false;
        }
    }
    names
}

/// What programs call, and what they wait for.
fn used(files: &[&str]) -> BTreeSet<String> {
    let text: String = files
        .iter()
        .map(|file| read(&format!("c/{file}.c")))
        .collect();
    let mut names = BTreeSet::new();
    for call in ["expect(", "azure_iot_hub_"] {
        for (at, _) in text.match_indices(call) {
            let rest = &text[at..];
            let argument = rest.strip_prefix("expect(").unwrap_or(rest);
            let end = argument.find(['(', ')']).unwrap();
            names.insert(argument[..end].to_owned());
        }
    }
    names
}

fn compare(headers: &[&str], heads: &[&str], files: &[&str]) {
    let declared = declared(headers);
    assert!(declared.len() > 20, "{declared:?}");
    assert_eq!(declared, listed(heads));
    let used = used(files);
    let unused: Vec<_> = declared.difference(&used).collect();
    assert!(unused.is_empty(), "no program has {unused:?}");
}

#[test]
fn each_function_and_event_has_a_program() {
    let files = [
        "harness", "session", "failures", "input", "defects", "dps", "fota",
    ];
    compare(CURRENT, &["function", "event"], &files);
}

#[test]
fn each_of_the_older_form_has_one_too() {
    compare(
        LEGACY,
        &["function of the older form", "event of the older form"],
        &["legacy"],
    );
}

/// Rows of the tables of a page, each with its cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let mut rows = Vec::new();
    let mut columns = None;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            columns = None;
            continue;
        };
        let row = row.strip_suffix('|').expect(line);
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        let expected = *columns.get_or_insert(cells.len());
        assert_eq!(cells.len(), expected, "{page}: cells of {line}");
        rows.push(cells);
    }
    rows
}

#[test]
fn each_program_that_a_table_names_is_there() {
    let mut count = 0;
    for row in rows("../../rust/capi/README.md") {
        // A cell ends with its programs, and with nothing but these.
        let last = row.last().expect("a cell");
        let (_, programs) = last.rsplit_once("; ").unwrap_or(("", last));
        let names = programs.split(", ").map(|name| {
            name.strip_prefix('`')
                .and_then(|name| name.strip_suffix('`'))
                .filter(|name| !name.contains(['/', '`']))
        });
        for name in names.collect::<Option<Vec<_>>>().unwrap_or_default() {
            let is_there = iothub_capi_tests::find(name).is_some();
            assert!(is_there, "there is no program {name}");
            count += 1;
        }
    }
    assert!(count > 60, "{count} programs");
    assert!(rows("README.md").len() > 20);
}
