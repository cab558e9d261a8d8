//! A request to management.

use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::{Map, Value};

use super::operations::Operations;
use crate::rest::Answer;

/// A request for something of a subscription.
pub(super) struct Asked {
    pub method: Method,
    pub headers: HeaderMap,
    /// Behind `/subscriptions/`, as they were written.
    pub segments: Vec<String>,
    /// The query, as it was sent.
    pub query: String,
    /// The body, where the method has one.
    pub document: Map<String, Value>,
    /// What was begun of late.
    pub operations: Arc<Operations>,
}

impl Asked {
    /// The segment at a position, as it was written.
    pub(super) fn segment(&self, index: usize) -> &str {
        self.segments.get(index).map_or("", String::as_str)
    }

    /// The answer to what goes on for a while in Azure, and is done already here.
    pub(super) fn accepted(&self, status: StatusCode, body: Option<Value>) -> Answer {
        let host = self.headers.get(header::HOST);
        let host = host.and_then(|it| it.to_str().ok()).unwrap_or("localhost");
        let headers = self.operations.begin_for(self.segment(0), host);
        Ok(match body {
            Some(body) => (status, headers, axum::Json(body)).into_response(),
            None => (status, headers).into_response(),
        })
    }
}
