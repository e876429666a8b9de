//! A new file, written in one go.
//!
//! Buckets come in the order of their names, keys in theirs, so a page is written as soon as it is
//! full: leaves one behind the other, a branch when it is full, the root of each bucket at its end.
//! Memory holds one page a level, whatever the file's length. The meta pages come last: until then
//! the file is none.
//!
//! ```text
//! meta · meta · leaf leaf … branch leaf … branch root │ next bucket … │ root of all buckets
//! ```
//!
//! Nothing is free, and there is no freelist. Pages are filled as [`super::Compact`] fills them.

use bytes::Bytes;

use super::bucket::BUCKET_BYTES;
use super::node::{Inode, Node};
use super::tx::{BucketId, TxError, check_element};
use super::{Meta, PageStore};

/// Bytes of a page, as etcd on Linux has them.
const PAGE_BYTES: u32 = 4096;
const PAGE_SIZE: usize = PAGE_BYTES as usize;
/// A page is closed before it holds more: 90 %, as etcd fills those of revisions.
const FULL_BYTES: usize = PAGE_SIZE * 90 / 100;
/// Keys that a page has at least, but for the last one of its level.
const KEYS_MIN: usize = 2;
/// Pages are handed on when there are so many bytes of them.
const BUFFER_BYTES: usize = 256 << 10;

/// Why a file is not finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No bbolt file can hold it.
    #[error(transparent)]
    Element(#[from] TxError),
    /// A key or a bucket is not above the one before it.
    #[error("keys out of order")]
    Order,
    /// The store refuses.
    #[error("cannot be written: {0}")]
    Write(String),
}

/// A file under construction.
pub struct Build<'a> {
    pages: Pages<'a>,
    root: Levels,
    /// The bucket that keys go to.
    open: Option<(Bytes, Levels)>,
}

impl<'a> Build<'a> {
    /// Begins a file in a store that has no bytes.
    pub fn begin(store: &'a mut dyn PageStore) -> Build<'a> {
        assert!(store.is_empty(), "a new file begins empty");
        // Room for the meta pages.
        let pages = Pages { store, next: 2, buffer: vec![0; 2 * PAGE_SIZE] };
        Build { pages, root: Levels::new(), open: None }
    }

    /// Begins a bucket; its name is above those before it.
    pub fn bucket(&mut self, name: &[u8]) -> Result<(), BuildError> {
        self.close()?;
        check_element(name, &[])?;
        self.open = Some((Bytes::copy_from_slice(name), Levels::new()));
        Ok(())
    }

    /// Puts a key into the bucket that was begun last; it is above those before it.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        check_element(key, value)?;
        let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        let (_, levels) = self.open.as_mut().expect("keys are put into a bucket");
        levels.push(0, Inode { key, value, page: 0, is_bucket: false }, &mut self.pages)
    }

    /// Writes what is left; gives the file's length.
    pub fn finish(mut self) -> Result<u64, BuildError> {
        self.close()?;
        let root = self.root.finish(&mut self.pages)?;
        self.pages.finish(root)
    }

    /// Ends the open bucket: a small one lies in the value of its name.
    fn close(&mut self) -> Result<(), BuildError> {
        let Some((key, levels)) = self.open.take() else { return Ok(()) };
        let mut value = vec![0; BUCKET_BYTES];
        match levels.inline() {
            Some(node) => value.extend_from_slice(&node.to_inline()),
            None => value[..8].copy_from_slice(&levels.finish(&mut self.pages)?.to_le_bytes()),
        }
        let inode = Inode { key, value: value.into(), page: 0, is_bucket: true };
        self.root.push(0, inode, &mut self.pages)
    }
}

/// The open page of each level of a tree, leaves first.
struct Levels(Vec<Level>);

struct Level {
    node: Node,
    bytes: usize,
}

impl Level {
    fn new(is_leaf: bool) -> Level {
        let node = Node::new(BucketId(0), is_leaf, None);
        Level { bytes: node.bytes(), node }
    }
}

impl Levels {
    fn new() -> Levels {
        Levels(vec![Level::new(true)])
    }

