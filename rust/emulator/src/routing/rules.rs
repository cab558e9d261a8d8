//! Routes, the fallback and enrichments: which endpoints a message goes to, and what is written
//! into it.
//!
//! The names are those of the hub's property `routing` in Microsoft's resource reference; the
//! conditions those of "IoT Hub message routing query syntax".

use std::fmt;

use serde_json::{Map, Value, json};

use super::endpoint::{EVENTS, Endpoint};
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::hub::events::Source;
use crate::hub::query::Query;
use crate::hub::telemetry::Message;
use crate::id;

/// What a hub does with messages.
pub(crate) struct Rules {
    /// As it was given.
    pub document: Map<String, Value>,
    /// Beside the built-in `events`.
    pub endpoints: Vec<Endpoint>,
    routes: Vec<Route>,
    fallback: bool,
    enrichments: Vec<Enrichment>,
    needs_twin: bool,
}

/// Without the document, in which connection strings are.
impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl Default for Rules {
    /// Without a route all telemetry comes to the built-in endpoint.
    fn default() -> Self {
        Self {
            document: Map::new(),
            endpoints: Vec::new(),
            routes: Vec::new(),
            fallback: true,
            enrichments: Vec::new(),
            needs_twin: false,
        }
    }
}

#[derive(Debug)]
struct Route {
    name: String,
    source: Source,
    condition: Condition,
    endpoints: Vec<String>,
}

#[derive(Debug)]
enum Condition {
    Always,
    Never,
    Holds(Query),
}

#[derive(Debug)]
struct Enrichment {
    key: String,
    value: String,
    endpoints: Vec<String>,
}

impl Rules {
    /// Reads Azure's JSON; the refusal names the part that is wrong.
    pub(crate) fn parse(document: &Map<String, Value>) -> Result<Self, Refusal> {
        fields::check(
            document,
            &["endpoints", "routes", "fallbackRoute", "enrichments"],
        )?;
        let list = |name: &str| -> Result<Vec<Map<String, Value>>, Refusal> {
            match document.get(name) {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(value) => serde_json::from_value(value.clone())
                    .map_err(|_| invalid(format!("'{name}' must be a list of objects"))),
            }
        };
        let given = list("endpoints")?;
        let endpoints = given.iter().map(Endpoint::parse);
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        if endpoints.len() > MAX_ENDPOINTS {
            return Err(invalid(format!("a hub may have {MAX_ENDPOINTS} endpoints")));
        }
        for (index, endpoint) in endpoints.iter().enumerate() {
            if endpoints[..index].iter().any(|it| it.name == endpoint.name) {
                return Err(invalid(format!(
                    "there are two endpoints '{}'",
                    endpoint.name
                )));
            }
        }
        let known = |names: Vec<String>, of: &str| {
            let unknown = names
                .iter()
                .find(|name| *name != EVENTS && !endpoints.iter().any(|it| it.name == **name));
            match unknown {
                Some(name) => Err(invalid(format!(
                    "{of} names endpoint '{name}', which is not there"
                ))),
                None if names.is_empty() => Err(invalid(format!("{of} names no endpoint"))),
                None => Ok(names),
            }
        };
        let (mut routes, mut needs_twin) = (Vec::new(), false);
        for route in list("routes")? {
            let name = text(&route, "name")?;
            let of = format!("route '{name}'");
            let source = text(&route, "source")?;
            let source = Source::parse(source).ok_or_else(|| {
                invalid(format!(
                    "{of}: source '{source}' is not one of Azure's that are here"
                ))
            })?;
            let condition = match route.get("condition") {
                None | Some(Value::Null) => "true",
                Some(given) => given
                    .as_str()
                    .ok_or_else(|| invalid(format!("{of}: 'condition' must be a text")))?,
            };
            needs_twin |= condition.contains(TWIN);
            let parsed = Condition::parse(condition).map_err(|refusal| {
                Refusal::new(refusal.code, format!("{of}: {}", refusal.reason))
            })?;
            let endpoints = known(names(&route)?, &of)?;
            if enabled(route.get("isEnabled"), &of)? {
                routes.push(Route {
                    name: name.to_owned(),
                    source,
                    condition: parsed,
                    endpoints,
                });
            }
        }
        if routes.len() > MAX_ROUTES {
            return Err(invalid(format!("a hub may have {MAX_ROUTES} routes")));
        }
        let mut enrichments = Vec::new();
        for enrichment in list("enrichments")? {
            let (key, value) = (text(&enrichment, "key")?, text(&enrichment, "value")?);
            needs_twin |= value.starts_with(TWIN);
            enrichments.push(Enrichment {
                key: key.to_owned(),
                value: value.to_owned(),
                endpoints: known(names(&enrichment)?, &format!("enrichment '{key}'"))?,
            });
        }
        if enrichments.len() > MAX_ENRICHMENTS {
            return Err(invalid(format!(
                "a hub may have {MAX_ENRICHMENTS} enrichments"
            )));
        }
        let fallback = match document.get("fallbackRoute") {
            None | Some(Value::Null) => true,
            Some(Value::Object(route)) => {
                let to = route.get("endpointNames").filter(|it| !it.is_null());
                if to.is_some_and(|it| *it != json!([EVENTS])) {
                    return Err(invalid(format!(
                        "fallbackRoute leads to ['{EVENTS}'] alone"
                    )));
                }
                enabled(route.get("isEnabled"), "fallbackRoute")?
            }
            Some(_) => return Err(invalid("'fallbackRoute' must be an object".to_owned())),
        };
        Ok(Self {
            document: document.clone(),
            endpoints,
            routes,
            fallback,
            enrichments,
            needs_twin,
        })
    }

