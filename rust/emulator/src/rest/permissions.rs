//! What the built-in shared access policies may do.
//!
//! Microsoft, "Control access to IoT Hub with shared access signatures", has the policies of a new hub
//! and what each permission opens; "Control access to DPS" has `provisioningserviceowner`.

use axum::http::Method;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Reading the identity registry.
    RegistryRead,
    /// Writing it.
    RegistryWrite,
    /// Twins, methods, messages and queries.
    ServiceConnect,
    /// Enrolments and registrations.
    Provisioning,
    /// What Azure has nowhere, or only with the rights of the subscription: `/admin` and ARM's paths.
    Owner,
}

impl Permission {
    /// What of these (any) a request needs.
    pub(super) fn needed(method: &Method, path: &str) -> &'static [Self] {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match segments.as_slice() {
            ["devices", "query"] | ["twins" | "messages", ..] => &[Self::ServiceConnect],
            ["devices"] | ["devices", _] if method == Method::GET || method == Method::HEAD => {
                &[Self::RegistryRead]
            }
            ["devices"] | ["devices", _] => &[Self::RegistryWrite],
            ["devices", ..] => &[Self::ServiceConnect],
            // Of the registry, and yet with the service client of the SDKs.
            ["statistics", "service"] => &[Self::RegistryRead, Self::ServiceConnect],
            ["statistics", ..] => &[Self::RegistryRead],
            ["enrollments" | "enrollmentGroups" | "registrations", ..] => &[Self::Provisioning],
            _ => &[Self::Owner],
        }
    }

    /// What a policy has; `None` if there is none of that name.
    pub(super) fn of_policy(name: &str) -> Option<&'static [Self]> {
        Some(match name {
            // The owner of hub and provisioning service in one, since here they are one.
            "iothubowner" => &[
                Self::RegistryRead,
                Self::RegistryWrite,
                Self::ServiceConnect,
                Self::Provisioning,
                Self::Owner,
            ],
            "service" => &[Self::ServiceConnect],
            // DeviceConnect only, which opens nothing here.
            "device" => &[],
            "registryRead" => &[Self::RegistryRead],
            "registryReadWrite" => &[Self::RegistryRead, Self::RegistryWrite],
            "provisioningserviceowner" => &[Self::Provisioning],
            _ => return None,
        })
    }
}
