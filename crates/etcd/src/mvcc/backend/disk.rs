//! The backend in a bbolt file on the disk.
//!
//! A batch collects in memory. It is closed when it is full, when [`Backend::commit`] asks for it,
//! or by the server at the batch interval: [`DiskBackend::begin_commit`] makes a transaction of it,
//! and [`DiskBackend::on_synced`] carries that through its syncs. Meanwhile nothing may be written:
//! etcd holds the batch's lock. Reads go on, and see the batch all the time. A power cut at any
//! moment leaves the state before the batch or after it.
//!
//! Source: etcd release-3.4, `mvcc/backend/backend.go`, `batch_tx.go`.

use std::ops::ControlFlow;
use std::sync::Arc;

use ::disk::{Disk, DiskError, Ticket};
use bytes::Bytes;

use super::buffer::Buffer;
use super::{Backend, Bucket, Visit, slot};
use crate::bolt::{
    self, Commit, Compact, CompactProgress, Db, DbError, DbOptions, Progress, Stream, Tree,
};

/// How full the pages of revisions are made, in percent: they are written in order.
const FILL_PERCENT_OF_REVISIONS: u32 = 90;

/// How a backend is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendOptions {
    /// `--backend-batch-limit`: changes after which a batch is closed.
    pub batch_limit: usize,
    /// The file.
    pub db: DbOptions,
}

impl Default for BackendOptions {
    fn default() -> Self {
        Self { batch_limit: 10_000, db: DbOptions::default() }
    }
}

/// Why a backend cannot be opened, written or copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {source}")]
pub struct BackendError {
    /// The file.
    pub path: String,
    /// What is wrong.
    pub source: DbError,
    /// Only the copy of a defragmentation could not be written: it is given up, and the backend is
    /// as it was. A server dies of anything else.
    pub is_of_copy: bool,
}

/// What a backend waits for the disk with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// A batch is being closed.
    Commit,
    /// The file is being copied without its free pages.
    Defragmentation,
}

/// The backend of a server. Cloning it costs nothing.
///
/// * A bucket that is not there yet is made by the next batch, and is empty until then.
/// * `trees` are those of the state that `db` reads.
/// * While `work` is under way nothing is put into the buffers.
#[derive(Debug, Clone)]
pub struct DiskBackend {
    path: Arc<str>,
    options: BackendOptions,
    db: Db,
    trees: [Option<Tree>; Bucket::ALL.len()],
    buffers: [Buffer; Bucket::ALL.len()],
    pending: usize,
    is_commit_wanted: bool,
    work: Option<Work>,
}

#[derive(Debug, Clone)]
enum Work {
    Commit(Commit),
    Compact(Box<Compact>),
}