    /// Sources beside telemetry that routes ask for.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let sources = self.routes.iter().map(|route| route.source);
        sources
            .filter(|source| *source != Source::DeviceMessages)
            .collect()
    }

    /// Whether a route leads other than telemetry to the built-in endpoint.
    pub(super) fn events_come_here(&self) -> bool {
        let mut routes = self.routes.iter();
        routes.any(|route| {
            route.source != Source::DeviceMessages && route.endpoints.iter().any(|it| it == EVENTS)
        })
    }

    /// Whether all telemetry comes to the built-in endpoint, since nothing leads it elsewhere.
    pub(super) fn take_all_telemetry(&self) -> bool {
        let mut routes = self.routes.iter();
        self.fallback && routes.all(|route| route.source != Source::DeviceMessages)
    }

    /// Whether a condition or an enrichment looks at the twin.
    pub(crate) fn needs_twin(&self) -> bool {
        self.needs_twin
    }

    /// The names of the routes that a message takes, and the endpoints where it comes out, each
    /// once.
    pub(crate) fn decide(
        &self,
        source: Source,
        message: &Message,
        twin: Option<&Value>,
    ) -> (Vec<&str>, Vec<&str>) {
        let document = document(message, twin);
        let (mut routes, mut endpoints): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for route in &self.routes {
            if route.source != source || !route.condition.holds(&document) {
                continue;
            }
            routes.push(&route.name);
            for name in &route.endpoints {
                if !endpoints.contains(&name.as_str()) {
                    endpoints.push(name);
                }
            }
        }
        if routes.is_empty() && self.fallback && source == Source::DeviceMessages {
            routes.push("$fallback");
            endpoints.push(EVENTS);
        }
        (routes, endpoints)
    }

    /// A message as it comes out at an endpoint, with its enrichments.
    pub(crate) fn enriched(
        &self,
        endpoint: &str,
        source: Source,
        message: &Message,
        twin: Option<&Value>,
    ) -> Value {
        let mut line = message.to_json();
        line["source"] = json!(source.name());
        for (key, value) in self.enrichments(endpoint, message, twin) {
            line["properties"][key] = value;
        }
        line
    }

    /// Whether messages are enriched for an endpoint.
    pub(super) fn enriches(&self, endpoint: &str) -> bool {
        let mut endpoints = self.enrichments.iter().flat_map(|it| &it.endpoints);
        endpoints.any(|it| it == endpoint)
    }

    /// What is written into the properties of a message for an endpoint.
    pub(super) fn enrichments(
        &self,
        endpoint: &str,
        message: &Message,
        twin: Option<&Value>,
    ) -> Vec<(&str, Value)> {
        let mut added = Vec::new();
        for enrichment in &self.enrichments {
            if !enrichment.endpoints.iter().any(|it| it == endpoint) {
                continue;
            }
            let value = match enrichment.value.as_str() {
                "$iothubname" => json!(message.hub.split('.').next()),
                value if value.starts_with(TWIN) => {
                    let path = value.trim_start_matches(TWIN).replace('.', "/");
                    match twin.and_then(|twin| twin.pointer(&path)) {
                        Some(found) if !found.is_null() => found.clone(),
                        _ => continue,
                    }
                }
                value => json!(value),
            };
            added.push((enrichment.key.as_str(), value));
        }
        added
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text.trim() {
            "" | "true" => Ok(Self::Always),
            "false" => Ok(Self::Never),
            text => Query::parse(&format!("SELECT * FROM devices WHERE {text}")).map(Self::Holds),
        }
    }

    fn holds(&self, document: &Value) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Holds(query) => query.row(document.clone()).is_some(),
        }
    }
}

