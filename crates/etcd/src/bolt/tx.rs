//! A write transaction: buckets and nodes under change, until they become pages.
//!
//! A transaction sees what it wrote; nobody else does before its commit. It touches no disk: it
//! reads pages of the state that it began from, takes apart those that it changes, and
//! [`Tx::finish`] makes new pages of them. Dropping it is a rollback.
//!
//! Source of the rules: bbolt 1.3.6 `tx.go`, `bucket.go`. Where the original walks a map of nodes
//! or buckets in any order, here it is the order of pages and names.

use ordered::Map;
use std::ops::Bound;

use bytes::Bytes;

use super::bucket::BUCKET_BYTES;
use super::free_pages::FreePages;
use super::node::{Inode, Node, NodeId};
use super::page::{Page, u64_at};
use super::place::Place;
use super::{File, Meta, Problem};

/// Longest key.
pub const KEY_BYTES_MAX: usize = 32_768;
/// Longest value.
pub const VALUE_BYTES_MAX: usize = (1 << 31) - 2;
/// How full a page is made when it is split, in percent.
pub const FILL_PERCENT: u32 = 50;

/// A bucket that a transaction has opened. It is known to that transaction only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketId(pub(super) usize);

/// Why a change is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// There is such a bucket.
    #[error("bucket already exists")]
    BucketExists,
    /// There is no such bucket.
    #[error("bucket not found")]
    BucketNotFound,
    /// The key holds a bucket where bytes were expected, or the other way round.
    #[error("incompatible value")]
    IncompatibleValue,
    /// The key is empty.
    #[error("key required")]
    KeyRequired,
    /// The key is longer than [`KEY_BYTES_MAX`].
    #[error("key too large")]
    KeyTooLarge,
    /// The value is longer than [`VALUE_BYTES_MAX`].
    #[error("value too large")]
    ValueTooLarge,
}

/// What a key of a bucket holds, as a transaction sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The key.
    pub key: Bytes,
    /// Its value; of a bucket the raw one, as it was before the transaction.
    pub value: Bytes,
    /// Whether the value is a bucket.
    pub is_bucket: bool,
}

/// A bucket under change.
#[derive(Debug, Clone)]
pub(super) struct OpenBucket {
    /// Its page; 0 for an inline bucket.
    pub(super) root: u64,
    pub(super) sequence: u64,
    pub(super) inline: Option<Page>,
    pub(super) root_node: Option<NodeId>,
    /// Page to the node made of it.
    pub(super) nodes: Map<u64, NodeId>,
    pub(super) buckets: Map<Bytes, BucketId>,
    pub(super) fill_percent: u32,
    pub(super) is_deleted: bool,
}

/// A write transaction.
#[derive(Debug, Clone)]
pub struct Tx {
    /// The state that it began from. All of its pages were checked.
    pub(super) file: File,
    pub(super) meta: Meta,
    pub(super) free: FreePages,
    pub(super) buckets: Vec<OpenBucket>,
    pub(super) nodes: Vec<Node>,
    /// Pages to write.
    pub(super) written: Map<u64, Vec<u8>>,
}

/// What the checks of an open file have shown to be sound.
pub(crate) fn sound<T>(result: Result<T, Problem>) -> T {
    result.expect("all pages of a database are checked when it is opened")
}

impl Tx {
    pub(super) fn new(file: File, mut free: FreePages) -> Tx {
        let mut meta = *file.meta();
        meta.transaction += 1;
        free.release();
        let root = OpenBucket::new(meta.root, meta.sequence, None);
        let buckets = vec![root];
        Tx { file, meta, free, buckets, nodes: Vec::new(), written: Map::new() }
    }

    /// The bucket of all buckets.
    pub fn root(&self) -> BucketId {
        BucketId(0)
    }

    /// The transaction's number.
    pub fn id(&self) -> u64 {
        self.meta.transaction
    }

    /// The bucket of that name inside another one.
    pub fn bucket(&mut self, parent: BucketId, name: &[u8]) -> Option<BucketId> {
        if let Some(known) = self.open(parent).buckets.get(name) {
            return Some(*known);
        }
        let found = self.get(parent, name).filter(|found| found.is_bucket)?;
        let value = &found.value;
        let (root, sequence) = (u64_at(value, 0), u64_at(value, 8));
        let inline = (root == 0).then(|| sound(Page::new(0, 0, value.slice(BUCKET_BYTES..))));
        Some(self.add_bucket(parent, name, OpenBucket::new(root, sequence, inline)))
    }

