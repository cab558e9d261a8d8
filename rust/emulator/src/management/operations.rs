//! Operations that go on for a while in Azure, as clients follow them: with `Azure-AsyncOperation`
//! until they are done. Here they are done before they are told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::AppendHeaders;
use serde_json::json;

use super::answers::{not_found, shown};
use crate::clock::rfc3339;
use crate::random;
use crate::rest::{Answer, Api};

/// The latest of them, by their ids.
#[derive(Debug, Default)]
pub(super) struct Operations(Mutex<VecDeque<String>>);

impl Operations {
    fn begin(&self) -> String {
        let id = random::guid();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(id.clone());
        if all.len() > KEPT {
            all.pop_front();
        }
        id
    }

    /// Begins one; the headers tell where to ask for its state.
    pub(super) fn begin_for(
        &self,
        subscription: &str,
        host: &str,
    ) -> AppendHeaders<Vec<(HeaderName, HeaderValue)>> {
        // On another port clients would not find it: management is asked over HTTPS.
        let at = format!(
            "https://{host}/subscriptions/{subscription}/providers/Microsoft.Devices/locations/local/operationResults/{}?api-version=2023-06-30",
            self.begin()
        );
        let mut told = vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))];
        for name in ["azure-asyncoperation", "location"] {
            if let Ok(at) = HeaderValue::from_str(&at) {
                told.push((HeaderName::from_static(name), at));
            }
        }
        AppendHeaders(told)
    }

    fn is_known(&self, id: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|it| it == id)
    }
}

/// The state of an operation.
pub(super) fn result(api: &Api, operations: &Operations, id: &str) -> Answer {
    if !operations.is_known(id) {
        return Err(not_found(format!("there is no operation '{id}', or it is long over")).into());
    }
    let now = rfc3339(api.service.clock.now());
    shown(json!({"name": id, "status": "Succeeded", "startTime": now, "endTime": now}))
}

const KEPT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known() {
        let operations = Operations::default();
        let first = operations.begin();
        for _ in 1..KEPT {
            operations.begin();
        }
        assert!(operations.is_known(&first));
        let last = operations.begin();
        assert!(!operations.is_known(&first) && operations.is_known(&last));
    }
}
