//! Write transactions: all changes of one become visible together under one main revision.

use bytes::Bytes;
use prost::Message as _;

use super::{Backend, Bucket, KeyRange, MvccError, RangeOptions, RangeResult, Revision, Store};
use crate::proto::mvccpb::KeyValue;

/// An open write transaction. It reads what it wrote.
///
/// End it with [`WriteTxn::end`]: a transaction that is dropped instead leaves changes in the
/// index that the revision does not cover.
#[must_use = "a transaction takes effect by its end"]
pub struct WriteTxn<'a, B: Backend> {
    store: &'a mut Store<B>,
    begin: i64,
    changes: Vec<KeyValue>,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// The revision of the store now.
    pub revision: i64,
    /// The changes in order of their sub revision; a deletion has create revision 0.
    pub changes: Vec<KeyValue>,
}

impl<B: Backend> Store<B> {
    /// Begins a write transaction.
    pub fn write(&mut self) -> WriteTxn<'_, B> {
        let begin = self.revision();
        WriteTxn { store: self, begin, changes: Vec::new() }
    }
}

impl<B: Backend> WriteTxn<'_, B> {
    /// The revision that the transaction reads at: with its own changes once there are any.
    pub fn revision(&self) -> i64 {
        if self.changes.is_empty() { self.begin } else { self.begin + 1 }
    }

    /// Reads a range, own changes included.
    pub fn range(&self, range: &KeyRange, options: RangeOptions) -> Result<RangeResult, MvccError> {
        self.store.range_as_of(self.revision(), range, options)
    }

    /// Puts a key; returns the revision of the transaction.
    pub fn put(&mut self, key: Bytes, value: Bytes, lease: i64) -> i64 {
        let revision = self.next_revision();
        let before = self.store.index_mut().put(&key, revision);
        let kv = KeyValue {
            create_revision: before.map_or(revision.main, |found| found.created.main),
            mod_revision: revision.main,
            version: before.map_or(0, |found| found.version) + 1,
            key,
            value,
            lease,
        };
        let stored = Bytes::from(kv.encode_to_vec());
        self.store.backend_mut().put(Bucket::Key, &revision.to_bytes(), stored);
        self.changes.push(kv);
        revision.main
    }

    /// Deletes the keys of a range; returns how many there were.
    pub fn delete_range(&mut self, range: &KeyRange) -> usize {
        let found = self.store.index().range(range, self.revision());
        let keys: Vec<Bytes> = found.map(|(key, _)| key.clone()).collect();
        let deleted = keys.len();
        for key in keys {
            self.delete(key);
        }
        deleted
    }

    /// Removes a key of a bucket that is not the store's own, in the same batch.
    pub(crate) fn unset(&mut self, bucket: Bucket, key: &[u8]) {
        self.store.unset(bucket, key);
    }

    /// Closes the transaction. If it changed something, the revision moves on and the consistent
    /// index is written in the same batch.
    pub fn end(self) -> Committed {
        let Self { store, begin, changes } = self;
        if !changes.is_empty() {
            store.finish_write(begin + 1);
        }
        Committed { revision: store.revision(), changes }
    }

    fn delete(&mut self, key: Bytes) {
        let revision = self.next_revision();
        let existed = self.store.index_mut().tombstone(&key, revision);
        assert!(existed, "a key that was found can be deleted");
        let kv = KeyValue { key, ..KeyValue::default() };
        let stored = Bytes::from(kv.encode_to_vec());
        self.store.backend_mut().put(Bucket::Key, &revision.to_tombstone_bytes(), stored);
        self.changes.push(kv);
    }

    fn next_revision(&self) -> Revision {
        let sub = i64::try_from(self.changes.len()).expect("changes of one transaction");
        Revision::new(self.begin + 1, sub)
    }
}
