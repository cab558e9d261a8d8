//! An AMQP client that does exactly what it is told; it writes and reads the wire by itself.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Stream, tls, within};

/// A value to be written.
pub enum V<'a> {
    Null,
    Bool(bool),
    Uint(u32),
    Long(i64),
    Uuid([u8; 16]),
    Text(&'a str),
    Symbol(&'a str),
    Bytes(&'a [u8]),
    List(Vec<V<'a>>),
    Map(Vec<(V<'a>, V<'a>)>),
    Described(u8, Box<V<'a>>),
    /// Described by a name.
    Named(&'a str, Box<V<'a>>),
}

impl V<'_> {
    pub fn list(code: u8, items: Vec<V<'_>>) -> V<'_> {
        V::Described(code, Box::new(V::List(items)))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let wide = |out: &mut Vec<u8>, code: u8, bytes: &[u8]| {
            out.push(code);
            out.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
            out.extend(bytes);
        };
        let compound = |out: &mut Vec<u8>, code: u8, count: usize, items: Vec<u8>| {
            out.push(code);
            out.extend(u32::try_from(items.len() + 4).unwrap().to_be_bytes());
            out.extend(u32::try_from(count).unwrap().to_be_bytes());
            out.extend(items);
        };
        match self {
            V::Null => out.push(0x40),
            V::Bool(truth) => out.push(if *truth { 0x41 } else { 0x42 }),
            V::Uint(number) => {
                out.push(0x70);
                out.extend(number.to_be_bytes());
            }
            V::Long(number) => {
                out.push(0x81);
                out.extend(number.to_be_bytes());
            }
            V::Uuid(bytes) => {
                out.push(0x98);
                out.extend(bytes);
            }
            V::Text(text) => wide(out, 0xb1, text.as_bytes()),
            V::Symbol(name) => wide(out, 0xb3, name.as_bytes()),
            V::Bytes(bytes) => wide(out, 0xb0, bytes),
            V::List(items) => {
                let mut inner = Vec::new();
                items.iter().for_each(|item| item.write(&mut inner));
                compound(out, 0xd0, items.len(), inner);
            }
            V::Map(pairs) => {
                let mut inner = Vec::new();
                for (key, value) in pairs {
                    key.write(&mut inner);
                    value.write(&mut inner);
                }
                compound(out, 0xd1, pairs.len() * 2, inner);
            }
            V::Described(code, value) => {
                out.extend([0, 0x53, *code]);
                value.write(out);
            }
            V::Named(name, value) => {
                out.push(0);
                V::Symbol(name).write(out);
                value.write(out);
            }
        }
    }
}

/// A frame as it came.
pub struct Frame {
    /// Of the performative; 0 if there is none.
    pub code: u8,
    pub bytes: Vec<u8>,
}

impl Frame {
    pub fn has(&self, text: &str) -> bool {
        self.bytes
            .windows(text.len())
            .any(|it| it == text.as_bytes())
    }

    /// The number behind the annotation `x-opt-sequence-number`.
    pub fn sequence_number(&self) -> i64 {
        let name = b"x-opt-sequence-number\x81";
        let at = self.bytes.windows(name.len()).position(|it| it == name);
        let number = &self.bytes[at.unwrap() + name.len()..][..8];
        i64::from_be_bytes(number.try_into().unwrap())
    }
}

impl Frame {
    /// Whether it says that a delivery was accepted.
    pub fn is_accepted(&self) -> bool {
        self.bytes.windows(3).any(|it| it == [0, 0x53, 0x24])
    }

    /// The text behind the annotation `x-opt-offset`.
    pub fn offset(&self) -> String {
        let name = b"x-opt-offset\xa1";
        let at = self.bytes.windows(name.len()).position(|it| it == name);
        let rest = &self.bytes[at.unwrap() + name.len()..];
        String::from_utf8(rest[1..][..usize::from(rest[0])].to_vec()).unwrap()
    }
}

pub struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn dial(address: SocketAddr, server_ca: &str) -> Self {
        Self {
            stream: Box::new(tls(address, server_ca, None).await.unwrap()),
            buffer: Vec::new(),
        }
    }

    /// The same with a certificate.
    pub async fn dial_as(
        address: SocketAddr,
        server_ca: &str,
        credentials: &super::Credentials,
    ) -> Self {
        let stream = tls(address, server_ca, Some(credentials)).await;
        Self {
            stream: Box::new(stream.unwrap()),
            buffer: Vec::new(),
        }
    }

    /// Begins with SASL, by that mechanism and with that first word; whether the hub took it.
    pub async fn sasl(&mut self, mechanism: &str, response: &[u8]) -> bool {
        self.write(b"AMQP\x03\x01\x00\x00").await;
        let init = V::list(0x41, vec![V::Symbol(mechanism), V::Bytes(response)]);
        let mut body = Vec::new();
        init.write(&mut body);
        let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        self.write(&[&size[..], &[2, 1, 0, 0], &body].concat())
            .await;
        assert_eq!(self.take(8).await, b"AMQP\x03\x01\x00\x00");
        assert!(self.expect(0x40).await.has("PLAIN"));
        let outcome = self.expect(0x44).await;
        // A ubyte, and a null behind it.
        let [.., 0x50, code, 0x40] = outcome.bytes[..] else {
            panic!("{:x?}", outcome.bytes);
        };
        code == 0
    }

    /// As far as a session, with a token on `$cbs`; links 0 and 1 are those of `$cbs`.
    pub async fn open(address: SocketAddr, server_ca: &str, token: &str) -> Self {
        let mut client = Self::dial(address, server_ca).await;
        client.begin().await;
        client.put_token(token).await;
        let answer = client.expect(0x14).await;
        assert!(answer.has("status-code"), "no answer");
        client
    }

    /// Headers, open and begin.
    pub async fn begin(&mut self) {
        self.write(b"AMQP\x00\x01\x00\x00").await;
        let open = V::list(0x10, vec![V::Text("test"), V::Text(super::HUB)]);
        self.send(0, &open, b"").await;
        let window = vec![V::Null, V::Uint(0), V::Uint(WINDOW), V::Uint(WINDOW)];
        self.send(1, &V::list(0x11, window), b"").await;
        assert_eq!(self.take(8).await, b"AMQP\x00\x01\x00\x00");
        self.expect(0x10).await;
        self.expect(0x11).await;
    }

    /// Attaches both links of `$cbs` and sends a token.
    pub async fn put_token(&mut self, token: &str) {
        self.attach(0, false, "$cbs", vec![]).await;
        self.attach(1, true, "$cbs", vec![]).await;
        self.credit(1, 0, 10).await;
        self.renew(0, token).await;
    }

    /// Sends a token on the links that are there already.
    pub async fn renew(&mut self, delivery: u32, token: &str) {
        let mut message = Vec::new();
        V::list(0x73, vec![V::Uint(0)]).write(&mut message);
        let pair = |name, value| (V::Text(name), V::Text(value));
        let properties = vec![
            pair("operation", "put-token"),
            pair("type", "servicebus.windows.net:sastoken"),
        ];
        V::Described(0x74, Box::new(V::Map(properties))).write(&mut message);
        V::Described(0x77, Box::new(V::Text(token))).write(&mut message);
        self.transfer(0, delivery, &message).await;
    }

    /// Asks for a link; `receives` is this side's role.
    pub async fn attach(
        &mut self,
        handle: u32,
        receives: bool,
        address: &str,
        properties: Vec<(V<'_>, V<'_>)>,
    ) {
        let name = format!("link {handle}");
        let terminus = |code| V::list(code, vec![V::Text(address)]);
        let mut fields = vec![
            V::Text(&name),
            V::Uint(handle),
            V::Bool(receives),
            V::Null,
            V::Null,
            terminus(0x28),
            terminus(0x29),
            V::Null,
            V::Null,
            V::Uint(0),
            V::Null,
            V::Null,
            V::Null,
        ];
        fields.push(V::Map(properties));
        self.send(1, &V::list(0x12, fields), b"").await;
    }

    /// Asks for a link that receives what a filter lets through.
    pub async fn attach_from(&mut self, handle: u32, address: &str, filter: &str) {
        let name = V::Symbol("apache.org:selector-filter:string");
        let selector = V::Described(0, Box::new(V::Text(filter)));
        self.attach_with(handle, address, vec![(name, selector)])
            .await;
    }

    /// Asks for a link that receives, with filters.
    pub async fn attach_with(&mut self, handle: u32, address: &str, filters: Vec<(V<'_>, V<'_>)>) {
        let name = format!("link {handle}");
        let mut source = vec![V::Text(address)];
        source.extend((0..6).map(|_| V::Null));
        source.push(V::Map(filters));
        let mut fields = vec![V::Text(&name), V::Uint(handle), V::Bool(true)];
        fields.extend([V::Null, V::Null, V::list(0x28, source)]);
        fields.push(V::list(0x29, vec![V::Text(address)]));
        self.send(1, &V::list(0x12, fields), b"").await;
    }

    /// Lets the hub send so many, counted from its first delivery on a link.
    pub async fn credit(&mut self, handle: u32, count: u32, credit: u32) {
        self.flow(handle, count, credit, false).await;
    }

    /// What the hub has for a new link, until it says that this was all.
    pub async fn drain(&mut self, handle: u32) -> Vec<Frame> {
        self.flow(handle, 0, WINDOW / 2, true).await;
        let mut all = Vec::new();
        loop {
            match self.frame().await.expect("closed before all had come") {
                frame if frame.code == 0x14 => all.push(frame),
                frame if frame.code == 0x13 => return all,
                _ => {}
            }
        }
    }

    async fn flow(&mut self, handle: u32, count: u32, credit: u32, drain: bool) {
        let flow = vec![
            V::Uint(0),
            V::Uint(WINDOW),
            V::Uint(0),
            V::Uint(WINDOW),
            V::Uint(handle),
            V::Uint(count),
            V::Uint(credit),
            V::Null,
            V::Bool(drain),
        ];
        self.send(1, &V::list(0x13, flow), b"").await;
    }

    pub async fn transfer(&mut self, handle: u32, delivery: u32, message: &[u8]) {
        let tag = delivery.to_be_bytes();
        let fields = vec![
            V::Uint(handle),
            V::Uint(delivery),
            V::Bytes(&tag),
            V::Uint(0),
        ];
        self.send(1, &V::list(0x14, fields), message).await;
    }

    /// A message of annotations, properties, application properties and a body, of which empty ones
    /// are left out.
    pub async fn whole(
        &mut self,
        handle: u32,
        delivery: u32,
        annotations: Vec<(V<'_>, V<'_>)>,
        properties: Vec<V<'_>>,
        application: Vec<(V<'_>, V<'_>)>,
        body: &str,
    ) {
        let mut message = Vec::new();
        if !annotations.is_empty() {
            V::Described(0x72, Box::new(V::Map(annotations))).write(&mut message);
        }
        V::list(0x73, properties).write(&mut message);
        if !application.is_empty() {
            V::Described(0x74, Box::new(V::Map(application))).write(&mut message);
        }
        V::Described(0x75, Box::new(V::Bytes(body.as_bytes()))).write(&mut message);
        self.transfer(handle, delivery, &message).await;
    }

    /// Says what became of a delivery.
    pub async fn dispose(&mut self, delivery: u32, outcome: u8) {
        let outcome = V::list(outcome, vec![]);
        let fields = vec![
            V::Bool(true),
            V::Uint(delivery),
            V::Null,
            V::Bool(true),
            outcome,
        ];
        self.send(1, &V::list(0x15, fields), b"").await;
    }

    /// A cloud-to-device message.
    pub async fn message(&mut self, handle: u32, delivery: u32, to: &str, body: &str) {
        let mut message = Vec::new();
        V::list(0x73, vec![V::Text("m"), V::Null, V::Text(to)]).write(&mut message);
        let properties = vec![
            (V::Text("Case"), V::Text("kept")),
            (V::Text("iothub-ack"), V::Text("full")),
        ];
        V::Described(0x74, Box::new(V::Map(properties))).write(&mut message);
        V::Described(0x75, Box::new(V::Bytes(body.as_bytes()))).write(&mut message);
        self.transfer(handle, delivery, &message).await;
    }

    pub async fn send(&mut self, channel: u16, performative: &V<'_>, payload: &[u8]) {
        let mut body = Vec::new();
        performative.write(&mut body);
        body.extend(payload);
        let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        let [high, low] = channel.to_be_bytes();
        let mut frame = [&size[..], &[2, 0, high, low]].concat();
        frame.extend(body);
        self.write(&frame).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame with that performative; others are let pass.
    pub async fn expect(&mut self, code: u8) -> Frame {
        loop {
            let frame = self.frame().await;
            let frame = frame.unwrap_or_else(|| panic!("closed before {code:#x}"));
            if frame.code == code {
                return frame;
            }
        }
    }

    /// The next frame; `None` if the hub has closed.
    pub async fn frame(&mut self) -> Option<Frame> {
        let head = self.try_take(4).await?;
        let size = u32::from_be_bytes(head.try_into().unwrap());
        let bytes = self.try_take(usize::try_from(size).unwrap() - 4).await?;
        let code = bytes.get(6).copied().unwrap_or(0);
        Some(Frame { code, bytes })
    }

    /// Whether nothing has come before the answer to an own request.
    pub async fn is_silent(&mut self) -> bool {
        // A flow that asks for an echo is answered at once.
        let mut flow = vec![V::Uint(0), V::Uint(WINDOW), V::Uint(0), V::Uint(WINDOW)];
        flow.extend([V::Null, V::Null, V::Null, V::Null, V::Null, V::Bool(true)]);
        self.send(1, &V::list(0x13, flow), b"").await;
        self.frame().await.is_some_and(|frame| frame.code == 0x13)
    }

    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        self.try_take(count).await.expect("the hub closed")
    }

    async fn try_take(&mut self, count: usize) -> Option<Vec<u8>> {
        let read = async {
            while self.buffer.len() < count {
                if matches!(self.stream.read_buf(&mut self.buffer).await, Ok(0) | Err(_)) {
                    return None;
                }
            }
            Some(self.buffer.drain(..count).collect())
        };
        within("bytes of the hub", read).await
    }
}

/// Transfers of a session.
const WINDOW: u32 = 1_000_000;
