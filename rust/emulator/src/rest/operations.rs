//! Microsoft's REST operations by their names, so that one that is not emulated can be told from a
//! path that nobody has.
//!
//! `operations.txt` has an operation a line: its id, method and path, below the service and version
//! that it is of. They are those of Microsoft's specifications
//! (github.com/Azure/azure-rest-api-specs, `specification/iothub` and
//! `specification/deviceprovisioningservices`), and for the data plane of IoT Hub, which has left
//! that repository, those of the client in azure-iot-cli-extension that is made from it.

use axum::http::Method;

use crate::code::{ErrorCode, Refusal};

/// Why there is no answer: an operation of Azure's that is not emulated, a method that a path has
/// not, or an unknown path.
pub(crate) fn not_here(method: &Method, path: &str) -> Refusal {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let found: Vec<Operation> = all().filter(|it| it.is_at(&parts)).collect();
    // Of `/jobs/v2/query` and `/jobs/v2/{id}` the one that says more.
    let meant = found.iter().filter(|it| it.method == method.as_str());
    let meant = meant.min_by_key(|it| it.path.matches('{').count());
    if let Some(operation) = meant {
        return Refusal::new(
            ErrorCode::NotImplemented,
            format!(
                "{} ({method} {}) is an operation of Azure's that is not emulated",
                operation.id, operation.path
            ),
        );
    }
    let methods: Vec<&str> = found.iter().map(|it| it.method).collect();
    if methods.is_empty() {
        let what = format!("{method} {path} is not one of the paths here, and none of Azure's");
        return Refusal::new(ErrorCode::NotFound, what);
    }
    let methods = methods.join(", ");
    let what = format!("{path} has no {method} in Azure: it has {methods}");
    Refusal::new(ErrorCode::MethodNotAllowed, what)
}

/// One operation.
#[derive(Clone, Copy, Debug)]
struct Operation {
    id: &'static str,
    method: &'static str,
    path: &'static str,
}

impl Operation {
    /// Whether a path, in its parts, is this one's. Parameters in braces stand for anything.
    fn is_at(self, parts: &[&str]) -> bool {
        let mut own = self.path.split('/').filter(|part| !part.is_empty());
        let fits = |part: &&str| {
            own.next()
                .is_some_and(|own| own.starts_with('{') || own.eq_ignore_ascii_case(part))
        };
        parts.iter().all(fits) && own.next().is_none()
    }
}

fn all() -> impl Iterator<Item = Operation> {
    let lines = include_str!("operations.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(Operation {
                id: words.next()?,
                method: words.next()?,
                path: words.next()?,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_operation() {
        let lines = include_str!("operations.txt").lines();
        let lines = lines.filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().count(), lines);
        for operation in all() {
            assert!(operation.path.starts_with('/'), "{operation:?}");
            let method: Method = operation.method.parse().unwrap();
            let refusal = not_here(&method, operation.path);
            assert_eq!(refusal.code, ErrorCode::NotImplemented, "{operation:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let told = |method: Method, path: &str| not_here(&method, path);
        let jobs = told(Method::POST, "/jobs/v2/j1/cancel");
        assert_eq!(jobs.code, ErrorCode::NotImplemented);
        assert!(
            jobs.reason
                .starts_with("Jobs_CancelScheduledJob (POST /jobs/v2/{id}/cancel)")
        );
        let query = told(Method::GET, "/jobs/v2/query").reason;
        assert!(query.starts_with("Jobs_QueryScheduledJobs "), "{query}");
        let verb = told(Method::PATCH, "/Jobs/V2/j1/");
        assert_eq!(verb.code, ErrorCode::MethodNotAllowed);
        assert!(verb.reason.ends_with("it has GET, PUT"), "{}", verb.reason);
        for path in ["/", "", "/nothing/at/all", "/jobs/v2/j1/cancel/more"] {
            assert_eq!(told(Method::POST, path).code, ErrorCode::NotFound, "{path}");
        }
    }
}
