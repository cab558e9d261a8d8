//! The web page, from the binary.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/",
            get(|| async {
                file(
                    "text/html; charset=utf-8",
                    include_str!("../page/index.html"),
                )
            }),
        )
        .route(
            "/app.js",
            get(|| async {
                file(
                    "text/javascript; charset=utf-8",
                    include_str!("../page/app.js"),
                )
            }),
        )
        .route(
            "/style.css",
            get(|| async { file("text/css; charset=utf-8", include_str!("../page/style.css")) }),
        )
        .route(
            "/icon.svg",
            get(|| async { file("image/svg+xml", include_str!("../page/icon.svg")) }),
        )
}

fn file(kind: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
