//! Links: what a peer may attach, and how it begins.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::link::{Incoming, Link, Outgoing, Role};
use super::outlet::{Credit, LinkId, Outlet};
use super::{Connection, HANDLE_MAX, invalid};
use crate::amqp::address::{Address, Feature, Node};
use crate::amqp::codec::frame::Fields;
use crate::amqp::codec::performative::{self, Attach, Fault};
use crate::amqp::codec::value::Value;
use crate::amqp::eventhub::filter::{self, Start};
use crate::amqp::eventhub::management;
use crate::amqp::eventhub::receiver::Receiver;
use crate::amqp::feedback;
use crate::code::{ErrorCode, Refusal};
use crate::host::Host;
use crate::hub::partitions;
use crate::journal::Event;

impl Connection {
    pub(super) async fn attach(&mut self, channel: u16, mut fields: Fields) -> Result<(), Refusal> {
        let name = fields.str(0).unwrap_or_default().to_owned();
        let handle = fields
            .uint(1)
            .ok_or_else(|| invalid("attach without a handle"))?;
        let Some(session) = self.sessions.get(&channel) else {
            return Ok(());
        };
        if handle > HANDLE_MAX
            || session.links.contains_key(&handle)
            || session.ended.contains(&handle)
        {
            return Err(invalid(&format!(
                "a link was attached with handle {handle}, which is in use or above {HANDLE_MAX}"
            )));
        }
        self.links += 1;
        let id = LinkId {
            channel,
            handle,
            number: self.links,
        };
        // The role of the peer.
        let receives = fields.bool(2);
        let (mut source, target) = (fields.take(5), fields.take(6));
        let own = terminus(if receives { &source } else { &target });
        let address = Address::parse(own.str(0).unwrap_or_default());
        let mut admitted = self.admit_link(&address).await;
        if admitted.is_ok() {
            admitted = self.admit_registration_link(&address, &fields).await;
        }
        let link = match admitted {
            Err(refusal) => Err(Fault::from(&refusal)),
            Ok(()) => self.link(id, &name, receives, &fields, &source, &target),
        };
        let refused = link.is_err();
        if receives && let Ok(link) = &link {
            keep_filters_in_force(&mut source, &link.node);
        }
        let (sender_mode, receiver_mode) = (fields.take(3), fields.take(4));
        let properties = fields.take(13);
        let answer = Attach {
            name: &name,
            handle,
            sends: receives,
            sender_mode: &sender_mode,
            receiver_mode: &receiver_mode,
            // A terminus that is not made is null: a detach with the reason follows.
            source: if refused && receives {
                &Value::Null
            } else {
                &source
            },
            target: if refused && !receives {
                &Value::Null
            } else {
                &target
            },
            max_message: MAX_MESSAGE as u64,
            properties: &properties,
        };
        performative::attach(&mut self.writer.waiting, channel, &answer);
        match link {
            Err(fault) => {
                let refusal = Refusal::new(code_of(&fault), fault.description.clone());
                if fault.condition != REDIRECT {
                    self.record(Event::refusal("refused", &refusal));
                }
                performative::detach(&mut self.writer.waiting, channel, handle, Some(&fault));
                if let Some(session) = self.sessions.get_mut(&channel) {
                    session.ended.insert(handle);
                }
            }
            Ok(link) => {
                if receives {
                    self.listens(&link.node, true);
                }
                if let Some(session) = self.sessions.get_mut(&channel) {
                    session.links.insert(handle, link);
                }
                self.grant(id);
            }
        }
        Ok(())
    }

    fn link(
        &mut self,
        id: LinkId,
        name: &str,
        receives: bool,
        fields: &Fields,
        source: &Value,
        target: &Value,
    ) -> Result<Link, Fault> {
        let fault = |refusal: &Refusal| Fault::from(refusal);
        if is_coordinator(target) {
            return Err(Fault::new(
                "amqp:not-implemented",
                "there are no transactions here",
            ));
        }
        let source = terminus(source);
        let target = terminus(target);
        let text = if receives {
            source.str(0)
        } else {
            target.str(0)
        };
        let text =
            text.ok_or_else(|| Fault::new("amqp:invalid-field", "a link without an address"))?;
        let address = Address::parse(text);
        let node = address
            .node(&self.amqp.service.hubs.hosts(), &self.hub)
            .map_err(|it| fault(&it))?;
        if node.is_of_services() {
            self.claims
                .check(&address, &node)
                .map_err(|it| fault(&it))?;
        }
        let role = match (&node, receives) {
            (Node::Redirect { rest }, _) => return Err(self.redirect(rest)),
            (
                Node::Cbs
                | Node::Management { .. }
                | Node::CloudToDevice
                | Node::Registration { .. }
                | Node::Device(_, Feature::Events | Feature::Twin | Feature::Methods),
                false,
            ) => Role::Incoming(Incoming::default()),
            (
                Node::Partition(_)
                | Node::Feedback
                | Node::FileNotifications
                | Node::Cbs
                | Node::Management { .. }
                | Node::Registration { .. }
                | Node::Device(_, Feature::CloudToDevice | Feature::Twin | Feature::Methods),
                true,
            ) => {
                let (credit, follow) = watch::channel(Credit::default());
                let outlet = Outlet::new(
                    id,
                    self.commands.clone(),
                    follow,
                    Arc::clone(&self.outgoing),
                );
                let task = self
                    .task(&node, outlet, name, fields, &source)
                    .map_err(|fault| *fault)?;
                Role::Outgoing(Outgoing {
                    reply_to: target.str(0).unwrap_or_default().to_owned(),
                    count: 0,
                    limit: 0,
                    credit,
                    queue: VecDeque::new(),
                    task,
                })
            }
            (_, receives) => {
                let what = if receives { "received from" } else { "sent to" };
                return Err(Fault::new(
                    "amqp:not-allowed",
                    format!("nothing can be {what} '{text}'"),
                ));
            }
        };
        Ok(Link {
            id,
            node,
            address,
            role,
        })
    }

