//! Leases: the requests of etcd's `Lease` service, and what they are answered with.
//!
//! Grants and revocations go through the log. Keep-alives and questions about the time that is
//! left are answered by the leader alone, since only its clock counts: any other server says
//! [`NotLeader`](super::RequestError::NotLeader). (Real followers pass such a question on to the
//! leader over HTTP; here that is the client's part.)

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ResponseHeader;

/// Makes a lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// The time to live that is wished for, seconds. The server raises it to its minimum.
    pub ttl: i64,
    /// The id; 0 lets the server choose one.
    pub id: i64,
}

/// Asks how long a lease has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTimeToLive {
    /// The lease.
    pub id: i64,
    /// Answer with its keys too.
    pub keys: bool,
}

/// The lease exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrantReply {
    /// Who answers. A lease takes no revision.
    pub header: ResponseHeader,
    /// Its id.
    pub id: i64,
    /// Its time to live in seconds.
    pub ttl: i64,
}

/// The lease is gone, and its keys with it, at the header's revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRevokeReply {
    /// Who answers.
    pub header: ResponseHeader,
}

/// The lease has its whole time again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseKeepAliveReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// The lease.
    pub id: i64,
    /// Seconds; 0 if there is no such lease, or not any more.
    pub ttl: i64,
}

/// How long a lease has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTimeToLiveReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// The lease.
    pub id: i64,
    /// Seconds that are left, rounded down; −1 if there is no such lease.
    pub ttl: i64,
    /// Seconds that it was granted.
    pub granted_ttl: i64,
    /// Its keys in order, if that was asked for.
    pub keys: Vec<Bytes>,
}

/// All leases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasesReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// Ids; on the leader by expiry.
    pub leases: Vec<i64>,
}
