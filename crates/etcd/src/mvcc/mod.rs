//! The multi-version key-value store: every write makes a revision, old revisions stay readable
//! until they are compacted.
//!
//! Two structures hold the same history. The [`backend`] has it in full, ordered by revision: the
//! `key` bucket maps 17-byte revisions (18 with the tombstone mark) to `mvccpb.KeyValue` bytes.
//! The index ([`key_index`]) has, for each user key, the revisions it was written at, cut into
//! generations by its deletions. The index is never stored: it is rebuilt from the backend.
//!
//! ```text
//! index    greeting → [ {2 5 7✝} {9} ]           ✝ a tombstone ends the generation
//! backend  2_0 KeyValue{greeting,…}  5_0 …  7_0t KeyValue{key only}  9_0 …
//! ```
//!
//! * An empty store is at revision 1 and has compact revision −1; the first write is revision 2.
//! * A write transaction that changes something takes one main revision; its changes are numbered
//!   by sub revision from 0. A transaction that changes nothing takes none.
//! * Reads at the compact revision are allowed, below it they are refused.
//! * `compact` moves the compact revision at once and queues the walk as a [`Compaction`].
//!
//! Rules that changed between releases are in [`Rules`]. Source: etcd release-3.4, `mvcc/`.
//! Those who watch are told by [`crate::watch`], leases are kept by [`crate::lease`]; here their ids
//! are stored.

pub mod backend;
pub mod compaction;
mod hash;
pub mod index;
pub mod key_index;
mod range;
mod restore;
pub mod revision;
mod row;
pub mod store;
mod survey;
mod write;

#[cfg(test)]
mod tests;

pub use backend::{Backend, Bucket, DiskBackend, FileBackend, MemoryBackend};
pub use compaction::{Compaction, Step};
pub use hash::HashKv;
pub use range::{KeyRange, RangeOptions, RangeResult};
pub use restore::RestoreError;
pub use revision::Revision;
pub use store::Store;
pub use survey::Survey;
pub use write::{Committed, WriteTxn};

use serde::{Deserialize, Serialize};

/// Why a revision cannot be read. Every member at the same revision gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MvccError {
    /// The revision lies below the compact revision.
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    /// The revision has not been written yet.
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
}

/// The storage rules that changed between releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// A tombstone at the compact revision survives the compaction, and a tombstone without a
    /// history is restored (3.4.34, 3.5.16).
    pub tombstone_survives_compaction: bool,
    /// After a restore the revision is at least the scheduled compact revision (3.4.32, 3.5.14);
    /// before, only the finished one counted.
    pub scheduled_revision_is_floor: bool,
}

impl Rules {
    /// The rules of release 3.4.34.
    pub const CURRENT: Self =
        Self { tombstone_survives_compaction: true, scheduled_revision_is_floor: true };
}

impl Default for Rules {
    fn default() -> Self {
        Self::CURRENT
    }
}