/// What a condition sees: application properties by their names, `$` and the name of a system
/// property, `$body` where the message says that it is JSON in UTF-8, and `$twin`.
fn document(message: &Message, twin: Option<&Value>) -> Value {
    let mut all = message.properties.clone();
    for (name, value) in &message.system {
        all.insert(format!("${name}"), value.clone());
    }
    let (device, module) = id::split(&message.device_id);
    all.insert("$connectionDeviceId".to_owned(), json!(device));
    if let Some(module) = module {
        all.insert("$connectionModuleId".to_owned(), json!(module));
    }
    all.insert(
        "$enqueuedTime".to_owned(),
        json!(crate::clock::rfc3339(message.enqueued)),
    );
    let system = |name: &str| {
        message
            .system
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let kind = system("contentType")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if kind.eq_ignore_ascii_case("application/json")
        && ["", "utf-8", "utf8"].contains(&system("contentEncoding").to_ascii_lowercase().as_str())
        && let Ok(body) = serde_json::from_slice::<Value>(&message.body)
    {
        all.insert("$body".to_owned(), body);
    }
    if let Some(twin) = twin {
        all.insert(TWIN.to_owned(), twin.clone());
    }
    Value::Object(all)
}

/// A route is enabled where it does not say that it is not.
fn enabled(given: Option<&Value>, of: &str) -> Result<bool, Refusal> {
    match given {
        None | Some(Value::Null) => Ok(true),
        Some(given) => fields::boolean(given)
            .ok_or_else(|| invalid(format!("{of}: 'isEnabled' must be true or false"))),
    }
}

fn text<'d>(document: &'d Map<String, Value>, name: &str) -> Result<&'d str, Refusal> {
    let text = document.get(name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty() && text.len() <= 4096)
        .ok_or_else(|| invalid(format!("'{name}' must be a text of 1 to 4,096 bytes")))
}

