//! What the application asks of the client and the platform. In unit tests a double writes down
//! what was asked, and its clock goes on only while the application waits.

#[cfg(not(test))]
pub(crate) use {
    iothub::{disconnect, flush, now, report, respond, send, status, wait, wake},
    ncs::platform::reboot,
};

#[cfg(test)]
pub(crate) use double::{
    disconnect, flush, now, reboot, report, respond, send, status, wait, wake,
};

#[cfg(test)]
pub(crate) mod double {
    extern crate std;

    use std::{
        boxed::Box,
        format,
        string::{String, ToString},
        sync::{Mutex, PoisonError},
        vec::Vec,
    };

    use iothub::{
        Error, Instant, MessageId, MethodResponse, Phase, Qos, RequestId, Status, Telemetry,
    };

    type OnWait = Box<dyn FnMut() + Send>;

    pub(crate) struct Double {
        /// What was asked, with what was given, in its order.
        pub(crate) calls: Vec<String>,
        pub(crate) now: u64,
        pub(crate) status: Option<Status>,
        pub(crate) send_error: Option<Error>,
        pub(crate) report_error: Option<Error>,
        pub(crate) wakes: u32,
        /// Until when the last wait was to last.
        pub(crate) deadline: Option<u64>,
        /// What each wait does, the next first; the wait after the last ends the loop.
        pub(crate) waits: Vec<OnWait>,
    }

    static DOUBLE: Mutex<Option<Double>> = Mutex::new(None);

    /// The double, which begins anew after [`reset`].
    pub(crate) fn with<R>(f: impl FnOnce(&mut Double) -> R) -> R {
        let mut double = DOUBLE.lock().unwrap_or_else(PoisonError::into_inner);
        f(double.get_or_insert_with(|| Double {
            calls: Vec::new(),
            now: 1_000_000,
            status: Some(Status {
                phase: Phase::Ready,
                ..Status::default()
            }),
            send_error: None,
            report_error: None,
            wakes: 0,
            deadline: None,
            waits: Vec::new(),
        }))
    }

    pub(crate) fn reset() {
        *DOUBLE.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What was asked since the last time.
    pub(crate) fn calls() -> Vec<String> {
        with(|double| core::mem::take(&mut double.calls))
    }

    /// Ends a loop that has no end.
    struct End;

    /// Lets a loop run until it waits once more than there are `waits`.
    pub(crate) fn run(waits: Vec<OnWait>, body: impl FnOnce()) {
        with(|double| double.waits = waits);
        let ended = std::panic::catch_unwind(core::panic::AssertUnwindSafe(body));
        if let Err(payload) = ended
            && !payload.is::<End>()
        {
            std::panic::resume_unwind(payload);
        }
    }

    fn end() -> ! {
        std::panic::resume_unwind(Box::new(End))
    }

    fn call(text: String) {
        with(|double| double.calls.push(text));
    }

    fn text(bytes: &[u8]) -> &str {
        core::str::from_utf8(bytes).expect("text")
    }

    pub(crate) fn send(message: &Telemetry<'_>) -> Result<MessageId, Error> {
        if let Some(error) = with(|double| double.send_error) {
            return Err(error);
        }
        assert_eq!(message.qos, Qos::AtLeastOnce);
        let properties = message.properties.iter();
        let properties = properties.map(|property| match property.value {
            Some(value) => format!(" {}={value}", property.name),
            None => format!(" {}", property.name),
        });
        let created = message.system.creation_time.unwrap_or("-");
        call(format!(
            "send{} {created} {}",
            properties.collect::<String>(),
            text(message.payload)
        ));
        Ok(MessageId::new(1))
    }

    pub(crate) fn report(patch: &[u8], version: Option<u64>) -> Result<RequestId, Error> {
        if let Some(error) = with(|double| double.report_error) {
            return Err(error);
        }
        assert_eq!(version, None);
        call(format!("report {}", text(patch)));
        Ok(RequestId::new(1))
    }

    pub(crate) fn respond(answer: &MethodResponse<'_>) -> Result<(), Error> {
        call(format!(
            "respond {} {}",
            answer.status,
            text(answer.payload)
        ));
        Ok(())
    }

    pub(crate) fn disconnect() -> Result<(), Error> {
        call("disconnect".to_string());
        Ok(())
    }

    pub(crate) fn flush() {
        call("flush".to_string());
    }

    pub(crate) fn reboot() {
        call("reboot".to_string());
        end()
    }

    pub(crate) fn status() -> Result<Status, Error> {
        with(|double| double.status).ok_or(Error::NotReady)
    }

    pub(crate) fn now() -> Instant {
        Instant::from_millis(with(|double| double.now))
    }

    pub(crate) fn wake() {
        with(|double| double.wakes += 1);
    }

    pub(crate) fn wait(deadline: Option<Instant>) {
        let next = with(|double| {
            double.deadline = deadline.map(Instant::as_millis);
            if double.waits.is_empty() {
                return None;
            }
            double.now = double.now.max(double.deadline.unwrap_or(0));
            Some(double.waits.remove(0))
        });
        match next {
            Some(mut next) => next(),
            None => end(),
        }
    }
}
