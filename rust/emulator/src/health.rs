//! `iothub-emulator health`: a container without any other program asks with it.

use std::net::SocketAddr;

use crate::ask;

/// Asks `/ready`; the error says what was answered.
pub(crate) async fn ask(http: SocketAddr) -> Result<(), String> {
    let at = ask::reachable(http);
    match ask::get(at, "/ready", None).await? {
        (200, _) => {
            println!("{at} is ready");
            Ok(())
        }
        (status, _) => Err(format!("{at} is not ready: it answers with {status}")),
    }
}
