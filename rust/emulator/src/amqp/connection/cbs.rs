//! The node `$cbs`: a token is put, and proves what its policy and its path say.
//!
//! OASIS, "AMQP Claims-based Security"; the operation and the types are those of Microsoft's
//! clients.

use super::Connection;
use crate::amqp::access;
use crate::amqp::codec::message::{self, Message, place};
use crate::amqp::codec::value::Value;
use crate::amqp::eventhub::management::head;
use crate::auth::sas::Token;
use crate::code::{ErrorCode, Refusal};
use crate::id;
use crate::journal::Event;

impl Connection {
    /// The reply address and the answer to `put-token`, which goes out behind the settlement of the
    /// request: that one is accepted whatever comes of it.
    pub(super) async fn put_token(&mut self, request: &Message) -> (String, Vec<u8>) {
        let properties = &request.properties;
        let result = self.claim(request).await;
        let (status, text) = match &result {
            Ok(()) => (200, "OK".to_owned()),
            Err(refusal) => {
                let event = Event::refusal("refused", refusal);
                self.record(match device_of(request) {
                    Some(device) => event.of(&self.hub, &device),
                    None => event,
                });
                (refusal.code.status(), refusal.reason.clone())
            }
        };
        let condition = result.is_err().then_some("amqp:unauthorized-access");
        let mut answer = head(properties.at(place::MESSAGE_ID), status, &text, condition);
        message::value_map(&mut answer, |_| {});
        let reply_to = properties.str(place::REPLY_TO).unwrap_or_default();
        (reply_to.to_owned(), answer)
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
        let token = token_of(request);
        if let Some(id) = owner_of(&Token::parse(&token)?) {
            return self.admit(&id, Some(&token)).await;
        }
        let amqp = &self.amqp;
        let claim = access::token(&amqp.service, &amqp.key, &token, &self.hub, &self.named)?;
        self.prove(claim);
        Ok(())
    }
}

fn token_of(request: &Message) -> String {
    match &request.value {
        Value::Null => String::from_utf8_lossy(&request.data).into_owned(),
        value => value.to_text().unwrap_or_default(),
    }
}

/// The device whose own token it is: one without a policy.
fn owner_of(token: &Token) -> Option<String> {
    let (_, path) = token.resource.split_once("/devices/")?;
    let id = match path.split_once("/modules/") {
        Some((device, module)) => id::of_module(device, module),
        None => path.to_owned(),
    };
    token.policy.is_none().then_some(id)
}

/// The device that a request is about, as far as it can be read.
fn device_of(request: &Message) -> Option<String> {
    owner_of(&Token::parse(&token_of(request)).ok()?)
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}