    /// What makes the messages of a link.
    fn task(
        &self,
        node: &Node,
        outlet: Outlet,
        name: &str,
        fields: &Fields,
        source: &Fields,
    ) -> Result<Option<tokio::task::AbortHandle>, Box<Fault>> {
        let service = &self.amqp.service;
        let task = match node {
            Node::Partition(partition) => {
                if !self.amqp.has_group(&partition.hub, &partition.group) {
                    return Err(Box::new(Fault::new(
                        performative::NOT_FOUND,
                        format!(
                            "there is no consumer group '{}': start the emulator with --consumer-group {}, or make it with az iot hub consumer-group create",
                            partition.group, partition.group
                        ),
                    )));
                }
                let of = service.ring.partitions.count(&partition.hub);
                let fault = |refusal: Refusal| Box::new(Fault::from(&refusal));
                management::check(Some(partition.number), of).map_err(fault)?;
                let start = Start::of_filters(source.at(FILTERS)).map_err(fault)?;
                let epoch = fields
                    .at(13)
                    .entry("com.microsoft:epoch")
                    .and_then(Value::as_i64);
                let owners = &self.amqp.owners;
                let receiver = Receiver {
                    place: owners
                        .enter(partition, self.amqp.next_reader(), name, epoch)
                        .map_err(Box::new)?,
                    service: Arc::clone(service),
                    partition: partitions::Partition {
                        hub: partition.hub.clone(),
                        number: partition.number,
                    },
                    outlet,
                    start,
                };
                tokio::spawn(receiver.run())
            }
            Node::Feedback => {
                let service = Arc::clone(service);
                let hub = self.hub.clone();
                tokio::spawn(feedback::send(service, hub, outlet, &feedback::FEEDBACK))
            }
            Node::FileNotifications => {
                let service = Arc::clone(service);
                let hub = self.hub.clone();
                tokio::spawn(feedback::send(service, hub, outlet, &feedback::FILES))
            }
            Node::Device(id, Feature::CloudToDevice) => return Ok(self.mailbox(id, outlet)),
            _ => return Ok(None),
        };
        Ok(Some(task.abort_handle()))
    }

    /// Where the Event Hubs-compatible endpoint is: here, at an address of its own.
    fn redirect(&self, rest: &str) -> Fault {
        // The name that the peer used leads here, or it would not have come.
        let host = match Host::parse(&self.named) {
            Host::Name("") => self.hub.clone(),
            Host::Name(name) => name.to_owned(),
            Host::Address(address) => address.to_string(),
        };
        let port = self.amqp.port;
        let address = format!(
            "amqps://{host}:{port}/{}/{rest}",
            partitions::event_hub(&self.hub)
        );
        let text = |text: &str| Value::String(text.to_owned());
        Fault {
            info: vec![
                ("hostname", text(&host)),
                ("network-host", text(&host)),
                ("port", Value::Ushort(port)),
                ("address", text(&address)),
            ],
            ..Fault::new(REDIRECT, format!("the endpoint for events is {address}"))
        }
    }
}

fn terminus(value: &Value) -> Fields {
    let described = value.clone().into_described();
    described
        .and_then(|(_, list)| Fields::new(list))
        .unwrap_or_default()
}

/// A receiver takes the filters of an answer for those that are in force.
fn keep_filters_in_force(source: &mut Value, node: &Node) {
    let Value::Described(parts) = source else {
        return;
    };
    if let Value::List(items) = &mut parts.1
        && let Some(filters) = items.get_mut(FILTERS)
    {
        *filters = match node {
            Node::Partition(_) => filter::in_force(filters),
            _ => Value::Null,
        };
    }
}

/// Of transactions, in the place of a target.
fn is_coordinator(target: &Value) -> bool {
    matches!(target, Value::Described(parts) if parts.0.as_u64() == Some(0x30) || parts.0.as_str() == Some("amqp:coordinator:list"))
}

fn code_of(fault: &Fault) -> ErrorCode {
    match fault.condition {
        performative::UNAUTHORIZED => ErrorCode::IotHubUnauthorized,
        performative::NOT_FOUND => ErrorCode::NotFound,
        _ => ErrorCode::InvalidOperation,
    }
}

/// The place of a source's filters.
const FILTERS: usize = 7;

const REDIRECT: &str = "amqp:link:redirect";

/// 256 KiB of message, and what is around it.
pub(super) const MAX_MESSAGE: usize = 256 * 1024 + 64 * 1024;
