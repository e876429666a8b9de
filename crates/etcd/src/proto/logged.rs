//! What a normal entry of the log asks for.

use bytes::Bytes;
use prost::{DecodeError, Message};

use super::etcdserverpb::{InternalRaftRequest, Request};

/// The data of a normal entry.
#[derive(Debug, Clone, PartialEq)]
pub enum LoggedRequest {
    /// No data: a new leader's first entry.
    Empty,
    /// The v3 API, or the server itself.
    V3(Box<InternalRaftRequest>),
    /// The v2 API.
    V2(Box<Request>),
}

impl LoggedRequest {
    /// Decodes as etcd does: a v3 request, and if the bytes are none, a v2 request. It relies on
    /// strict wire types: a v2 request has its method where a v3 one has an embedded message.
    pub fn decode(data: &Bytes) -> Result<LoggedRequest, DecodeError> {
        if data.is_empty() {
            return Ok(LoggedRequest::Empty);
        }
        match InternalRaftRequest::decode(data.clone()) {
            Ok(request) => Ok(LoggedRequest::V3(Box::new(request))),
            Err(_) => Request::decode(data.clone()).map(|v2| LoggedRequest::V2(Box::new(v2))),
        }
    }
}
