//! The web page, from the binary: plain files, no build step.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;

use super::Api;

pub(super) fn routes() -> Router<Api> {
    FILES.iter().fold(Router::new(), |router, &(path, text)| {
        let kind = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            Some((_, "json")) => "application/json",
            _ => "text/html; charset=utf-8",
        };
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        router.route(
            path,
            get(move || async move { (headers, text).into_response() }),
        )
    })
}

/// Whether a path is one of the page's files; they hold no secret.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().any(|(name, _)| *name == path)
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[
            ("/", include_str!("../page/index.html")),
            ("/page/tracker-1.json", include_str!("../../../../docs/model/tracker-1.json")),
            $((concat!("/page/", $name), include_str!(concat!("../page/", $name))),)*
        ]
    };
}

const FILES: &[(&str, &str)] = files![
    "api.js",
    "app.js",
    "banner.js",
    "bulk.js",
    "certificates.js",
    "chart.js",
    "connect.js",
    "csv.js",
    "device.js",
    "devices.js",
    "dialog.js",
    "dom.js",
    "faults.js",
    "firmware.js",
    "fleet.js",
    "hub.js",
    "icon.svg",
    "list.js",
    "log.js",
    "messages.js",
    "methods.js",
    "model.js",
    "parts.js",
    "patch.js",
    "provisioning.js",
    "routes.js",
    "scroller.js",
    "series.js",
    "store.js",
    "style.css",
    "telemetry.js",
    "topics.js",
    "track.js",
    "twin.js",
    "words.js",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_is_asked_for_is_there() {
        let mut asked = 0;
        for (path, text) in FILES {
            for name in text
                .split("from \"./")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
            {
                assert!(is_file(&format!("/page/{name}")), "{path} asks for {name}");
                asked += 1;
            }
        }
        assert!(asked > 50, "{asked}");
    }

    #[test]
    fn no_other_host_is_named_and_no_text_becomes_html() {
        for (path, text) in FILES {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for word in [
                "http:",
                "https:",
                "innerHTML",
                "insertAdjacent",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(word), "{path} has {word}");
            }
        }
    }
}
