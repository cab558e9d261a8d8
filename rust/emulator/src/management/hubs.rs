//! IoT hubs as resources: those that the emulator was started with, and those that are made here.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Map, Value, json};

use super::answers::{invalid, listed, not_found, shown};
use super::request::Asked;
use super::resource::{
    self, Type, check_types, group_of, keys, must_be_new, save_hub, service_host,
};
use super::{certificates, consumer_groups, groups, routes};
use crate::auth::policy::{self, Policy};
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag, etag};
use crate::hub::hubs::{CONSUMER_GROUPS, Hub, POLICIES};
use crate::hub::partitions::event_hub;
use crate::hub::registry;
use crate::journal::Event;
use crate::rest::if_match;
use crate::rest::{Answer, Api};
use crate::routing::HEALTHY;

/// What stands behind a hub's name.
pub(super) async fn answer(
    api: &Api,
    asked: &Asked,
    group: &str,
    name: &str,
    rest: &[&str],
) -> Option<Answer> {
    let method = asked.method.as_str();
    if let ["certificates", rest @ ..] = rest {
        let hub = find(api, None, name).map(|hub| hub.host);
        return certificates::answer(api, asked, hub, rest).await;
    }
    let hub = find(api, Some(group), name);
    if let ["eventhubendpoints", rest @ ..] = rest {
        return consumer_groups::answer(api, asked, hub, rest).await;
    }
    Some(match (method, rest) {
        ("GET", []) => hub
            .map_err(Into::into)
            .and_then(|hub| shown(show(api, asked, &hub))),
        ("PUT", []) => put(api, asked, group, name).await,
        ("PATCH", []) => patch(api, asked, hub).await,
        ("DELETE", []) => delete(api, asked, hub).await,
        ("POST", ["listkeys"]) => hub
            .map_err(Into::into)
            .and_then(|hub| keys(&policies(api, &hub.host), None)),
        ("POST", ["iothubkeys", key, "listkeys"]) => hub
            .map_err(Into::into)
            .and_then(|hub| keys(&policies(api, &hub.host), Some(key))),
        ("POST", ["routing", "routes", "$testnew"]) => routes::test_one(api, asked, hub),
        ("POST", ["routing", "routes", "$testall"]) => hub.map_err(Into::into).and_then(|hub| {
            let shown = show(api, asked, &hub);
            routes::test_all(api, asked, &hub, &shown["properties"]["routing"])
        }),
        ("GET", ["iothubstats"]) => statistics(api, hub).await,
        ("GET", ["routingendpointshealth"]) => hub
            .map_err(Into::into)
            .and_then(|hub| endpoints_health(api, &hub.host)),
        ("GET", ["quotametrics"]) => quota(api, hub).await,
        ("GET", ["skus"]) => hub.map_err(Into::into).and_then(|_| {
            listed(vec![json!({
                "resourceType": "Microsoft.Devices/IotHubs",
                "sku": {"name": "S1", "tier": "Standard"},
                "capacity": {"minimum": 1, "maximum": 200, "default": 1, "scaleType": "Manual"},
            })])
        }),
        _ => return None,
    })
}

fn policies(api: &Api, host: &str) -> Vec<Policy> {
    api.service.hubs.policies(host, &api.access.service_key)
}

pub(super) fn list(api: &Api, asked: &Asked, group: Option<&str>) -> Answer {
    listed(all(api, asked, group))
}

/// All hubs, or those of a group.
pub(super) fn all(api: &Api, asked: &Asked, group: Option<&str>) -> Vec<Value> {
    let all = api.service.hubs.all();
    all.iter()
        .filter(|hub| group.is_none_or(|group| group_of(&hub.document).eq_ignore_ascii_case(group)))
        .map(|hub| show(api, asked, hub))
        .collect()
}

/// Whether a name is free.
pub(super) fn check_name(api: &Api, document: &Map<String, Value>) -> Answer {
    let name = document.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("'name' is missing"))?;
    let taken = api.service.hubs.named(name).is_some();
    let (reason, message) = match (taken, Hub::made(name)) {
        (true, _) => (
            "AlreadyExists",
            format!("IotHub name '{name}' is not available"),
        ),
        (false, Err(refusal)) => ("Invalid", refusal.reason),
        (false, Ok(_)) => ("Invalid", String::new()),
    };
    shown(json!({"nameAvailable": message.is_empty(), "reason": reason, "message": message}))
}

