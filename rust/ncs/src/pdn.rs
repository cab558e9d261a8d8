//! The packet data network of the default bearer: `modem/pdn.h`.

#[cfg(has_pdn_library)]
use core::ffi::c_int;

#[cfg(any(has_pdn_library, has_lte_lc_pdn))]
use crate::errno::check;
use crate::{Errno, platform::Slot};

/// What happens to the default PDN connection (context 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The network's reason for giving less than was asked: an ESM cause of 3GPP TS 24.301, 50 =
    /// IPv4 only, 51 = IPv6 only.
    Esm(i32),
    /// Active. The reason, where the network gives one: 0 = IPv4 only, 1 = IPv6 only (3GPP TS
    /// 27.007, +CGEV).
    Activated(Option<u8>),
    /// No longer active.
    Deactivated,
    /// The global IPv6 address is there: only now IPv6 can be used.
    Ipv6Up,
    /// No IPv6: it failed, or it was lost.
    Ipv6Down,
    /// Detached from the network: holds for every context.
    Detached,
    /// Suspended for the time being (NCS 3.3 and later).
    Suspended,
    /// Resumed after [`Event::Suspended`].
    Resumed,
}

/// Calls `handler` for each event of the default context, on the system work queue. Must come
/// before LTE is switched on, since the events of that are not repeated; and once only, since a
/// second registration of the same handler leaves the SDK's list lock taken (NCS 2.8 to 3.0).
///
/// # Errors
/// No memory for one more handler. (NCS, `pdn_default_ctx_cb_reg`.) ENOTSUP: the build has neither
/// `CONFIG_PDN` nor `CONFIG_LTE_LC_PDN_MODULE`.
pub fn register(handler: fn(Event)) -> Result<(), Errno> {
    let first = HANDLER.get().is_none();
    HANDLER.set(handler);
    if first { subscribe() } else { Ok(()) }
}

static HANDLER: Slot<fn(Event)> = Slot::new();

#[cfg(any(has_pdn_library, has_lte_lc_pdn))]
fn deliver(event: Event) {
    if let Some(handler) = HANDLER.get() {
        handler(event);
    }
}

#[cfg(has_pdn_library)]
fn subscribe() -> Result<(), Errno> {
    // SAFETY: the handler is a function that lives for ever.
    check(unsafe { ncs_sys::pdn_default_ctx_cb_reg(Some(on_event)) })
}

#[cfg(has_pdn_library)]
unsafe extern "C" fn on_event(cid: u8, event: ncs_sys::pdn_event, reason: c_int) {
    use ncs_sys::pdn_event as c;
    // Detaching has no context of its own.
    if cid != 0 && event != c::PDN_EVENT_NETWORK_DETACH {
        return;
    }
    deliver(match event {
        c::PDN_EVENT_CNEC_ESM => Event::Esm(reason),
        c::PDN_EVENT_ACTIVATED => Event::Activated(u8::try_from(reason).ok()),
        c::PDN_EVENT_DEACTIVATED => Event::Deactivated,
        c::PDN_EVENT_IPV6_UP => Event::Ipv6Up,
        c::PDN_EVENT_IPV6_DOWN => Event::Ipv6Down,
        c::PDN_EVENT_NETWORK_DETACH => Event::Detached,
        _ => return,
    });
}

#[cfg(has_lte_lc_pdn)]
fn subscribe() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::lte_lc_pdn_default_ctx_events_enable() })
}

/// A build without either back end: its application has the network to itself (the C API).
#[cfg(not(any(has_pdn_library, has_lte_lc_pdn)))]
fn subscribe() -> Result<(), Errno> {
    crate::errno::check(-(ncs_sys::ENOTSUP as core::ffi::c_int))
}

/// The event of lte_lc that has taken over from the PDN library (NCS 3.2 and later).
#[cfg(has_lte_lc_pdn)]
pub(crate) fn on_lte_event(event: &ncs_sys::lte_lc_evt) {
    use ncs_sys::lte_lc_pdn_evt_type as c;
    if event.type_ != ncs_sys::lte_lc_evt_type::LTE_LC_EVT_PDN {
        return;
    }
    // SAFETY: the type of the event says that this member of the union is the valid one.
    let pdn = unsafe { &event.__bindgen_anon_1.pdn };
    if pdn.cid != 0 && pdn.type_ != c::LTE_LC_EVT_PDN_NETWORK_DETACH {
        return;
    }
    match pdn.type_ {
        c::LTE_LC_EVT_PDN_IPV6_DOWN => ipv6_failed::note(),
        c::LTE_LC_EVT_PDN_IPV6_UP if ipv6_failed::just_now() => return,
        _ => {}
    }
    deliver(match pdn.type_ {
        c::LTE_LC_EVT_PDN_ESM_ERROR => Event::Esm(pdn.esm_err),
        c::LTE_LC_EVT_PDN_ACTIVATED => Event::Activated(None),
        c::LTE_LC_EVT_PDN_DEACTIVATED => Event::Deactivated,
        c::LTE_LC_EVT_PDN_IPV6_UP => Event::Ipv6Up,
        c::LTE_LC_EVT_PDN_IPV6_DOWN => Event::Ipv6Down,
        c::LTE_LC_EVT_PDN_NETWORK_DETACH => Event::Detached,
        c::LTE_LC_EVT_PDN_SUSPENDED => Event::Suspended,
        c::LTE_LC_EVT_PDN_RESUMED => Event::Resumed,
        _ => return,
    });
}

/// lte_lc reads `+CGEV: IPV6 FAIL 0` as IPv6 down, and the same line once more as `+CGEV: IPV6 0`,
/// IPv6 up (`parse_cgev` in `pdn.c` of NCS 3.4): an event that comes with the failure is none.
#[cfg(has_lte_lc_pdn)]
mod ipv6_failed {
    use core::sync::atomic::{AtomicU32, Ordering};

    use crate::platform::uptime_ms;

    /// When, in milliseconds, the lowest bit set; 0: never.
    static AT: AtomicU32 = AtomicU32::new(0);

    /// Both events come from one loop over the line, on the system work queue, which only
    /// interrupts and other cooperative threads hold up: microseconds. A modem that asks the
    /// network's router again does so after 4 s at the earliest (RTR_SOLICITATION_INTERVAL, RFC
    /// 4861, 10). Anything far from both does.
    const SAME_LINE_MS: u32 = 500;

    fn now() -> u32 {
        uptime_ms() as u32
    }

    pub(super) fn note() {
        AT.store(now() | 1, Ordering::Relaxed);
    }

    pub(super) fn just_now() -> bool {
        let at = AT.swap(0, Ordering::Relaxed);
        at != 0 && now().wrapping_sub(at).wrapping_add(1) <= SAME_LINE_MS
    }
}
