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
mod folder;
mod identity;
mod index;
mod key;
mod name;
mod profile;
mod request;
mod serial;
mod verify;

pub use authority::{Authority, Template};
pub use certificate::Certificate;
pub use folder::{AuthorityOptions, Pki};
pub(crate) use folder::{DAYS, INTERMEDIATE, ROOT};
pub use identity::{Identity, IdentityOptions, KeySource, check_name, imei_warning};
pub use index::{Index, IndexEntry};
pub use key::{Key, KeyAlgorithm};
pub use name::AuthorityName;
pub use profile::{BACKDATED, Profile, Subject, Validity};
pub use request::SigningRequest;
pub use verify::{Check, verify_chain, verify_device};
