//! What permission a path needs.

use axum::http::Method;

use crate::auth::policy::Permission;

impl Permission {
    /// What of these (any) a request needs.
    pub(super) fn needed(method: &Method, path: &str) -> &'static [Self] {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match segments.as_slice() {
            ["devices", "keys", "regenerate"] => &[Self::RegistryWrite],
            ["devices", "query"] | ["twins" | "messages" | "digitaltwins", ..] => {
                &[Self::ServiceConnect]
            }
            ["devices"]
            | ["devices", _]
            | ["devices", _, "modules"]
            | ["devices", _, "modules", _]
                if method == Method::GET || method == Method::HEAD =>
            {
                &[Self::RegistryRead]
            }
            ["devices"] | ["devices", _] | ["devices", _, "modules", _] => &[Self::RegistryWrite],
            ["devices", _, "messages", bound] if is_queue(bound) && method == Method::POST => {
                &[Self::ServiceConnect]
            }
            ["devices", _, "modules", _, "messages", bound]
                if is_queue(bound) && method == Method::POST =>
            {
                &[Self::ServiceConnect]
            }
            ["devices", _, "messages" | "files", ..]
            | ["devices", _, "modules", _, "messages", ..] => &[Self::DeviceConnect],
            ["devices", ..] => &[Self::ServiceConnect],
            ["configurations", ..] if method == Method::GET => {
                &[Self::RegistryRead, Self::ServiceConnect]
            }
            ["configurations", ..] => &[Self::RegistryWrite, Self::ServiceConnect],
            ["jobs", "v2", ..] => &[Self::ServiceConnect, Self::RegistryWrite],
            ["jobs", ..] => &[Self::RegistryWrite],
            // Of the registry, and yet with the service client of the SDKs.
            ["statistics", "service"] => &[Self::RegistryRead, Self::ServiceConnect],
            ["statistics", ..] => &[Self::RegistryRead],
            ["registrations", ..] if method == Method::DELETE => &[Self::RegistrationStatusWrite],
            ["registrations", ..] => &[Self::RegistrationStatusRead],
            [
                "enrollments" | "enrollmentGroups",
                ..,
                "query" | "attestationmechanism",
            ] => &[Self::EnrollmentRead],
            ["enrollments" | "enrollmentGroups", ..]
                if method == Method::GET || method == Method::HEAD =>
            {
                &[Self::EnrollmentRead]
            }
            ["enrollments" | "enrollmentGroups", ..] => &[Self::EnrollmentWrite],
            _ => &[Self::Owner],
        }
    }
}

fn is_queue(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("deviceBound")
}
