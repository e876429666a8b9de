//! What a backend tells of its store without an index of all keys.
//!
//! Two walks over the revisions. The first finds the current revision and, in a store that was
//! compacted, the newest revision of each key; the second hashes. Memory is for those alone, a few
//! words a key: nothing at all for a store that was never compacted.

use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};

use super::hash::{self, HashKv, Kept};
use super::restore::{Numbers, RestoreError, each_row};
use super::revision::StoredRevision;
use super::row::Row;
use super::{Backend, Revision, Rules};

/// The numbers of a store, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// The raft index of the last entry whose changes the backend has.
    pub consistent_index: u64,
    /// Current revision, compact revision, and the hash of all that is left of the history.
    pub hash: HashKv,
}

impl Survey {
    /// Surveys a backend.
    pub fn of<B: Backend>(backend: &B, rules: Rules) -> Result<Self, RestoreError> {
        let numbers = Numbers::read(backend)?;
        let is_compacted = numbers.scheduled.is_some() || numbers.finished.is_some();
        let (newest, keys) = walk(backend, is_compacted)?;
        let revision = numbers.revision(newest, rules);
        let compact_revision = numbers.compact_revision(revision);
        let kept = Kept::of(&keys, compact_revision);
        drop(keys);
        let hash = hash::of_history(backend, revision, compact_revision, &kept, rules);
        let hash = HashKv { hash, revision, compact_revision };
        Ok(Self { consistent_index: numbers.consistent_index, hash })
    }
}

/// The newest revision of each key.
type Newest = IndexMap<[u8; 16], StoredRevision>;

impl Kept {
    /// What readers at the current revision can still see.
    fn of(keys: &Newest, compact_revision: i64) -> Self {
        let live = keys.values().filter(|newest| !newest.tombstone);
        let revisions = live.clone().map(|newest| newest.revision);
        let mut compacted: Vec<Revision> =
            revisions.filter(|revision| revision.main <= compact_revision).collect();
        compacted.sort_unstable();
        Self { compacted, is_empty: live.count() == 0 }
    }
}

/// The last revision that is stored and, if they are asked for, the newest ones of all keys.
fn walk<B: Backend>(backend: &B, with_keys: bool) -> Result<(i64, Newest), RestoreError> {
    let mut newest = Newest::new();
    let (mut last, mut last_key) = (Revision::default(), Vec::new());
    let mut take = |at: StoredRevision, row: Row<'_>| {
        if last == at.revision && last_key == row.key {
            return Err(RestoreError::OutOfOrder { revision: last });
        }
        last = at.revision;
        last_key.clear();
        last_key.extend_from_slice(row.key);
        if with_keys {
            newest.insert(name_of(row.key), at);
        }
        Ok(())
    };
    each_row(backend, &mut take)?;
    Ok((last.main.max(1), newest))
}

/// A key in sixteen bytes: keys may be long, and nobody finds two with the same ones.
fn name_of(key: &[u8]) -> [u8; 16] {
    *Sha256::digest(key).first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mvcc::{MemoryBackend, Store};

    /// A survey says what the store says whose backend it is, at every step of a history with
    /// deletions, compactions that are finished and one that is not.
    #[test]
    fn a_survey_tells_what_the_store_tells() {
        for rules in [
            Rules::CURRENT,
            Rules { tombstone_survives_compaction: false, scheduled_revision_is_floor: false },
        ] {
            let mut store: Store = Store::restore(MemoryBackend::default(), rules).unwrap();
            for step in 0..200_u64 {
                store.set_consistent_index(step);
                let key = Bytes::from(format!("key {}", step * 7 % 13));
                let mut txn = store.write();
                if step % 5 == 3 || step > 190 {
                    let end = if step > 190 { "\0" } else { "" };
                    let range = crate::mvcc::KeyRange::new(&key, &Bytes::from(end));
                    txn.delete_range(&range);
                } else {
                    txn.put(key, Bytes::from(step.to_string()), 0);
                }
                txn.end();
                if step % 40 == 39 {
                    store.compact(store.revision() - i64::try_from(step % 3).unwrap()).unwrap();
                    store.step_compaction(10);
                    agrees(&store, rules);
                    while step < 180 && store.step_compaction(10).is_some() {}
                }
                agrees(&store, rules);
            }
        }
    }

    fn agrees(store: &Store, rules: Rules) {
        let again = Store::restore(store.backend().clone(), rules).unwrap();
        let survey = Survey::of(store.backend(), rules).unwrap();
        assert_eq!(survey.hash, again.hash_kv(0).unwrap());
        assert_eq!(survey.hash, store.hash_kv(0).unwrap());
        assert_eq!(survey.consistent_index, again.consistent_index());
    }
}
