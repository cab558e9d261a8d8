//! Documents as TOML files.

use std::path::Path;

use serde_json::Value;

/// Reads a TOML file; `file = "ca.pem"` beside a certificate means the text of that file, as seen
/// from the folder of the TOML file.
pub(crate) fn read_toml(path: &Path) -> Result<Value, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = read_text(path)?;
    let mut document = parse_toml(&text).map_err(|error| named(&error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for part in ["certificates", "enrollments", "enrollmentGroups"] {
        if let Some(part) = document.get_mut(part) {
            include_files(part, folder)?;
        }
    }
    Ok(document)
}

/// What the system says, without the number of the error, which tells nobody more.
pub(crate) fn without_number(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// What stands in a file that somebody named.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        let (path, why) = (path.display(), without_number(&error));
        format!("{path}: {why}; name a file that can be read")
    })
}

/// TOML as JSON.
pub(crate) fn parse_toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
}

fn include_files(value: &mut Value, folder: &Path) -> Result<(), String> {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(file)) = object.get("file") {
                let path = folder.join(file);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                object.remove("file");
                object.insert("certificate".to_owned(), Value::String(text));
            }
            object
                .values_mut()
                .try_for_each(|inner| include_files(inner, folder))
        }
        Value::Array(all) => all
            .iter_mut()
            .try_for_each(|inner| include_files(inner, folder)),
        _ => Ok(()),
    }
}