/// How many hubs of each kind there are.
pub(super) fn usages(api: &Api) -> Answer {
    let count = api.service.hubs.all().len();
    let usage = |kind: &str, count: usize, limit: usize| {
        json!({
            "id": format!("/providers/Microsoft.Devices/usages/{kind}"),
            "type": "IotHub",
            "unit": "Count",
            "currentValue": count,
            "limit": limit,
            "name": {"value": kind, "localizedValue": kind},
        })
    };
    listed(vec![
        usage("freeHubCount", 0, 1),
        usage("paidHubCount", count, MAX_HUBS),
    ])
}

fn find(api: &Api, group: Option<&str>, name: &str) -> Result<Hub, Refusal> {
    let hub = api.service.hubs.named(name);
    let hub = hub.ok_or_else(|| not_found(format!("there is no IotHubs '{name}' here")))?;
    let of = group_of(&hub.document);
    match group.is_none_or(|group| of.eq_ignore_ascii_case(group)) {
        true => Ok(hub),
        false => Err(not_found(format!(
            "IotHubs '{name}' is in resource group '{of}', and not in '{}'",
            group.unwrap_or_default()
        ))),
    }
}

/// A hub as Resource Manager shows it.
fn show(api: &Api, asked: &Asked, hub: &Hub) -> Value {
    let mut shown = resource::show(asked, "IotHubs", &hub.name, &hub.document);
    let c2d = api.service.settings.c2d;
    let properties = json!({
        "minTlsVersion": "1.2",
        "disableLocalAuth": false,
        "disableDeviceSAS": api.service.settings.enforce_x509,
        "disableModuleSAS": api.service.settings.enforce_x509,
        "eventHubEndpoints": {"events": {"retentionTimeInDays": 1}},
        "storageEndpoints": {
            "$default": {"sasTtlAsIso8601": "PT1H", "connectionString": "", "containerName": ""},
        },
        "messagingEndpoints": {
            "fileNotifications": {"lockDurationAsIso8601": "PT1M", "ttlAsIso8601": "PT1H", "maxDeliveryCount": 10},
        },
        "enableFileUploadNotifications": false,
        "cloudToDevice": {
            "maxDeliveryCount": c2d.max_delivery_count,
            "defaultTtlAsIso8601": format!("PT{}S", c2d.ttl_ms / 1000),
            "feedback": {"lockDurationAsIso8601": "PT1M", "ttlAsIso8601": "PT1H", "maxDeliveryCount": 10},
        },
        "features": "None",
        "locations": [{"location": resource::DEFAULT_LOCATION, "role": "primary"}],
    });
    let mut properties = resource::merge(properties, hub.document.get("properties"));
    // They are shown by `listkeys`, to those who may see keys.
    if let Some(properties) = properties.as_object_mut() {
        properties.shift_remove(POLICIES);
    }
    // What is so, whatever was written.
    let fixed = json!({
        "state": "Active",
        "provisioningState": "Succeeded",
        "hostName": service_host(api, &hub.host),
        "routing": api.routing.property(&hub.host),
    });
    properties = resource::merge(properties, Some(&fixed));
    // Written by an emulator that did not look at it.
    if !properties["eventHubEndpoints"].is_object() {
        properties["eventHubEndpoints"] = json!({});
    }
    let events = &mut properties["eventHubEndpoints"]["events"];
    if !events.is_object() {
        *events = json!({"retentionTimeInDays": 1});
    }
    let count = api.service.ring.partitions.count(&hub.host);
    let port = match api.amqp.map(|it| it.port()) {
        None | Some(5671) => String::new(),
        Some(port) => format!(":{port}"),
    };
    let ids: Vec<String> = (0..count).map(|it| it.to_string()).collect();
    *events = resource::merge(
        events.take(),
        Some(&json!({
            "partitionCount": count,
            "partitionIds": ids,
            "path": event_hub(&hub.host),
            "endpoint": match api.amqp.map(|at| at.port()) {
                None | Some(5671) => format!("sb://{}{port}/", hub.host),
                Some(port) => format!("sb://{}:{port}/", hub.host),
            },
        })),
    );
    shown.insert("properties".to_owned(), properties);
    shown.insert("etag".to_owned(), json!(etag(hub.etag)));
    Value::Object(shown)
}

