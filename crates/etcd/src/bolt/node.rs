//! A page taken apart for writing: its elements, and its place among its relatives.
//!
//! ```text
//! page ─ read ─→ Node { inodes } ─ put, delete ─→ rebalance ─→ split ─→ bytes of new pages
//! ```
//!
//! Source of the rules: bbolt 1.3.6 `node.go`. The fill percent is an integer here.

use bytes::Bytes;

use super::page::{ELEMENT_BYTES, HEADER_BYTES, Page};
use super::tx::BucketId;
use super::{PageKind, Problem};

/// A node of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) usize);

/// No page is filled beyond this many elements: the header counts in 16 bits.
const INODES_MAX: usize = 0xFFFE;
/// A page has at least so many keys, unless it is the only one of its bucket.
const KEYS_PER_PAGE_MIN: usize = 2;

/// One element: of a leaf a key with its value, of a branch a key with the page below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) key: Bytes,
    /// Empty in a branch.
    pub(super) value: Bytes,
    /// The child; 0 in a leaf.
    pub(super) page: u64,
    pub(super) is_bucket: bool,
}

impl Inode {
    pub(super) fn bytes(&self) -> usize {
        ELEMENT_BYTES + self.key.len() + self.value.len()
    }
}

/// A page under change.
///
/// * Keys of `inodes` ascend.
/// * `children` are the nodes below that were taken apart too, in no order.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) bucket: BucketId,
    pub(super) is_leaf: bool,
    /// Something was removed: it may be too small.
    pub(super) is_unbalanced: bool,
    pub(super) is_spilled: bool,
    /// The key under which the parent knows it; empty for a new one.
    pub(super) key: Bytes,
    /// Where it was read from, or written to; 0 for nowhere.
    pub(super) page: u64,
    /// Pages that it takes there.
    pub(super) pages: u64,
    pub(super) parent: Option<NodeId>,
    pub(super) children: Vec<NodeId>,
    pub(super) inodes: Vec<Inode>,
}

impl Node {
    /// A node that has no page yet.
    pub(super) fn new(bucket: BucketId, is_leaf: bool, parent: Option<NodeId>) -> Node {
        Node {
            bucket,
            is_leaf,
            is_unbalanced: false,
            is_spilled: false,
            key: Bytes::new(),
            page: 0,
            pages: 0,
            parent,
            children: Vec::new(),
            inodes: Vec::new(),
        }
    }

    /// Takes a page apart; `id` is 0 for an inline one.
    pub(super) fn read(
        bucket: BucketId,
        parent: Option<NodeId>,
        id: u64,
        page: &Page,
    ) -> Result<Node, Problem> {
        let mut node = Node::new(bucket, page.kind == PageKind::Leaf, parent);
        node.page = id;
        node.pages = if id == 0 { 0 } else { u64::from(page.overflow) + 1 };
        // Room for one more: most pages are taken apart to get an element.
        node.inodes.reserve_exact(page.len() + 1);
        for index in 0..page.len() {
            node.inodes.push(if node.is_leaf {
                let element = page.leaf(index)?;
                let (key, value) = (element.key, element.value);
                Inode { key, value, page: 0, is_bucket: element.is_bucket }
            } else {
                let element = page.branch(index)?;
                let (key, page) = (element.key, element.child);
                Inode { key, value: Bytes::new(), page, is_bucket: false }
            });
        }
        node.key = node.inodes.first().map_or_else(Bytes::new, |first| first.key.clone());
        Ok(node)
    }

    /// Bytes that the node takes when it is written.
    pub(super) fn bytes(&self) -> usize {
        HEADER_BYTES + self.inodes.iter().map(Inode::bytes).sum::<usize>()
    }

    /// Position of the first element whose key is not below.
    pub(super) fn position(&self, key: &[u8]) -> usize {
        // Revisions come in order: most often the place is the end.
        if self.inodes.last().is_none_or(|last| last.key[..] < *key) {
            return self.inodes.len();
        }
        self.inodes.partition_point(|inode| inode.key[..] < *key)
    }

