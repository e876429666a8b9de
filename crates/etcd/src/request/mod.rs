//! What clients ask of a server and what it answers: etcd's v3 API as plain data.
//!
//! # The edge of a server
//!
//! A [`Request`] goes in with a number of the caller's choice
//! ([`Input::Request`](crate::server::Input::Request)) and comes back with the same number, once,
//! as a [`Reply`] of the same kind or a [`RequestError`]; a server that stops answers nothing.
//! Watches are streams: see [`watch`](WatchRequest).
//!
//! | service | requests |
//! |---|---|
//! | KV | `Range`, `Put`, `DeleteRange`, `Txn`, `Compact` |
//! | Lease | `LeaseGrant`, `LeaseRevoke`, `LeaseKeepAlive`, `LeaseTimeToLive`, `Leases` |
//! | Cluster | `MemberAdd`, `MemberRemove`, `MemberUpdate`, `MemberPromote`, `MemberList` |
//! | Maintenance | `Status`, `Alarm`, `Defragment`, `Hash`, `HashKv`, `MoveLeader`, `Snapshot` |
//!
//! Which server answers: any takes writes and linearizable reads and passes them on through raft;
//! keep-alives, times to live, promotions and `MoveLeader` are the leader's alone; the rest is
//! about the server that is asked. A request is refused before it is proposed if no server could
//! take it. Left out: users and roles (their data is read and shown, nobody is asked for a
//! password), locks and elections (which clients make of these requests).

mod check;
mod cluster;
mod error;
mod kv;
mod lease;
mod maintenance;
mod txn;
mod watch;
mod wire;

pub use cluster::{MemberAdd, MemberChangeReply, MemberListReply, MemberUpdate};
pub use error::RequestError;
pub use kv::{
    Compact, CompactReply, DeleteRange, DeleteRangeReply, KeyValue, Put, PutReply, Range,
    RangeReply, SortOrder, SortTarget,
};
pub use lease::{
    LeaseGrant, LeaseGrantReply, LeaseKeepAliveReply, LeaseRevokeReply, LeaseTimeToLive,
    LeaseTimeToLiveReply, LeasesReply,
};
pub use maintenance::{
    Alarm, AlarmAction, AlarmChange, AlarmKind, AlarmReply, DoneReply, HashKvReply, HashReply,
    SnapshotReply, StatusReply,
};
pub use txn::{
    Compare, CompareResult, CompareTarget, Operation, OperationReply, TXN_OPS_MAX, Txn, TxnReply,
};
pub use watch::{
    Event, EventKind, WATCH_STREAM_CAPACITY, WatchCreate, WatchRequest, WatchResponse,
    WatchStreamId,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The caller's number for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// One call of etcd's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// `KV.Put`.
    Put(Put),
    /// `KV.Range`.
    Range(Range),
    /// `KV.DeleteRange`.
    DeleteRange(DeleteRange),
    /// `KV.Compact`.
    Compact(Compact),
    /// `Cluster.MemberList`.
    MemberList,
    /// `Maintenance.Status`.
    Status,
    /// `Maintenance.HashKV`.
    HashKv {
        /// Hash up to this revision; 0 means the current one.
        revision: i64,
    },
    /// `KV.Txn`.
    Txn(Txn),
    /// `Lease.LeaseGrant`.
    LeaseGrant(LeaseGrant),
    /// `Lease.LeaseRevoke`.
    LeaseRevoke {
        /// The lease.
        id: i64,
    },
    /// One message of `Lease.LeaseKeepAlive`.
    LeaseKeepAlive {
        /// The lease.
        id: i64,
    },
    /// `Lease.LeaseTimeToLive`.
    LeaseTimeToLive(LeaseTimeToLive),
    /// `Lease.LeaseLeases`.
    Leases,
    /// `Maintenance.Alarm`.
    Alarm(AlarmChange),
    /// `Maintenance.Defragment`.
    Defragment,
    /// `Maintenance.Hash`.
    Hash,
    /// `Cluster.MemberAdd`.
    MemberAdd(MemberAdd),
    /// `Cluster.MemberRemove`.
    MemberRemove {
        /// The member.
        id: u64,
    },
    /// `Cluster.MemberUpdate`.
    MemberUpdate(MemberUpdate),
    /// `Cluster.MemberPromote`: a learner gets a vote.
    MemberPromote {
        /// The learner.
        id: u64,
    },
    /// `Maintenance.MoveLeader`.
    MoveLeader {
        /// The member that is to lead.
        target: u64,
    },
    /// `Maintenance.Snapshot`.
    Snapshot,
}

