//! A modem that has stopped is started again; one that found no SIM is switched off and on, since by itself it looks once.

use core::{cell::Cell, time::Duration};

use iothub_proto::{Instant, network};
use ncs::{Decimal, Plain, platform::Waiter};

use crate::{callbacks, inbox::Fact, kconfig, now};

/// What is to be done for the modem, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Restart(Instant),
    SwitchAgain(Instant),
}

static PLAN: critical_section::Mutex<Cell<Plan>> =
    critical_section::Mutex::new(Cell::new(Plan::Nothing));

/// Looks at a fact on its way to the client, and plans what is to be done. What the client is to be told in its place is the
/// result.
pub(crate) fn look(fact: Fact, now: Instant) -> Fact {
    match fact {
        Fact::ModemStopped { fault } => {
            log::error!(
                "the modem has stopped with fault {} (NRF_MODEM_FAULT_*); it is started again in 10 s",
                Decimal::from(fault)
            );
            plan(Plan::Restart(now + AGAIN));
            Fact::Network(network::Fact::Detached)
        }
        Fact::Network(network::Fact::UiccFail) => {
            plan_unless_restart(Plan::SwitchAgain(now + SIM));
            fact
        }
        Fact::Network(network::Fact::Registered { .. }) => {
            plan_unless_restart(Plan::Nothing);
            fact
        }
        Fact::Network(network::Fact::Esm(cause)) if !matches!(cause, 50..=52) => {
            log::error!(
                "the network refused the packet data network: ESM cause {}{}; the modem tries again by itself",
                Decimal::from(cause),
                Plain(advice(cause))
            );
            fact
        }
        _ => fact,
    }
}

/// Does what is due, on the driver's thread, which may block; `attached`: LTE is on, as far as we are concerned. Returns
/// when to look again.
pub(crate) fn carry_out(attached: bool) -> Option<Instant> {
    if !kconfig::MAY_ATTACH {
        return None;
    }
    let plan = critical_section::with(|cs| PLAN.borrow(cs).get());
    let (Plan::Restart(due) | Plan::SwitchAgain(due)) = plan else {
        return None;
    };
    if now() < due {
        return Some(due);
    }
    self::plan(Plan::Nothing);
    match plan {
        Plan::Restart(_) => {
            until_done("the modem cannot be shut down", ncs::modem::shutdown);
            until_done("the modem cannot be initialised", ncs::modem::init);
            log::info!("the modem is started again");
        }
        _ => until_done("LTE cannot be switched off", ncs::lte::power_off),
    }
    if attached {
        until_done("LTE cannot be switched on", callbacks::attach);
    }
    None
}

/// Tries until it works, with a log line for each failure.
pub(crate) fn until_done(what: &str, attempt: fn() -> Result<(), ncs::Errno>) {
    while let Err(errno) = attempt() {
        log::error!("{}: {errno}; again in 10 s", Plain(what));
        let deadline = now() + AGAIN;
        while now() < deadline {
            Waiter::Driver.wait(Some(deadline.as_millis()));
        }
    }
}

fn plan(plan: Plan) {
    critical_section::with(|cs| PLAN.borrow(cs).set(plan));
}

fn plan_unless_restart(plan: Plan) {
    critical_section::with(|cs| {
        let cell = PLAN.borrow(cs);
        if !matches!(cell.get(), Plan::Restart(_)) {
            cell.set(plan);
        }
    });
}

/// The causes of 3GPP TS 24.301, 9.9.4.4, that a wrong setting or a wrong subscription brings.
fn advice(cause: i32) -> &'static str {
    match cause {
        8 | 33 => ", which the subscription does not include",
        27 => ", an unknown access point name: check the setting iothub/apn",
        29 => ", a wrong user name or password of the access point",
        _ => "",
    }
}

/// Time before what failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Time before another look for a SIM.
pub(crate) const SIM: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::from_millis(1_000);

    fn planned() -> Plan {
        critical_section::with(|cs| PLAN.borrow(cs).get())
    }

    #[test]
    fn a_fault_is_a_detach_and_goes_before_a_missing_sim() {
        let no_sim = Fact::Network(network::Fact::UiccFail);
        assert_eq!(look(no_sim, T0), no_sim);
        assert_eq!(planned(), Plan::SwitchAgain(T0 + SIM));
        assert_eq!(
            look(Fact::ModemStopped { fault: 0x10 }, T0),
            Fact::Network(network::Fact::Detached)
        );
        assert_eq!(planned(), Plan::Restart(T0 + AGAIN));
        look(no_sim, T0);
        let registered = Fact::Network(network::Fact::Registered { roaming: false });
        look(registered, T0);
        assert_eq!(planned(), Plan::Restart(T0 + AGAIN));
        plan(Plan::SwitchAgain(T0));
        look(registered, T0);
        assert_eq!(planned(), Plan::Nothing);
    }
}
