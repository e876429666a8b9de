//! Buckets in persistent maps.

use bytes::Bytes;
use ordered::SharedMap;

use super::{Backend, Bucket, Visit, slot};

type Buckets = [SharedMap<Bytes, Bytes>; Bucket::ALL.len()];

/// Buckets in memory. Cloning costs nothing.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend {
    live: Buckets,
    committed: Buckets,
    pending: usize,
    bytes: u64,
}

/// What bbolt spends on one element of a leaf besides key and value.
const ELEMENT_BYTES: u64 = 16;
const PAGE_BYTES: u64 = 4096;
/// A fresh bbolt file: two meta pages, freelist, root.
const FRESH_BYTES: u64 = 4 * PAGE_BYTES;

impl MemoryBackend {
    /// The buckets as a crash would leave them: at the last commit.
    #[must_use]
    pub fn crashed(&self) -> Self {
        let live = self.committed.clone();
        let bytes = live.iter().flatten().map(|(key, value)| element_bytes(key, value)).sum();
        Self { committed: live.clone(), live, pending: 0, bytes }
    }

    /// All keys of a bucket, in order.
    pub fn bucket(&self, bucket: Bucket) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.live[slot(bucket)].iter()
    }
}

impl Backend for MemoryBackend {
    fn get(&self, bucket: Bucket, key: &[u8]) -> Option<Bytes> {
        self.live[slot(bucket)].get(key).cloned()
    }

    fn lend(&self, bucket: Bucket, key: &[u8], read: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.live[slot(bucket)].get(key) {
            read(value);
        }
    }

    fn scan(&self, bucket: Bucket, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) {
        let from = Bytes::copy_from_slice(from);
        for (key, value) in self.live[slot(bucket)].range(from..) {
            if to.is_some_and(|to| &key[..] >= to) || visit(key, value).is_break() {
                return;
            }
        }
    }

    fn put(&mut self, bucket: Bucket, key: &[u8], value: Bytes) {
        self.bytes += element_bytes(key, &value);
        let before = self.live[slot(bucket)].insert(Bytes::copy_from_slice(key), value);
        self.bytes -= before.map_or(0, |before| element_bytes(key, &before));
        self.pending += 1;
    }

    fn delete(&mut self, bucket: Bucket, key: &[u8]) {
        let before = self.live[slot(bucket)].remove(key);
        self.bytes -= before.map_or(0, |before| element_bytes(key, &before));
        self.pending += 1;
    }

    fn pending(&self) -> usize {
        self.pending
    }

    fn commit(&mut self) {
        self.committed = self.live.clone();
        self.pending = 0;
    }

    /// What the elements would fill, in whole pages.
    fn size_bytes(&self) -> u64 {
        FRESH_BYTES + self.bytes.next_multiple_of(PAGE_BYTES)
    }
}

fn element_bytes(key: &[u8], value: &[u8]) -> u64 {
    u64::try_from(key.len() + value.len()).expect("a length fits 64 bits") + ELEMENT_BYTES
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    #[test]
    fn a_crash_leaves_the_last_closed_batch() {
        let mut backend = MemoryBackend::default();
        backend.put(Bucket::Key, b"a", Bytes::from_static(b"1"));
        backend.put(Bucket::Meta, b"consistent_index", Bytes::from_static(b"1"));
        backend.commit();
        let size = backend.size_bytes();
        backend.put(Bucket::Key, b"b", Bytes::from_static(b"2"));
        backend.delete(Bucket::Key, b"a");
        assert_eq!(backend.pending(), 2, "the open batch");

        let after = backend.crashed();
        assert_eq!(after.get(Bucket::Key, b"a"), Some(Bytes::from_static(b"1")), "still there");
        assert_eq!(after.get(Bucket::Key, b"b"), None, "never committed");
        assert_eq!(after.size_bytes(), size, "of the same size");
    }

    #[test]
    fn scans_stop_before_the_end_and_on_break() {
        let mut backend = MemoryBackend::default();
        for key in [b"a", b"b", b"c", b"d"] {
            backend.put(Bucket::Key, key, Bytes::new());
        }
        let mut seen = Vec::new();
        backend.scan(Bucket::Key, b"b", Some(b"d"), &mut |key, _| {
            seen.push(key.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(seen, [b"b", b"c"], "half open");

        let mut visits = 0;
        backend.scan(Bucket::Key, b"", None, &mut |_, _| {
            visits += 1;
            ControlFlow::Break(())
        });
        assert_eq!(visits, 1, "break ends the walk");
    }
}
