//! Documents as TOML files.

use std::path::Path;

use serde_json::Value;

use crate::file::{FileError, parse_toml, read_text};

/// Reads a TOML file; `file = "ca.pem"` beside a certificate means the text of that file, as seen
/// from the folder of the TOML file.
pub(crate) fn read_toml(path: &Path) -> Result<Value, FileError> {
    let text = read_text(path)?;
    let mut document =
        parse_toml(&text).map_err(|error| FileError::Toml(path.to_owned(), error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for part in ["certificates", "enrollments", "enrollmentGroups"] {
        if let Some(part) = document.get_mut(part) {
            include_files(part, folder)?;
        }
    }
    Ok(document)
}

fn include_files(value: &mut Value, folder: &Path) -> Result<(), FileError> {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(file)) = object.get("file") {
                    let text = read_text(&folder.join(file))?;
                    object.shift_remove("file");
                    object.insert("certificate".to_owned(), Value::String(text));
                }
                open.extend(object.values_mut());
            }
            Value::Array(all) => open.extend(all),
            _ => {}
        }
    }
    Ok(())
}