impl Request {
    /// Puts one key.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Put(Put { key: key.into(), value: value.into(), ..Put::default() })
    }

    /// Reads one key, linearizably.
    pub fn get(key: impl Into<Bytes>) -> Self {
        Self::Range(Range { key: key.into(), ..Range::default() })
    }

    /// Deletes one key.
    pub fn delete(key: impl Into<Bytes>) -> Self {
        Self::DeleteRange(DeleteRange { key: key.into(), ..DeleteRange::default() })
    }
}

/// Who answered, and from what state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHeader {
    /// The cluster.
    pub cluster_id: u64,
    /// The member that answered.
    pub member_id: u64,
    /// The revision that the answer belongs to.
    pub revision: i64,
    /// The member's raft term.
    pub raft_term: u64,
}

/// The answer to a request of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Put`].
    Put(PutReply),
    /// To [`Request::Range`].
    Range(RangeReply),
    /// To [`Request::DeleteRange`].
    DeleteRange(DeleteRangeReply),
    /// To [`Request::Compact`].
    Compact(CompactReply),
    /// To [`Request::MemberList`].
    MemberList(MemberListReply),
    /// To [`Request::Status`].
    Status(StatusReply),
    /// To [`Request::HashKv`].
    HashKv(HashKvReply),
    /// To [`Request::Txn`].
    Txn(TxnReply),
    /// To [`Request::LeaseGrant`].
    LeaseGrant(LeaseGrantReply),
    /// To [`Request::LeaseRevoke`].
    LeaseRevoke(LeaseRevokeReply),
    /// To [`Request::LeaseKeepAlive`].
    LeaseKeepAlive(LeaseKeepAliveReply),
    /// To [`Request::LeaseTimeToLive`].
    LeaseTimeToLive(LeaseTimeToLiveReply),
    /// To [`Request::Leases`].
    Leases(LeasesReply),
    /// To [`Request::Alarm`].
    Alarm(AlarmReply),
    /// To [`Request::Defragment`].
    Defragment(DoneReply),
    /// To [`Request::Hash`].
    Hash(HashReply),
    /// To the requests that change members.
    MemberChange(MemberChangeReply),
    /// To [`Request::MoveLeader`].
    MoveLeader(DoneReply),
    /// To [`Request::Snapshot`].
    Snapshot(SnapshotReply),
}

impl Reply {
    pub(crate) fn header_mut(&mut self) -> &mut ResponseHeader {
        match self {
            Self::Put(reply) => &mut reply.header,
            Self::Range(reply) => &mut reply.header,
            Self::DeleteRange(reply) => &mut reply.header,
            Self::Compact(reply) => &mut reply.header,
            Self::MemberList(reply) => &mut reply.header,
            Self::Status(reply) => &mut reply.header,
            Self::HashKv(reply) => &mut reply.header,
            Self::Txn(reply) => &mut reply.header,
            Self::LeaseGrant(reply) => &mut reply.header,
            Self::LeaseRevoke(reply) => &mut reply.header,
            Self::LeaseKeepAlive(reply) => &mut reply.header,
            Self::LeaseTimeToLive(reply) => &mut reply.header,
            Self::Leases(reply) => &mut reply.header,
            Self::Alarm(reply) => &mut reply.header,
            Self::Hash(reply) => &mut reply.header,
            Self::MemberChange(reply) => &mut reply.header,
            Self::Defragment(reply) | Self::MoveLeader(reply) => &mut reply.header,
            Self::Snapshot(reply) => &mut reply.header,
        }
    }

    /// The header that every answer has.
    pub fn header(&self) -> &ResponseHeader {
        match self {
            Self::Put(reply) => &reply.header,
            Self::Range(reply) => &reply.header,
            Self::DeleteRange(reply) => &reply.header,
            Self::Compact(reply) => &reply.header,
            Self::MemberList(reply) => &reply.header,
            Self::Status(reply) => &reply.header,
            Self::HashKv(reply) => &reply.header,
            Self::Txn(reply) => &reply.header,
            Self::LeaseGrant(reply) => &reply.header,
            Self::LeaseRevoke(reply) => &reply.header,
            Self::LeaseKeepAlive(reply) => &reply.header,
            Self::LeaseTimeToLive(reply) => &reply.header,
            Self::Leases(reply) => &reply.header,
            Self::Alarm(reply) => &reply.header,
            Self::Hash(reply) => &reply.header,
            Self::MemberChange(reply) => &reply.header,
            Self::Defragment(reply) | Self::MoveLeader(reply) => &reply.header,
            Self::Snapshot(reply) => &reply.header,
        }
    }
}
