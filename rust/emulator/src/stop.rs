//! The request to stop, as tasks wait for it.

use tokio::sync::watch;

/// Waits until the service is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could stop it has gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
