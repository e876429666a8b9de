//! One server and its state: the requests of etcd's `Maintenance` service, and the answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ResponseHeader;
use crate::mvcc::HashKv;

/// Shows, raises or clears alarms, through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmChange {
    /// What to do.
    pub action: AlarmAction,
    /// Whose alarm. [`Get`](AlarmAction::Get) does not look at it.
    pub member_id: u64,
    /// Which alarm.
    pub alarm: AlarmKind,
}

/// What to do with an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmAction {
    /// Show.
    Get,
    /// Raise.
    Activate,
    /// Clear.
    Deactivate,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlarmKind {
    /// Nothing; to show alarms of every kind.
    None,
    /// The backend has reached `--quota-backend-bytes`.
    NoSpace,
    /// Members disagree on what is stored.
    Corrupt,
}

/// A member's alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alarm {
    /// The member.
    pub member_id: u64,
    /// What is wrong.
    pub kind: AlarmKind,
}

/// The alarms that were asked for, raised or cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// By kind and member. Clearing what does not stand answers with none.
    pub alarms: Vec<Alarm>,
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

/// The hash of a whole backend, consistent index aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// CRC-32C over names, keys and values of all buckets.
    pub hash: u32,
}

/// The whole database of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReply {
    /// Who answers.
    pub header: ResponseHeader,
    /// All that the stream of `Maintenance.Snapshot` carries: a bbolt file of the last closed
    /// batch, then its SHA-256 (32 bytes).
    pub blob: Bytes,
}

/// It is done; nothing more is to be said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneReply {
    /// Who answers.
    pub header: ResponseHeader,
}
