//! What can be wrong with a log. Every error says in which file and at which offset, and keeps
//! the words of the real server.

use bytes::Bytes;
use disk::DiskError;
use prost::Message as _;

use crate::proto::etcdserverpb::Metadata;

/// Why a log cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// The last record is torn. The only damage that [`super::repair`] mends.
    #[error("{file}: offset {offset}: unexpected EOF")]
    UnexpectedEof {
        /// Segment.
        file: String,
        /// Where the torn frame begins.
        offset: u64,
    },
    /// A frame claims to be larger than any record may be.
    #[error("{file}: offset {offset}: wal: max entry size limit exceeded ({length} bytes)")]
    RecordTooLarge {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// What its header says.
        length: u64,
    },
    /// A message cannot be decoded.
    #[error("{file}: offset {offset}: {what}: {detail}")]
    Malformed {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// Which message.
        what: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// The data of a record is not what was written.
    #[error(
        "{file}: offset {offset}: walpb: crc mismatch ({stored:08x} stored, {computed:08x} computed)"
    )]
    RecordCrc {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// What the record says.
        stored: u32,
        /// What the chain gives.
        computed: u32,
    },
    /// A segment does not continue the one before it.
    #[error(
        "{file}: offset {offset}: wal: crc mismatch ({stored:08x} stored, {computed:08x} computed)"
    )]
    ChainCrc {
        /// Segment.
        file: String,
        /// Where the crc record begins.
        offset: u64,
        /// What the crc record says.
        stored: u32,
        /// Where the chain is.
        computed: u32,
    },
    /// A record of a type that etcd does not know.
    #[error("{file}: offset {offset}: unexpected block type {kind}, none of 1 to 5")]
    UnexpectedBlockType {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// The record's type.
        kind: i64,
    },
    /// Two segments name different members or clusters.
    #[error("{file}: offset {offset}: wal: conflicting metadata found ({found}, before {before})")]
    ConflictingMetadata {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// The member and cluster that it names.
        found: String,
        /// Those of the segments before.
        before: String,
    },
    /// The snapshot to start from has another term in the log.
    #[error("{file}: offset {offset}: wal: snapshot mismatch (term {found}, expected {expected})")]
    SnapshotMismatch {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// The term that the log has.
        found: u64,
        /// The snapshot's term.
        expected: u64,
    },
    /// Entries are missing between the start, or the entry before, and this one.
    #[error("{file}: offset {offset}: wal: slice bounds out of range (entry {index} after {last})")]
    Hole {
        /// Segment.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// The entry found.
        index: u64,
        /// The last entry before it.
        last: u64,
    },
    /// The log does not hold the mark of the snapshot to start from.
    #[error("wal: snapshot not found (index {index})")]
    SnapshotNotFound {
        /// The snapshot's index.
        index: u64,
    },
    /// No segment, none that reaches back far enough, or one missing in between.
    #[error("{directory}: wal: file not found")]
    FileNotFound {
        /// The log's directory.
        directory: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl WalError {
    /// Metadata at a place that are not those of the segments before.
    pub(crate) fn conflicting(
        (file, offset): (String, u64),
        found: &Bytes,
        before: &Bytes,
    ) -> WalError {
        let (found, before) = (ids(found), ids(before));
        WalError::ConflictingMetadata { file, offset, found, before }
    }

    /// The words that the real server logs, without place and numbers.
    pub fn reason(&self) -> String {
        let words = match self {
            WalError::UnexpectedEof { .. } => "unexpected EOF",
            WalError::RecordTooLarge { .. } => "wal: max entry size limit exceeded",
            WalError::RecordCrc { .. } => "walpb: crc mismatch",
            WalError::ChainCrc { .. } => "wal: crc mismatch",
            WalError::ConflictingMetadata { .. } => "wal: conflicting metadata found",
            WalError::SnapshotMismatch { .. } => "wal: snapshot mismatch",
            WalError::Hole { .. } => "wal: slice bounds out of range",
            WalError::SnapshotNotFound { .. } => "wal: snapshot not found",
            WalError::FileNotFound { .. } => "wal: file not found",
            WalError::UnexpectedBlockType { kind, .. } => {
                return format!("unexpected block type {kind}");
            }
            WalError::Malformed { detail, .. } => return detail.clone(),
            WalError::Disk(error) => return error.to_string(),
        };
        words.into()
    }

    /// Segment and offset, when the error has a place in the bytes.
    pub fn place(&self) -> Option<(&str, u64)> {
        match self {
            WalError::UnexpectedEof { file, offset }
            | WalError::RecordTooLarge { file, offset, .. }
            | WalError::Malformed { file, offset, .. }
            | WalError::RecordCrc { file, offset, .. }
            | WalError::ChainCrc { file, offset, .. }
            | WalError::UnexpectedBlockType { file, offset, .. }
            | WalError::ConflictingMetadata { file, offset, .. }
            | WalError::SnapshotMismatch { file, offset, .. }
            | WalError::Hole { file, offset, .. } => Some((file, *offset)),
            WalError::SnapshotNotFound { .. }
            | WalError::FileNotFound { .. }
            | WalError::Disk(_) => None,
        }
    }

    /// Whether [`super::repair`] may help.
    pub fn is_torn(&self) -> bool {
        matches!(self, WalError::UnexpectedEof { .. })
    }
}

/// Whose log metadata say it is.
pub(crate) fn ids(metadata: &Bytes) -> String {
    match Metadata::decode(metadata.clone()) {
        Ok(ids) => format!("member {:x} of cluster {:x}", ids.node_id, ids.cluster_id),
        Err(error) => format!("metadata that cannot be decoded ({error})"),
    }
}
