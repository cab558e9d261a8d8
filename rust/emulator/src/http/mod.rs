//! The door for devices over HTTPS: Azure's paths for devices, and the storage for their files.

mod blobs;
mod files;
mod messages;
mod provisioning;
mod telemetry;

use axum::Router;

use crate::rest::Api;

/// All paths of devices.
pub(crate) fn routes() -> Router<Api> {
    messages::routes()
        .merge(telemetry::routes())
        .merge(files::routes())
}

/// Paths that ask for their proof themselves: a registration's token or certificate, a signature in
/// the address.
pub(crate) fn open_routes() -> Router<Api> {
    provisioning::routes().merge(blobs::routes())
}
