//! The store: index and backend, and the numbers that hold them together.
//!
//! Source: etcd release-3.4, `mvcc/kvstore.go`.

use std::collections::VecDeque;

use bytes::Bytes;

use super::index::Index;
use super::row::{self, Rows};
use super::{Backend, Bucket, Compaction, MemoryBackend, MvccError, Revision, Rules, Step};
use crate::proto::mvccpb::KeyValue;

pub(super) const CONSISTENT_INDEX: &[u8] = b"consistent_index";
pub(super) const SCHEDULED_COMPACT_REVISION: &[u8] = b"scheduledCompactRev";
pub(super) const FINISHED_COMPACT_REVISION: &[u8] = b"finishedCompactRev";

/// Changes after which a batch is closed without waiting for the commit interval.
pub const BATCH_LIMIT: usize = 10_000;

/// A key-value store with its history. Cloning it costs nothing with [`MemoryBackend`].
///
/// * `compact_revision <= revision`; the first is −1 until something was compacted.
/// * Every revision of the index is in the backend, with the same key.
/// * The backend's consistent index is that of the last write which changed something.
#[derive(Debug, Clone)]
pub struct Store<B = MemoryBackend> {
    backend: B,
    index: Index,
    revision: i64,
    compact_revision: i64,
    consistent_index: u64,
    rules: Rules,
    compactions: VecDeque<Compaction>,
    /// Keys with leases, as found by a restore.
    attached: Vec<(Bytes, i64)>,
}

impl<B: Backend> Store<B> {
    pub(super) fn from_parts(backend: B, index: Index, rules: Rules) -> Self {
        let compactions = VecDeque::new();
        Self {
            backend,
            index,
            revision: 1,
            compact_revision: -1,
            consistent_index: 0,
            rules,
            compactions,
            attached: Vec::new(),
        }
    }

    pub(super) fn set_attached(&mut self, attached: Vec<(Bytes, i64)>) {
        self.attached = attached;
    }

    /// The keys that a restore found with leases, once.
    pub fn take_attached(&mut self) -> Vec<(Bytes, i64)> {
        std::mem::take(&mut self.attached)
    }

    pub(super) fn set_restored(&mut self, revision: i64, compact: i64, consistent_index: u64) {
        self.revision = revision;
        self.compact_revision = compact;
        self.consistent_index = consistent_index;
    }

    /// The revision of the last write; 1 for an empty store.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The lowest revision that can be read; −1 if nothing was compacted yet.
    pub fn compact_revision(&self) -> i64 {
        self.compact_revision
    }

    /// The raft index of the entry that is being or was last applied.
    pub fn consistent_index(&self) -> u64 {
        self.consistent_index
    }

