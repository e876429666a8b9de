//! What consensus is about: entries, hard and soft state, configurations, snapshots.
//!
//! Plain data, shared with whoever stores or shows it. Nothing here is bound to a wire format;
//! the mapping to etcd's `raftpb` lives in the `etcd` room.

use std::fmt;

use bytes::Bytes;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

/// A member of the group. Zero means nobody.
pub type NodeId = u64;

/// The id that means nobody: no vote, no leader.
pub const NONE: NodeId = 0;

/// What an entry's data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
// As wide as the place it takes in an entry, which is then moved in whole words.
#[repr(u64)]
pub enum EntryType {
    /// Opaque to consensus; empty data marks the start of a leader's term.
    #[default]
    Normal,
    /// A [`ConfChange`](crate::ConfChange) in its wire form.
    ConfChange,
    /// A [`ConfChangeV2`](crate::ConfChangeV2) in its wire form.
    ConfChangeV2,
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "EntryNormal",
            Self::ConfChange => "EntryConfChange",
            Self::ConfChangeV2 => "EntryConfChangeV2",
        })
    }
}

/// One position of the replicated log. Cloning shares the payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "SerializedEntry")]
// The payload's handle comes first, so that it is moved by the same loads and stores alone and
// within its entry: the processor waits where a load does not fit the stores before it.
#[repr(C)]
pub struct Entry {
    /// The payload.
    pub data: Bytes,
    /// The term whose leader created the entry.
    pub term: u64,
    /// The position in the log; the first entry ever has index 1.
    pub index: u64,
    /// What `data` is.
    pub entry_type: EntryType,
}

/// An entry as serde reads it: in the order of etcd's fields, wherever they lie in memory.
#[derive(Deserialize)]
#[serde(rename = "Entry")]
struct SerializedEntry {
    entry_type: EntryType,
    term: u64,
    index: u64,
    data: Bytes,
}

impl From<SerializedEntry> for Entry {
    fn from(entry: SerializedEntry) -> Self {
        let SerializedEntry { entry_type, term, index, data } = entry;
        Self { data, term, index, entry_type }
    }
}

/// In the same order.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Entry", 4)?;
        fields.serialize_field("entry_type", &self.entry_type)?;
        fields.serialize_field("term", &self.term)?;
        fields.serialize_field("index", &self.index)?;
        fields.serialize_field("data", &self.data)?;
        fields.end()
    }
}

impl Entry {
    /// An opaque entry whose term and index the leader fills in.
    pub fn normal(data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// Where the entry stands in the log.
    pub fn id(&self) -> EntryId {
        EntryId { term: self.term, index: self.index }
    }

    /// Bytes of payload: what the limits on uncommitted and in-flight data count.
    pub fn payload_size(&self) -> u64 {
        self.data.len() as u64
    }

    /// Bytes of the entry in its protobuf form: what the limits per message count.
    pub fn encoded_size(&self) -> u64 {
        encoded_size(self.term, self.index, self.data.len())
    }
}

/// Bytes of an entry in its protobuf form.
#[inline]
pub(crate) fn encoded_size(term: u64, index: u64, payload: usize) -> u64 {
    encoded_head(term, index) + encoded_payload(payload)
}

/// An entry's protobuf form takes no more bytes beyond its payload than this.
pub(crate) const MAX_ENCODED_OVERHEAD: u64 = 2 + 11 + 11 + 11;

/// Bytes of all but the payload.
#[inline]
pub(crate) fn encoded_head(term: u64, index: u64) -> u64 {
    let kind = 2;
    kind + 1 + varint_size(term) + 1 + varint_size(index)
}

/// Bytes of a payload with what names it.
#[inline]
pub(crate) fn encoded_payload(payload: usize) -> u64 {
    match payload as u64 {
        0 => 0,
        len => 1 + varint_size(len) + len,
    }
}

/// How many bytes a protobuf varint takes.
#[inline]
pub(crate) fn varint_size(value: u64) -> u64 {
    // Seven bits a byte: a seventh is taken as 9/64, which is the same up to 64 bits.
    u64::from(((value | 1).ilog2() * 9 + 73) / 64)
}

/// Term and index of an entry, which together name its whole prefix of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EntryId {
    /// The entry's term.
    pub term: u64,
    /// The entry's index.
    pub index: u64,
}

/// What must be durable before a message that depends on it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The highest term seen.
    pub term: u64,
    /// Who got this node's vote in `term`; zero for nobody.
    pub vote: NodeId,
    /// The highest index known to be committed.
    pub commit: u64,
}

impl HardState {
    /// Nothing was ever decided.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a node is at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Answers and waits.
    #[default]
    Follower,
    /// Asks for votes in its term.
    Candidate,
    /// Replicates its log.
    Leader,
    /// Asks whether it would get votes in the next term.
    PreCandidate,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Follower => "StateFollower",
            Self::Candidate => "StateCandidate",
            Self::Leader => "StateLeader",
            Self::PreCandidate => "StatePreCandidate",
        })
    }
}

/// What a node knows but need not remember across a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SoftState {
    /// The leader of the current term, as far as known; zero for unknown.
    pub lead: NodeId,
    /// What this node is.
    pub role: Role,
}

/// The configuration of the group as snapshots and storage carry it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfState {
    /// Voters of the incoming configuration, or of the only one.
    pub voters: Vec<NodeId>,
    /// Members that replicate but never vote.
    pub learners: Vec<NodeId>,
    /// Voters of the outgoing configuration while the group is in a joint one.
    pub voters_outgoing: Vec<NodeId>,
    /// Outgoing voters that become learners when the joint configuration is left.
    pub learners_next: Vec<NodeId>,
    /// Whether the leader leaves the joint configuration by itself.
    pub auto_leave: bool,
}

impl ConfState {
    /// A configuration of voters alone.
    pub fn of_voters(voters: impl Into<Vec<NodeId>>) -> Self {
        Self { voters: voters.into(), ..Self::default() }
    }

    /// Whether both describe the same configuration, whatever the order of ids.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }

    fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.voters.sort_unstable();
        sorted.learners.sort_unstable();
        sorted.voters_outgoing.sort_unstable();
        sorted.learners_next.sort_unstable();
        sorted
    }
}

/// Where in the log a snapshot stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMetadata {
    /// The configuration at `index`.
    pub conf_state: ConfState,
    /// The last entry that the snapshot covers.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
}

/// The application's state at one index, in place of the log up to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The application's state, opaque to consensus.
    pub data: Bytes,
    /// Where the snapshot stands.
    pub metadata: SnapshotMetadata,
}

impl Snapshot {
    /// A snapshot at index zero stands for nothing.
    pub fn is_empty(&self) -> bool {
        self.metadata.index == 0
    }

    /// The last entry that the snapshot covers.
    pub fn id(&self) -> EntryId {
        EntryId { term: self.metadata.term, index: self.metadata.index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_size_counts_the_protobuf_form() {
        assert_eq!(Entry::default().encoded_size(), 6, "type, term and index are always there");
        let entry = Entry { term: 300, index: 1, ..Entry::normal(vec![0; 200]) };
        assert_eq!(entry.encoded_size(), 2 + 3 + 2 + 3 + 200, "two-byte varints count as such");
        assert_eq!(varint_size(u64::MAX), 10, "the longest varint");
        assert_eq!((varint_size(127), varint_size(128)), (1, 2), "seven bits a byte");
        for bits in 1..=64_u64 {
            let largest = u64::MAX >> (64 - bits);
            assert_eq!(varint_size(largest), bits.div_ceil(7), "{bits} bits");
        }
    }
}
