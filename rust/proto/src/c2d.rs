//! Cloud-to-device messages.

use crate::properties::Properties;

/// A message from the cloud. mqtt_helper acknowledges before it hands over, so that it is delivered at
/// most once after its PUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct C2d<'a> {
    /// System and application properties, decoded on demand.
    pub properties: Properties<'a>,
    /// The body.
    pub payload: &'a [u8],
}
