//! A modem that has stopped is started again; one that found no SIM is switched off and on, since
//! by itself it looks once.

use core::time::Duration;

use iothub_proto::{Errno, Instant, network};
use ncs::{Plain, platform::Waiter};

use crate::{inbox::Input, kconfig::SIM_RETRY, now};

/// What is to be done for the modem: each step leads to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, and 0: what has not begun is all zeros.
    Nothing = 0,
    /// Of a modem that has stopped.
    ShutDown,
    Initialise,
    /// Of LTE, where no SIM was found.
    SwitchOff,
    SwitchOn,
}

/// The next step of a modem that is to be restarted, and when it is due.
#[derive(Debug)]
pub(crate) struct Recovery {
    step: Step,
    due: Instant,
}

impl Recovery {
    pub(crate) const fn new() -> Self {
        Self {
            step: Step::Nothing,
            due: Instant::from_millis(0),
        }
    }

    /// Sees an input on its way to the client, and plans what is to be done. What the client is to
    /// be told in its place is the result.
    pub(crate) fn handle_input(&mut self, input: Input, now: Instant) -> Input {
        match input {
            Input::ModemStopped { .. } => {
                self.plan(Step::ShutDown, now + RETRY);
                Input::Network(network::Input::Detached)
            }
            Input::Network(network::Input::UiccFail) => {
                self.plan_unless_stopped(Step::SwitchOff, now + SIM_RETRY);
                input
            }
            Input::Network(network::Input::Registered { .. }) => {
                self.plan_unless_stopped(Step::Nothing, now);
                input
            }
            _ => input,
        }
    }

    /// The next step, if there is one, and when it is due.
    pub(crate) fn next(&self) -> Option<(Step, Instant)> {
        (self.step != Step::Nothing).then_some((self.step, self.due))
    }

    /// A step was executed.
    pub(crate) fn complete(&mut self, step: Step, now: Instant, result: Result<(), Errno>) {
        match result {
            Ok(()) => self.plan(after(step), now),
            Err(_) => self.plan(step, now + RETRY),
        }
    }

    fn plan(&mut self, step: Step, due: Instant) {
        (self.step, self.due) = (step, due);
    }

    /// Where a modem is being started, its SIM is looked at then.
    fn plan_unless_stopped(&mut self, step: Step, due: Instant) {
        if matches!(self.step, Step::Nothing | Step::SwitchOff) {
            self.plan(step, due);
        }
    }
}

fn after(step: Step) -> Step {
    match step {
        Step::ShutDown => Step::Initialise,
        Step::Initialise | Step::SwitchOff => Step::SwitchOn,
        Step::SwitchOn | Step::Nothing => Step::Nothing,
    }
}

pub(crate) fn failed(what: &str, errno: ncs::Errno) {
    log::error!("{}: {errno}; again in 10 s", Plain(what));
}

/// Tries until it works, with a log line for each failure: before there is a connection.
pub(crate) fn until_done(what: &str, attempt: fn() -> Result<(), ncs::Errno>) {
    while let Err(errno) = attempt() {
        failed(what, errno);
        let deadline = now() + RETRY;
        while now() < deadline {
            Waiter::Driver.wait(Some(deadline.as_millis()));
        }
    }
}

/// Time before what failed is tried again.
const RETRY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::from_millis(1_000);

    #[test]
    fn a_fault_is_a_detach_and_goes_before_a_missing_sim() {
        let mut recovery = Recovery::new();
        let no_sim = Input::Network(network::Input::UiccFail);
        assert_eq!(recovery.handle_input(no_sim, T0), no_sim);
        assert_eq!(recovery.next(), Some((Step::SwitchOff, T0 + SIM_RETRY)));
        assert_eq!(
            recovery.handle_input(Input::ModemStopped { fault: 0x10 }, T0),
            Input::Network(network::Input::Detached)
        );
        assert_eq!(recovery.next(), Some((Step::ShutDown, T0 + RETRY)));
        recovery.handle_input(no_sim, T0);
        let registered = Input::Network(network::Input::Registered { roaming: false });
        recovery.handle_input(registered, T0);
        assert_eq!(recovery.next(), Some((Step::ShutDown, T0 + RETRY)));
        recovery.plan(Step::SwitchOff, T0);
        recovery.handle_input(registered, T0);
        assert_eq!(recovery.next(), None);
    }
}