impl DiskBackend {
    pub(super) fn new(path: &str, options: BackendOptions, db: Db) -> Self {
        let mut backend = Self {
            path: path.into(),
            options,
            db,
            trees: std::array::from_fn(|_| None),
            buffers: std::array::from_fn(|_| Buffer::default()),
            pending: 0,
            is_commit_wanted: false,
            work: None,
        };
        backend.find_trees(|_| true);
        // Each bucket that is to be made is a change of the first batch.
        backend.pending = backend.trees.iter().filter(|tree| tree.is_none()).count();
        backend
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The database, without the open batch.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// What it waits for the disk with. Nothing may be put or deleted meanwhile.
    pub fn busy(&self) -> Option<Busy> {
        match &self.work {
            None => None,
            Some(Work::Commit(_)) => Some(Busy::Commit),
            Some(Work::Compact(_)) => Some(Busy::Defragmentation),
        }
    }

    /// The sync that it waits for.
    pub fn waits_for(&self) -> Option<Ticket> {
        match &self.work {
            None => None,
            Some(Work::Commit(commit)) => Some(commit.ticket()),
            Some(Work::Compact(compact)) => Some(compact.ticket()),
        }
    }

    /// Begins to close the batch; `false` if there is nothing in it.
    pub fn begin_commit(&mut self, disk: &mut Disk) -> Result<bool, BackendError> {
        assert!(self.work.is_none(), "one thing at a time");
        self.is_commit_wanted = false;
        if self.pending == 0 {
            return Ok(false);
        }
        let before = self.db.file().meta().transaction;
        let mut tx = self.db.begin();
        for bucket in Bucket::ALL {
            let buffer = &self.buffers[slot(bucket)];
            if buffer.is_empty() && self.tree(bucket).is_some() {
                continue;
            }
            let made = tx.create_bucket_if_missing(tx.root(), bucket.name().as_bytes());
            let id = made.expect("a key of the root that is etcd's is a bucket");
            if bucket == Bucket::Key {
                tx.set_fill_percent(id, FILL_PERCENT_OF_REVISIONS);
            }
            for (key, value) in buffer.iter() {
                let done = match value {
                    Some(value) => tx.put_bytes(id, key, value.clone()),
                    None => tx.delete(id, key),
                };
                done.expect("keys and values were checked when they came");
            }
        }
        let commit = self.db.commit(tx, disk).map_err(|error| self.failed(error))?;
        self.work = Some(Work::Commit(commit));
        self.follow(before);
        Ok(true)
    }

    /// Begins to copy the file without its free pages. The batch must be closed.
    pub fn begin_defragmentation(&mut self, disk: &mut Disk) -> Result<(), BackendError> {
        assert!(self.work.is_none() && self.pending == 0, "the batch is closed first");
        let temporary = format!("{}.tmp.{}", self.path, self.db.file().meta().transaction);
        let compact = Compact::begin(&self.db, disk, &self.path, &temporary);
        let compact = compact.map_err(|error| copy_failed(disk, &temporary, error))?;
        self.work = Some(Work::Compact(Box::new(compact)));
        Ok(())
    }

    /// Takes a completed sync; `true` if it ended what was under way. Others than its own change
    /// nothing.
    pub fn on_synced(&mut self, ticket: Ticket, disk: &mut Disk) -> Result<bool, BackendError> {
        if self.waits_for() != Some(ticket) {
            return Ok(false);
        }
        let before = self.db.file().meta().transaction;
        self.work = match self.work.take().expect("it waits for something") {
            Work::Commit(commit) => {
                let progress = commit.on_synced(ticket, &mut self.db, disk);
                match progress.map_err(|error| self.failed(error))? {
                    Progress::Waiting(commit) => Some(Work::Commit(commit)),
                    Progress::Done => None,
                }
            }
            Work::Compact(compact) => {
                let temporary = compact.temporary().to_owned();
                let progress = compact.on_synced(ticket, disk).map_err(|error| {
                    // Once it has the name of the original there is no way back.
                    let is_renamed = !disk.exists(&temporary);
                    if is_renamed {
                        self.failed(error)
                    } else {
                        copy_failed(disk, &temporary, error)
                    }
                });
                match progress? {
                    CompactProgress::Waiting(compact) => Some(Work::Compact(compact)),
                    CompactProgress::Done(db) => {
                        self.db = db;
                        self.find_trees(|_| true);
                        None
                    }
                }
            }
        };
        self.follow(before);
        Ok(self.work.is_none())
    }

    /// The sync that it waits for failed, and with it what was under way.
    pub fn sync_failed(&mut self, error: DiskError, disk: &mut Disk) -> BackendError {
        match self.work.take() {
            Some(Work::Compact(compact)) if !compact.is_whole() => {
                copy_failed(disk, compact.temporary(), error.into())
            }
            Some(_) | None => self.failed(error.into()),
        }
    }

    /// The committed state as a file, to send or save.
    pub fn stream(&self) -> Stream {
        self.db.stream()
    }

    /// The batch is part of the file's state as soon as its pages are written.
    fn follow(&mut self, before: u64) {
        let is_commit = !matches!(self.work, Some(Work::Compact(_)));
        if is_commit && self.db.file().meta().transaction > before {
            let batch = std::mem::take(&mut self.buffers);
            self.pending = 0;
            // Any other bucket is where it was.
            self.find_trees(|bucket| !batch[slot(bucket)].is_empty());
        }
    }

    /// Finds the trees of the buckets that changed, and of those that were not there.
    fn find_trees(&mut self, has_changed: impl Fn(Bucket) -> bool) {
        let root = self.db.file().root();
        let has_changed = |bucket: &Bucket| has_changed(*bucket) || self.tree(*bucket).is_none();
        let changed: Vec<Bucket> = Bucket::ALL.into_iter().filter(has_changed).collect();
        for bucket in changed {
            let found = bolt::sound(root.bucket(bucket.name().as_bytes()));
            self.trees[slot(bucket)] = found.map(|bucket| bucket.tree());
        }
    }

    fn tree(&self, bucket: Bucket) -> Option<&Tree> {
        self.trees[slot(bucket)].as_ref()
    }

    /// The bucket without the open batch; `None` if that is what makes it.
    fn committed(&self, bucket: Bucket) -> Option<bolt::Bucket<'_>> {
        self.tree(bucket).map(|tree| self.db.file().bucket_at(tree))
    }

