//! What clients ask of a server and what it answers: etcd's own API as plain data.
//!
//! A request goes in with a number of the caller's choice and comes back with the same number,
//! once, as a [`Reply`] or a [`RequestError`]; a server that stops answers nothing. Transactions,
//! leases, watches and alarms join as variants when the server learns them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::membership::Member;
use crate::mvcc::{HashKv, MvccError};
use crate::proto::mvccpb;

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

/// Writes a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The key; not empty.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The lease to attach to; 0 for none.
    pub lease: i64,
    /// Answer with what was there before.
    pub prev_kv: bool,
    /// Keep the value that is there.
    pub ignore_value: bool,
    /// Keep the lease that is there.
    pub ignore_lease: bool,
}

/// Reads keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first key; not empty.
    pub key: Bytes,
    /// Empty: `key` alone. `"\0"`: all from `key` on. Else up to but without this key.
    pub range_end: Bytes,
    /// At most so many; 0 for all.
    pub limit: i64,
    /// The revision to read at; 0 or less for the current one.
    pub revision: i64,
    /// Order of the answer.
    pub sort_order: SortOrder,
    /// What the order is by.
    pub sort_target: SortTarget,
    /// Answer from this server's own state, which may be old, without asking a quorum.
    pub serializable: bool,
    /// Leave the values out.
    pub keys_only: bool,
    /// Only count.
    pub count_only: bool,
}

/// Order of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortOrder {
    /// As stored: ascending by key.
    #[default]
    None,
    /// Lowest first.
    Ascend,
    /// Highest first.
    Descend,
}

/// What a range is ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// The version.
    Version,
    /// The revision that created the key.
    Create,
    /// The revision of the last change.
    Mod,
    /// The value.
    Value,
}

/// Deletes keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRange {
    /// The first key; not empty.
    pub key: Bytes,
    /// As in [`Range`].
    pub range_end: Bytes,
    /// Answer with what was deleted.
    pub prev_kv: bool,
}

/// Makes history below a revision unreadable and frees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compact {
    /// The lowest revision that stays readable.
    pub revision: i64,
    /// Answer only when the history is gone from the backend.
    pub physical: bool,
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

/// A key at a revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The revision that created it in this life.
    pub create_revision: i64,
    /// The revision of its last change.
    pub mod_revision: i64,
    /// Changes in this life, from 1.
    pub version: i64,
    /// The value.
    pub value: Bytes,
    /// The lease it hangs on; 0 for none.
    pub lease: i64,
}

impl From<mvccpb::KeyValue> for KeyValue {
    fn from(kv: mvccpb::KeyValue) -> Self {
        let mvccpb::KeyValue { key, create_revision, mod_revision, version, value, lease } = kv;
        Self { key, create_revision, mod_revision, version, value, lease }
    }
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
        }
    }
}

/// A put took effect at the header's revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// What was there before, if that was asked for.
    pub prev_kv: Option<KeyValue>,
}

/// The keys of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// The keys.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// All keys in the range.
    pub count: i64,
}

/// Keys were deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRangeReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// How many.
    pub deleted: i64,
    /// What they were, if that was asked for.
    pub prev_kvs: Vec<KeyValue>,
}

/// The compaction is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactReply {
    /// Who answers.
    pub header: ResponseHeader,
}

/// The members of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberListReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// By id.
    pub members: Vec<Member>,
}

/// The state of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// The server's release.
    pub version: String,
    /// Size of the backend, free pages included.
    pub db_size_bytes: u64,
    /// Size of the backend without free pages.
    pub db_size_in_use_bytes: u64,
    /// The leader; 0 if this server knows none.
    pub leader: u64,
    /// The commit index.
    pub raft_index: u64,
    /// The term.
    pub raft_term: u64,
    /// The last entry that was applied.
    pub raft_applied_index: u64,
    /// Whether this member has no vote.
    pub is_learner: bool,
    /// What is wrong, in etcd's words.
    pub errors: Vec<String>,
}

/// The hash of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashKvReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// The hash and what it covers.
    pub hash_kv: HashKv,
}

/// Why a request failed, in etcd's words.
///
/// After [`Timeout`](Self::Timeout) and its kin, [`LeaderChanged`](Self::LeaderChanged) and
/// [`Stopped`](Self::Stopped) a write may still take effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RequestError {
    /// The revision lies below the compact revision.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// The revision has not been written yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// A key was needed.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// `ignore_value` or `ignore_lease` for a key that does not exist.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A value and `ignore_value`.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// A lease and `ignore_lease`.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// The lease does not exist.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// The encoded request is larger than 1.5 MiB.
    #[error("etcdserver: request is too large")]
    TooLarge,
    /// More than 5000 committed entries wait to be applied.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// This server knows no leader.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// The leader changed while a read waited for it.
    #[error("etcdserver: leader changed")]
    LeaderChanged,
    /// No quorum answered in time.
    #[error("etcdserver: request timed out")]
    Timeout,
    /// As [`Timeout`](Self::Timeout), while a leader was being replaced.
    #[error("etcdserver: request timed out, possibly due to previous leader failure")]
    TimeoutLeaderFailure,
    /// As [`Timeout`](Self::Timeout), with the connection to the leader or a quorum lost.
    #[error("etcdserver: request timed out, possibly due to connection lost")]
    TimeoutConnectionLost,
    /// Raft refused the proposal.
    #[error("raft proposal dropped")]
    ProposalDropped,
    /// The server is going down.
    #[error("etcdserver: server stopped")]
    Stopped,
    /// The server is not up yet: nobody listens on its client address.
    #[error("connection refused")]
    ConnectionRefused,
}

impl From<MvccError> for RequestError {
    fn from(error: MvccError) -> Self {
        match error {
            MvccError::Compacted => Self::Compacted,
            MvccError::FutureRevision => Self::FutureRevision,
        }
    }
}
