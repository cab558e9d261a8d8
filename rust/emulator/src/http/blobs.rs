//! The storage inside: what Microsoft's clients ask to put a blob and to read it again, under a
//! shared access signature.
//!
//! Microsoft, "Blob service REST API": Put Blob, Put Block, Put Block List, Get Blob, Get Blob
//! Properties.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::StreamExt as _;

use crate::blobs::{Folder, Incoming};
use crate::clock::rfc1123;
use crate::code::{ErrorCode, Refusal};
use crate::firmware::{Part, Range};
use crate::properties;
use crate::random;
use crate::rest::{Api, Failure, body};

pub(super) fn routes() -> Router<Api> {
    // Behind the account's name, as Azurite has it.
    Router::new().route("/devicefiles/{container}/{*blob}", get(read).put(write))
}

/// A refusal in the form of the storage.
struct Wrong(StatusCode, &'static str, String);

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.code {
            ErrorCode::IotHubUnauthorized => (StatusCode::FORBIDDEN, "AuthenticationFailed"),
            ErrorCode::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge"),
            ErrorCode::ArgumentInvalid => (StatusCode::BAD_REQUEST, "InvalidInput"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        };
        Self(status, code, refusal.reason)
    }
}

impl From<Failure> for Wrong {
    fn from(Failure(refusal): Failure) -> Self {
        refusal.into()
    }
}

impl axum::response::IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let Self(status, code, reason) = self;
        let text = reason.replace('&', "&amp;").replace('<', "&lt;");
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
        );
        let kind = HeaderValue::from_static("application/xml");
        let headers = [
            (header::CONTENT_TYPE, kind),
            (
                header::HeaderName::from_static("x-ms-error-code"),
                HeaderValue::from_static(code),
            ),
        ];
        (status, headers, body).into_response()
    }
}

