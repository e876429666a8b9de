//! A bbolt file that is only read, with the changes of a log laid over it in memory.
//!
//! For what is read from a directory and never written back: values stay in the file until somebody
//! asks for them, so that a file read piece by piece ([`crate::bolt::Paged`]) need not fit memory.
//!
//! Whoever opens one has walked the file and found it whole. It may change or become unreadable
//! afterwards, when the host's disk fails or a server still writes to it: then reads give nothing
//! and the first problem is kept. Who has read asks [`FileBackend::problem`] before he believes it.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::buffer::Buffer;
use super::{Backend, Bucket, Visit, slot};
use crate::bolt::{self, Fault, File, Problem, Tree};
use crate::mvcc::row;

/// Buckets of a file, or of none, and changes in memory. Cloning it costs nothing.
#[derive(Debug, Clone, Default)]
pub struct FileBackend {
    file: Option<File>,
    trees: [Option<Tree>; Bucket::ALL.len()],
    changes: [Buffer; Bucket::ALL.len()],
    pending: usize,
    /// Shared by clones: what one of them met is wrong for all.
    problem: Arc<Mutex<Option<Problem>>>,
}

impl FileBackend {
    /// The buckets of a file.
    pub fn new(file: File) -> Result<Self, Problem> {
        let mut backend = Self::default();
        for bucket in Bucket::ALL {
            let found = file.root().bucket(bucket.name().as_bytes())?;
            backend.trees[slot(bucket)] = found.map(|bucket| bucket.tree());
        }
        backend.file = Some(file);
        Ok(backend)
    }

    /// The first thing that went wrong while reading. What was read since is not to be believed.
    pub fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Visits all keys of a bucket in order.
    pub fn each(&self, bucket: Bucket, visit: &mut dyn FnMut(&[u8], &[u8])) {
        self.scan(bucket, &[], None, &mut |key, value| {
            visit(key, value);
            ControlFlow::Continue(())
        });
    }

    /// All keys of a bucket, in order, with their values.
    pub fn bucket(&self, bucket: Bucket) -> Vec<(Bytes, Bytes)> {
        let mut pairs = Vec::new();
        self.each(bucket, &mut |key, value| {
            pairs.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        });
        pairs
    }

    fn in_file(&self, bucket: Bucket) -> Option<bolt::Bucket<'_>> {
        let (file, tree) = self.file.as_ref().zip(self.trees[slot(bucket)].as_ref())?;
        Some(file.bucket_at(tree))
    }

    fn note(&self, problem: Problem) {
        let mut first = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(problem);
    }

    /// A revision that was there when the file was walked.
    fn note_changed(&self) {
        let detail = "the file has changed while it was read".into();
        self.note(Problem { page: 0, offset: 0, fault: Fault::Unreadable { detail } });
    }

    /// Lends what the file has; of a revision always something that decodes.
    fn lend_from_file(&self, bucket: Bucket, key: &[u8], read: &mut dyn FnMut(&[u8])) {
        let Some(found) = self.in_file(bucket) else { return };
        let is_revision = bucket == Bucket::Key;
        let mut is_lent = false;
        let lent = found.lend(key, &mut |value| {
            if !is_revision || row::is_key_value(value) {
                is_lent = true;
                read(value);
            }
        });
        match lent {
            Err(problem) => self.note(problem),
            Ok(()) if is_revision && !is_lent => self.note_changed(),
            Ok(()) => {}
        }
        if is_revision && !is_lent {
            read(&[]);
        }
    }
}

impl Backend for FileBackend {
    fn get(&self, bucket: Bucket, key: &[u8]) -> Option<Bytes> {
        if let Some(changed) = self.changes[slot(bucket)].get(key) {
            return changed.clone();
        }
        self.in_file(bucket)?.value(key).unwrap_or_else(|problem| {
            self.note(problem);
            None
        })
    }

    fn lend(&self, bucket: Bucket, key: &[u8], read: &mut dyn FnMut(&[u8])) {
        match self.changes[slot(bucket)].get(key) {
            Some(Some(changed)) => read(changed),
            Some(None) => {}
            None => self.lend_from_file(bucket, key, read),
        }
    }

    fn scan(&self, bucket: Bucket, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) {
        let changes = &self.changes[slot(bucket)];
        let is_over = |key: &[u8]| to.is_some_and(|to| key >= to);
        let in_file = self.in_file(bucket);
        let scanned = match &in_file {
            Some(found) if changes.is_empty() => found.walk(from, &mut |key, value| {
                if is_over(key) { ControlFlow::Break(()) } else { visit(key, value) }
            }),
            found => {
                let mut cursor = found.as_ref().map(bolt::Bucket::cursor);
                changes.scan(cursor.as_mut(), from, to, visit)
            }
        };
        if let Err(problem) = scanned {
            self.note(problem);
        }
    }

    fn put(&mut self, bucket: Bucket, key: &[u8], value: Bytes) {
        self.pending += 1;
        self.changes[slot(bucket)].put(key, value);
    }

    fn delete(&mut self, bucket: Bucket, key: &[u8]) {
        self.pending += 1;
        self.changes[slot(bucket)].delete(key);
    }

    fn pending(&self) -> usize {
        self.pending
    }

    fn commit(&mut self) {
        self.pending = 0;
    }

    /// Of the file; changes are never written.
    fn size_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, File::size_bytes)
    }
}
