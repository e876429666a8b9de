//! Keys: the requests of etcd's `KV` service but `Txn`, and what they are answered with.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ResponseHeader;
use crate::proto::mvccpb;

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
    /// Leave keys out whose last change is below this revision; 0 for none.
    pub min_mod_revision: i64,
    /// Leave keys out whose last change is above this revision; 0 for none.
    pub max_mod_revision: i64,
    /// Leave keys out that were created below this revision; 0 for none.
    pub min_create_revision: i64,
    /// Leave keys out that were created above this revision; 0 for none.
    pub max_create_revision: i64,
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
    /// All keys in the range, those too that limit and bounds on revisions leave out.
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
