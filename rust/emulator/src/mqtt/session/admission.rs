//! Whether a device is let in, and what it finds when it is.

use rusqlite::OptionalExtension as _;

use super::subscriptions::Subscriptions;
use super::{Claim, Session};
use crate::code::{ErrorCode, Refusal};
use crate::hub::authenticate::{self, Admitted, Credentials};
use crate::hub::c2d;
use crate::hub::events;
use crate::hub::registry;
use crate::hub::service::Service;
use crate::id::check_identity;
use crate::mqtt::link::Link;
use crate::mqtt::wire::Connect;

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

impl Session {
    /// Takes up the stored session, or clears it; `true` if there was one.
    pub(super) async fn resume(
        &mut self,
        admitted: &Admitted,
        model_id: Option<String>,
    ) -> Result<bool, Refusal> {
        let (hub, id, clean) = (self.hub.clone(), self.device_id.clone(), self.clean);
        let (now, discards) = (
            self.service.clock.now(),
            self.service.settings.clean_session_discards_c2d,
        );
        let model_id = model_id.filter(|model| *model != admitted.device.model_id);
        let stored = self.service.store.run(move |c| {
            // Whoever disables a device drops its connection afterwards: one of the two sees the
            // other.
            if !registry::require(c, &hub, &id)?.enabled {
                return Err(Refusal::new(
                    ErrorCode::DeviceDisabled,
                    format!("device '{id}' is disabled"),
                ));
            }
            registry::touch(c, &hub, &id, now, now, model_id.as_deref())?;
            events::note_connection(c, &hub, &id, true, now)?;
            if clean {
                c.execute(
                    "DELETE FROM sessions WHERE hub = ?1 AND device = ?2",
                    [&hub, &id],
                )?;
                if discards {
                    c2d::purge(c, &hub, &id, now)?;
                }
                return Ok(None);
            }
            let mut select =
                c.prepare_cached("SELECT features FROM sessions WHERE hub = ?1 AND device = ?2")?;
            Ok(select
                .query_row([&hub, &id], |row| row.get::<_, String>(0))
                .optional()?)
        });
        let Some(stored) = stored.await? else {
            self.save_subscriptions().await?;
            return Ok(false);
        };
        self.subscriptions = Subscriptions::from_text(&self.device_id, &stored);
        self.publish_subscriptions();
        Ok(true)
    }
}
