//! What the built-in shared access policies may do.
//!
//! Microsoft, "Control access to IoT Hub with shared access signatures", has the policies of a new hub
//! and what each permission opens; "Control access to DPS" has `provisioningserviceowner`.

/// What a path or a link asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Reading the identity registry.
    RegistryRead,
    /// Writing it.
    RegistryWrite,
    /// Twins, methods, messages and queries.
    ServiceConnect,
    /// A device's own paths.
    DeviceConnect,
    /// Enrollments and registrations.
    Provisioning,
    /// What Azure has nowhere, or only with the rights of the subscription: `/admin` and ARM's paths.
    Owner,
}

impl Permission {
    /// What a policy has; `None` if there is none of that name.
    pub(crate) fn of_policy(name: &str) -> Option<&'static [Self]> {
        Some(match name {
            // The owner of hub and provisioning service in one, since here they are one.
            "iothubowner" => &[
                Self::RegistryRead,
                Self::RegistryWrite,
                Self::ServiceConnect,
                Self::DeviceConnect,
                Self::Provisioning,
                Self::Owner,
            ],
            "service" => &[Self::ServiceConnect],
            "device" => &[Self::DeviceConnect],
            "registryRead" => &[Self::RegistryRead],
            "registryReadWrite" => &[Self::RegistryRead, Self::RegistryWrite],
            "provisioningserviceowner" => &[Self::Provisioning],
            _ => return None,
        })
    }
}
