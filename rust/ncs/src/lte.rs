//! LTE registration: `modem/lte_lc.h`.

use crate::{Errno, errno::check, platform::Slot};

/// Registration with the network, as `+CEREG` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Not registered, and not searching.
    NotRegistered,
    /// Registered in the home network.
    Home,
    /// Searching.
    Searching,
    /// The network refuses: subscription, or no roaming agreement.
    Denied,
    /// Unknown, for example out of coverage.
    Unknown,
    /// Registered while roaming.
    Roaming,
    /// There is no SIM, or it does not answer.
    UiccFail,
}

/// Switches LTE on and registers; returns at once. What follows arrives at `handler`, on the system
/// work queue. Register for [`pdn`](crate::pdn) events before, since those of switching on are not
/// repeated.
///
/// # Errors
/// The modem is not initialised, or refuses a command. (NCS, `lte_lc_connect_async`.)
pub fn connect_async(handler: fn(Registration)) -> Result<(), Errno> {
    HANDLER.set(handler);
    #[cfg(has_lte_lc_init)]
    // SAFETY: takes no arguments; called from a thread that may block.
    check(unsafe { ncs_sys::lte_lc_init() })?;
    // SAFETY: the handler is a function that lives for ever.
    check(unsafe { ncs_sys::lte_lc_connect_async(Some(on_event)) })
}

/// Switches the modem off, which also saves its settings. Blocks for some seconds.
///
/// # Errors
/// What the modem says. (NCS, `lte_lc_power_off`.)
pub fn power_off() -> Result<(), Errno> {
    // SAFETY: takes no arguments; called from a thread that may block.
    check(unsafe { ncs_sys::lte_lc_power_off() })
}

static HANDLER: Slot<fn(Registration)> = Slot::new();

unsafe extern "C" fn on_event(event: *const ncs_sys::lte_lc_evt) {
    // SAFETY: lte_lc passes a valid event for the duration of the call.
    let Some(event) = (unsafe { event.as_ref() }) else {
        return;
    };
    #[cfg(has_lte_lc_pdn)]
    crate::pdn::on_lte_event(event);
    #[cfg(has_registration)]
    on_registration(event);
    // No event is declared where the modules of lte_lc are off.
    #[cfg(not(any(has_registration, has_lte_lc_pdn)))]
    let _ = event;
}

/// Declared only with `CONFIG_LTE_LC_NETWORK_REGISTRATION_MODULE` since NCS 3.2.
#[cfg(has_registration)]
fn on_registration(event: &ncs_sys::lte_lc_evt) {
    if event.type_ != ncs_sys::lte_lc_evt_type::LTE_LC_EVT_NW_REG_STATUS {
        return;
    }
    // SAFETY: the type of the event says that this member of the union is the valid one.
    let status = unsafe { event.__bindgen_anon_1.nw_reg_status };
    if let (Some(registration), Some(handler)) = (registration(status), HANDLER.get()) {
        handler(registration);
    }
}

#[cfg(has_registration)]
fn registration(status: ncs_sys::lte_lc_nw_reg_status) -> Option<Registration> {
    use ncs_sys::lte_lc_nw_reg_status as c;
    Some(match status {
        c::LTE_LC_NW_REG_NOT_REGISTERED => Registration::NotRegistered,
        c::LTE_LC_NW_REG_REGISTERED_HOME => Registration::Home,
        c::LTE_LC_NW_REG_SEARCHING => Registration::Searching,
        c::LTE_LC_NW_REG_REGISTRATION_DENIED => Registration::Denied,
        c::LTE_LC_NW_REG_UNKNOWN => Registration::Unknown,
        c::LTE_LC_NW_REG_REGISTERED_ROAMING => Registration::Roaming,
        c::LTE_LC_NW_REG_UICC_FAIL => Registration::UiccFail,
        other => {
            log::debug!(
                "a registration status that this version does not know: {}",
                other.0
            );
            return None;
        }
    })
}