    /// Makes a bucket inside another one.
    pub fn create_bucket(&mut self, parent: BucketId, name: &[u8]) -> Result<BucketId, TxError> {
        check_key(name)?;
        match self.get(parent, name) {
            Some(found) if found.is_bucket => return Err(TxError::BucketExists),
            Some(_) => return Err(TxError::IncompatibleValue),
            None => {}
        }
        let empty = Node::new(BucketId(0), true, None).to_inline();
        let mut value = vec![0; BUCKET_BYTES];
        value.extend_from_slice(&empty);
        let inline = Some(sound(Page::new(0, 0, empty.into())));
        let leaf = self.leaf_node(parent, name);
        self.put_in(leaf, name, value.into(), true);
        Ok(self.add_bucket(parent, name, OpenBucket::new(0, 0, inline)))
    }

    /// Makes a bucket, or finds the one that is there.
    pub fn create_bucket_if_missing(
        &mut self,
        parent: BucketId,
        name: &[u8],
    ) -> Result<BucketId, TxError> {
        match self.bucket(parent, name) {
            Some(found) => Ok(found),
            None => self.create_bucket(parent, name),
        }
    }

    /// Removes a bucket with all that is in it.
    pub fn delete_bucket(&mut self, parent: BucketId, name: &[u8]) -> Result<(), TxError> {
        match self.get(parent, name) {
            None => return Err(TxError::BucketNotFound),
            Some(found) if !found.is_bucket => return Err(TxError::IncompatibleValue),
            Some(_) => {}
        }
        let bucket = self.bucket(parent, name).expect("it was just found");
        self.free_bucket(bucket);
        self.open_mut(parent).buckets.remove(name);
        let leaf = self.leaf_node(parent, name);
        self.nodes[leaf.0].delete(name);
        Ok(())
    }

    /// A bucket's counter.
    pub fn sequence(&self, bucket: BucketId) -> u64 {
        self.open(bucket).sequence
    }

    /// Sets a bucket's counter.
    pub fn set_sequence(&mut self, bucket: BucketId, sequence: u64) {
        self.root_node(bucket);
        self.open_mut(bucket).sequence = sequence;
    }

    /// How full this transaction makes the bucket's pages when it splits them: 10 to 100.
    pub fn set_fill_percent(&mut self, bucket: BucketId, percent: u32) {
        self.open_mut(bucket).fill_percent = percent;
    }

    /// Sets a key.
    pub fn put(&mut self, bucket: BucketId, key: &[u8], value: Bytes) -> Result<(), TxError> {
        self.put_bytes(bucket, &Bytes::copy_from_slice(key), value)
    }

    /// Sets a key that is shared already.
    pub fn put_bytes(
        &mut self,
        bucket: BucketId,
        key: &Bytes,
        value: Bytes,
    ) -> Result<(), TxError> {
        check_element(key, &value)?;
        let leaf = self.leaf_node(bucket, key);
        let node = &mut self.nodes[leaf.0];
        let position = node.position(key);
        let inode = Inode { key: key.clone(), value, page: 0, is_bucket: false };
        match node.inodes.get_mut(position) {
            Some(found) if found.key == *key && found.is_bucket => {
                return Err(TxError::IncompatibleValue);
            }
            Some(found) if found.key == *key => *found = inode,
            Some(_) | None => node.inodes.insert(position, inode),
        }
        Ok(())
    }

    /// Removes a key; nothing if it is not there.
    pub fn delete(&mut self, bucket: BucketId, key: &[u8]) -> Result<(), TxError> {
        match self.get(bucket, key) {
            None => return Ok(()),
            Some(found) if found.is_bucket => return Err(TxError::IncompatibleValue),
            Some(_) => {}
        }
        let leaf = self.leaf_node(bucket, key);
        self.nodes[leaf.0].delete(key);
        Ok(())
    }

    /// What a key holds.
    pub fn get(&self, bucket: BucketId, key: &[u8]) -> Option<Element> {
        self.seek(bucket, Bound::Included(key)).filter(|found| found.key[..] == *key)
    }

