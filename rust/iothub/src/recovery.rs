//! A modem that has stopped is started again; one that found no SIM is switched off and on, since by itself it looks once.

use core::{cell::Cell, time::Duration};

use iothub_proto::{Instant, network};
use ncs::{Decimal, Plain, platform::Waiter};

use crate::{callbacks, inbox::Fact, kconfig, now};

/// What is to be done for the modem: each step leads to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Of a modem that has stopped.
    ShutDown,
    Initialise,
    /// Of LTE, where no SIM was found.
    SwitchOff,
    SwitchOn,
}

/// The next step, and when it is due.
type Plan = Option<(Step, Instant)>;

static PLAN: critical_section::Mutex<Cell<Plan>> = critical_section::Mutex::new(Cell::new(None));

/// Looks at a fact on its way to the client, and plans what is to be done. What the client is to be told in its place is the
/// result.
pub(crate) fn look(fact: Fact, now: Instant) -> Fact {
    match fact {
        Fact::ModemStopped { fault } => {
            log::error!(
                "the modem has stopped with fault {} (NRF_MODEM_FAULT_*); it is started again in 10 s",
                Decimal::from(fault)
            );
            plan(Some((Step::ShutDown, now + AGAIN)));
            Fact::Network(network::Fact::Detached)
        }
        Fact::Network(network::Fact::UiccFail) => {
            plan_unless_begun(Some((Step::SwitchOff, now + SIM)));
            fact
        }
        Fact::Network(network::Fact::Registered { .. }) => {
            plan_unless_begun(None);
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

/// Does what is due, on the driver's thread, which an attempt may block, but not the time until the next one; `attached`:
/// LTE is on, as far as we are concerned. Returns when to look again.
pub(crate) fn carry_out(attached: bool) -> Option<Instant> {
    if !kconfig::MAY_ATTACH {
        return None;
    }
    loop {
        let (step, due) = critical_section::with(|cs| PLAN.borrow(cs).get())?;
        if now() < due {
            return Some(due);
        }
        let (what, result) = match step {
            Step::ShutDown => ("the modem cannot be shut down", ncs::modem::shutdown()),
            Step::Initialise => ("the modem cannot be initialised", ncs::modem::init()),
            Step::SwitchOff => ("LTE cannot be switched off", ncs::lte::power_off()),
            Step::SwitchOn if attached => ("LTE cannot be switched on", callbacks::attach()),
            Step::SwitchOn => ("", Ok(())),
        };
        plan(match result {
            Ok(()) => after(step).map(|next| (next, due)),
            Err(errno) => {
                failed(what, errno);
                Some((step, now() + AGAIN))
            }
        });
    }
}

fn after(step: Step) -> Option<Step> {
    match step {
        Step::ShutDown => Some(Step::Initialise),
        Step::Initialise => {
            log::info!("the modem is started again");
            Some(Step::SwitchOn)
        }
        Step::SwitchOff => Some(Step::SwitchOn),
        Step::SwitchOn => None,
    }
}

fn failed(what: &str, errno: ncs::Errno) {
    log::error!("{}: {errno}; again in 10 s", Plain(what));
}

/// Tries until it works, with a log line for each failure: before there is a connection.
pub(crate) fn until_done(what: &str, attempt: fn() -> Result<(), ncs::Errno>) {
    while let Err(errno) = attempt() {
        failed(what, errno);
        let deadline = now() + AGAIN;
        while now() < deadline {
            Waiter::Driver.wait(Some(deadline.as_millis()));
        }
    }
}

fn plan(plan: Plan) {
    critical_section::with(|cs| PLAN.borrow(cs).set(plan));
}

/// Where a modem is being started, its SIM is looked at then.
fn plan_unless_begun(plan: Plan) {
    critical_section::with(|cs| {
        let cell = PLAN.borrow(cs);
        if matches!(cell.get(), None | Some((Step::SwitchOff, _))) {
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
        assert_eq!(planned(), Some((Step::SwitchOff, T0 + SIM)));
        assert_eq!(
            look(Fact::ModemStopped { fault: 0x10 }, T0),
            Fact::Network(network::Fact::Detached)
        );
        assert_eq!(planned(), Some((Step::ShutDown, T0 + AGAIN)));
        look(no_sim, T0);
        let registered = Fact::Network(network::Fact::Registered { roaming: false });
        look(registered, T0);
        assert_eq!(planned(), Some((Step::ShutDown, T0 + AGAIN)));
        plan(Some((Step::SwitchOff, T0)));
        look(registered, T0);
        assert_eq!(planned(), None);
    }
}
