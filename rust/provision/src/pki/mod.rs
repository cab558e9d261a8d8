//! The certificates: root → intermediate → device, in the folder layout of `openssl ca`.
//!
//! [`Pki`] is the way in. It owns a folder:
//!
//! ```text
//! dev-certs/
//!   rootca/   rootca.key rootca.pem rootca.chain.pem  certs/<SERIAL>.pem  db/index.txt
//!   subca/    subca.key  subca.pem  subca.chain.pem   certs/<SERIAL>.pem  db/index.txt
//!   devices/  <id>.key <id>.pem <id>.chain.pem
//!   servers/  <name>.key <name>.pem <name>.chain.pem
//! ```
//!
//! Keys are mode 0600; every file is written beside its place and renamed into it, so that a
//! process killed at any moment leaves whole files, and the next run goes on from there.

mod audit;
mod authority;
mod certificate;
pub(crate) mod der;
pub(crate) mod encoding;
mod identity;
mod index;
mod issue;
mod key;
mod layout;
mod name;
mod profile;
mod request;
mod serial;
mod subject;
#[cfg(test)]
mod tests;
mod verify;

pub use authority::{Authority, Template};
pub use certificate::Certificate;
pub use identity::{Identity, IdentityOptions, KeySource, check_name, imei_warning};
pub use index::{Index, IndexEntry};
pub use issue::AuthorityOptions;
pub(crate) use issue::{DAYS, INTERMEDIATE, ROOT};
pub use key::{Key, KeyAlgorithm};
pub use layout::Pki;
pub(crate) use layout::{read_certificate, read_certificates, read_key, read_request};
pub use name::AuthorityName;
pub use profile::{BACKDATED, Profile, Validity};
pub use request::SigningRequest;
pub use subject::{Attribute, Subject};
pub use verify::{Check, verify_chain, verify_device, verify_thumbprint};
pub(crate) use verify::{client_objection, objection};
