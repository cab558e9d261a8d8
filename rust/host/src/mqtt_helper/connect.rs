//! From a host name to a CONNECT packet, all on the caller's thread.

use std::{net::IpAddr, sync::Arc};

use super::{
    Helper, Settings, State, TARGET,
    link::Link,
    packets::{self, Connect},
};
use crate::{
    errno::{self, Errno},
    log, tls,
};

/// What `mqtt_helper_connect` is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectParams<'a> {
    pub(crate) hostname: &'a str,
    pub(crate) device_id: &'a [u8],
    pub(crate) user_name: &'a [u8],
    pub(crate) password: &'a [u8],
}

impl Helper {
    /// `mqtt_helper_connect`: what C is to be returned.
    pub(crate) fn connect(&self, params: &ConnectParams<'_>) -> i32 {
        if let Err(errno) = self.in_state(&[State::Disconnected]).map(drop) {
            return errno.code();
        }
        log::debug!(TARGET, "resolving the address of {}", params.hostname);
        let address = match self.modem.resolve(params.hostname) {
            Ok(address) => address,
            Err(error) => {
                log::error!(TARGET, "{} cannot be resolved: {error}", params.hostname);
                // The real one turns the sign of a number that is negative already.
                return -error.code();
            }
        };
        log::debug!(TARGET, "address of {}: {address}", params.hostname);
        {
            let mut inner = self.inner();
            inner.peer = Some(address);
            inner.aborted = false;
            inner.state = State::TransportConnecting;
        }
        let connected = self.connect_mqtt(params, address);
        {
            let mut inner = self.inner();
            inner.connecting = None;
            inner.poll = connected.is_ok();
            inner.state = if inner.poll {
                State::Connecting
            } else {
                State::Disconnected
            };
            inner.link = connected.as_ref().ok().cloned();
        }
        self.changed.notify_all();
        errno::code(connected.map(drop))
    }

    /// `mqtt_connect`: the transport, and the CONNECT packet over it.
    fn connect_mqtt(
        &self,
        params: &ConnectParams<'_>,
        address: IpAddr,
    ) -> Result<Arc<Link>, Errno> {
        let link = self.connect_transport(params, address)?;
        let keep_alive_s = self.settings.keep_alive.as_secs();
        let packet = packets::connect(&Connect {
            client_id: params.device_id,
            user_name: params.user_name,
            password: params.password,
            keep_alive_s: u16::try_from(keep_alive_s).unwrap_or(u16::MAX),
            clean_session: self.settings.clean_session,
        });
        let packet = packet
            .and_then(|packet| self.check_size(packet))
            .inspect_err(|errno| {
                log::error!(
                    TARGET,
                    "there is no CONNECT packet for these arguments: {errno}"
                );
                link.close();
            })?;
        link.set_send_timeout(self.settings.send_timeout)
            .map_err(|error| Errno::from(&error))?;
        link.send(&[&packet]).inspect_err(|errno| {
            log::error!(TARGET, "the CONNECT packet could not be sent: {errno}");
            link.close();
            self.tell_disconnect(errno.code());
        })?;
        Ok(link)
    }

    fn connect_transport(
        &self,
        params: &ConnectParams<'_>,
        address: IpAddr,
    ) -> Result<Arc<Link>, Errno> {
        let Settings {
            port,
            sec_tags,
            send_timeout,
            ..
        } = &self.settings;
        let host = params.hostname;
        let refused = |error: &tls::TlsError| {
            log::error!(TARGET, "no TLS connection to {host}: {error}");
            error.errno
        };
        let config = tls::config(&self.modem.credentials, sec_tags).map_err(|e| refused(&e))?;
        if tls::is_anonymous(&config) {
            log::warning!(
                TARGET,
                "sec tag {sec_tags:?} has no client certificate: {host} cannot know who we are"
            );
        }
        let socket = self
            .modem
            .connect_tcp(address, *port, *send_timeout)
            .inspect_err(|errno| {
                log::error!(
                    TARGET,
                    "no TCP connection to {host} at {address}, port {port}: {errno}"
                );
            })?;
        let aborted = {
            let mut inner = self.inner();
            inner.connecting = Some(Arc::clone(&socket));
            inner.aborted
        };
        if aborted {
            socket.close();
        }
        let tls = tls::handshake(&socket, config, host, *send_timeout).map_err(|e| refused(&e))?;
        Ok(Arc::new(Link::new(socket, tls)))
    }
}
