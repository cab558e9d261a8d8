//! The Device Provisioning Service.

/// How to reach DPS and who we are there. X.509 only: symmetric keys and SAS are out of scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config<'c> {
    /// `0ne…`
    pub id_scope: &'c str,
    /// `global.azure-devices-provisioning.net` unless private.
    pub hostname: &'c str,
    /// Equal to the certificate's common name.
    pub registration_id: &'c str,
    /// Custom JSON for the allocation webhook.
    pub payload: Option<&'c [u8]>,
    /// Register anew after so many refused or failed connects to the assigned hub in a row.
    pub reprovision_after: u32,
    /// The same for refusals that speak of authorisation.
    pub reprovision_after_authorisation: u32,
}

impl<'c> Config<'c> {
    /// With the global endpoint, no payload, and registration anew after 10 failures or 3 authorisation failures.
    pub const fn new(id_scope: &'c str, registration_id: &'c str) -> Self {
        Self {
            id_scope,
            hostname: "global.azure-devices-provisioning.net",
            registration_id,
            payload: None,
            reprovision_after: 10,
            reprovision_after_authorisation: 3,
        }
    }
}

/// Where DPS has assigned us, kept over reboots by the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment<'c> {
    /// The hub's host name.
    pub hostname: &'c str,
    /// The device id at that hub.
    pub device_id: &'c str,
}

/// What happens at DPS.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Registration is under way.
    Registering,
    /// DPS is still thinking; it is asked again.
    Assigning,
    /// Done; [`Client::hostname`](crate::Client::hostname) and `device_id` are the new ones.
    Assigned {
        /// What the allocation webhook returned: raw JSON.
        payload: Option<&'a [u8]>,
    },
    /// Not done. It is tried again after a back-off.
    Failed(Failure),
}

/// Why DPS did not assign.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error with the service's own code: 401002 wrong or unknown certificate, 404201 not enrolled,
    /// 429001 throttled, 400207 and on for allocation; 0 if there was none.
    Refused {
        /// The HTTP-like status in the topic.
        status: u16,
        /// `errorCode`
        code: u32,
    },
    /// Registration state `failed`.
    Failed {
        /// `errorCode`
        code: u32,
    },
    /// The enrolment is disabled.
    Disabled,
    /// The assigned hub does not speak the classic protocol (`connectionProfile`).
    ConnectionProfile,
    /// An answer that is not what it should be, or a name longer than we can hold.
    Malformed,
    /// No answer in time, or still assigning after the last poll.
    Timeout,
}
