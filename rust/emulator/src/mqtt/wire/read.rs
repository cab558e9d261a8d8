//! Cuts a stream into packets.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::parse::{check_first, parse};
use super::{Packet, ReadError};

/// Cuts a stream into packets. [`Reader::next`] is cancel safe.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    io: R,
    buffer: Vec<u8>,
    start: usize,
    limit: usize,
    total: u64,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// `limit` is the largest remaining length that is accepted.
    pub(crate) fn new(io: R, limit: usize) -> Self {
        Self {
            io,
            buffer: Vec::new(),
            start: 0,
            limit,
            total: 0,
        }
    }

    /// The bytes that the peer has sent.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Changes the limit, for example after CONNECT.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether the next packet is there already, so that `next` will not wait.
    pub(crate) fn has_packet(&self) -> bool {
        matches!(frame(&self.buffer[self.start..]), Ok(Some(frame)) if self.buffer.len() - self.start >= frame.end())
    }

    /// The next packet.
    pub(crate) async fn next(&mut self) -> Result<Packet, ReadError> {
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(&first) = unread.first() {
                check_first(first)?;
            }
            if let Some(frame) = frame(unread)? {
                if frame.length > self.limit {
                    return Err(ReadError::TooLarge {
                        size: frame.length,
                        limit: self.limit,
                    });
                }
                if let Some(body) = unread.get(frame.header..frame.end()) {
                    let packet = parse(unread[0], body);
                    self.start += frame.end();
                    self.release();
                    return packet;
                }
            }
            self.compact();
            let read = self.fill().await.map_err(ReadError::Io)?;
            self.total += read as u64;
            if read == 0 {
                return Err(ReadError::Closed {
                    inside_packet: !self.buffer.is_empty(),
                });
            }
        }
    }

    /// Reads what is there, by way of the stack: a connection that waits holds no room for it.
    async fn fill(&mut self) -> std::io::Result<usize> {
        poll_fn(|context| {
            let mut chunk = [MaybeUninit::uninit(); CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut self.io).poll_read(context, &mut chunk))?;
            self.buffer.extend_from_slice(chunk.filled());
            Poll::Ready(Ok(chunk.filled().len()))
        })
        .await
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    /// An idle connection holds no buffer.
    fn release(&mut self) {
        if self.start == self.buffer.len() {
            self.start = 0;
            if self.buffer.capacity() > IDLE_BUFFER {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        }
    }
}

const IDLE_BUFFER: usize = 1024;
const CHUNK: usize = 8 * 1024;

struct Frame {
    header: usize,
    length: usize,
}

impl Frame {
    fn end(&self) -> usize {
        self.header + self.length
    }
}

/// The fixed header, if it is complete.
fn frame(bytes: &[u8]) -> Result<Option<Frame>, ReadError> {
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).enumerate() {
        if index == 4 {
            return Err(ReadError::Malformed(
                "the remaining length has more than four bytes".into(),
            ));
        }
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(Frame {
                header: index + 2,
                length,
            }));
        }
    }
    Ok(None)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::wire::write;

    #[test]
    fn the_remaining_length_has_four_bytes_at_most() {
        assert!(matches!(
            frame(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]),
            Err(ReadError::Malformed(_))
        ));
        assert!(matches!(frame(&[0x30, 0xff]), Ok(None)));
        assert!(matches!(
            frame(&[0x30, 0x80, 0x01]),
            Ok(Some(Frame {
                header: 3,
                length: 128
            }))
        ));
    }

    #[tokio::test]
    async fn packets_come_out_one_by_one() {
        let mut bytes = write::publish("a/b", b"hello", Some(7), false);
        bytes.extend([0xc0, 0, 0x30, 0xff, 0xff, 0x7f]);
        let mut reader = Reader::new(bytes.as_slice(), 1000);
        let Ok(Packet::Publish(publish)) = reader.next().await else {
            panic!("no PUBLISH")
        };
        assert_eq!(
            (
                publish.topic.as_str(),
                publish.payload.as_slice(),
                publish.packet_id
            ),
            ("a/b", &b"hello"[..], 7)
        );
        assert!(matches!(reader.next().await, Ok(Packet::Pingreq)));
        assert!(matches!(
            reader.next().await,
            Err(ReadError::TooLarge {
                size: 2_097_151,
                limit: 1000
            })
        ));
    }
}