    /// The first key at, or above, a place.
    pub fn seek(&self, bucket: BucketId, from: Bound<&[u8]>) -> Option<Element> {
        let mut path: Vec<(Place<'_>, usize)> = Vec::new();
        let mut place = self.root_place(bucket);
        loop {
            let position = place.position(from);
            if place.is_leaf() {
                if let Some(found) = place.element(position) {
                    return Some(found);
                }
                break;
            }
            let child = place.child(position);
            path.push((place, position));
            place = self.place(bucket, child);
        }
        // The leaf has nothing there; the next one begins above, unless it was emptied.
        while let Some((branch, position)) = path.pop() {
            if position + 1 < branch.len() {
                let mut place = self.place(bucket, branch.child(position + 1));
                path.push((branch, position + 1));
                while !place.is_leaf() {
                    let child = self.place(bucket, place.child(0));
                    path.push((place, 0));
                    place = child;
                }
                if let Some(found) = place.element(0) {
                    return Some(found);
                }
            }
        }
        None
    }

    pub(super) fn page_bytes(&self) -> usize {
        usize::try_from(self.meta.page_bytes).expect("a page has at most 64 KiB")
    }

    pub(super) fn open(&self, bucket: BucketId) -> &OpenBucket {
        let open = &self.buckets[bucket.0];
        assert!(!open.is_deleted, "the bucket was deleted by this transaction");
        open
    }

    pub(super) fn open_mut(&mut self, bucket: BucketId) -> &mut OpenBucket {
        let open = &mut self.buckets[bucket.0];
        assert!(!open.is_deleted, "the bucket was deleted by this transaction");
        open
    }

    /// Takes the page apart that a bucket begins at.
    pub(super) fn root_node(&mut self, bucket: BucketId) -> NodeId {
        if let Some(node) = self.open(bucket).root_node {
            return node;
        }
        let OpenBucket { root, inline, .. } = self.open(bucket);
        let (root, inline) = (*root, inline.clone());
        let page = inline.unwrap_or_else(|| sound(self.file.page(root)));
        let node = self.add_node(sound(Node::read(bucket, None, root, &page)));
        let open = self.open_mut(bucket);
        open.root_node = Some(node);
        open.nodes.insert(root, node);
        node
    }

    /// Takes a child of a branch apart.
    pub(super) fn child_node(&mut self, parent: NodeId, position: usize) -> NodeId {
        let Node { bucket, .. } = self.nodes[parent.0];
        let id = self.nodes[parent.0].inodes[position].page;
        if let Some(known) = self.open(bucket).nodes.get(&id) {
            return *known;
        }
        let page = sound(self.file.page(id));
        let mut node = sound(Node::read(bucket, Some(parent), id, &page));
        node.key = self.nodes[parent.0].inodes[position].key.clone();
        let node = self.add_node(node);
        self.nodes[parent.0].children.push(node);
        self.open_mut(bucket).nodes.insert(id, node);
        node
    }

    /// Takes all pages apart on the way to the leaf that a key belongs to.
    pub(super) fn leaf_node(&mut self, bucket: BucketId, key: &[u8]) -> NodeId {
        let mut node = self.root_node(bucket);
        while !self.nodes[node.0].is_leaf {
            let position = self.nodes[node.0].child_position(key);
            node = self.child_node(node, position);
        }
        node
    }

    pub(super) fn put_in(&mut self, leaf: NodeId, key: &[u8], value: Bytes, is_bucket: bool) {
        let inode = Inode { key: Bytes::copy_from_slice(key), value, page: 0, is_bucket };
        self.nodes[leaf.0].put(inode);
    }

    pub(super) fn add_node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    fn add_bucket(&mut self, parent: BucketId, name: &[u8], open: OpenBucket) -> BucketId {
        self.buckets.push(open);
        let id = BucketId(self.buckets.len() - 1);
        self.open_mut(parent).buckets.insert(Bytes::copy_from_slice(name), id);
        id
    }

    pub(super) fn root_place(&self, bucket: BucketId) -> Place<'_> {
        let open = self.open(bucket);
        match (open.root_node, &open.inline) {
            (Some(node), _) => Place::Node(&self.nodes[node.0]),
            (None, Some(page)) => Place::Page(page.clone()),
            (None, None) => Place::Page(sound(self.file.page(open.root))),
        }
    }

    pub(super) fn place(&self, bucket: BucketId, page: u64) -> Place<'_> {
        match self.open(bucket).nodes.get(&page) {
            Some(node) => Place::Node(&self.nodes[node.0]),
            None => Place::Page(sound(self.file.page(page))),
        }
    }
}

impl OpenBucket {
    fn new(root: u64, sequence: u64, inline: Option<Page>) -> OpenBucket {
        OpenBucket {
            root,
            sequence,
            inline,
            root_node: None,
            nodes: Map::new(),
            buckets: Map::new(),
            fill_percent: FILL_PERCENT,
            is_deleted: false,
        }
    }
}

/// Whether a file can hold a key and its value.
pub(super) fn check_element(key: &[u8], value: &[u8]) -> Result<(), TxError> {
    check_key(key)?;
    if value.len() > VALUE_BYTES_MAX { Err(TxError::ValueTooLarge) } else { Ok(()) }
}

fn check_key(key: &[u8]) -> Result<(), TxError> {
    match key.len() {
        0 => Err(TxError::KeyRequired),
        1..=KEY_BYTES_MAX => Ok(()),
        _ => Err(TxError::KeyTooLarge),
    }
}
