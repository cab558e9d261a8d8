//! Links between the pages lead somewhere, and the files and functions that docs/architecture.md
//! names exist.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// Folders that are built or fetched; hidden ones are kept by tools, but for these.
const NOT_OURS: [&str; 3] = ["target", "node_modules", "build"];
const HIDDEN: [&str; 2] = [".ci", ".github"];

#[test]
fn pages_name_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let mut files = BTreeSet::new();
    list(&root, Path::new(""), &mut files);
    let mut wrong = Vec::new();
    for page in files.iter().filter(|file| file.ends_with(".md")) {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => beside(page, path),
            };
            if !root.join(&target).exists() {
                wrong.push(format!("{page}: {link} leads nowhere"));
            } else if !anchor.is_empty() && target.ends_with(".md") {
                let text = fs::read_to_string(root.join(&target)).unwrap();
                if !anchors(&text).any(|there| there == anchor) {
                    wrong.push(format!("{page}: {link} names no heading"));
                }
            }
        }
    }
    let page = "docs/architecture.md";
    let text = fs::read_to_string(root.join(page)).unwrap();
    let sources = sources(&root, &files);
    for name in quoted(&text).map(|name| name.split('(').next().unwrap_or(name)) {
        let is_there = match name.rsplit_once('.') {
            Some((_, "rs" | "c" | "h")) => files
                .iter()
                .any(|file| file == name || file.ends_with(&format!("/{name}"))),
            _ if is_function(name) => sources.contains(name.rsplit("::").next().unwrap_or(name)),
            _ => true,
        };
        if !is_there {
            wrong.push(format!("{page}: there is no {name}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn list(root: &Path, folder: &Path, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap().flatten() {
        let name = entry.file_name();
        let path = folder.join(&name);
        let is_hidden = name.to_string_lossy().starts_with('.');
        if NOT_OURS.iter().any(|not| name == *not) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && is_hidden && HIDDEN.iter().all(|it| name != *it) => {}
            Ok(kind) if kind.is_dir() => list(root, &path, files),
            Ok(kind) if kind.is_file() => drop(files.insert(path.to_str().unwrap().to_owned())),
            _ => {}
        }
    }
}

/// A page without its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2)
}

/// Targets of links that stay here.
fn links(text: &str) -> impl Iterator<Item = &str> {
    prose(text)
        .flat_map(|text| text.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link)
        .filter(|link| !link.contains("://") && !link.contains(' ') && !link.is_empty())
}

fn beside(page: &str, path: &str) -> String {
    let mut whole = PathBuf::new();
    for part in Path::new(page).parent().unwrap().join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::Normal(part) => whole.push(part),
            _ => {}
        }
    }
    whole.to_str().unwrap().to_owned()
}

/// As GitHub makes them of headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = prose(text).flat_map(str::lines);
    headings
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim())
        .map(|heading| {
            let kept = heading
                .chars()
                .filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// `poll_command`, `FlashOutbox::send`, and no option of Kconfig, no path and no crate.
fn is_function(name: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or(name);
    let is_snake = last.contains('_')
        && last
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    (is_snake && !last.starts_with('_') && !last.ends_with('_'))
        || (name.contains("::") && !last.is_empty())
}

/// Every word of the sources.
fn sources(root: &Path, files: &BTreeSet<String>) -> BTreeSet<String> {
    let is_source = |file: &&String| {
        [".rs", ".c", ".h", ".toml", ".txt", ".cmake"]
            .iter()
            .any(|end| file.ends_with(end))
    };
    let mut words = BTreeSet::new();
    for file in files.iter().filter(is_source) {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        let all = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.extend(all.filter(|word| !word.is_empty()).map(str::to_owned));
    }
    words
}
