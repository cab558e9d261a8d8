//! Cloud-to-device messages.

use crate::properties::Properties;

/// A message from the cloud. mqtt_helper acknowledges a message before the client sees it, so that
/// it is delivered at most once after its PUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct C2d<'a> {
    /// System and application properties, decoded on demand.
    pub properties: Properties<'a>,
    /// The body.
    pub payload: &'a [u8],
}
