//! `HashKV`: the checksum by which members compare their histories.
//!
//! CRC-32C over the bucket's name and then key and value of every stored revision up to the one
//! asked for, without those that a compaction is free to have removed already. Source: etcd
//! release-3.4, `mvcc/kvstore.go` (`hashByRev`).

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::store::CONSISTENT_INDEX;
use super::{Backend, Bucket, MvccError, Revision, Rules, Store};

/// The answer of `endpoint hashkv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// The current revision of the store.
    pub revision: i64,
    /// The compact revision that the hash took into account.
    pub compact_revision: i64,
}

impl<B: Backend> Store<B> {
    /// Hashes the history up to `revision`; 0 means the current one.
    pub fn hash_kv(&self, revision: i64) -> Result<HashKv, MvccError> {
        if revision > 0 && revision <= self.compact_revision() {
            return Err(MvccError::Compacted);
        }
        if revision > self.revision() {
            return Err(MvccError::FutureRevision);
        }
        let revision = if revision > 0 { revision } else { self.revision() };
        Ok(HashKv {
            hash: self.hash_until(revision),
            revision: self.revision(),
            compact_revision: self.compact_revision(),
        })
    }

    /// Hashes the whole backend but for the consistent index, which differs between members.
    pub fn hash(&self) -> u32 {
        Bucket::ALL.iter().fold(0, |mut hash, &bucket| {
            hash = crc32c::crc32c_append(hash, bucket.name().as_bytes());
            self.backend().scan(bucket, &[], None, &mut |key, value| {
                if bucket != Bucket::Meta || key != CONSISTENT_INDEX {
                    hash = crc32c::crc32c_append(hash, key);
                    hash = crc32c::crc32c_append(hash, value);
                }
                ControlFlow::Continue(())
            });
            hash
        })
    }

    fn hash_until(&self, revision: i64) -> u32 {
        let (compact, rules) = (self.compact_revision(), self.rules());
        let mut compacted = self.index().keep(revision, rules);
        let is_empty = compacted.is_empty();
        compacted.truncate(compacted.partition_point(|revision| revision.main <= compact));
        of_history(self.backend(), revision, compact, &Kept { compacted, is_empty }, rules)
    }
}

/// The revisions that a compaction must leave for readers at the revision that is hashed.
pub(super) struct Kept {
    /// Those at or below the compact revision, ascending.
    pub(super) compacted: Vec<Revision>,
    /// Whether there are none at all, above it neither.
    pub(super) is_empty: bool,
}

/// Hashes the history of a backend up to `revision`.
pub(super) fn of_history<B: Backend>(
    backend: &B,
    revision: i64,
    compact: i64,
    kept: &Kept,
    rules: Rules,
) -> u32 {
    let end = (revision + 1).to_be_bytes();
    let mut hash = crc32c::crc32c(Bucket::Key.name().as_bytes());
    backend.scan(Bucket::Key, &[], Some(&end), &mut |key, value| {
        if is_hashed(key, compact, kept, rules) {
            hash = crc32c::crc32c_append(hash, key);
            hash = crc32c::crc32c_append(hash, value);
        }
        ControlFlow::Continue(())
    });
    hash
}

/// Whether every member still has this revision, however far its compaction has come.
fn is_hashed(key: &[u8], compact: i64, kept: &Kept, rules: Rules) -> bool {
    let Some(stored) = Revision::from_bytes(key) else { return true };
    let main = stored.revision.main;
    if main <= compact && !kept.is_empty && kept.compacted.binary_search(&stored.revision).is_err()
    {
        return false;
    }
    // Releases disagree on whether it was removed, so none counts it.
    let at_compact = stored.tombstone && main == compact;
    !(at_compact && rules.tombstone_survives_compaction)
}