    /// The only page, if it is small enough to lie in a value.
    fn inline(&self) -> Option<&Node> {
        let [only] = &self.0[..] else { return None };
        (only.bytes <= PAGE_SIZE / 4).then_some(&only.node)
    }

    fn push(&mut self, at: usize, inode: Inode, pages: &mut Pages<'_>) -> Result<(), BuildError> {
        if at == self.0.len() {
            self.0.push(Level::new(false));
        }
        let Level { node, bytes } = &self.0[at];
        let before = node.inodes.last();
        if before.is_some_and(|before| before.key >= inode.key) {
            return Err(BuildError::Order);
        }
        if node.inodes.len() >= KEYS_MIN && bytes + inode.bytes() > FULL_BYTES {
            self.flush(at, pages)?;
        }
        let level = &mut self.0[at];
        level.bytes += inode.bytes();
        level.node.inodes.push(inode);
        Ok(())
    }

    /// Writes the open page of a level, and tells the level above.
    fn flush(&mut self, at: usize, pages: &mut Pages<'_>) -> Result<(), BuildError> {
        let Level { node, .. } = std::mem::replace(&mut self.0[at], Level::new(at == 0));
        let page = pages.write(&node)?;
        let key = node.inodes.into_iter().next().expect("a full page has keys").key;
        self.push(at + 1, Inode { key, value: Bytes::new(), page, is_bucket: false }, pages)
    }

    /// Writes the open pages from below; gives the root's.
    fn finish(mut self, pages: &mut Pages<'_>) -> Result<u64, BuildError> {
        let mut at = 0;
        while at + 1 < self.0.len() {
            self.flush(at, pages)?;
            at += 1;
        }
        pages.write(&self.0[at].node)
    }
}

/// Pages on their way into the store.
struct Pages<'a> {
    store: &'a mut dyn PageStore,
    /// The page after the last one.
    next: u64,
    /// Those before it that the store has not got yet.
    buffer: Vec<u8>,
}

