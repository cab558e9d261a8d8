//! What a transfer is given, and what may stop it.

/// Log target.
pub(crate) const TARGET: &str = "fota";

/// What `iothub_platform_fota_start` is given.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) sec_tags: Vec<u32>,
    pub(crate) fragment: u32,
    /// 0: not known.
    pub(crate) size: u32,
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) identity: u32,
}

/// What stops a transfer: `IOTHUB_FOTA_CAUSE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Connect,
    Tls,
    Transfer,
    Http(u16),
    /// The server's answers make no sense.
    Answer,
    Size,
    Hash,
    Image,
    TooLarge,
    Storage,
}
