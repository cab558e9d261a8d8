//! The other storage, asked as a client.

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::{Blobs, Folder};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::http_client::{self, Answer, Call};
use crate::properties;

impl Blobs {
    /// How many bytes a blob has; `None` if there is no such blob.
    pub(crate) async fn size(
        &self,
        container: &str,
        blob: &str,
        now: UnixMs,
    ) -> Result<Option<u64>, Refusal> {
        if let Some(folder) = &self.folder {
            let (folder, container, blob) = (folder.clone(), container.to_owned(), blob.to_owned());
            let read = tokio::task::spawn_blocking(move || folder.read(&container, &blob)).await;
            let found = read.map_err(|_| failed("the storage failed"))??;
            return Ok(found.map(|(_, size)| size));
        }
        let uri = self.signed(container, blob, "r", now)?;
        let answer = ask(Method::HEAD, &uri, Vec::new()).await?;
        if answer.status.as_u16() == 404 {
            return Ok(None);
        }
        let length = answer.headers.get(header::CONTENT_LENGTH);
        let length = length
            .and_then(|it| it.to_str().ok())
            .and_then(|it| it.parse().ok());
        match (answer.status.is_success(), length) {
            (true, Some(length)) => Ok(Some(length)),
            _ => Err(failed(&format!("the storage answered {}", answer.status))),
        }
    }

    /// The whole of a blob in a container whose address somebody gave, with its signature.
    pub(crate) async fn read_in(
        &self,
        container: &str,
        blob: &str,
        now: UnixMs,
    ) -> Result<Vec<u8>, Refusal> {
        if let Some((folder, container)) = self.inside_of(container, blob, "r", now)? {
            let name = blob.to_owned();
            let read =
                tokio::task::spawn_blocking(move || folder.read_all(&container, &name, MAX_BLOB));
            let found = read.await.map_err(|_| failed("the storage failed"))??;
            return found
                .ok_or_else(|| failed(&format!("there is no blob '{blob}' in the container")));
        }
        let answer = ask(Method::GET, &address(container, blob)?, Vec::new()).await?;
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(failed(&format!(
                "the storage answered {} to reading '{blob}'",
                answer.status
            ))),
        }
    }

    /// Puts a blob into a container of the storage.
    pub(crate) async fn put(
        &self,
        container: &str,
        blob: &str,
        bytes: Vec<u8>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        if let Some(folder) = &self.folder {
            return write(folder.clone(), container.to_owned(), blob, bytes).await;
        }
        put(&self.signed(container, blob, "cw", now)?, blob, bytes).await
    }

    /// Puts a blob into a container whose address somebody gave, with its signature.
    pub(crate) async fn write_in(
        &self,
        container: &str,
        blob: &str,
        bytes: Vec<u8>,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        if let Some((folder, container)) = self.inside_of(container, blob, "cw", now)? {
            return write(folder, container, blob, bytes).await;
        }
        put(&address(container, blob)?, blob, bytes).await
    }

    /// The folder and the container, where the address is one of the storage inside and its
    /// signature permits it.
    fn inside_of(
        &self,
        container: &str,
        blob: &str,
        needed: &str,
        now: UnixMs,
    ) -> Result<Option<(Folder, String)>, Refusal> {
        let (Some(folder), Some((place, query))) = (&self.folder, container.split_once('?')) else {
            return Ok(None);
        };
        let path = place
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'));
        let mut segments = path
            .map_or("", |(_, path)| path)
            .trim_matches('/')
            .split('/');
        if segments.next() != Some(self.account.name.as_str()) {
            return Ok(None);
        }
        let name = segments.next().unwrap_or_default();
        let pairs = properties::decode_bag(query).map_err(|error| {
            Refusal::new(
                ErrorCode::ArgumentInvalid,
                format!("the container's address: {error}"),
            )
        })?;
        let query: Vec<(String, String)> = pairs
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect();
        self.account.verify(&query, name, Some(blob), needed, now)?;
        Ok(Some((folder.clone(), name.to_owned())))
    }

    /// A blob's address with a signature of a minute.
    fn signed(
        &self,
        container: &str,
        blob: &str,
        permissions: &str,
        now: UnixMs,
    ) -> Result<Uri, Refusal> {
        let token = self.address("", container, blob, permissions, now + MINUTE);
        let uri = format!("{}{}", self.uri("", container, blob), token.sas_token);
        http_client::parse("the blob's address", &uri)
    }

    /// A blob's address without a signature.
    pub(crate) fn uri(&self, host: &str, container: &str, blob: &str) -> String {
        let address = self.address(host, container, blob, "r", 0);
        let path = blob.split('/').map(properties::encode).collect::<Vec<_>>();
        format!(
            "{}://{}/{}/{}",
            address.scheme,
            address.host_name,
            address.container_name,
            path.join("/")
        )
    }
}

/// A blob in a container, both in one address.
fn address(container: &str, blob: &str) -> Result<Uri, Refusal> {
    let (place, query) = container.split_once('?').unwrap_or((container, ""));
    let place = place.trim_end_matches('/');
    let text = format!("{place}/{}?{query}", properties::encode(blob));
    http_client::parse("the container's address", &text)
}

async fn write(
    folder: Folder,
    container: String,
    blob: &str,
    bytes: Vec<u8>,
) -> Result<(), Refusal> {
    let blob = blob.to_owned();
    let write = tokio::task::spawn_blocking(move || {
        let mut incoming = folder.begin()?;
        incoming.write(&bytes)?;
        folder.put(&container, &blob, incoming)
    });
    write.await.map_err(|_| failed("the storage failed"))?
}

async fn put(uri: &Uri, blob: &str, bytes: Vec<u8>) -> Result<(), Refusal> {
    let answer = ask(Method::PUT, uri, bytes).await?;
    match answer.status.is_success() {
        true => Ok(()),
        false => Err(failed(&format!(
            "the storage answered {} to writing '{blob}'",
            answer.status
        ))),
    }
}

async fn ask(method: Method, uri: &Uri, body: Vec<u8>) -> Result<Answer, Refusal> {
    let mut headers = HeaderMap::new();
    if method == Method::PUT {
        headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    headers.insert("x-ms-version", HeaderValue::from_static("2021-12-02"));
    let call = http_client::call(Call {
        method,
        uri,
        headers,
        body,
        limit: MAX_BLOB,
    });
    let answer = tokio::time::timeout(TIME_LIMIT, call).await;
    let answer = answer.map_err(|_| failed("the storage did not answer"))?;
    answer.map_err(|error| failed(&format!("the storage cannot be asked: {error}")))
}

fn failed(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::ServerError, reason)
}

const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
const MINUTE: UnixMs = 60_000;
/// The largest blob that is read whole.
const MAX_BLOB: usize = 64 * 1024 * 1024;