    /// Position of the element with this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        let position = self.position(key);
        self.inodes.get(position).filter(|inode| inode.key[..] == *key).map(|_| position)
    }

    /// Position of the child that a key belongs to.
    pub(super) fn child_position(&self, key: &[u8]) -> usize {
        let above = self.inodes.partition_point(|inode| inode.key[..] <= *key);
        above.saturating_sub(1)
    }

    /// Position of the child that lies at a page, and is known by a key.
    pub(super) fn position_of(&self, page: u64, key: &[u8]) -> usize {
        let position = self.position(key);
        if self.inodes.get(position).is_some_and(|inode| inode.page == page) {
            return position;
        }
        let found = self.inodes.iter().position(|inode| inode.page == page);
        found.expect("a parent lists the pages of its children")
    }

    /// Puts an element in the place of the one with its key, or where it belongs.
    pub(super) fn put(&mut self, inode: Inode) {
        assert!(!inode.key.is_empty(), "an element without a key");
        let position = self.position(&inode.key);
        match self.inodes.get_mut(position) {
            Some(found) if found.key == inode.key => *found = inode,
            Some(_) | None => self.inodes.insert(position, inode),
        }
    }

    /// Removes an element.
    pub(super) fn delete(&mut self, key: &[u8]) {
        if let Some(position) = self.find(key) {
            self.inodes.remove(position);
            self.is_unbalanced = true;
        }
    }

    /// Whether it has so few keys or bytes that it should be merged with a neighbour.
    pub(super) fn is_small(&self, page_bytes: usize) -> bool {
        let keys_min = if self.is_leaf { 1 } else { 2 };
        self.bytes() <= page_bytes / 4 || self.inodes.len() <= keys_min
    }

    /// Cuts the elements into those of one page each: this node keeps the first, the others are
    /// returned.
    pub(super) fn split(&mut self, page_bytes: usize, fill_percent: u32) -> Vec<Vec<Inode>> {
        let threshold = page_bytes * fill_percent.clamp(10, 100) as usize / 100;
        let mut lengths = Vec::new();
        let mut rest = &self.inodes[..];
        while let Some(length) = first_length(rest, page_bytes, threshold) {
            lengths.push(length);
            rest = &rest[length..];
        }
        let Some((first, others)) = lengths.split_first() else { return Vec::new() };
        let mut rest = self.inodes.split_off(*first).into_iter();
        let mut cut: Vec<Vec<Inode>> =
            others.iter().map(|length| rest.by_ref().take(*length).collect()).collect();
        cut.push(rest.collect());
        cut
    }

    /// The node as a page of its own, or as several that belong together.
    pub(super) fn to_page(&self, id: u64, page_bytes: usize) -> Vec<u8> {
        let pages = self.bytes().div_ceil(page_bytes);
        let overflow = u32::try_from(pages - 1).expect("a page is at most 2 GiB");
        let mut bytes = Vec::with_capacity(pages * page_bytes);
        self.write(id, overflow, &mut bytes);
        bytes.resize(pages * page_bytes, 0);
        bytes
    }

    /// The node as the page inside a bucket's value.
    pub(super) fn to_inline(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        self.write(0, 0, &mut bytes);
        bytes
    }

    /// Header, elements, keys and values, at the end of `bytes`.
    fn write(&self, id: u64, overflow: u32, bytes: &mut Vec<u8>) {
        assert!(self.inodes.len() <= INODES_MAX, "{} elements in a page", self.inodes.len());
        let flags: u16 = if self.is_leaf { 2 } else { 1 };
        let count = u16::try_from(self.inodes.len()).expect("checked above");
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&overflow.to_le_bytes());
        let mut pos = self.inodes.len() * ELEMENT_BYTES;
        for inode in &self.inodes {
            bytes.extend_from_slice(&self.element(inode, pos));
            pos = pos - ELEMENT_BYTES + inode.key.len() + inode.value.len();
        }
        for inode in &self.inodes {
            bytes.extend_from_slice(&inode.key);
            bytes.extend_from_slice(&inode.value);
        }
    }

    fn element(&self, inode: &Inode, pos: usize) -> [u8; ELEMENT_BYTES] {
        let number = |value: usize| u32::try_from(value).expect("a page is at most 2 GiB");
        let (pos, key) = (number(pos).to_le_bytes(), number(inode.key.len()).to_le_bytes());
        let mut element = [0; ELEMENT_BYTES];
        if self.is_leaf {
            element[..4].copy_from_slice(&u32::from(inode.is_bucket).to_le_bytes());
            element[4..8].copy_from_slice(&pos);
            element[8..12].copy_from_slice(&key);
            element[12..].copy_from_slice(&number(inode.value.len()).to_le_bytes());
        } else {
            element[..4].copy_from_slice(&pos);
            element[4..8].copy_from_slice(&key);
            element[8..].copy_from_slice(&inode.page.to_le_bytes());
        }
        element
    }
}

/// How many elements the first page takes, when they do not all fit into one.
fn first_length(inodes: &[Inode], page_bytes: usize, threshold: usize) -> Option<usize> {
    if inodes.len() <= 2 * KEYS_PER_PAGE_MIN || fits(inodes, page_bytes) {
        return None;
    }
    let mut bytes = HEADER_BYTES;
    let mut length = 0;
    for (index, inode) in inodes[..inodes.len() - KEYS_PER_PAGE_MIN].iter().enumerate() {
        length = index;
        if index >= KEYS_PER_PAGE_MIN && bytes + inode.bytes() > threshold {
            break;
        }
        bytes += inode.bytes();
    }
    Some(length)
}

fn fits(inodes: &[Inode], page_bytes: usize) -> bool {
    let mut bytes = HEADER_BYTES;
    inodes.iter().all(|inode| {
        bytes += inode.bytes();
        bytes < page_bytes
    })
}
