//! A hub that does what its script says: TLS and MQTT packets on a loopback port.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use mqtt_protocol_core::mqtt::{
    packet::{Qos, v3_1_1},
    result_code::{ConnectReturnCode, SubackReturnCode},
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::DEADLINE;

/// A listener; each connection is accepted when the script says so.
pub(crate) struct Hub {
    listener: TcpListener,
    config: Arc<ServerConfig>,
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Connect {
        client_id: String,
        user_name: String,
        keep_alive: u16,
        clean_session: bool,
    },
    Subscribe {
        message_id: u16,
        filters: Vec<(String, u8)>,
    },
    Publish {
        topic: String,
        payload: Vec<u8>,
        qos: u8,
        message_id: Option<u16>,
        dup: bool,
    },
    Puback(u16),
    Pingreq,
    Disconnect,
    /// The end of the stream.
    End,
}

impl Hub {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self::at("127.0.0.1".parse().unwrap(), config)
    }

    pub(crate) fn at(address: IpAddr, config: Arc<ServerConfig>) -> Self {
        Self {
            listener: TcpListener::bind((address, 0)).unwrap(),
            config,
        }
    }

    /// The same listener with another configuration.
    pub(crate) fn with(&self, config: Arc<ServerConfig>) -> Self {
        Self {
            listener: self.listener.try_clone().unwrap(),
            config,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Runs the script on a thread; what it returns, or its panic, comes with `join`.
    pub(crate) fn run<T: Send + 'static>(
        self,
        script: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        thread::spawn(move || script(&self))
    }

    /// The next TCP connection.
    pub(crate) fn accept_tcp(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// The next connection, its handshake done, or why not.
    pub(crate) fn try_accept(&self) -> Result<Session, std::io::Error> {
        let mut stream = self.accept_tcp();
        let mut tls = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Session {
            stream: StreamOwned::new(tls, stream),
            may_break: false,
        })
    }

    pub(crate) fn accept(&self) -> Session {
        self.try_accept().expect("TLS handshake")
    }

    /// A connection whose CONNECT was accepted.
    pub(crate) fn accept_mqtt(&self) -> Session {
        let mut session = self.accept();
        let connect = session.recv();
        assert!(matches!(connect, Sent::Connect { .. }), "{connect:?}");
        session.connack(0, false);
        session
    }
}

/// A connection after its handshake.
pub(crate) struct Session {
    pub(crate) stream: StreamOwned<ServerConnection, TcpStream>,
    /// The client may end the connection while something is sent to it.
    pub(crate) may_break: bool,
}

impl Session {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = self
            .stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush());
        assert!(sent.is_ok() || self.may_break, "{sent:?}");
    }

    pub(crate) fn connack(&mut self, code: u8, session_present: bool) {
        let packet = v3_1_1::Connack::builder()
            .session_present(session_present)
            .return_code(ConnectReturnCode::try_from(code).unwrap())
            .build();
        self.send(&packet.unwrap().to_continuous_buffer());
    }

    pub(crate) fn suback(&mut self, message_id: u16, codes: &[u8]) {
        let codes = codes
            .iter()
            .map(|code| SubackReturnCode::try_from(*code).unwrap());
        let packet = v3_1_1::Suback::builder()
            .packet_id(message_id)
            .return_codes(codes.collect::<Vec<_>>())
            .build();
        self.send(&packet.unwrap().to_continuous_buffer());
    }

    pub(crate) fn puback(&mut self, message_id: u16) {
        let packet = v3_1_1::Puback::builder()
            .packet_id(message_id)
            .build()
            .unwrap();
        self.send(&packet.to_continuous_buffer());
    }

    pub(crate) fn pingresp(&mut self) {
        self.send(&v3_1_1::Pingresp::new().to_continuous_buffer());
    }

    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8], message_id: Option<u16>) {
        let mut builder = v3_1_1::Publish::builder()
            .topic_name(topic)
            .unwrap()
            .qos(if message_id.is_some() {
                Qos::AtLeastOnce
            } else {
                Qos::AtMostOnce
            })
            .payload(payload);
        if let Some(message_id) = message_id {
            builder = builder.packet_id(message_id);
        }
        self.send(&builder.build().unwrap().to_continuous_buffer());
    }

    /// The next packet of the client.
    pub(crate) fn recv(&mut self) -> Sent {
        let mut first = [0];
        match self.stream.read(&mut first) {
            Ok(0) => return Sent::End,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("nothing came from the client within {DEADLINE:?}")
            }
            Err(_) => return Sent::End,
        }
        let body = self.body();
        match first[0] >> 4 {
            1 => {
                let (packet, _) = v3_1_1::Connect::parse(&body).unwrap();
                Sent::Connect {
                    client_id: packet.client_id().to_owned(),
                    user_name: packet.user_name().unwrap_or_default().to_owned(),
                    keep_alive: packet.keep_alive(),
                    clean_session: packet.clean_session(),
                }
            }
            3 => {
                let (packet, _) = v3_1_1::Publish::parse(first[0] & 15, body.into()).unwrap();
                Sent::Publish {
                    topic: packet.topic_name().to_owned(),
                    payload: packet.payload().as_slice().to_vec(),
                    qos: packet.qos() as u8,
                    message_id: packet.packet_id(),
                    dup: packet.dup(),
                }
            }
            4 => Sent::Puback(v3_1_1::Puback::parse(&body).unwrap().0.packet_id()),
            8 => {
                let (packet, _) = v3_1_1::Subscribe::parse(&body).unwrap();
                let entry = |entry: &mqtt_protocol_core::mqtt::packet::SubEntry| {
                    (
                        entry.topic_filter().to_owned(),
                        entry.sub_opts().qos() as u8,
                    )
                };
                Sent::Subscribe {
                    message_id: packet.packet_id(),
                    filters: packet.entries().iter().map(entry).collect(),
                }
            }
            12 => Sent::Pingreq,
            14 => Sent::Disconnect,
            other => panic!("packet of type {other}"),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        body
    }
}
