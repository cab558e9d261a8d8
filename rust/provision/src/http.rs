//! Requests with a body of text and an answer of text, over TLS with the roots of the web.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use crate::error::{Error, Kind};

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: Option<&'a [u8]>,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Sends it, and takes any status for an answer.
pub(crate) fn send(request: &Request<'_>) -> Result<Response, Error> {
    let mut response = exchange(request, Some(TIMEOUT))?;
    Ok(Response {
        status: response.status().as_u16(),
        text: response
            .body_mut()
            .read_to_string()
            .map_err(|error| lost(request.url, &error))?,
    })
}

/// Sends it, for an answer that is not text.
pub(crate) fn fetch(request: &Request<'_>) -> Result<(u16, Vec<u8>), Error> {
    let mut response = exchange(request, Some(TIMEOUT))?;
    let body = response
        .body_mut()
        .read_to_vec()
        .map_err(|error| lost(request.url, &error))?;
    Ok((response.status().as_u16(), body))
}

/// Sends it and leaves the answer open, for a stream of lines.
pub(crate) fn open(request: &Request<'_>) -> Result<ureq::http::Response<Body>, Error> {
    exchange(request, None)
}

fn exchange(
    request: &Request<'_>,
    time_limit: Option<Duration>,
) -> Result<ureq::http::Response<Body>, Error> {
    if names_somebody(request.url) {
        return Err(
            Error::new(Kind::Usage, "there is a name or a password in the address").advise(
                "leave out what stands before the @: whoever sees the command line could read it",
            ),
        );
    }
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::WebPki)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(time_limit)
        .build()
        .into();
    let mut builder = ureq::http::Request::builder()
        .method(request.method)
        .uri(request.url);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    let wrong = |error: ureq::http::Error| {
        Error::new(
            Kind::Usage,
            format!("{} is not an address: {error}", request.url),
        )
    };
    let sent = match request.body {
        Some(body) => agent.run(builder.body(body).map_err(wrong)?),
        None => agent.run(builder.body(()).map_err(wrong)?),
    };
    sent.map_err(|error| lost(request.url, &error))
}

/// Whether there is a name, and perhaps a password, in front of the host.
fn names_somebody(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

fn lost(url: &str, error: &ureq::Error) -> Error {
    let url = url.split('?').next().unwrap_or(url);
    let advice = match is_no_tls(error) {
        true => "what listens there does not speak TLS: try the address with http://",
        false => "check the address and that the server is running",
    };
    Error::new(Kind::Unreachable, format!("cannot reach {url}: {error}")).advise(advice)
}

/// Whether the answer to our TLS was none.
fn is_no_tls(error: &ureq::Error) -> bool {
    let error = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    matches!(error, Some(rustls::Error::InvalidMessage(_)))
}

/// An address as a person gives it on the command line. One with a name and a password in it passes
/// here, since the error of a command line repeats its value: [`exchange`] refuses it and shows
/// nothing of it.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let authority = |text: &str| {
        text.split(['/', '?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let has_port = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
        _ => true,
    };
    match text.split_once("://") {
        _ if names_somebody(text) => Ok(text.to_owned()),
        Some(("http" | "https", rest)) if !has_port(&authority(rest)) => {
            Err("a port is a number up to 65535".to_owned())
        }
        Some(("http" | "https", rest)) if !authority(rest).is_empty() => Ok(text.to_owned()),
        Some(_) => Err("an address begins with http:// or https://".to_owned()),
        None => Err(format!("http:// is missing; write http://{text}")),
    }
}

const CONNECT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