async fn put(api: &Api, asked: &Asked, group: &str, name: &str) -> Answer {
    groups::require(api, group).await?;
    let known = api.service.hubs.named(name);
    if let Some(hub) = &known {
        find(api, Some(group), name)?;
        check_etag(
            &if_match(&asked.headers),
            hub.etag,
            &format!("hub '{name}'"),
        )?;
        if must_be_new(&asked.headers) {
            let why = format!("hub '{name}' is there already");
            return Err(Refusal::new(ErrorCode::PreconditionFailed, why).into());
        }
    } else if let IfMatch::Tag(_) = if_match(&asked.headers) {
        return Err(not_found(format!("there is no IotHubs '{name}' here")).into());
    }
    let is_new = known.is_none();
    if is_new && api.service.hubs.all().len() >= MAX_HUBS {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            format!("there are {MAX_HUBS} hubs already, as many as a subscription may have"),
        )
        .into());
    }
    let known_count = known.as_ref().and_then(Hub::partition_count);
    let mut hub = match known {
        Some(hub) => hub,
        None => Hub::made(name)?,
    };
    let mut document = resource::document(asked, group)?;
    keep_policies(api, &hub, &mut document)?;
    let properties = document.get("properties");
    check_types("properties", properties, PROPERTIES)?;
    let wanted = partition_count(properties)?;
    let had = api.service.ring.partitions.count(&hub.host);
    if let (Some(wanted), false) = (wanted, is_new)
        && wanted != had
    {
        return Err(invalid(format!(
            "properties.eventHubEndpoints.events.partitionCount is {had}, and cannot be changed once the hub is there"
        ))
        .into());
    }
    let properties = document
        .get_mut("properties")
        .and_then(Value::as_object_mut);
    let routing = match properties.and_then(|it| it.shift_remove("routing")) {
        Some(Value::Object(property)) => Some(api.routing.read_property(&hub.host, &property)?),
        _ => None,
    };
    if let Some(groups) = hub.document.shift_remove(CONSUMER_GROUPS) {
        document.insert(CONSUMER_GROUPS.to_owned(), groups);
    }
    hub.document = document;
    if !is_new && wanted.is_none() {
        keep_partition_count(&mut hub.document, known_count);
    }
    hub.etag += 1;
    save_hub(api, &hub).await?;
    if let Some(rules) = routing {
        api.routing.set(&hub.host, rules).await?;
    }
    let what = if is_new { "made" } else { "changed" };
    record(api, &hub, format!("hub '{}' was {what}", hub.name));
    asked.accepted(StatusCode::CREATED, Some(show(api, asked, &hub)))
}

/// Puts the policies into a hub's document that it is to have from here on.
fn keep_policies(api: &Api, hub: &Hub, document: &mut Map<String, Value>) -> Result<(), Refusal> {
    let given = document.get("properties").and_then(|it| it.get(POLICIES));
    let changed = policy::HUB.changed(given, &policies(api, &hub.host))?;
    let known = || hub.document.get("properties")?.get(POLICIES).cloned();
    if let Some(all) = changed.or_else(known) {
        let properties = document.entry("properties").or_insert_with(|| json!({}));
        properties[POLICIES] = all;
    } else if let Some(Value::Object(properties)) = document.get_mut("properties") {
        properties.shift_remove(POLICIES);
    }
    Ok(())
}

async fn patch(api: &Api, asked: &Asked, hub: Result<Hub, Refusal>) -> Answer {
    let mut hub = hub?;
    resource::patch(&mut hub.document, asked)?;
    hub.etag += 1;
    save_hub(api, &hub).await?;
    record(api, &hub, format!("hub '{}' was changed", hub.name));
    shown(show(api, asked, &hub))
}

async fn delete(api: &Api, asked: &Asked, hub: Result<Hub, Refusal>) -> Answer {
    let hub = match hub {
        Ok(hub) => hub,
        // As ARM does.
        Err(refusal) if refusal.code == ErrorCode::NotFound => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Err(refusal) => return Err(refusal.into()),
    };
    check_etag(
        &if_match(&asked.headers),
        hub.etag,
        &format!("hub '{}'", hub.name),
    )?;
    remove(api, &hub).await?;
    asked.accepted(StatusCode::ACCEPTED, None)
}

/// Deletes the hubs of a group.
pub(super) async fn delete_group(api: &Api, group: &str) -> Result<(), Refusal> {
    for hub in api.service.hubs.all() {
        if group_of(&hub.document).eq_ignore_ascii_case(group) {
            remove(api, &hub).await?;
        }
    }
    Ok(())
}

async fn remove(api: &Api, hub: &Hub) -> Result<(), Refusal> {
    if hub.given {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            format!(
                "hub '{}' is one that the emulator was started with (--hostname or --hub {}), and stays until it ends",
                hub.name, hub.host
            ),
        ));
    }
    // Nobody finds it from here on; then whoever is connected goes.
    api.service.hubs.remove(&hub.host);
    let deleted = hub.clone();
    if let Err(refusal) = api.service.store.run(move |c| deleted.delete(c)).await {
        api.service.hubs.put(hub.clone());
        return Err(refusal);
    }
    let connected = api.service.connections.all();
    for handle in connected.iter().filter(|it| it.hub == hub.host) {
        let why = format!("hub '{}' was deleted", hub.name);
        let why = Refusal::new(ErrorCode::NotFound, why);
        api.service.drop_device(&handle.hub, &handle.device_id, why);
    }
    api.routing.forget(&hub.host);
    api.service.ring.partitions.set_count(&hub.host, None);
    record(api, hub, format!("hub '{}' was deleted", hub.name));
    Ok(())
}

