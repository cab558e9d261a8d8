//! The node `$cbs`: a token is put, and proves what its policy and its path say.
//!
//! OASIS, "AMQP Claims-based Security"; the operation and the types are those of Microsoft's
//! clients.

use super::Connection;
use super::outlet::LinkId;
use crate::amqp::access;
use crate::amqp::codec::message::{self, Message, place};
use crate::amqp::codec::value::Value;
use crate::amqp::eventhub::management::head;
use crate::auth::sas::Token;
use crate::code::{ErrorCode, Refusal};
use crate::id;
use crate::journal::Event;

impl Connection {
    /// Answers `put-token`. The request itself is accepted whatever comes of it, unless it is none.
    pub(super) async fn put_token(&mut self, id: LinkId, request: &Message) -> Result<(), Refusal> {
        let properties = &request.properties;
        let result = self.claim(request).await;
        let (status, text) = match &result {
            Ok(()) => (200, "OK".to_owned()),
            Err(refusal) => {
                self.record(Event::refusal("refused", refusal));
                (refusal.code.status(), refusal.reason.clone())
            }
        };
        let condition = result.is_err().then_some("amqp:unauthorized-access");
        let mut answer = head(properties.at(place::MESSAGE_ID), status, &text, condition);
        message::value_map(&mut answer, |_| {});
        let reply_to = properties
            .str(place::REPLY_TO)
            .unwrap_or_default()
            .to_owned();
        self.respond(id, &reply_to, answer);
        Ok(())
    }

    async fn claim(&mut self, request: &Message) -> Result<(), Refusal> {
        let text = |name: &str| {
            request
                .property(name)
                .and_then(Value::to_text)
                .unwrap_or_default()
        };
        let (operation, kind) = (text("operation"), text("type"));
        if operation != "put-token" {
            return Err(refused(format!("operation '{operation}' is not put-token")));
        }
        if kind == "jwt" {
            return Err(refused(
                "tokens of Azure Active Directory are not known here: use a shared access policy"
                    .to_owned(),
            ));
        }
        let token = match &request.value {
            Value::Null => String::from_utf8_lossy(&request.data).into_owned(),
            value => value.to_text().unwrap_or_default(),
        };
        // Without a policy it is a device's own.
        let parsed = Token::parse(&token)?;
        if parsed.policy.is_none()
            && let Some((_, path)) = parsed.resource.split_once("/devices/")
        {
            let id = match path.split_once("/modules/") {
                Some((device, module)) => id::of_module(device, module),
                None => path.to_owned(),
            };
            return self.admit(&id, Some(&token)).await;
        }
        let amqp = &self.amqp;
        let claim = access::token(&amqp.service, &amqp.key, &token, &self.hub, &self.named)?;
        self.prove(claim);
        Ok(())
    }
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}
