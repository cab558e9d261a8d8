//! The list of what a CA has issued, in the form that `openssl ca` reads and writes.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::error::Error;
use crate::files;
use crate::pki::Certificate;
use crate::pki::audit;
use crate::pki::serial::{hex, random};

/// One issued certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// `V` valid, `R` revoked, `E` expired: OpenSSL's letters.
    pub status: char,
    /// The last moment, as OpenSSL writes it (`YYMMDDHHMMSSZ`, with a four-digit year from 2050).
    pub expires: String,
    /// The serial number in upper-case hex; `certs/<serial>.pem` is the certificate.
    pub serial: String,
    /// The subject in OpenSSL's one-line form.
    pub subject: String,
}

/// The `db` and `certs` folders of one CA.
#[derive(Clone, Debug)]
pub struct Index {
    folder: PathBuf,
}

impl Index {
    pub(crate) fn of(authority_folder: &Path) -> Self {
        Self {
            folder: authority_folder.to_owned(),
        }
    }

    /// Creates the two folders and the files that `openssl ca` asks for.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        files::create_private_folder(&self.folder.join("certs"))?;
        files::create_private_folder(&self.folder.join("db"))?;
        let fixed = [
            ("db/index.txt", String::new()),
            ("db/index.txt.attr", "unique_subject = no\n".to_owned()),
            ("db/serial.txt", format!("{}\n", hex(&random()?))),
        ];
        for (name, content) in fixed {
            let path = self.folder.join(name);
            if !path.exists() {
                files::write_public(&path, &content)?;
            }
        }
        Ok(())
    }

    /// Keeps a copy of what was issued, adds its line, and one to the audit trail.
    pub(crate) fn record(&self, issued: &Certificate) -> Result<(), Error> {
        let copy = self
            .folder
            .join("certs")
            .join(format!("{}.pem", issued.serial()));
        files::write_public(&copy, &issued.pem())?;
        files::append_line(&self.path(), &line(issued))?;
        audit::issued(&self.folder, issued)
    }

    /// Everything that was issued, oldest first. Lines of another form are skipped.
    ///
    /// # Errors
    /// [`crate::error::Kind::File`] if the list cannot be read.
    pub fn entries(&self) -> Result<Vec<IndexEntry>, Error> {
        Ok(files::read(&self.path())?
            .lines()
            .filter_map(parse)
            .collect())
    }

    fn path(&self) -> PathBuf {
        self.folder.join("db/index.txt")
    }
}

fn line(issued: &Certificate) -> String {
    let subject = issued.subject_name().one_line();
    format!(
        "V\t{}\t\t{}\tunknown\t{subject}",
        openssl_time(issued.not_after()),
        issued.serial()
    )
}

fn parse(line: &str) -> Option<IndexEntry> {
    let mut fields = line.split('\t');
    let status = fields.next()?.chars().next()?;
    let expires = fields.next()?.to_owned();
    let serial = fields.nth(1)?.to_owned();
    let subject = fields.nth(1)?.to_owned();
    Some(IndexEntry {
        status,
        expires,
        serial,
        subject,
    })
}

fn openssl_time(at: OffsetDateTime) -> String {
    let short = format_description!("[year repr:last_two][month][day][hour][minute][second]Z");
    let long = format_description!("[year][month][day][hour][minute][second]Z");
    let at = at.to_offset(time::UtcOffset::UTC);
    let formatted = if at.year() < 2050 {
        at.format(short)
    } else {
        at.format(long)
    };
    formatted.unwrap_or_default()
}
