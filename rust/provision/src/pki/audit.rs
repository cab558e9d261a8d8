//! Who has issued what, and when: one JSON object a line in `<CA>/db/audit.jsonl`. No secrets.

use std::path::Path;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Error;
use crate::files;
use crate::pki::Certificate;

/// Notes a certificate that the CA of this folder has issued, with the machine's own time, whatever
/// the certificate says.
pub(crate) fn issued(authority: &Path, certificate: &Certificate) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    let at = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
    let name = authority.file_name().unwrap_or_default();
    let entry = json!({
        "at": at(now.replace_nanosecond(0).unwrap_or(now)),
        "by": person(),
        "event": "issued",
        "issuer": name.to_string_lossy(),
        "subject": certificate.subject(),
        "serial": certificate.serial(),
        "sha256": certificate.thumbprint(),
        "notAfter": at(certificate.not_after()),
    });
    files::append_line(&authority.join("db/audit.jsonl"), &entry.to_string())
}

/// `user@machine`, as far as the system says.
fn person() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::env::var("COMPUTERNAME").or_else(|_| std::env::var("HOSTNAME")))
        .unwrap_or_default();
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    match machine.trim() {
        "" => user,
        machine => format!("{user}@{machine}"),
    }
}
