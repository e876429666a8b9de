//! Removing history that no reader can reach any more, in steps.
//!
//! First the index is walked key by key and gives the revisions that stay; then the backend is
//! walked revision by revision and loses the others, in batches with a commit after each, so that
//! writes go on between steps. At the end `finishedCompactRev` says that the walk is complete.
//! Source: etcd release-3.4, `mvcc/kvstore_compaction.go`.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::store::FINISHED_COMPACT_REVISION;
use super::{Backend, Bucket, Revision, Store};

/// The walk for one compaction.
#[derive(Debug, Clone)]
pub struct Compaction {
    revision: i64,
    phase: Phase,
    /// Revisions at or below `revision` that stay; ascending once the index was walked.
    kept: Vec<Revision>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It walked over keys of the index, and changed nothing in the backend.
    Index,
    /// It removed revisions from the backend and closed the batch.
    Backend,
}

/// Keys of the index in one step: etcd walks all of it at once.
const INDEX_KEYS: usize = 100_000;

#[derive(Debug, Clone)]
enum Phase {
    Index { from: Bound<Bytes> },
    Backend { from: Revision },
    Finished,
}

impl Compaction {
    pub(super) fn new(revision: i64) -> Self {
        let phase = Phase::Index { from: Bound::Unbounded };
        Self { revision, phase, kept: Vec::new() }
    }

    /// The revision that stays readable.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Whether the walk is complete.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// Walks a part of the index, or `batch` revisions of the backend.
    pub(super) fn step<B: Backend>(&mut self, store: &mut Store<B>, batch: usize) -> Step {
        assert!(batch > 0, "a batch of nothing makes no progress");
        let (phase, step) = match &self.phase {
            Phase::Index { from } => (self.walk_index(&from.clone(), store), Step::Index),
            Phase::Backend { from } => (self.walk_backend(*from, store, batch), Step::Backend),
            Phase::Finished => (Phase::Finished, Step::Backend),
        };
        self.phase = phase;
        step
    }

    fn walk_index<B: Backend>(&mut self, from: &Bound<Bytes>, store: &mut Store<B>) -> Phase {
        let (at, rules) = (self.revision, store.rules());
        if let Some(from) = store.index_mut().compact(from, INDEX_KEYS, at, rules, &mut self.kept) {
            return Phase::Index { from };
        }
        self.kept.sort_unstable();
        Phase::Backend { from: Revision::default() }
    }

    fn walk_backend<B: Backend>(
        &mut self,
        from: Revision,
        store: &mut Store<B>,
        batch: usize,
    ) -> Phase {
        let found = self.revisions_from(from, store, batch);
        for key in &found {
            let stored = Revision::from_bytes(key).expect("a revision, as it was found");
            if self.kept.binary_search(&stored.revision).is_err() {
                store.backend_mut().delete(Bucket::Key, key);
            }
        }
        let next = match found.last().and_then(|key| Revision::from_bytes(key)) {
            Some(last) if found.len() == batch => {
                Phase::Backend { from: Revision::new(last.revision.main, last.revision.sub + 1) }
            }
            _ => {
                store.put_compact_revision(FINISHED_COMPACT_REVISION, self.revision);
                Phase::Finished
            }
        };
        store.backend_mut().commit();
        next
    }

    /// Up to `batch` stored revisions from `from` on, at or below the compact revision.
    fn revisions_from<B: Backend>(
        &self,
        from: Revision,
        store: &Store<B>,
        batch: usize,
    ) -> Vec<Bytes> {
        let end = (self.revision + 1).to_be_bytes();
        let mut found = Vec::new();
        store.backend().scan(Bucket::Key, &from.to_bytes(), Some(&end), &mut |key, _| {
            found.push(Bytes::copy_from_slice(key));
            if found.len() == batch { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}
