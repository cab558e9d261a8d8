//! What the tests share: certificates, a scripted hub, and the device as C sees it.

pub(crate) mod alone;
pub(crate) mod device;
pub(crate) mod fota;
pub(crate) mod hub;
pub(crate) mod pki;

pub(crate) use alone::alone;

use std::time::Duration;

/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The name of the hub in every test.
pub(crate) const HOST: &str = "my-hub.azure-devices.net";
