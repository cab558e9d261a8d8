//! What the fuzz target `app_configuration` calls; nothing of it is in a device's image.

use core::time::Duration;

use super::*;

/// Whether what counts is within every range, has room, and is read as it was written.
fn is_sound(fields: Fields) -> bool {
    let now = fields.configuration();
    let waits = [now.active_wait, now.movement_timeout, now.location_timeout];
    let mut buffer = [0; ROOM];
    let again = fields.write(&mut buffer).map(Fields::stored);
    now.inactivity < now.activity
        && now.inactivity_timeout < now.movement_resolution
        && now.activity <= 78_453
        && now.log <= 5
        && now.update <= Duration::from_secs(86_400)
        && waits
            .into_iter()
            .all(|wait| (1..=2_147_483_647).contains(&wait.as_secs()))
        && again == Some((fields, true))
}

/// Takes documents one after the other, the first one as the device's own configuration, the others
/// as the twin's: the byte before each says whether it is a whole one.
pub(crate) fn configuration(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0xFF);
    let mut own = Fields::NONE;
    let _ = own.merge(
        &View::new(parts.next().unwrap_or_default()),
        Fields::NONE,
        &mut Remarks::new(),
    );
    let (own, _) = Fields::stored(own.write(&mut [0; ROOM]).unwrap_or_default());
    assert!(is_sound(own));
    let mut desired = Fields::NONE;
    for part in parts {
        let (kind, json) = part.split_first().unwrap_or((&0, &[]));
        let (object, mut remarks) = (View::new(json), Remarks::new());
        let is_right = desired.merge(&object, own, &mut remarks);
        assert!(is_right || !remarks.is_empty() || object.members().count() > 1);
        if kind % 2 == 0 {
            let _ = desired.keep(&object, own);
        }
        set_layers(Layers { desired, own });
        let now = current();
        assert!(is_sound(now.fields()));
        let code = if is_right { ACCEPTED } else { BAD };
        let answer = Answer { code, remarks };
        let mut buffer = [0; 2 * ROOM + 288];
        let patch = acknowledgement(&mut buffer, &now, &answer, 7).unwrap_or_default();
        assert!(core::str::from_utf8(patch).is_ok());
        assert!(is_reported(&View::new(patch), &answer, 7));
    }
}
