//! What the tests share: certificates, a scripted hub, and the device as C sees it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod device;
pub(crate) mod hub;
pub(crate) mod pki;

use std::time::Duration;

/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The name of the hub in every test.
pub(crate) const HOST: &str = "my-hub.azure-devices.net";
