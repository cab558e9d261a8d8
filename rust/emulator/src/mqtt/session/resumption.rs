//! The session that a device finds again.

use rusqlite::OptionalExtension as _;

use super::Session;
use super::filters::Subscriptions;
use crate::code::{ErrorCode, Refusal};
use crate::hub::authenticate::Admitted;
use crate::hub::c2d;
use crate::hub::events;
use crate::hub::registry;

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
