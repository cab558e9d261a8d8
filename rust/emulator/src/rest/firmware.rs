//! Firmware: images, deployments, what devices say of them, and faults.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Answer, Api, Document, Hub, invalid};
use crate::code::{ErrorCode, Refusal};
use crate::firmware::Firmware;
use crate::registry::{self, IfMatch, TwinWrite};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin/firmware", get(images))
        .route("/admin/firmware/devices", get(devices))
        .route("/admin/firmware/deployments", axum::routing::post(deploy))
        .route(
            "/admin/firmware/deployments/{id}",
            axum::routing::delete(withdraw),
        )
        .route(
            "/admin/firmware/faults",
            get(faults).post(set_fault).delete(clear_faults),
        )
}

async fn images(State(api): State<Api>) -> Answer {
    let ports = api.service.firmware.ports();
    let images = read(&api, Firmware::list).await?;
    Ok(Json(json!({
        "images": images, "httpPort": ports.http, "httpsPort": ports.https,
    }))
    .into_response())
}

/// Desired and reported `firmware` of each device that has one.
async fn devices(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let devices = api.service.store.run(move |c| registry::list(c, &hub));
    let states: Vec<_> = devices
        .await?
        .iter()
        .map(|device| {
            let twin = device.twin_json(None, 0);
            let of = |section: &str| twin["properties"][section]["firmware"].clone();
            json!({"deviceId": device.id, "desired": of("desired"), "reported": of("reported")})
        })
        .filter(|state| !state["desired"].is_null() || !state["reported"].is_null())
        .collect();
    Ok(Json(states).into_response())
}

/// Makes the wish for an image of the folder: `{"deviceId","image"}`; `jobId`, `version`, `protocol`, `host`,
/// `fragmentSize` where they are to be otherwise.
async fn deploy(State(api): State<Api>, Hub(hub): Hub, Document(document): Document) -> Answer {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let needed = |name: &str| text(name).ok_or_else(|| invalid(format!("{name} is missing")));
    let id = needed("deviceId")?.to_owned();
    let name = needed("image")?;
    let wanted = name.to_owned();
    let image = read(&api, move |firmware| firmware.image(&wanted)).await?;
    let image = image
        .ok_or_else(|| Refusal::new(ErrorCode::NotFound, format!("there is no image '{name}'")))?;
    let version = text("version")
        .map(str::to_owned)
        .or(image.version)
        .ok_or_else(|| {
            invalid(format!(
                "{name} has no MCUboot header that says its version: send version"
            ))
        })?;
    let ports = api.service.firmware.ports();
    let (protocol, port) = match (text("protocol"), ports.https, ports.http) {
        (Some("https") | None, Some(port), _) => ("https", port),
        (Some("http") | None, _, Some(port)) => ("http", port),
        (protocol, ..) => {
            let protocol = protocol.unwrap_or_default();
            let what = format!("protocol '{protocol}' is neither https nor http");
            return Err(invalid(what).into());
        }
    };
    let mut wish = json!({
        "fwVersion": version,
        "jobId": text("jobId").map_or_else(crate::c2d::guid, str::to_owned),
        "fwLocation": {
            "host": text("host").unwrap_or(&hub), "path": image.name, "protocol": protocol, "port": port,
        },
        "size": image.size,
        "sha256": image.sha256,
    });
    if let Some(size) = document.get("fragmentSize") {
        wish["fwFragmentSize"] = size.clone();
    }
    write(&api, hub, id, wish.clone()).await?;
    Ok((StatusCode::CREATED, Json(wish)).into_response())
}

/// Reads the folder where waiting for the disk holds up nobody.
async fn read<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Firmware) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let service = Arc::clone(&api.service);
    let done = tokio::task::spawn_blocking(move || work(&service.firmware)).await;
    done.map_err(|error| Refusal::new(ErrorCode::ServerError, error.to_string()))
}

async fn withdraw(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    write(&api, hub, id, Value::Null).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn write(api: &Api, hub: String, id: String, wish: Value) -> Result<(), Refusal> {
    let patch = json!({"properties": {"desired": {"firmware": wish}}});
    let patch: Map<String, Value> = patch.as_object().cloned().unwrap_or_default();
    let written = api
        .service
        .write_twin(hub, id, TwinWrite::Patch, patch, IfMatch::Absent);
    written.await.map(drop)
}

async fn faults(State(api): State<Api>) -> Answer {
    Ok(Json(api.service.firmware.faults.list()).into_response())
}

async fn set_fault(State(api): State<Api>, Document(document): Document) -> Answer {
    let set = api
        .service
        .firmware
        .faults
        .set(&document)
        .map_err(invalid)?;
    Ok((StatusCode::CREATED, Json(set)).into_response())
}

async fn clear_faults(State(api): State<Api>) -> Answer {
    api.service.firmware.faults.clear();
    Ok(StatusCode::NO_CONTENT.into_response())
}
