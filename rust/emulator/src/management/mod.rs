//! The door for Azure's management: the part of Azure Resource Manager that the Azure CLI asks for
//! hubs and the provisioning service.
//!
//! Names in paths have no case, as in Azure. There is one subscription; whatever a path names is
//! taken for it.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::Method;
use axum::routing::{any, get};
use axum::{Extension, Router};
use serde_json::Map;

use crate::rest::{self, Answer, Api, Document};

mod answers;
mod certificates;
mod consumer_groups;
mod groups;
mod hubs;
mod login;
mod operations;
mod provisioning;
mod request;
mod resource;
mod routes;
mod subscription;

use operations::Operations;
use request::Asked;

/// All paths of management.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .merge(login::routes())
        .route("/subscriptions", get(subscription::subscriptions))
        .route("/tenants", get(subscription::tenants))
        .route("/subscriptions/{*path}", any(dispatch))
        .layer(Extension(Arc::<Operations>::default()))
}

async fn dispatch(
    State(api): State<Api>,
    Extension(operations): Extension<Arc<Operations>>,
    Path(path): Path<String>,
    request: Request,
) -> Answer {
    let uri_path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let has_body = matches!(method, Method::PUT | Method::PATCH | Method::POST);
    let document = match has_body {
        true => {
            use axum::extract::FromRequest as _;
            Document::from_request(request, &api).await?.0
        }
        false => Map::new(),
    };
    // `az resource` writes a parent that there is not as an empty segment.
    let segments = path.split('/').filter(|it| !it.is_empty());
    let segments = segments.map(str::to_owned).collect();
    let asked = Asked {
        method,
        headers,
        segments,
        query,
        document,
        operations,
    };
    match answer(&api, &asked).await {
        Some(answer) => answer,
        None => Err(rest::not_here(&asked.method, &uri_path).into()),
    }
}

/// `None` if it is nothing that is here.
async fn answer(api: &Api, asked: &Asked) -> Option<Answer> {
    let lower: Vec<String> = asked
        .segments
        .iter()
        .map(|it| it.to_ascii_lowercase())
        .collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let method = asked.method.as_str();
    match lower.as_slice() {
        [_, "providers", "microsoft.devices", rest @ ..] if !rest.is_empty() => {
            devices(api, asked, None, 3, rest).await
        }
        [
            _,
            "resourcegroups",
            group,
            "providers",
            "microsoft.devices",
            rest @ ..,
        ] => devices(api, asked, Some(group), 5, rest).await,
        rest => subscription::answer(api, asked, method, rest).await,
    }
}

/// What stands behind `Microsoft.Devices`, which is the segment before `at`.
async fn devices(
    api: &Api,
    asked: &Asked,
    group: Option<&str>,
    at: usize,
    rest: &[&str],
) -> Option<Answer> {
    let (method, name) = (asked.method.as_str(), asked.segment(at + 1));
    Some(match (method, rest) {
        ("GET", ["locations", _, "operationresults", id]) => {
            operations::result(api, &asked.operations, id)
        }
        ("GET", ["usages"]) => hubs::usages(api),
        ("POST", ["checknameavailability"]) => hubs::check_name(api, &asked.document),
        ("POST", ["checkprovisioningservicenameavailability"]) => {
            provisioning::check_name(api, &asked.document).await
        }
        ("GET", ["iothubs"]) => hubs::list(api, asked, group),
        ("GET", ["provisioningservices"]) => provisioning::list(api, asked, group).await,
        (_, ["iothubs", _, rest @ ..]) if group.is_some() => {
            return hubs::answer(api, asked, group?, name, rest).await;
        }
        (_, ["provisioningservices", _, rest @ ..]) if group.is_some() => {
            return provisioning::answer(api, asked, group?, name, rest).await;
        }
        _ => return None,
    })
}
