//! As much of HTTP as the scenarios need, over one connection.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;

/// A connection to the REST side.
pub struct Rest {
    stream: TcpStream,
    address: SocketAddr,
    buffer: Vec<u8>,
}

impl Rest {
    pub async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address,
            buffer: Vec::new(),
        })
    }

    /// Asks, and fails unless the answer is 2xx.
    pub async fn call(&mut self, method: &str, path: &str, body: &str) -> Result<String, Failure> {
        self.ask(method, path, "", body).await
    }

    /// The first page of what a query finds, 1,000 rows where `rows` is 0.
    pub async fn query(&mut self, query: &str, rows: usize) -> Result<String, Failure> {
        let rows = if rows == 0 { 1000 } else { rows };
        let body = serde_json::json!({"query": query}).to_string();
        let size = format!("x-ms-max-item-count: {rows}\r\n");
        self.ask("POST", "/devices/query", &size, &body).await
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Result<String, Failure> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.head().await?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse)?;
        while self.buffer.len() < length {
            self.read().await?;
        }
        let body = self.buffer.drain(..length).collect();
        let text = String::from_utf8(body)?;
        match head.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(text),
            _ => Err(format!("{method} {path}: {head} {text}").into()),
        }
    }

    /// Begins an answer that never ends; its lines are then counted with [`Rest::lines`].
    pub async fn follow(&mut self, path: &str) -> Result<(), Failure> {
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        self.stream.write_all(request.as_bytes()).await?;
        self.head().await.map(|_| ())
    }

    /// Waits for bytes and says how many lines they end.
    pub async fn lines(&mut self) -> Result<u64, Failure> {
        self.read().await?;
        let ends = self.buffer.iter().filter(|byte| **byte == b'\n').count();
        self.buffer.clear();
        Ok(ends as u64)
    }

    async fn head(&mut self) -> Result<String, Failure> {
        loop {
            let end = self.buffer.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.buffer.drain(..end + 4).collect();
                return Ok(String::from_utf8(head)?);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the emulator closed the connection".into()),
            _ => Ok(()),
        }
    }
}
