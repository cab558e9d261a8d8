//! CA certificates in ARM's request shape: upload, verification code, proof of possession.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::answers::{invalid, listed, shown};
use super::request::Asked;
use crate::auth::certificates::{self, Certificate};
use crate::auth::x509;
use crate::code::Refusal;
use crate::fields;
use crate::journal::Event;
use crate::rest::if_match;
use crate::rest::{Answer, Api};

/// What stands behind `certificates` of a hub or of the provisioning service, whose scope is given.
pub(super) async fn answer(
    api: &Api,
    asked: &Asked,
    scope: Result<String, Refusal>,
    rest: &[&str],
) -> Option<Answer> {
    let method = asked.method.as_str();
    let name = asked.segment(8).to_owned();
    let scope = match scope {
        Ok(scope) => scope,
        Err(refusal) => return Some(Err(refusal.into())),
    };
    Some(match (method, rest) {
        ("GET", []) => list(api, asked, scope).await,
        ("GET", [_]) => one(api, asked, scope, name).await,
        ("PUT", [_]) => put(api, asked, scope, name).await,
        ("DELETE", [_]) => delete(api, asked, scope, name).await,
        ("POST", [_, "generateverificationcode"]) => generate(api, asked, scope, name).await,
        ("POST", [_, "verify"]) => verify(api, asked, scope, name).await,
        _ => return None,
    })
}

async fn list(api: &Api, asked: &Asked, scope: String) -> Answer {
    let all = api
        .service
        .store
        .run(move |c| certificates::list(c, &scope));
    let all = all.await?;
    let all = all.iter().map(|certificate| show(asked, certificate));
    listed(all.collect::<Result<_, _>>()?)
}

async fn one(api: &Api, asked: &Asked, scope: String, name: String) -> Answer {
    let found = api
        .service
        .store
        .run(move |c| certificates::require(c, &scope, &name));
    shown(show(asked, &found.await?)?)
}

async fn put(api: &Api, asked: &Asked, scope: String, name: String) -> Answer {
    let document = &asked.document;
    let properties = document.get("properties").cloned().unwrap_or(Value::Null);
    // The provisioning service's SDKs write these beside `properties`, the hub's into it.
    let field = |name: &str| properties.get(name).or_else(|| document.get(name));
    let text = field("certificate").and_then(Value::as_str);
    let der = x509::from_text(text.ok_or_else(|| invalid("properties.certificate is missing"))?)?;
    let given = field("isVerified").filter(|it| !it.is_null());
    let given = match given.map(fields::boolean) {
        Some(None) => return Err(invalid("isVerified must be true or false").into()),
        Some(given) => given,
        None => None,
    };
    let verified = given.unwrap_or(api.service.settings.verified_on_upload);
    let (condition, now) = (if_match(&asked.headers), api.service.clock.now());
    let put = api
        .service
        .store
        .run(move |c| certificates::put(c, &scope, &name, der, verified, &condition, now));
    done(api, asked, &put.await?, "registered")
}

async fn delete(api: &Api, asked: &Asked, scope: String, name: String) -> Answer {
    let condition = if_match(&asked.headers);
    let deleted = api
        .service
        .store
        .run(move |c| certificates::delete(c, &scope, &name, &condition));
    deleted.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn generate(api: &Api, asked: &Asked, scope: String, name: String) -> Answer {
    let (condition, now) = (if_match(&asked.headers), api.service.clock.now());
    let code = api
        .service
        .store
        .run(move |c| certificates::generate_code(c, &scope, &name, &condition, now));
    done(api, asked, &code.await?, "has a verification code")
}

async fn verify(api: &Api, asked: &Asked, scope: String, name: String) -> Answer {
    let text = asked.document.get("certificate").and_then(Value::as_str);
    let proof = x509::from_text(text.ok_or_else(|| invalid("'certificate' is missing"))?)?;
    let (condition, now) = (if_match(&asked.headers), api.service.clock.now());
    let verified = api
        .service
        .store
        .run(move |c| certificates::verify(c, &scope, &name, &proof, &condition, now));
    match verified.await {
        Ok(certificate) => {
            let what = "is verified: possession of its key was proved";
            done(api, asked, &certificate, what)
        }
        Err(refusal) => {
            let event = Event::refusal("certificate", &refusal);
            api.service.journal.record(event);
            Err(refusal.into())
        }
    }
}

fn done(api: &Api, asked: &Asked, certificate: &Certificate, what: &str) -> Answer {
    let what = format!("CA certificate '{}' {what}", certificate.name);
    api.service.journal.record(Event::info("certificate", what));
    shown(show(asked, certificate)?)
}

/// A certificate as ARM shows it: with `id` and `type`.
fn show(asked: &Asked, certificate: &Certificate) -> Result<Value, Refusal> {
    let [subscription, _, group, _, _, kind, resource, ..] = asked.segments.as_slice() else {
        return certificate.to_arm();
    };
    let mut shown = json!({
        "id": format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Devices/{kind}/{resource}/certificates/{}",
            certificate.name
        ),
        "type": format!("Microsoft.Devices/{kind}/Certificates"),
    });
    if let (Some(shown), Value::Object(rest)) = (shown.as_object_mut(), certificate.to_arm()?) {
        shown.extend(rest);
    }
    Ok(shown)
}