async fn read(
    State(api): State<Api>,
    Path((container, blob)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Wrong> {
    let (folder, _) = signed(&api, &container, &blob, query, "r")?;
    let found = blocking(move || folder.read(&container, &blob)).await?;
    let Some((file, size)) = found else {
        let why = "there is no such blob".to_owned();
        return Err(Wrong(StatusCode::NOT_FOUND, "BlobNotFound", why));
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let asked = headers
        .get("x-ms-range")
        .or_else(|| headers.get(header::RANGE));
    let asked = asked.and_then(|range| range.to_str().ok());
    let range = asked.map_or(Range::Whole, |range| Range::parse(range, size));
    let (status, from, to) = match range {
        Range::Whole => (StatusCode::OK, 0, size),
        Range::Some(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Range::NotThere => {
            let why = format!("the blob has {size} bytes");
            return Err(Wrong(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                why,
            ));
        }
    };
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(Part::new(file, from, to).chunks()),
    };
    let mut response = done(&api, status, body);
    let more = response.headers_mut();
    more.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    let range = format!("bytes {from}-{}/{size}", to.saturating_sub(1));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = range.parse()
    {
        more.insert(header::CONTENT_RANGE, range);
    }
    for (name, value) in [
        (header::CONTENT_TYPE.as_str(), "application/octet-stream"),
        (header::ACCEPT_RANGES.as_str(), "bytes"),
        ("x-ms-blob-type", "BlockBlob"),
    ] {
        more.insert(
            header::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    Ok(response)
}

async fn write(
    State(api): State<Api>,
    Path((container, blob)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Wrong> {
    let (folder, query) = signed(&api, &container, &blob, query, "cw")?;
    let field = |name: &str| {
        let found = query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    let headers = request.headers().clone();
    // Azure's condition for "only if it is not there yet".
    let only_new = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|it| it == "*");
    let comp = field("comp");
    if only_new && comp.as_deref() != Some("block") {
        let (folder, container, blob) = (folder.clone(), container.clone(), blob.clone());
        if blocking(move || folder.has(&container, &blob)).await? {
            let why = "the blob is there already".to_owned();
            return Err(Wrong(StatusCode::CONFLICT, "BlobAlreadyExists", why));
        }
    }
    match comp.as_deref() {
        None => {
            let kind = headers.get("x-ms-blob-type");
            if kind.is_none_or(|kind| kind != "BlockBlob") {
                let why = "only blobs of the type BlockBlob are there (x-ms-blob-type)".to_owned();
                return Err(Wrong(StatusCode::BAD_REQUEST, "InvalidHeaderValue", why));
            }
            let incoming = take_in(&api, folder.clone(), request.into_body()).await?;
            blocking(move || folder.put(&container, &blob, incoming)).await?;
        }
        Some("block") => {
            let block = field("blockid").filter(|id| !id.is_empty() && id.len() <= 128);
            let block = block.ok_or_else(|| {
                let why = "blockid must have 1 to 128 characters".to_owned();
                Wrong(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", why)
            })?;
            let incoming = take_in(&api, folder.clone(), request.into_body()).await?;
            blocking(move || folder.put_block(&container, &blob, &block, incoming)).await?;
        }
        Some("blocklist") => {
            let list = block_list(&body(request, MAX_LIST).await?)?;
            blocking(move || folder.put_block_list(&container, &blob, &list)).await?;
        }
        Some(other) => {
            let why = format!("comp={other} is not there: put a blob, blocks or a list of blocks");
            return Err(Wrong(StatusCode::NOT_IMPLEMENTED, "NotImplemented", why));
        }
    }
    let mut response = done(&api, StatusCode::CREATED, Body::empty());
    let encrypted = HeaderValue::from_static("false");
    response
        .headers_mut()
        .insert("x-ms-request-server-encrypted", encrypted);
    Ok(response)
}

type Query = Vec<(String, String)>;

/// The folder, if the signature in the query permits one of `needed`.
fn signed(
    api: &Api,
    container: &str,
    blob: &str,
    query: Option<String>,
    needed: &str,
) -> Result<(Folder, Query), Wrong> {
    let pairs = properties::decode_bag(&query.unwrap_or_default()).map_err(|error| {
        let why = format!("the query: {error}");
        Wrong(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", why)
    })?;
    let query: Query = pairs
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect();
    let now = api.service.clock.now();
    let account = &api.blobs.account;
    account.verify(&query, container, Some(blob), needed, now)?;
    let folder = api.blobs.folder.clone().ok_or_else(|| {
        let why = "blobs are in another storage: see --blob-storage".to_owned();
        Wrong(StatusCode::NOT_FOUND, "ResourceNotFound", why)
    })?;
    Ok((folder, query))
}

/// Writes a body to the disk as it comes.
async fn take_in(api: &Api, folder: Folder, body: Body) -> Result<Incoming, Refusal> {
    let time_limit = api.service.settings.write_timeout;
    let mut incoming = blocking(move || folder.begin()).await?;
    let mut stream = body.into_data_stream();
    let mut waiting = Vec::new();
    loop {
        let next = tokio::time::timeout(time_limit, stream.next()).await;
        let next = next.map_err(|_| broken("nothing of the body came for a while"))?;
        let ended = next.is_none();
        if let Some(chunk) = next {
            waiting.extend_from_slice(&chunk.map_err(|_| broken("the body broke off"))?);
        }
        if ended || waiting.len() >= AT_ONCE {
            let bytes = std::mem::take(&mut waiting);
            incoming = blocking(move || incoming.write(&bytes).map(|()| incoming)).await?;
        }
        if ended {
            return Ok(incoming);
        }
    }
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(run).await;
    done.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::ServerError, "the storage failed")))
}

fn done(api: &Api, status: StatusCode, body: Body) -> Response {
    let mut response = (status, body).into_response();
    let now = rfc1123(api.service.clock.now());
    for (name, value) in [
        (
            "etag",
            format!("\"0x{}\"", random::hex::<8>().to_uppercase()),
        ),
        ("last-modified", now),
        ("x-ms-request-id", random::guid()),
        ("x-ms-version", "2021-12-02".to_owned()),
    ] {
        if let Ok(value) = value.parse() {
            let name = header::HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The ids in `<BlockList><Latest>…</Latest>…</BlockList>`, in their order.
///
/// By hand, since ids are base64 and need no entities, and nothing else of XML can stand there.
fn block_list(bytes: &[u8]) -> Result<Vec<String>, Wrong> {
    let wrong = |why: &str| {
        let why = format!("the list of blocks {why}");
        Wrong(StatusCode::BAD_REQUEST, "InvalidXmlDocument", why)
    };
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))?;
    let (_, rest) = text
        .split_once("<BlockList>")
        .ok_or_else(|| wrong("has no BlockList"))?;
    let (inside, _) = rest
        .split_once("</BlockList>")
        .ok_or_else(|| wrong("does not end"))?;
    let mut ids = Vec::new();
    let mut rest = inside.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .filter(|(name, _)| ["Latest", "Uncommitted"].contains(name))
            .ok_or_else(|| {
                wrong("may have Latest and Uncommitted; committed blocks are not kept")
            })?;
        let (id, after) = after
            .split_once(&format!("</{name}>"))
            .filter(|(id, _)| !id.contains('<'))
            .ok_or_else(|| wrong("has an entry that does not end"))?;
        ids.push(id.trim().to_owned());
        rest = after.trim_start();
    }
    Ok(ids)
}

fn broken(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// Bytes that are written to the disk together.
const AT_ONCE: usize = 256 * 1024;
/// 50,000 ids and their tags.
const MAX_LIST: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_blocks() {
        let list = |text: &str| block_list(text.as_bytes()).ok();
        let sdk = "<?xml version='1.0' encoding='utf-8'?>\n<BlockList><Latest>QQ==</Latest>\n <Uncommitted>Qg==</Uncommitted></BlockList>";
        assert_eq!(list(sdk), Some(vec!["QQ==".to_owned(), "Qg==".to_owned()]));
        assert_eq!(list("<BlockList></BlockList>"), Some(Vec::new()));
        for wrong in [
            "",
            "<BlockList>",
            "<BlockList><Latest>a</BlockList>",
            "<BlockList>a</BlockList>",
            "<BlockList><Committed>a</Committed></BlockList>",
            "<BlockList><Latest>a<b/></Latest></BlockList>",
        ] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }
}
