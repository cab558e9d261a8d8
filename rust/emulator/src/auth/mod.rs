//! Who somebody is: tokens, certificates of devices, and the certificate of the server itself.

pub(crate) mod bearer;
pub(crate) mod certificates;
pub(crate) mod chain;
pub(crate) mod policy;
pub(crate) mod possession;
pub(crate) mod sas;
pub(crate) mod server_certificate;
pub(crate) mod tls;
pub(crate) mod x509;

#[cfg(test)]
mod tests;
