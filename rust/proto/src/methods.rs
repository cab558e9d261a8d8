//! Direct methods: the service calls, the device answers.

use crate::id::MethodId;

/// A call. Borrowed from the input: copy what must outlive it; [`MethodRequest::id`] is enough to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRequest<'a> {
    /// For [`MethodResponse::request`].
    pub id: MethodId,
    /// The command's name, without the component.
    pub name: &'a str,
    /// The Plug and Play component of `component*command`.
    pub component: Option<&'a str>,
    /// JSON as a rule, maybe empty. Not checked.
    pub payload: &'a [u8],
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodResponse<'a> {
    /// Which call.
    pub request: MethodId,
    /// Any number; by custom those of HTTP.
    pub status: i32,
    /// JSON, or empty.
    pub payload: &'a [u8],
}