    fn changed(&mut self) {
        assert!(self.work.is_none(), "nothing is written while a batch is being closed");
        self.pending += 1;
        self.is_commit_wanted |= self.pending >= self.options.batch_limit;
    }

    fn failed(&self, source: DbError) -> BackendError {
        BackendError { path: self.path.to_string(), source, is_of_copy: false }
    }
}

impl Backend for DiskBackend {
    fn get(&self, bucket: Bucket, key: &[u8]) -> Option<Bytes> {
        match self.buffers[slot(bucket)].get(key) {
            Some(changed) => changed.clone(),
            None => self.committed(bucket).and_then(|bucket| bolt::sound(bucket.value(key))),
        }
    }

    fn lend(&self, bucket: Bucket, key: &[u8], read: &mut dyn FnMut(&[u8])) {
        match self.buffers[slot(bucket)].get(key) {
            Some(Some(changed)) => read(changed),
            Some(None) => {}
            None => {
                if let Some(bucket) = self.committed(bucket) {
                    bolt::sound(bucket.lend(key, read));
                }
            }
        }
    }

    fn lend_each(
        &self,
        bucket: Bucket,
        keys: &mut dyn Iterator<Item = &[u8]>,
        read: &mut dyn FnMut(usize, &[u8]),
    ) {
        match self.committed(bucket) {
            Some(found) if self.buffers[slot(bucket)].is_empty() => {
                bolt::sound(found.lend_each(keys, read));
            }
            // What the open batch has is looked for there first, key by key.
            Some(_) | None => keys.enumerate().for_each(|(number, key)| {
                self.lend(bucket, key, &mut |value| read(number, value));
            }),
        }
    }

    fn scan(&self, bucket: Bucket, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) {
        if self.buffers[slot(bucket)].is_empty() {
            let is_over = |key: &[u8]| to.is_some_and(|to| key >= to);
            if let Some(bucket) = self.committed(bucket) {
                bolt::sound(bucket.walk(from, &mut |key, value| {
                    if is_over(key) { ControlFlow::Break(()) } else { visit(key, value) }
                }));
            }
            return;
        }
        let mut committed = self.committed(bucket).map(|bucket| bucket.cursor());
        bolt::sound(self.buffers[slot(bucket)].scan(committed.as_mut(), from, to, visit));
    }

    fn put(&mut self, bucket: Bucket, key: &[u8], value: Bytes) {
        self.changed();
        self.buffers[slot(bucket)].put(key, value);
    }

    fn delete(&mut self, bucket: Bucket, key: &[u8]) {
        self.changed();
        self.buffers[slot(bucket)].delete(key);
    }

    fn pending(&self) -> usize {
        self.pending
    }

    fn commit(&mut self) {
        self.is_commit_wanted |= self.pending > 0;
    }

    fn wants_commit(&self) -> bool {
        self.is_commit_wanted
    }

    fn size_bytes(&self) -> u64 {
        self.db.size_bytes()
    }

    fn in_use_bytes(&self) -> u64 {
        self.db.in_use_bytes()
    }
}

/// The words with which etcd dies of a backend that it cannot write.
impl BackendError {
    /// Of a disk that refuses a write or a sync.
    pub fn of_disk(path: &str, error: DiskError) -> Self {
        Self { path: path.to_owned(), source: error.into(), is_of_copy: false }
    }
}

/// Gives up a copy. That its file cannot be removed changes nothing: a boot does it.
fn copy_failed(disk: &mut Disk, path: &str, source: DbError) -> BackendError {
    let _ = disk.remove(path);
    BackendError { path: path.to_owned(), source, is_of_copy: true }
}
