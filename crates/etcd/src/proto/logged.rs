//! What a normal entry of the log asks for.

use std::fmt;

use bytes::Bytes;
use prost::{DecodeError, Message};

use super::etcdserverpb::{InternalRaftRequest, Request};
use super::go;

/// The data of a normal entry. It displays as `etcd-dump-logs` prints it.
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

impl fmt::Display for LoggedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoggedRequest::Empty => Ok(()),
            LoggedRequest::V3(request) => f.write_str(&request.to_text()),
            LoggedRequest::V2(request) => write_v2(request, f),
        }
    }
}

fn write_v2(request: &Request, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let method = String::from_utf8_lossy(&request.method);
    let path = go::excerpt(&request.path, 64, 64);
    match &*method {
        "" => f.write_str("noop"),
        "SYNC" => write!(f, "method=SYNC time=\"{}\"", go::time(request.time)),
        "QGET" | "DELETE" => write!(f, "method={method} path={path}"),
        _ => {
            let value = go::excerpt(&request.val, 128, 0);
            write!(f, "method={method} path={path} val={value}")
        }
    }
}
