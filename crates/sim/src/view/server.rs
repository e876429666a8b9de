//! One server in depth: raft log, write-ahead log, keys, disk.

use serde::{Deserialize, Serialize};

use super::cluster::NodeView;
use crate::scenario::Node;

/// One server in depth. A server without power shows its disk and its write-ahead log alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Which.
    pub node: Node,
    /// As on the stage.
    pub summary: NodeView,
    /// The raft log.
    pub raft: RaftView,
    /// The write-ahead log as it stands on the disk.
    pub wal: WalView,
    /// Keys.
    pub store: StoreView,
    /// Files.
    pub disk: DiskView,
}

/// The raft log as a strip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaftView {
    /// Index of the sentinel: the entry before the first one.
    pub sentinel_index: u64,
    /// Its term.
    pub sentinel_term: u64,
    /// First index that is there.
    pub first_index: u64,
    /// Last index.
    pub last_index: u64,
    /// Commit index.
    pub committed: u64,
    /// Applied index.
    pub applied: u64,
    /// First index that raft has not handed to storage for good.
    pub unstable_offset: u64,
    /// The part that was asked for, in log order.
    pub entries: Vec<EntryView>,
}

/// How far an entry has come on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryState {
    /// In memory alone.
    Unstable,
    /// On this server's disk.
    Appended,
    /// Committed.
    Committed,
    /// Applied to the key-value store.
    Applied,
}

/// An entry of the raft log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// Index.
    pub index: u64,
    /// Term.
    pub term: u64,
    /// `put`, `empty`, `conf change` …
    pub kind: String,
    /// What it does.
    pub summary: String,
    /// Length of its data.
    pub bytes: u64,
    /// How far it has come.
    pub state: EntryState,
}

/// The write-ahead log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalView {
    /// All segments, oldest first.
    pub segments: Vec<SegmentView>,
    /// The part that was asked for, in file order.
    pub rows: Vec<WalRow>,
    /// How many records there are.
    pub total: u64,
    /// Where reading ended, when it was not the end of the log.
    pub damage: Option<String>,
}

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentView {
    /// File name.
    pub name: String,
    /// Sequence number.
    pub seq: u64,
    /// First index that it may hold.
    pub first_index: u64,
    /// Length of the file, preallocated part included.
    pub bytes: u64,
    /// Bytes that hold records.
    pub used_bytes: u64,
}

/// A record of the write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalRow {
    /// Sequence number of its segment.
    pub segment: u64,
    /// Offset of its frame in the segment.
    pub offset: u64,
    /// Length of its frame: length field, record, padding.
    pub length: u64,
    /// `metadata`, `entry`, `state`, `crc`, `snapshot`.
    pub kind: String,
    /// Raft index (entries, snapshots).
    pub index: Option<u64>,
    /// Raft term (entries, states, snapshots).
    pub term: Option<u64>,
    /// The checksum that the record carries.
    pub crc: u32,
    /// Whether it fits the records before it.
    pub crc_ok: bool,
    /// Whether it survives a power cut now.
    pub synced: bool,
    /// What it says.
    pub summary: String,
    /// Its frame, byte by byte (at most 4 KiB of it).
    pub bytes: Vec<u8>,
    /// What the bytes mean, in order; ranges may nest.
    pub fields: Vec<FieldView>,
}

/// Bytes of a frame that have a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldView {
    /// `length`, `type`, `crc`, `entry.term` …
    pub name: String,
    /// First byte, from the frame's start.
    pub start: u32,
    /// End, not included.
    pub end: u32,
    /// The decoded value.
    pub value: String,
}

/// The key-value store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreView {
    /// Current revision.
    pub revision: i64,
    /// Revision of the last compaction.
    pub compact_revision: i64,
    /// The part that was asked for, in key order, deleted keys with history included.
    pub keys: Vec<KeyView>,
    /// How many keys there are in all.
    pub total: u64,
}

/// A key and the history of it that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// As text; bytes that are not text as `\xNN`.
    pub key: String,
    /// The current value; `None` when it is deleted.
    pub value: Option<String>,
    /// Revision that created it; 0 when it is deleted.
    pub create_revision: i64,
    /// Revision of the last change.
    pub mod_revision: i64,
    /// Changes since it was created; 0 when it is deleted.
    pub version: i64,
    /// Earlier revisions that a read can still ask for, newest first.
    pub earlier: Vec<KeyRevision>,
}

/// A key at an earlier revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRevision {
    /// The revision.
    pub revision: i64,
    /// The value from then on; `None` for a deletion.
    pub value: Option<String>,
}

/// The disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskView {
    /// Every file, by path.
    pub files: Vec<FileView>,
    /// Syncs under way.
    pub syncs: u32,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Absolute path.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// End of the last byte that was ever written.
    pub written_bytes: u64,
}
