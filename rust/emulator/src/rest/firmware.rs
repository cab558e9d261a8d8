//! Firmware: images, deployments, what devices say of them, and faults.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::devices::MAX_PAGE;
use super::{Answer, Api, Document, Hub, body, invalid};
use crate::code::{ErrorCode, Refusal};
use crate::etag::IfMatch;
use crate::fields;
use crate::firmware::{Firmware, absent};
use crate::hub::registry::{self, Device, TwinWrite};
use crate::hub::twin::Section;
use crate::random;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin/firmware", get(images))
        .route(
            "/admin/firmware/images/{name}",
            axum::routing::put(put_image).delete(delete_image),
        )
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
    let ports = api.firmware.ports();
    let images = read(&api, Firmware::list).await?;
    let folder = api.firmware.has_folder();
    Ok(Json(json!({
        "images": images, "folder": folder, "httpPort": ports.http, "httpsPort": ports.https,
    }))
    .into_response())
}

/// Takes an image as the body has it.
async fn put_image(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Answer {
    let bytes = body(request, MAX_IMAGE).await?;
    let put = read(&api, move |firmware| firmware.put(&name, &bytes));
    let image = put.await??;
    let told = json!({
        "name": image.name, "size": image.size, "sha256": image.sha256, "version": image.version,
    });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

async fn delete_image(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    read(&api, move |firmware| firmware.remove(&name)).await??;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Desired and reported `firmware` of each device that has one, or with `device` of that one.
async fn devices(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(mut asked): Query<HashMap<String, String>>,
) -> Answer {
    if let Some(id) = asked.remove("device") {
        let read = api
            .service
            .store
            .read(move |c| registry::find(c, &hub, &id));
        let found: Vec<Value> = read.await?.iter().filter_map(firmware_of).collect();
        return Ok(Json(found).into_response());
    }
    let mut states = Vec::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let hub = hub.clone();
        let page = api
            .service
            .store
            .read(move |c| registry::page(c, &hub, registry::Kind::Device, &after, MAX_PAGE))
            .await?;
        states.extend(page.devices.iter().filter_map(firmware_of));
        next = page.next;
    }
    Ok(Json(states).into_response())
}

fn firmware_of(device: &Device) -> Option<Value> {
    let firmware = |section: &Section| section.properties.get("firmware").cloned();
    let (desired, reported) = (firmware(&device.desired), firmware(&device.reported));
    let any = desired.is_some() || reported.is_some();
    any.then(|| json!({"deviceId": device.id, "desired": desired, "reported": reported}))
}

/// Asks for an image of the folder: `{"deviceId","image"}`; `jobId`, `version`, `protocol`, `host`,
/// `fragmentSize` where they are to be otherwise.
async fn deploy(State(api): State<Api>, Hub(hub): Hub, Document(document): Document) -> Answer {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let needed = |name: &str| text(name).ok_or_else(|| invalid(format!("{name} is missing")));
    let id = needed("deviceId")?.to_owned();
    let name = needed("image")?;
    let wanted = name.to_owned();
    let image = read(&api, move |firmware| firmware.image(&wanted)).await?;
    let image = image.ok_or_else(|| absent(name))?;
    let version = text("version")
        .map(str::to_owned)
        .or(image.version)
        .ok_or_else(|| {
            invalid(format!(
                "{name} has no MCUboot header that says its version: send version"
            ))
        })?;
    let ports = api.firmware.ports();
    let (protocol, port) = match (text("protocol"), ports.https, ports.http) {
        (Some("https") | None, Some(port), _) => ("https", port),
        (Some("http") | None, _, Some(port)) => ("http", port),
        (protocol, ..) => {
            let protocol = protocol.unwrap_or_default();
            let what = format!("protocol '{protocol}' is neither https nor http");
            return Err(invalid(what).into());
        }
    };
    // Nordic's library takes no document without it.
    let fragment = match document.get("fragmentSize") {
        None | Some(Value::Null) => FRAGMENT,
        Some(size) => fields::integer(size)
            .filter(|size| (128..=65_535).contains(size))
            .ok_or_else(|| invalid(format!("fragmentSize must be 128 to 65535, not {size}")))?,
    };
    let wanted = json!({
        "fwVersion": version,
        "jobId": text("jobId").map_or_else(random::guid, str::to_owned),
        "fwLocation": {
            "host": text("host").unwrap_or(&hub), "path": image.name, "protocol": protocol, "port": port,
        },
        "size": image.size,
        "sha256": image.sha256,
        "fwFragmentSize": fragment,
    });
    write(&api, hub, id, wanted.clone()).await?;
    Ok((StatusCode::CREATED, Json(wanted)).into_response())
}

/// Reads the folder where waiting for the disk holds up nobody.
async fn read<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Firmware) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let firmware = Arc::clone(&api.firmware);
    let done = tokio::task::spawn_blocking(move || work(&firmware)).await;
    done.map_err(|error| Refusal::new(ErrorCode::ServerError, error.to_string()))
}

async fn withdraw(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    write(&api, hub, id, Value::Null).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn write(api: &Api, hub: String, id: String, wanted: Value) -> Result<(), Refusal> {
    let patch = json!({"properties": {"desired": {"firmware": wanted}}});
    let patch: Map<String, Value> = patch.as_object().cloned().unwrap_or_default();
    let written = api.service.write_twin(
        hub.clone(),
        id.clone(),
        TwinWrite::Patch,
        patch,
        IfMatch::Absent,
    );
    super::twins::record(api, &hub, &id, &written.await?);
    Ok(())
}

/// The flash of the boards here has 1 MB.
const MAX_IMAGE: usize = 16 * 1024 * 1024;

/// As Nordic's documentation has it: over TLS a modem takes 2 KB with the header.
const FRAGMENT: i64 = 1800;

async fn faults(State(api): State<Api>) -> Answer {
    Ok(Json(api.firmware.faults.list()).into_response())
}

async fn set_fault(State(api): State<Api>, Document(document): Document) -> Answer {
    let set = api.firmware.faults.set(&document)?;
    Ok((StatusCode::CREATED, Json(set)).into_response())
}

async fn clear_faults(State(api): State<Api>) -> Answer {
    api.firmware.faults.clear();
    Ok(StatusCode::NO_CONTENT.into_response())
}
