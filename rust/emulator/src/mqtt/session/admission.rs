//! Whether a device is let in.

use crate::code::{ErrorCode, Refusal};
use crate::hub::authenticate::{self, Admitted, Credentials};
use crate::hub::service::Service;
use crate::id::check_identity;
use crate::mqtt::link::Link;
use crate::mqtt::wire::Connect;

/// What a device says of itself in CONNECT.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The host name in the user name.
    pub host: String,
    /// The device id in the user name, and behind a slash the module id if there is one.
    pub id: String,
    /// The model that the device announces.
    pub model_id: Option<String>,
    /// The client's name.
    pub client_type: Option<String>,
    /// Whether the user name says an `api-version`.
    pub versioned: bool,
}

pub(super) async fn admit(
    service: &Service,
    hub: &str,
    link: &Link,
    connect: &Connect,
    claim: &Claim,
) -> Result<Admitted, Refusal> {
    if service.is_another(&claim.host) {
        let name = claim.host.split(':').next().unwrap_or_default();
        return Err(Refusal::new(
            ErrorCode::IotHubUnauthorized,
            format!(
                "the user name is for hub '{name}', and here is '{}': if it is the one you mean, start the emulator with --hostname {name}, or add --hub {name}",
                service.hubs.hosts().join("', '")
            ),
        ));
    }
    check_identity(&claim.id)
        .map_err(|why| Refusal::new(ErrorCode::IotHubFormatError, why.to_string()))?;
    if connect.client_id != claim.id {
        return Err(Refusal::new(
            ErrorCode::IotHubUnauthorized,
            format!(
                "the client id is '{}', and the user name says '{}'",
                connect.client_id, claim.id
            ),
        ));
    }
    let credentials = Credentials {
        host: claim.host.clone(),
        certificates: link.certificates.clone(),
        password: connect.password.clone(),
    };
    let enforce = service.enforces_x509(hub, &claim.id);
    let (hub, device_id, now) = (hub.to_owned(), claim.id.clone(), service.clock.now());
    let admitted = service
        .store
        .run(move |c| authenticate::admit(c, &hub, &device_id, &credentials, enforce, now))
        .await?;
    if link.is_websocket {
        authenticate::check_over_https(&admitted.device, &service.settings)?;
    }
    Ok(admitted)
}
