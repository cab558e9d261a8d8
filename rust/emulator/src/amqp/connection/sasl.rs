//! The beginning of a connection: SASL where the peer wants it, then AMQP.

use tokio::io::AsyncRead;

use super::Connection;
use crate::amqp::access;
use crate::amqp::codec::frame::{Header, Piece};
use crate::amqp::codec::performative::{self, SASL_INIT};
use crate::amqp::codec::value::Value;
use crate::amqp::transport::Reader;
use crate::code::{ErrorCode, Refusal};

impl Connection {
    /// Until the peer has begun AMQP: with its header first, or with SASL before it.
    pub(super) async fn negotiate<R: AsyncRead + Unpin>(
        &mut self,
        reader: &mut Reader<R>,
    ) -> Result<(), Refusal> {
        let mut proved = false;
        loop {
            let header = match reader.next().await? {
                Piece::Header(header) => header,
                Piece::Frame(_) => return Err(format("a frame before any header")),
            };
            match header {
                Header::Amqp => {
                    self.writer.header(Header::Amqp);
                    return Ok(());
                }
                Header::Sasl if !proved => {
                    self.writer.header(Header::Sasl);
                    performative::sasl_mechanisms(&mut self.writer.waiting, MECHANISMS);
                    self.writer.flush().await?;
                    let result = self.sasl(reader).await;
                    let code = u8::from(result.is_err());
                    performative::sasl_outcome(&mut self.writer.waiting, code);
                    self.writer.flush().await?;
                    result?;
                    proved = true;
                }
                Header::Sasl | Header::Other(_) => {
                    // What is spoken here, as the standard asks for.
                    self.writer.header(Header::Amqp);
                    return Err(format("its header is neither that of AMQP 1.0 nor of SASL"));
                }
            }
        }
    }

    async fn sasl<R: AsyncRead + Unpin>(&mut self, reader: &mut Reader<R>) -> Result<(), Refusal> {
        let (code, fields) = reader.frame(true).await?.body.unwrap_or_default();
        if code != SASL_INIT {
            return Err(format("SASL was begun, and no mechanism was chosen"));
        }
        match fields.str(0).unwrap_or_default() {
            // A token follows, on the node $cbs.
            "ANONYMOUS" | "MSSBCBS" | "EXTERNAL" => Ok(()),
            "PLAIN" => {
                let Value::Binary(response) = fields.at(1) else {
                    return Err(format("SASL PLAIN without user name and password"));
                };
                self.plain(&response.clone()).await
            }
            other => Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!(
                    "SASL mechanism '{other}' is none of {}",
                    MECHANISMS.join(", ")
                ),
            )),
        }
    }

    /// `policy@sas.root.HUB` with a token, as the Azure CLI has it; `device@sas.HUB` with a
    /// device's; `SCOPE/registrations/ID` with one for the provisioning service; a policy with its
    /// key, as Event Hubs has it.
    async fn plain(&mut self, response: &[u8]) -> Result<(), Refusal> {
        let parts: Vec<_> = response
            .split(|byte| *byte == 0)
            .map(std::str::from_utf8)
            .collect();
        let [_, Ok(user), Ok(password)] = parts.as_slice() else {
            return Err(format(
                "SASL PLAIN is not three texts with zeros between them",
            ));
        };
        if let Some((scope, id)) = user.split_once("/registrations/") {
            return self.admit_registration((scope, id), Some(password)).await;
        }
        let (name, host) = user.split_once("@sas.").unwrap_or((user, ""));
        let Some(hub) = host
            .strip_prefix("root.")
            .or(host.is_empty().then_some(host))
        else {
            // A device, with its token.
            if let Some(hub) = self.amqp.service.hubs.named(host) {
                self.hub = hub.host;
            }
            return self.admit(name, Some(password)).await;
        };
        let key = &self.amqp.key;
        let claim = match password.starts_with("SharedAccessSignature ") {
            true => {
                let found = self.amqp.service.hubs.named(hub);
                let named = found.as_ref().map_or(hub, |it| &it.host);
                access::token(&self.amqp.service, key, password, named, hub)?
            }
            false => access::password(&self.amqp.service, key, name, password)?,
        };
        if claim.policy != name {
            return Err(Refusal::new(
                ErrorCode::IotHubUnauthorized,
                format!(
                    "the user is '{name}', and the token is of policy '{}'",
                    claim.policy
                ),
            ));
        }
        self.prove(claim);
        Ok(())
    }
}

fn format(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::IotHubFormatError, reason)
}

/// In the order in which clients that take the first one find what they can do.
const MECHANISMS: &[&str] = &["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"];