impl Pages<'_> {
    fn write(&mut self, node: &Node) -> Result<u64, BuildError> {
        let id = self.next;
        let bytes = node.to_page(id, PAGE_SIZE);
        self.next += (bytes.len() / PAGE_SIZE) as u64;
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(id)
    }

    fn flush(&mut self) -> Result<(), BuildError> {
        let at = self.next * u64::from(PAGE_BYTES) - self.buffer.len() as u64;
        self.store.write_at(at, &self.buffer).map_err(BuildError::Write)?;
        self.buffer.clear();
        Ok(())
    }

    /// The meta pages, of the last transaction and of the one before, show the same.
    fn finish(&mut self, root: u64) -> Result<u64, BuildError> {
        self.flush()?;
        let mut metas = vec![0; 2 * PAGE_SIZE];
        for (page, transaction) in [(0, 2), (1, 1)] {
            let meta = Meta {
                page_bytes: PAGE_BYTES,
                root,
                sequence: 0,
                freelist: None,
                high_water: self.next,
                transaction,
            };
            let head = meta.to_bytes(page);
            let at = if page == 0 { 0 } else { PAGE_SIZE };
            metas[at..at + head.len()].copy_from_slice(&head);
        }
        self.store.write_at(0, &metas).map_err(BuildError::Write)?;
        Ok(self.next * u64::from(PAGE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolt::{File, Value};

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    /// What a bucket is to hold: as many keys as are asked for, with values of that length.
    fn pairs(keys: u32, value_bytes: usize) -> Pairs {
        let value = |key: u32| vec![key.to_le_bytes()[0]; value_bytes];
        (0..keys).map(|key| (key.to_be_bytes().to_vec(), value(key))).collect()
    }

    fn built(buckets: &[(&str, Pairs)]) -> File {
        let mut store = Vec::new();
        let mut build = Build::begin(&mut store);
        for (name, pairs) in buckets {
            build.bucket(name.as_bytes()).unwrap();
            for (key, value) in pairs {
                build.put(key, value).unwrap();
            }
        }
        let len = build.finish().unwrap();
        assert_eq!(len, store.len() as u64, "all of it is written");
        File::open(store.into(), len).unwrap()
    }

    #[test]
    fn a_built_file_is_whole_and_holds_what_was_put() {
        for (keys, value_bytes) in
            [(0, 0), (1, 10), (40, 10), (41, 100), (3, 5000), (5000, 100), (300, 4000), (20_000, 1)]
        {
            let buckets = [
                ("a small one", pairs(2, 8)),
                ("b", pairs(keys, value_bytes)),
                ("c empty", Vec::new()),
                ("d", pairs(keys / 2, value_bytes)),
            ];
            let file = built(&buckets);
            let check = file.check();
            assert_eq!(check.problems, [], "{keys} keys with {value_bytes} bytes");
            assert_eq!(check.statistics.free_pages, 0, "nothing is free");
            for (name, pairs) in &buckets {
                let bucket = file.root().bucket(name.as_bytes()).unwrap().unwrap();
                let mut cursor = bucket.cursor();
                for (key, value) in pairs {
                    let item = cursor.next().unwrap().expect("another one");
                    assert_eq!((&item.key[..], &item.value[..]), (&key[..], &value[..]), "{name}");
                    let found = bucket.get(key).unwrap();
                    assert!(
                        matches!(found, Some(Value::Bytes(found)) if found == *value),
                        "{name}"
                    );
                }
                assert!(cursor.next().unwrap().is_none(), "{name} has no more");
            }
        }
    }

    #[test]
    fn a_built_file_can_be_written_to() {
        let file = built(&[("b", pairs(3000, 50))]);
        let mut disk = disk::Disk::new(1 << 24);
        let id = disk.create("/db").unwrap();
        disk.write(id, 0, &file.raw(0, file.len())).unwrap();
        let mut db = crate::bolt::Db::open(&disk, id, crate::bolt::DbOptions::default()).unwrap();
        let mut tx = db.begin();
        let root = tx.root();
        let bucket = tx.bucket(root, b"b").unwrap();
        for key in (0..3000_u32).step_by(2) {
            tx.delete(bucket, &key.to_be_bytes()).unwrap();
        }
        tx.put(bucket, b"behind all", Bytes::from_static(b"1")).unwrap();
        crate::bolt::tests::commit_all(&mut db, &mut disk, tx).unwrap();
        let check = db.file().check();
        assert_eq!((check.problems, check.statistics.keys), (Vec::new(), 1501), "after a change");
    }

    #[test]
    fn memory_holds_a_page_a_level() {
        let mut store = Vec::new();
        let mut build = Build::begin(&mut store);
        build.bucket(b"b").unwrap();
        for key in 0..100_000_u32 {
            build.put(&key.to_be_bytes(), &[7; 200]).unwrap();
            let (_, levels) = build.open.as_ref().unwrap();
            let held: usize = levels.0.iter().map(|level| level.bytes).sum();
            assert!(held <= levels.0.len() * PAGE_SIZE && levels.0.len() <= 4, "{held} bytes");
            assert!(build.pages.buffer.len() < BUFFER_BYTES + PAGE_SIZE, "the rest is written");
        }
    }

    #[test]
    fn what_no_file_can_hold_and_a_store_that_refuses_are_errors() {
        struct Full;
        impl crate::bolt::PageSource for Full {
            fn len(&self) -> u64 {
                0
            }
            fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<(), String> {
                Err("there is nothing".into())
            }
        }
        impl PageStore for Full {
            fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
                Err("no space left on device".into())
            }
        }
        let mut store = Full;
        let mut build = Build::begin(&mut store);
        build.bucket(b"b").unwrap();
        assert_eq!(build.put(b"", b"1"), Err(TxError::KeyRequired.into()));
        build.put(b"a", b"1").unwrap();
        assert_eq!(build.put(b"a", b"2"), Err(BuildError::Order));
        let told = build.finish().unwrap_err().to_string();
        assert_eq!(told, "cannot be written: no space left on device");
    }
}