    /// Takes the raft index of the entry about to be applied. It reaches the backend with the
    /// next write that changes something, as in etcd 3.4.
    pub fn set_consistent_index(&mut self, index: u64) {
        assert!(index >= self.consistent_index, "the consistent index went back");
        self.consistent_index = index;
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Size of the backend as a file.
    pub fn size_bytes(&self) -> u64 {
        self.backend.size_bytes()
    }

    /// Closes the open batch, if there is anything in it.
    pub fn commit(&mut self) {
        if self.backend.pending() > 0 {
            self.backend.commit();
        }
    }

    /// Saves the consistent index and closes the batch, before the backend is read as a file.
    pub fn flush(&mut self) {
        self.save_consistent_index();
        self.backend.commit();
    }

    /// Makes history below `revision` unreadable at once and queues the walk that removes it.
    ///
    /// The scheduled revision is committed before this returns, so that a restart takes the walk
    /// up again.
    pub fn compact(&mut self, revision: i64) -> Result<(), MvccError> {
        if revision <= self.compact_revision {
            return Err(MvccError::Compacted);
        }
        if revision > self.revision {
            return Err(MvccError::FutureRevision);
        }
        self.compact_revision = revision;
        self.put_compact_revision(SCHEDULED_COMPACT_REVISION, revision);
        self.backend.commit();
        self.compactions.push_back(Compaction::new(revision));
        Ok(())
    }

    /// Compactions that are queued or under way, oldest first.
    pub fn compactions(&self) -> impl Iterator<Item = &Compaction> {
        self.compactions.iter()
    }

    /// Goes on with the oldest compaction: over the index, or over `batch` stored revisions. Says
    /// what it was.
    pub fn step_compaction(&mut self, batch: usize) -> Option<Step> {
        let mut compaction = self.compactions.pop_front()?;
        let step = compaction.step(self, batch);
        if !compaction.is_finished() {
            self.compactions.push_front(compaction);
        }
        Some(step)
    }

    /// Sets a key of a bucket that is not the store's own, such as a lease's.
    pub(crate) fn set(&mut self, bucket: Bucket, key: &[u8], value: Bytes) {
        assert!(!matches!(bucket, Bucket::Key | Bucket::Meta), "the store's own bucket");
        self.backend.put(bucket, key, value);
    }

    /// Removes a key of a bucket that is not the store's own.
    pub(crate) fn unset(&mut self, bucket: Bucket, key: &[u8]) {
        assert!(!matches!(bucket, Bucket::Key | Bucket::Meta), "the store's own bucket");
        self.backend.delete(bucket, key);
    }

    pub(super) fn index_mut(&mut self) -> &mut Index {
        &mut self.index
    }

    /// The backend, for whoever carries its commits through.
    pub fn backend_mut(&mut self) -> &mut B {
        &mut self.backend
    }

    pub(super) fn put_compact_revision(&mut self, name: &[u8], revision: i64) {
        let bytes = Bytes::copy_from_slice(&Revision::new(revision, 0).to_bytes());
        self.backend.put(Bucket::Meta, name, bytes);
    }

    pub(super) fn finish_write(&mut self, revision: i64) {
        self.save_consistent_index();
        self.revision = revision;
        if self.backend.pending() >= BATCH_LIMIT {
            self.backend.commit();
        }
    }

    /// The value that is stored at a revision which the index has for a key.
    pub(super) fn stored(&self, key: &Bytes, revision: Revision) -> KeyValue {
        let mut found = None;
        self.backend.lend(Bucket::Key, &revision.to_bytes(), &mut |bytes| {
            let read = row::key_value(bytes, key);
            found = Some(read.expect("the store decodes what it encoded or checked"));
        });
        found.expect("a live revision of the index is in the backend")
    }

    /// What is stored at several such revisions, in their order. They are looked up in the order in
    /// which they lie.
    pub(super) fn stored_all(&self, revisions: &[Revision]) -> Vec<KeyValue> {
        let order = in_order(revisions);
        let names: Vec<_> = order.iter().map(|&at| revisions[at].to_bytes()).collect();
        let (mut rows, mut found) = (Rows::of(revisions.len()), 0);
        let mut names = names.iter().map(|name| &name[..]);
        self.backend.lend_each(Bucket::Key, &mut names, &mut |number, bytes| {
            let read = rows.set(order[number], bytes);
            read.expect("the store decodes what it encoded or checked");
            found += 1;
        });
        assert_eq!(found, revisions.len(), "live revisions of the index are in the backend");
        rows.finish()
    }

    fn save_consistent_index(&mut self) {
        let bytes = Bytes::copy_from_slice(&self.consistent_index.to_be_bytes());
        self.backend.put(Bucket::Meta, CONSISTENT_INDEX, bytes);
    }
}

/// Where the revisions are, in the order of their main parts: the sub part makes room for the place, so
/// that this sort is the one that compactions have too. The order only saves work: revisions of one
/// transaction may be in any.
fn in_order(revisions: &[Revision]) -> Vec<usize> {
    let placed = |(revision, at): (&Revision, i64)| Revision::new(revision.main, at);
    let mut placed: Vec<Revision> = revisions.iter().zip(0..).map(placed).collect();
    placed.sort_unstable();
    let place = |revision: Revision| usize::try_from(revision.sub).expect("a place in memory");
    placed.into_iter().map(place).collect()
}