fn names(document: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let names = document.get("endpointNames").cloned().unwrap_or_default();
    serde_json::from_value(names)
        .map_err(|_| invalid("'endpointNames' must be a list of texts".to_owned()))
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const TWIN: &str = "$twin";
/// Azure's limits.
const MAX_ENDPOINTS: usize = 10;
const MAX_ROUTES: usize = 100;
const MAX_ENRICHMENTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::Properties;

    fn message(body: &str, bag: &str) -> Message {
        let properties = Properties::parse(bag).unwrap();
        Message::new(
            "hub.localhost",
            "dev",
            body.as_bytes().to_vec(),
            properties,
            1,
        )
    }

    fn rules(condition: &str) -> Result<Rules, Refusal> {
        let document = json!({
            "endpoints": [{"name": "log", "type": "file"}],
            "routes": [{"name": "r", "source": "DeviceMessages", "condition": condition, "endpointNames": ["log"]}],
        });
        Rules::parse(document.as_object().unwrap())
    }

    #[test]
    fn conditions_over_properties_body_and_twin() {
        let json = "%24.ct=application%2Fjson&%24.ce=utf-8&level=storage&n=5";
        let twin = json!({"tags": {"site": "roof"}, "properties": {"desired": {"i": 3}}});
        for (condition, holds) in [
            ("true", true),
            ("false", false),
            ("level = 'storage'", true),
            ("level = 'other' OR $body.temperature > 20", true),
            ("$body.temperature > 30", false),
            ("$body.inner.list[0] = 1", true),
            ("IS_DEFINED(level) AND NOT IS_DEFINED(nothing)", true),
            ("STARTS_WITH(level, 'sto')", true),
            ("$contentType = 'application/json'", true),
            ("$connectionDeviceId = 'dev'", true),
            ("$connectionDeviceId IN ['a', 'b']", false),
            ("$twin.tags.site = 'roof'", true),
            ("$twin.properties.desired.i < 3", false),
        ] {
            let rules = rules(condition).unwrap();
            let message = message("{\"temperature\":21,\"inner\":{\"list\":[1]}}", json);
            let (_, endpoints) = rules.decide(Source::DeviceMessages, &message, Some(&twin));
            let expected: &[&str] = if holds { &["log"] } else { &[EVENTS] };
            assert_eq!(endpoints, expected, "{condition}");
        }
        // A body that does not say what it is.
        let rules = rules("$body.temperature = 21").unwrap();
        let plain = message("{\"temperature\":21}", "");
        assert_eq!(
            rules.decide(Source::DeviceMessages, &plain, None).1,
            [EVENTS]
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (document, why) in [
            (json!({"route": []}), "route"),
            (
                json!({"routes": [{"name": "r", "source": "Weather", "endpointNames": ["events"]}]}),
                "Weather",
            ),
            (
                json!({"routes": [{"name": "r", "source": "DeviceMessages", "endpointNames": ["log"]}]}),
                "'log'",
            ),
            (
                json!({"routes": [{"name": "r", "source": "DeviceMessages", "endpointNames": []}]}),
                "no endpoint",
            ),
            (
                json!({"routes": [{"name": "r", "source": "DeviceMessages", "condition": "a =", "endpointNames": ["events"]}]}),
                "route 'r'",
            ),
            (
                json!({"endpoints": [{"name": "a", "type": "file"}, {"name": "a", "type": "file"}]}),
                "two endpoints",
            ),
            (
                json!({"endpoints": [{"name": "../a", "type": "file"}]}),
                "../a",
            ),
            (
                json!({"endpoints": [{"name": "events", "type": "file"}]}),
                "events",
            ),
            (
                json!({"endpoints": [{"name": "w", "type": "webhook", "url": "ftp://x"}]}),
                "http",
            ),
            (
                json!({"endpoints": [{"name": "w", "type": "pigeon"}]}),
                "pigeon",
            ),
        ] {
            let refusal = Rules::parse(document.as_object().unwrap()).unwrap_err();
            assert!(refusal.reason.contains(why), "{document}: {refusal}");
        }
    }

    #[test]
    fn enrichments_are_for_their_endpoints() {
        let document = json!({
            "endpoints": [{"name": "log", "type": "file"}],
            "enrichments": [
                {"key": "hub", "value": "$iothubname", "endpointNames": ["log"]},
                {"key": "site", "value": "$twin.tags.site", "endpointNames": ["log"]},
                {"key": "none", "value": "$twin.tags.none", "endpointNames": ["log"]},
                {"key": "fixed", "value": "text", "endpointNames": ["events"]},
            ],
        });
        let rules = Rules::parse(document.as_object().unwrap()).unwrap();
        assert!(rules.needs_twin());
        let twin = json!({"tags": {"site": "roof"}});
        let line = rules.enriched(
            "log",
            Source::DeviceMessages,
            &message("1", "a=b"),
            Some(&twin),
        );
        assert_eq!(
            line["properties"],
            json!({"a": "b", "hub": "hub", "site": "roof"})
        );
    }
}