fn record(api: &Api, hub: &Hub, what: String) {
    api.service.journal.record(Event {
        hub: Some(hub.host.clone()),
        ..Event::info("management", what)
    });
}

async fn statistics(api: &Api, hub: Result<Hub, Refusal>) -> Answer {
    let host = hub?.host;
    let counted = api.service.store.read(move |c| registry::count(c, &host));
    let (total, enabled) = counted.await?;
    shown(json!({
        "totalDeviceCount": total,
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": total - enabled,
    }))
}

async fn quota(api: &Api, hub: Result<Hub, Refusal>) -> Answer {
    let host = hub?.host;
    let counted = api.service.store.read(move |c| registry::count(c, &host));
    let (total, _) = counted.await?;
    listed(vec![json!({
        "name": "TotalDeviceCount", "currentValue": total, "maxValue": 1_000_000,
    })])
}

/// `EndpointHealthData` of each endpoint beside the built-in one.
fn endpoints_health(api: &Api, host: &str) -> Answer {
    let all = api.routing.endpoints(host).into_iter();
    let shown = all.map(|(id, how)| match how.as_deref() {
        None => json!({"endpointId": id, "healthStatus": "unknown"}),
        Some(HEALTHY) => json!({"endpointId": id, "healthStatus": "healthy"}),
        Some(why) => {
            json!({"endpointId": id, "healthStatus": "unhealthy", "lastKnownError": why})
        }
    });
    listed(shown.collect())
}

/// How many partitions a hub is given for its events, if it is.
fn partition_count(properties: Option<&Value>) -> Result<Option<u32>, Refusal> {
    let given = properties.and_then(|it| it.pointer("/eventHubEndpoints/events/partitionCount"));
    let Some(given) = given.filter(|it| !it.is_null()) else {
        return Ok(None);
    };
    let count = crate::fields::integer(given).and_then(|it| u32::try_from(it).ok());
    let count = count.filter(|it| (1..=MAX_PARTITIONS).contains(it));
    count.map(Some).ok_or_else(|| {
        invalid(format!(
            "properties.eventHubEndpoints.events.partitionCount must be 1 to {MAX_PARTITIONS}, and is {given}"
        ))
    })
}

/// Puts the number of partitions that a hub has into a document that says nothing of it.
fn keep_partition_count(document: &mut Map<String, Value>, count: Option<u32>) {
    let Some(count) = count else { return };
    let object = |value: &mut Value| {
        if !value.is_object() {
            *value = json!({});
        }
    };
    let mut at = document.entry("properties").or_insert_with(|| json!({}));
    for name in ["eventHubEndpoints", "events"] {
        object(at);
        at = &mut at[name];
    }
    object(at);
    at["partitionCount"] = json!(count);
}

/// The properties of a hub whose type is looked at (Microsoft, "IotHubProperties").
const PROPERTIES: &[(&str, Type)] = &[
    ("authorizationPolicies", Type::Objects),
    ("disableLocalAuth", Type::Boolean),
    ("disableDeviceSAS", Type::Boolean),
    ("disableModuleSAS", Type::Boolean),
    ("restrictOutboundNetworkAccess", Type::Boolean),
    ("allowedFqdnList", Type::Texts),
    ("publicNetworkAccess", Type::Text),
    ("ipFilterRules", Type::Objects),
    ("networkRuleSets", Type::Object),
    ("minTlsVersion", Type::Text),
    ("eventHubEndpoints", Type::ObjectOfObjects),
    ("routing", Type::Object),
    ("storageEndpoints", Type::ObjectOfObjects),
    ("messagingEndpoints", Type::ObjectOfObjects),
    ("enableFileUploadNotifications", Type::Boolean),
    ("cloudToDevice", Type::Object),
    ("comments", Type::Text),
    ("deviceStreams", Type::Object),
    ("features", Type::Text),
    ("enableDataResidency", Type::Boolean),
];

/// The most that the setting `eventHubPartitions` takes as well.
const MAX_PARTITIONS: u32 = 32;

/// As many as Azure lets a subscription have.
const MAX_HUBS: usize = 50;
